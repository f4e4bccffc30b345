"""Row-level security: the SQL that makes Postgres refuse what `visible_to` would refuse.

Used by migrations of every app whose rows belong to a home. Policies name two roles: the owner (who
migrates, and as whom the SECURITY DEFINER functions below look things up) sees everything; the
application sees what `xfra.access` allows (see homes.access). To see a row is not to write it: people
and homes are made and changed by commands and workers, which are the system, and by no page.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.migrations import RunPython
from django.db.migrations.operations.base import Operation

FUNCTIONS = """
CREATE FUNCTION xfra_is_system() RETURNS boolean LANGUAGE sql STABLE AS
  $$ SELECT current_setting('xfra.access', true) = 'system' $$;

CREATE FUNCTION xfra_is_signing_in() RETURNS boolean LANGUAGE sql STABLE AS
  $$ SELECT current_setting('xfra.access', true) = 'signing-in' $$;

CREATE FUNCTION xfra_user_id() RETURNS bigint LANGUAGE sql STABLE AS
  $$ SELECT CASE WHEN current_setting('xfra.access', true) ~ '^[0-9]{1,18}$'
       THEN current_setting('xfra.access', true)::bigint END $$;

CREATE FUNCTION xfra_password_of(person bigint) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
  $$ SELECT u.password FROM homes_user u WHERE u.id = person
       AND (xfra_is_system() OR xfra_is_signing_in() OR u.id = xfra_user_id()) $$;

CREATE FUNCTION xfra_staff_role() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
  $$ SELECT r.role FROM homes_operatorrole r JOIN homes_user u ON u.id = r.user_id
     WHERE r.user_id = (SELECT xfra_user_id()) AND u.is_active $$;

CREATE FUNCTION xfra_visible_homes() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
  $$ SELECT m.home_id FROM homes_membership m JOIN homes_user u ON u.id = m.user_id
       WHERE m.user_id = (SELECT xfra_user_id()) AND u.is_active
     UNION SELECT h.id FROM homes_home h WHERE (SELECT xfra_staff_role()) IN ('viewer', 'operator', 'billing', 'admin')
     UNION SELECT n.home_id FROM homes_workorder w JOIN homes_node n ON n.id = w.node_id
       WHERE w.technician_id = (SELECT xfra_user_id()) AND w.closed_at IS NULL AND (SELECT xfra_staff_role()) = 'technician' $$;

CREATE FUNCTION xfra_visible_nodes() RETURNS SETOF bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
  $$ SELECT n.id FROM homes_node n WHERE n.home_id IN (SELECT xfra_visible_homes()) $$;

CREATE FUNCTION xfra_addressed_homes() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
  $$ SELECT m.home_id FROM homes_membership m JOIN homes_user u ON u.id = m.user_id
       WHERE m.user_id = (SELECT xfra_user_id()) AND u.is_active AND m.role IN ('owner', 'member')
     UNION SELECT h.id FROM homes_home h WHERE (SELECT xfra_staff_role()) = 'admin'
     UNION SELECT n.home_id FROM homes_workorder w JOIN homes_node n ON n.id = w.node_id
       WHERE w.technician_id = (SELECT xfra_user_id()) AND w.closed_at IS NULL AND (SELECT xfra_staff_role()) = 'technician' $$;

CREATE FUNCTION xfra_named_parties() RETURNS SETOF bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
  $$ SELECT u.party_id FROM homes_user u WHERE u.id = (SELECT xfra_user_id()) AND u.is_active
     UNION SELECT u.party_id FROM homes_user me JOIN homes_membership mine ON mine.user_id = me.id
       JOIN homes_membership theirs ON theirs.home_id = mine.home_id JOIN homes_user u ON u.id = theirs.user_id
       WHERE me.id = (SELECT xfra_user_id()) AND me.is_active $$;
"""


IS_SYSTEM = "(SELECT xfra_is_system())"
SEES_EVERY_HOME = (
    f"({IS_SYSTEM} OR coalesce((SELECT xfra_staff_role()) IN ('viewer', 'operator', 'billing', 'admin'), false))"
)
"""SQL that says whether whoever asks sees every home: the same roles as in `xfra_visible_homes`."""

IS_DESK = f"({IS_SYSTEM} OR coalesce((SELECT xfra_staff_role()) IN ('billing', 'admin'), false))"
"""SQL that says whether whoever asks does the billing desk's work. As `old` below it lets the desk lock a row that it
may not change: SELECT ... FOR UPDATE asks the policy of UPDATE for the row as it is."""

_MY_GROUPS = "SELECT h.site_group FROM homes_home h WHERE h.id IN (SELECT xfra_visible_homes())"
IN_A_GROUP_OF_MINE = f"({SEES_EVERY_HOME} OR site_group = '' OR site_group IN ({_MY_GROUPS}))"
"""Of what is said to a whole site group: those with a home in it, and what is said to all."""

IS_SIGN_IN = f"({IS_SYSTEM} OR coalesce((SELECT xfra_is_signing_in()), false))"
"""SQL that says whether the system asks, or somebody at a door of signing in, who is nobody yet."""

ITSELF_OR_SIGNING_IN = f"({IS_SIGN_IN} OR coalesce(id = (SELECT xfra_user_id()), false))"
"""Of a person: signing in notes the time, and may hash the password anew, before anybody is known.
Which columns that may be is in homes.rules."""

KNOWN_PEOPLE = f"({IS_SIGN_IN} OR {IS_DESK} OR coalesce(party_id IN (SELECT xfra_named_parties()), false))"
"""Of people: oneself, whom one lives with, and for the desk everybody. Their passwords are in no SELECT: see
`xfra_password_of` above, and xfra_portal.database, which grants every column but that."""


def guard(table: str, column: str = "home_id", allowed: str = "xfra_visible_homes", old: str = IS_SYSTEM) -> Operation:
    """A migration step: rows of `table` show only where `column` is in what the function `allowed` returns.

    The subselects make Postgres evaluate the functions once per statement, not once per row. Whoever sees every home
    is not compared with a list of every home: that would cost more than what is read.
    """
    named = f"{column} IN (SELECT {allowed}())"
    everybody = SEES_EVERY_HOME if allowed in ("xfra_visible_homes", "xfra_visible_nodes") else IS_SYSTEM
    return guard_rows(table, f"{everybody} OR {named}", old)


def guard_whole(table: str) -> Operation:
    """A migration step: rows of `table` are about many homes at once, and show only to those who see every home."""
    return guard_rows(table, SEES_EVERY_HOME)


def policies(table: str, *, reads: str, adds: str, changes: tuple[str, str], removes: str) -> str:
    """SQL that lets the application read, add, change (what, into what) and remove such rows of `table` alone."""
    role = '"' + settings.DATABASE_APP_ROLE.replace('"', '""') + '"'
    old, new = changes
    return (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; ALTER TABLE {table} FORCE ROW LEVEL SECURITY;"
        f"CREATE POLICY owner_everything ON {table} TO CURRENT_USER USING (true) WITH CHECK (true);"
        f"CREATE POLICY application_reads ON {table} FOR SELECT TO {role} USING ({reads});"
        f"CREATE POLICY application_adds ON {table} FOR INSERT TO {role} WITH CHECK ({adds});"
        f"CREATE POLICY application_changes ON {table} FOR UPDATE TO {role} USING ({old}) WITH CHECK ({new});"
        f"CREATE POLICY application_removes ON {table} FOR DELETE TO {role} USING ({removes});"
    )


def guard_rows(table: str, shown: str, old: str = IS_SYSTEM, new: str = IS_SYSTEM) -> Operation:
    """A migration step: which rows of `table` the application is shown, which it may change, and into what.

    Rows are added and removed by the system alone.
    """

    def forwards(apps: Any, editor: Any) -> None:
        editor.execute(policies(table, reads=shown, adds=IS_SYSTEM, changes=(old, new), removes=IS_SYSTEM))

    return RunPython(forwards, RunPython.noop)


def guard_own(table: str, column: str = "user_id") -> Operation:
    """A migration step: of what signing in goes by, such as factors and devices, people have and change their own rows,
    and the doors of signing in, where nobody is known yet, everybody's."""
    own = f"{IS_SIGN_IN} OR coalesce({column} = (SELECT xfra_user_id()), false)"
    sql = policies(table, reads=own, adds=own, changes=(own, own), removes=own)
    return RunPython(lambda apps, editor: editor.execute(sql), RunPython.noop)


APPEND_ONLY_FUNCTION = """
CREATE FUNCTION xfra_refuse_change() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END $$;
"""


def append_only(table: str) -> str:
    """SQL that makes the database refuse to change or remove rows of `table` (the application may not TRUNCATE at all)."""
    return (
        f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table}"
        " FOR EACH ROW EXECUTE FUNCTION xfra_refuse_change();"
    )
