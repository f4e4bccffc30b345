"""Published tariffs are frozen; of assignments and agreements only the end may move, never into billed days."""

from __future__ import annotations

from typing import Final

from billing.rules.refusing import before, function, refuse

FREEZE: Final = function(
    "billing_freeze_published_tariff",
    f"""
BEGIN
  IF OLD.published_at IS NOT NULL THEN {refuse("tariff version % is published: % refused", "OLD.id", "TG_OP")}; END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END """,
)

FREEZE_NAME: Final = function(
    "billing_freeze_tariff",
    f"""
BEGIN
  IF EXISTS (SELECT 1 FROM billing_tariffversion v WHERE v.tariff_id = OLD.id AND v.published_at IS NOT NULL)
  THEN {refuse("tariff % has published versions: % refused", "OLD.id", "TG_OP")}; END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END """,
)

ONLY_ITS_END: Final = function(
    "billing_move_only_the_end",
    f"""
BEGIN
  IF TG_OP = 'DELETE' THEN {refuse("%: a row is ended, never deleted", "TG_TABLE_NAME")}; END IF;
  IF to_jsonb(OLD) - 'span' IS DISTINCT FROM to_jsonb(NEW) - 'span'
     OR isempty(OLD.span) OR (NOT isempty(NEW.span) AND lower(OLD.span) IS DISTINCT FROM lower(NEW.span))
  THEN {refuse("%: only the end of row % may change", "TG_TABLE_NAME", "OLD.id")}; END IF;
  RETURN NEW;
END """,
)

AGREEMENT: Final = function(
    "billing_keep_out_of_billed_days",
    f"""
BEGIN
  IF EXISTS (SELECT 1 FROM billing_billingperiod p WHERE p.home_id = NEW.home_id
             AND ((p.start < lower(NEW.span) AND lower(NEW.span) < p."end")
                  OR (p.start < upper(NEW.span) AND upper(NEW.span) < p."end")))
  THEN {refuse("an agreement cannot begin or end within a period that was rated")}; END IF;
  IF TG_OP = 'UPDATE' AND EXISTS (SELECT 1 FROM billing_statement s JOIN billing_billingperiod p ON p.id = s.period_id
             WHERE s.agreement_id = OLD.id AND s.state = 'issued' AND NOT daterange(p.start, p."end") <@ NEW.span)
  THEN {refuse("agreement % has settled days after that", "OLD.id")}; END IF;
  RETURN NEW;
END """,
)


def everything_sql() -> list[str]:
    return [
        FREEZE,
        FREEZE_NAME,
        ONLY_ITS_END,
        AGREEMENT,
        before("billing_tariffversion", "UPDATE OR DELETE", "billing_freeze_published_tariff"),
        before("billing_tariff", "UPDATE OR DELETE", "billing_freeze_tariff"),
        before("billing_tariffassignment", "UPDATE OR DELETE", "billing_move_only_the_end"),
        before("billing_agreement", "UPDATE OR DELETE", "billing_move_only_the_end"),
        before("billing_agreement", "INSERT OR UPDATE", "billing_keep_out_of_billed_days"),
    ]
