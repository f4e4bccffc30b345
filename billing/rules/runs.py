"""Periods are as long as their hours; a run and its segments come together and stay as they are."""

from __future__ import annotations

from typing import Final

from billing.rules.refusing import before, function, refuse
from homes.row_security import append_only

PERIOD: Final = function(
    "billing_check_period",
    f"""
BEGIN
  IF TG_OP = 'UPDATE' THEN {refuse("billing periods are append-only")}; END IF;
  -- Which instant a local midnight is, the pinned tzdata says and not Postgres' own.
  IF NEW.interval_count * 900 <> extract(epoch FROM NEW.ends_at - NEW.starts_at)
     OR abs(extract(epoch FROM NEW.starts_at - NEW.start::timestamp AT TIME ZONE 'UTC')) > 14 * 3600
     OR abs(extract(epoch FROM NEW.ends_at - NEW."end"::timestamp AT TIME ZONE 'UTC')) > 14 * 3600
  THEN {refuse("period % to % is not from midnight to midnight in %", "NEW.start", 'NEW."end"', "NEW.zone")}; END IF;
  RETURN NEW;
END """,
)

RUN: Final = function("billing_stamp_run", "BEGIN NEW.rated_at := now(); RETURN NEW; END")

SEGMENT: Final = function(
    "billing_come_with_run",
    f"""
BEGIN
  IF NOT EXISTS (SELECT 1 FROM billing_ratingrun r WHERE r.id = NEW.run_id AND r.rated_at = now())
  THEN {refuse("segments come in the transaction of their run")}; END IF;
  RETURN NEW;
END """,
)


EVERY_DIGIT: Final = """
ALTER TABLE billing_ratingrun ALTER with_dollars TYPE numeric, ALTER without_dollars TYPE numeric;
ALTER TABLE billing_segment ALTER quantity TYPE numeric, ALTER rate TYPE numeric, ALTER exact TYPE numeric;
ALTER TABLE billing_statementline ALTER quantity_with TYPE numeric, ALTER quantity_without TYPE numeric, ALTER rate TYPE numeric;
"""


def everything_sql() -> list[str]:
    return [
        EVERY_DIGIT,
        PERIOD,
        RUN,
        SEGMENT,
        before("billing_billingperiod", "INSERT OR UPDATE", "billing_check_period"),
        before("billing_ratingrun", "INSERT", "billing_stamp_run"),
        before("billing_segment", "INSERT", "billing_come_with_run"),
        append_only("billing_ratingrun"),
        append_only("billing_segment"),
    ]
