"""Who may read which home's money, and that only the desk and the system's own work may write any of it."""

from __future__ import annotations

from typing import Final

from homes.row_security import policies

FUNCTIONS: Final = """
CREATE FUNCTION xfra_is_desk() RETURNS boolean LANGUAGE sql STABLE AS
  $$ SELECT xfra_is_system() OR coalesce(xfra_staff_role() IN ('billing', 'admin'), false) $$;

CREATE FUNCTION xfra_billed_homes() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
  $$ SELECT m.home_id FROM homes_membership m JOIN homes_user u ON u.id = m.user_id
     WHERE m.user_id = (SELECT xfra_user_id()) AND u.is_active AND m.role IN ('owner', 'member') $$;

CREATE FUNCTION xfra_contracted_homes() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
  $$ SELECT m.home_id FROM homes_membership m JOIN homes_user u ON u.id = m.user_id
     WHERE m.user_id = (SELECT xfra_user_id()) AND u.is_active AND m.role = 'owner' $$;
"""

BILLED: Final = "home_id IN (SELECT xfra_billed_homes())"
CONTRACTED: Final = "home_id IN (SELECT xfra_contracted_homes())"
NOT_OF_PAYOUTS: Final = f"({BILLED} AND payout_id IS NULL) OR {CONTRACTED}"
STATEMENTS_NOTICES: Final = f"({BILLED} AND kind IN ('issued', 'revised')) OR {CONTRACTED}"
NOBODY_ELSE: Final = "false"

READ_BY: Final = {
    "billing_tariffassignment": BILLED,
    "billing_agreement": CONTRACTED,
    "billing_billingperiod": BILLED,
    "billing_ratingrun": BILLED,
    "billing_segment": "EXISTS (SELECT 1 FROM billing_ratingrun r WHERE r.id = run_id)",
    "billing_statement": f"state = 'issued' AND {BILLED}",
    "billing_statementline": "EXISTS (SELECT 1 FROM billing_statement s WHERE s.id = statement_id)",
    "billing_chainlink": BILLED,
    "billing_account": f"home_id IS NULL OR {BILLED}",  # that the operator has a cash account is no secret
    "billing_entry": NOT_OF_PAYOUTS,
    "billing_posting": "EXISTS (SELECT 1 FROM billing_entry e WHERE e.id = entry_id)",
    "billing_payout": CONTRACTED,
    "billing_utilitybill": BILLED,
    "billing_reconciliation": BILLED,
    "billing_close": NOBODY_ELSE,
    "billing_closeitem": NOBODY_ELSE,
    "billing_notice": STATEMENTS_NOTICES,
    "billing_bookscheck": NOBODY_ELSE,
}
"""By table: which rows people of a household may read. The desk reads all."""

WRITTEN_BY_THE_DESK: Final = ("billing_tariff", "billing_tariffversion", "billing_taxthreshold", "billing_chainkey")
"""What belongs to no home: everybody may read it."""


def guard_sql(table: str, read: str) -> str:
    """Policies of one table; the subselects make Postgres ask once per statement and not once per row."""
    desk = "(SELECT xfra_is_desk())"
    return policies(table, reads=f"{desk} OR ({read})", adds=desk, changes=(desk, desk), removes=desk)


def everything_sql() -> list[str]:
    tables = [guard_sql(table, read) for table, read in READ_BY.items()]
    return [FUNCTIONS, *tables, *(guard_sql(table, "true") for table in WRITTEN_BY_THE_DESK)]
