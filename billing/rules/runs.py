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
  IF NEW.starts_at <> NEW.start::timestamp AT TIME ZONE NEW.zone OR NEW.ends_at <> NEW."end"::timestamp AT TIME ZONE NEW.zone
     OR NEW.interval_count * 900 <> extract(epoch FROM NEW.ends_at - NEW.starts_at)
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


def everything_sql() -> list[str]:
    return [
        PERIOD,
        RUN,
        SEGMENT,
        before("billing_billingperiod", "INSERT OR UPDATE", "billing_check_period"),
        before("billing_ratingrun", "INSERT", "billing_stamp_run"),
        before("billing_segment", "INSERT", "billing_come_with_run"),
        append_only("billing_ratingrun"),
        append_only("billing_segment"),
    ]
