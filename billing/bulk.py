"""Many rows by one statement, each column as one array. COPY cannot: row-level security refuses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

Columns = Mapping[str, tuple[str, Sequence[Any]]]
"""By column: its SQL type and a value for each row."""


def insert(table: str, columns: Columns, *, skip_existing: bool = False, returning: str = "") -> list[tuple[Any, ...]]:
    """Insert the rows, in their order. With `skip_existing`, those that a constraint says are there are left out.

    Names are this module's callers' own and never come from outside.
    """
    if not next(iter(columns.values()))[1]:
        return []
    names = ", ".join(f'"{name}"' for name in columns)
    kinds = ", ".join(f"%s::{kind}[]" for kind, _ in columns.values())
    query = f"INSERT INTO {table} ({names}) SELECT * FROM unnest({kinds})"  # noqa: S608
    query += " ON CONFLICT DO NOTHING" if skip_existing else ""
    query += f" RETURNING {returning}" if returning else ""
    with connection.cursor() as cursor:
        cursor.execute(query, [list(values) for _, values in columns.values()])
        return list(cursor.fetchall()) if returning else []


def fetch(query: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """All rows. JSON comes as text: Django's cursors leave it to its fields."""
    with connection.cursor() as cursor:
        cursor.execute(query, arguments)
        return list(cursor.fetchall())
