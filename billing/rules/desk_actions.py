"""The desk's log is added to and read; nobody changes it, and nobody signs for somebody else."""

from __future__ import annotations

from typing import Final

from django.conf import settings

from billing.rules.refusing import before, function, refuse

TABLE: Final = "billing_deskaction"
KEEP: Final = function(
    "billing_keep_desk_action", f"BEGIN {refuse('the log of the desk is append-only: % refused', 'TG_OP')}; END"
)
_OWN: Final = (
    "(SELECT xfra_is_system()) OR ((SELECT xfra_is_desk())"
    " AND by_id = (SELECT u.party_id FROM homes_user u WHERE u.id = (SELECT xfra_user_id())))"
)


def everything_sql() -> list[str]:
    role = '"' + settings.DATABASE_APP_ROLE.replace('"', '""') + '"'
    return [
        KEEP,
        before(TABLE, "UPDATE OR DELETE", "billing_keep_desk_action"),
        f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY; ALTER TABLE {TABLE} FORCE ROW LEVEL SECURITY;"
        f"CREATE POLICY owner_everything ON {TABLE} TO CURRENT_USER USING (true) WITH CHECK (true);"
        f"CREATE POLICY application_reads ON {TABLE} FOR SELECT TO {role} USING ((SELECT xfra_is_desk()));"
        f"CREATE POLICY application_adds ON {TABLE} FOR INSERT TO {role} WITH CHECK ({_OWN});"
        f"CREATE POLICY application_changes ON {TABLE} FOR UPDATE TO {role} USING ((SELECT xfra_is_desk()));"
        f"CREATE POLICY application_removes ON {TABLE} FOR DELETE TO {role} USING ((SELECT xfra_is_desk()));",
    ]


"""Changes reach the trigger, which refuses them by name: without a policy they would silently do nothing."""
