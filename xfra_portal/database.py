"""Which database role does what: the owner migrates, the application reads and writes rows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connections

_NOT_THE_APPLICATIONS = "public.django_migrations"
_WRITTEN_UNREAD = ("homes_user", "password")
"""A table and its column that the application may write and not read: see homes.models.people.HashField."""


class Router:
    """Everything is read and written as the application's role; only the owner's role may migrate."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "default"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == "owner"


def grant_rows_to_application(using: str) -> None:
    """Let the application's role work with rows of every table that is not a partition.

    A partition gets no grant: read directly it would go round its parent's row-level security.
    The role gets neither TRUNCATE nor ownership, and cannot touch the record of migrations.
    """
    role = connections[using].ops.quote_name(settings.DATABASE_APP_ROLE)
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
            " AND pg_get_userbyid(c.relowner) = current_user"
        )
        tables = [name for (name,) in cursor.fetchall() if name != _NOT_THE_APPLICATIONS]
        if tables:
            cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(tables)} TO {role}")
        _withhold(cursor, role, *_WRITTEN_UNREAD)
        cursor.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}")
        cursor.execute(f"GRANT SELECT ON {_NOT_THE_APPLICATIONS} TO {role}")


def _withhold(cursor: Any, role: str, table: str, column: str) -> None:
    """Reading is granted by table or by columns: so of this table, all other columns."""
    cursor.execute(
        "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute"
        " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attname <> %s",
        [table, column],
    )
    (others,) = cursor.fetchone()
    if others:
        cursor.execute(f"REVOKE SELECT ON {table} FROM {role}")  # noqa: S608  (no query; names are ours)
        cursor.execute(f"GRANT SELECT ({others}) ON {table} TO {role}")
