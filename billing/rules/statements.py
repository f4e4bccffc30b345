"""Statements: numbered by the database when issued, fixed from then on, chained, their sums right at COMMIT."""

from __future__ import annotations

from typing import Final

from billing.rules.refusing import at_commit, before, function, refuse
from homes.row_security import append_only

FIRST_HASH: Final = "0" * 64
"""What the first link of a home's chain names as the link before it."""

ISSUE: Final = function(
    "billing_keep_issued",
    f"""
BEGIN
  IF TG_OP <> 'INSERT' AND OLD.state = 'issued'
  THEN {refuse("statement % is issued: % refused", "OLD.number", "TG_OP")}; END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  IF NEW.number IS NOT NULL THEN {refuse("statement numbers are given by the database")}; END IF;
  IF TG_OP = 'INSERT' AND NEW.state <> 'draft' THEN {refuse("a statement begins as a draft")}; END IF;
  IF NEW.revises_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM billing_statement r
       WHERE r.id = NEW.revises_id AND r.state = 'issued' AND r.period_id = NEW.period_id AND r.home_id = NEW.home_id)
  THEN {refuse("a revision is of an issued statement of the same period")}; END IF;
  IF NOT EXISTS (SELECT 1 FROM billing_ratingrun r JOIN billing_agreement a ON a.id = NEW.agreement_id
       WHERE r.id = NEW.run_id AND r.period_id = NEW.period_id AND r.home_id = NEW.home_id AND a.home_id = NEW.home_id)
  THEN {refuse("run and agreement are not of this home and period")}; END IF;
  IF NEW.state = 'issued' THEN
    -- One after the other until COMMIT: a number that is rolled back is given to the next.
    PERFORM pg_advisory_xact_lock(hashtext('billing_statement_number'));
    SELECT coalesce(max(number), 0) + 1 INTO NEW.number FROM billing_statement;
    NEW.issued_at := now();
  END IF;
  RETURN NEW;
END """,
)

LINE: Final = function(
    "billing_keep_lines",
    f"""
DECLARE found text;
BEGIN
  IF TG_OP <> 'INSERT' THEN
    SELECT state INTO found FROM billing_statement WHERE id = OLD.statement_id FOR SHARE;
    IF found = 'issued' THEN {refuse("the statement of this line is issued: % refused", "TG_OP")}; END IF;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  SELECT state INTO found FROM billing_statement WHERE id = NEW.statement_id FOR SHARE;
  IF found = 'issued' THEN {refuse("the statement of this line is issued: % refused", "TG_OP")}; END IF;
  RETURN NEW;
END """,
)

SUMS: Final = f"""
DECLARE asked bigint; said record; lines record;
BEGIN
  asked := CASE WHEN TG_TABLE_NAME = 'billing_statement' THEN (to_jsonb(NEW) ->> 'id')::bigint
                ELSE (to_jsonb(coalesce(NEW, OLD)) ->> 'statement_id')::bigint END;
  SELECT * INTO said FROM billing_statement WHERE id = asked;
  IF NOT FOUND THEN RETURN NULL; END IF;
  SELECT coalesce(sum(amount_cents), 0) AS total, coalesce(sum(with_cents), 0) AS bill_with,
         coalesce(sum(without_cents), 0) AS bill_without, coalesce(sum(host_cash_cents), 0) AS you,
         coalesce(sum(operator_cash_cents), 0) AS we INTO lines FROM billing_statementline WHERE statement_id = asked;
  IF (said.total_cents, said.bill_with_cents, said.bill_without_cents, said.you_pay_cents, said.we_pay_cents)
     IS DISTINCT FROM (lines.total, lines.bill_with, lines.bill_without, lines.you, lines.we)
  THEN {refuse("the totals of statement % are not the sums of its lines", "asked")}; END IF;
  IF said.state = 'issued' AND NOT EXISTS (SELECT 1 FROM billing_chainlink c WHERE c.statement_id = asked)
  THEN {refuse("statement % is issued and not in its chain", "asked")}; END IF;
  RETURN NULL;
END """

LINK: Final = function(
    "billing_check_link",
    f"""
DECLARE last record;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM billing_statement s WHERE s.id = NEW.statement_id AND s.home_id = NEW.home_id
                 AND s.state = 'issued') THEN {refuse("only what is issued is chained")}; END IF;
  SELECT position, sha256 INTO last FROM billing_chainlink WHERE home_id = NEW.home_id ORDER BY position DESC LIMIT 1;
  IF NEW.position <> coalesce(last.position, 0) + 1 OR NEW.previous_sha256 <> coalesce(last.sha256, '{FIRST_HASH}')
  THEN {refuse("link % does not continue the chain of home %", "NEW.position", "NEW.home_id")}; END IF;
  RETURN NEW;
END """,
)


def everything_sql() -> list[str]:
    return [
        ISSUE,
        LINE,
        function("billing_check_sums", SUMS),
        LINK,
        before("billing_statement", "INSERT OR UPDATE OR DELETE", "billing_keep_issued"),
        before("billing_statementline", "INSERT OR UPDATE OR DELETE", "billing_keep_lines"),
        at_commit("billing_statement", "INSERT OR UPDATE", "billing_check_sums"),
        at_commit("billing_statementline", "INSERT OR UPDATE OR DELETE", "billing_check_sums"),
        before("billing_chainlink", "INSERT", "billing_check_link"),
        append_only("billing_chainlink"),
        append_only("billing_chainkey"),
    ]
