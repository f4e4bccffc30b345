"""Questions stay as they were asked and answered. The household asks, the desk answers; a key is its owner's alone."""

from __future__ import annotations

from typing import Final

from django.conf import settings

from billing.rules.refusing import before, function, refuse
from billing.rules.row_security import BILLED

QUESTION: Final = function(
    "billing_keep_question",
    f"""
BEGIN
  IF TG_OP = 'DELETE' THEN {refuse("questions are never deleted")}; END IF;
  IF NOT EXISTS (SELECT 1 FROM billing_statement s WHERE s.id = NEW.statement_id AND s.home_id = NEW.home_id
                 AND s.state = 'issued') THEN {refuse("a question is about an issued statement of the home")}; END IF;
  IF NEW.line IS NOT NULL AND NOT EXISTS (SELECT 1 FROM billing_statementline l
       WHERE l.statement_id = NEW.statement_id AND l.ordinal = NEW.line)
  THEN {refuse("the statement has no line %", "NEW.line")}; END IF;
  IF TG_OP = 'INSERT' THEN
    IF NEW.answered_at IS NOT NULL THEN {refuse("a question begins unanswered")}; END IF;
  ELSIF OLD.answered_at IS NOT NULL
     OR (OLD.home_id, OLD.statement_id, OLD.line, OLD.text, OLD.asked_by_id, OLD.asked_at)
        IS DISTINCT FROM (NEW.home_id, NEW.statement_id, NEW.line, NEW.text, NEW.asked_by_id, NEW.asked_at)
  THEN {refuse("question % is what was said", "OLD.id")}; END IF;
  RETURN NEW;
END """,
)


def _enforced(table: str) -> str:
    return (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; ALTER TABLE {table} FORCE ROW LEVEL SECURITY;"
        f"CREATE POLICY owner_everything ON {table} TO CURRENT_USER USING (true) WITH CHECK (true);"
    )


def everything_sql() -> list[str]:
    role = '"' + settings.DATABASE_APP_ROLE.replace('"', '""') + '"'
    desk, own = "(SELECT xfra_is_desk())", "(SELECT xfra_is_system()) OR user_id = (SELECT xfra_user_id())"
    asks, keys = "billing_statementquestion", "billing_keyedrequest"
    return [
        QUESTION,
        before(asks, "INSERT OR UPDATE OR DELETE", "billing_keep_question"),
        _enforced(asks)
        + f"CREATE POLICY application_reads ON {asks} FOR SELECT TO {role} USING ({desk} OR {BILLED});"
        + f"CREATE POLICY application_adds ON {asks} FOR INSERT TO {role} WITH CHECK ({desk} OR {BILLED});"
        + f"CREATE POLICY application_changes ON {asks} FOR UPDATE TO {role} USING ({desk}) WITH CHECK ({desk});",
        _enforced(keys) + f"CREATE POLICY application_rows ON {keys} TO {role} USING ({own}) WITH CHECK ({own});",
    ]
