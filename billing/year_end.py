"""A year's payments to each host, and whether they are reported. A view of the ledger, not tax advice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from billing import bulk
from billing.models import TaxThreshold
from homes.models import Home

_PAID: Final = """
SELECT p.host_id, p.home_id, -sum(x.cents)::bigint, count(DISTINCT p.id)
FROM billing_payout p JOIN billing_entry e ON e.payout_id = p.id
JOIN billing_posting x ON x.entry_id = e.id JOIN billing_account a ON a.id = x.account_id AND a.code = 'cash'
JOIN homes_home h ON h.id = p.home_id
WHERE p.home_id = ANY(%s) AND (e.at AT TIME ZONE h.timezone)::date >= %s AND (e.at AT TIME ZONE h.timezone)::date < %s
GROUP BY p.host_id, p.home_id ORDER BY p.host_id, p.home_id
"""
_BENEFITS: Final = """
SELECT s.home_id, sum(s.saved_cents)::bigint, sum(k.cents)::bigint FROM billing_statement s
JOIN billing_billingperiod p ON p.id = s.period_id
CROSS JOIN LATERAL (SELECT coalesce(sum(l.in_kind_cents), 0) AS cents FROM billing_statementline l
  WHERE l.statement_id = s.id) k
WHERE s.home_id = ANY(%s) AND s.state = 'issued' AND p.start >= %s AND p.start < %s
AND NOT EXISTS (SELECT 1 FROM billing_statement r WHERE r.revises_id = s.id AND r.state = 'issued')
GROUP BY s.home_id
"""


class NoThreshold(LookupError):
    """Nobody has entered from how much on payments of that year are reported."""


@dataclass(frozen=True, slots=True)
class Year:
    """Of one host and home, in cents. Cash is what arrived less what came back; in-kind is shown and not added."""

    host_id: int
    home_id: UUID
    year: int
    cash_cents: int
    in_kind_cents: int
    saved_cents: int
    payouts: int
    threshold_cents: int
    host_cash_cents: int
    """Of the host over all their homes: what is compared with the threshold."""

    @property
    def is_reported(self) -> bool:
        return self.host_cash_cents >= self.threshold_cents


def threshold(year: int, form: str = TaxThreshold.Form.MISC) -> int:
    """Cents from which on payments of the year are reported. Raises NoThreshold."""
    row = TaxThreshold.objects.filter(form=form, valid_from__lte=date(year, 12, 31)).order_by("-valid_from").first()
    if row is None:
        raise NoThreshold(f"no threshold of {form} is known for {year}")
    return row.cents


def years(homes: Iterable[Home], year: int, form: str = TaxThreshold.Form.MISC) -> list[Year]:
    """For each host and home with payments in the year, by the home's own calendar."""
    ids = [home.pk for home in homes]
    first, after = date(year, 1, 1), date(year + 1, 1, 1)
    benefits = {home_id: (saved, in_kind) for home_id, saved, in_kind in bulk.fetch(_BENEFITS, [ids, first, after])}
    rows = bulk.fetch(_PAID, [ids, first, after])
    by_host: dict[int, int] = {}
    for host_id, _, cash, _ in rows:
        by_host[host_id] = by_host.get(host_id, 0) + cash
    limit = threshold(year, form)
    found = []
    for host_id, home_id, cash, count in rows:
        saved, in_kind = benefits.get(home_id, (0, 0))
        found.append(Year(host_id, home_id, year, cash, in_kind, saved, count, limit, by_host[host_id]))
    return found
