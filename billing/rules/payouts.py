"""A payout goes forward only, and who gets how much never changes. Facts about bills and taxes are append-only."""

from __future__ import annotations

from typing import Final

from billing.rules.refusing import before, function, refuse
from homes.row_security import append_only

MOVE: Final = function(
    "billing_move_payout",
    f"""
BEGIN
  IF TG_OP = 'DELETE' THEN {refuse("payouts are never deleted")}; END IF;
  IF TG_OP = 'INSERT' THEN
    IF NEW.state <> 'created' THEN {refuse("a payout begins as created")}; END IF;
    RETURN NEW;
  END IF;
  IF (OLD.home_id, OLD.host_id, OLD.cents, OLD.key, OLD.created_at)
     IS DISTINCT FROM (NEW.home_id, NEW.host_id, NEW.cents, NEW.key, NEW.created_at)
  THEN {refuse("who gets how much in payout % is settled", "OLD.key")}; END IF;
  IF OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN
     (('created', 'sent'), ('created', 'failed'), ('sent', 'paid'), ('sent', 'failed'), ('paid', 'returned'))
  THEN {refuse("payout % cannot go from % to %", "OLD.key", "OLD.state", "NEW.state")}; END IF;
  IF OLD.state = NEW.state AND OLD.state IN ('failed', 'returned')
  THEN {refuse("payout % is at its end", "OLD.key")}; END IF;
  RETURN NEW;
END """,
)

NOTICE: Final = function(
    "billing_keep_notice",
    f"""
BEGIN
  IF TG_OP = 'DELETE' OR OLD.sent_at IS NOT NULL
     OR (OLD.home_id, OLD.kind, OLD.key, OLD.facts, OLD.created_at)
        IS DISTINCT FROM (NEW.home_id, NEW.kind, NEW.key, NEW.facts, NEW.created_at)
  THEN {refuse("notice % is what was said", "OLD.key")}; END IF;
  RETURN NEW;
END """,
)

ITEM: Final = function(
    "billing_keep_item",
    f"""
BEGIN
  IF OLD.stage = 'issued' THEN {refuse("what a close has issued stays issued")}; END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END """,
)


def everything_sql() -> list[str]:
    return [
        MOVE,
        NOTICE,
        ITEM,
        before("billing_payout", "INSERT OR UPDATE OR DELETE", "billing_move_payout"),
        before("billing_notice", "UPDATE OR DELETE", "billing_keep_notice"),
        before("billing_closeitem", "UPDATE OR DELETE", "billing_keep_item"),
        append_only("billing_utilitybill"),
        append_only("billing_reconciliation"),
        append_only("billing_taxthreshold"),
    ]
