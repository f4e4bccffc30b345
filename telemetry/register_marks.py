"""Which node-hours' registers changed, in an order that a reader can follow with a cursor and miss nothing.

One row per node and hour, whose mark moves forward each time the hour's rollups are recomputed, late data included:
so the table grows with node-hours and not with changes. A mark is the writing transaction's id. Sequences hand out
numbers before their transactions commit, in whatever order those end; of transaction ids Postgres says below which
all have ended, and only those are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.db import connection

Mark = tuple[int, datetime]
"""(node id, hour)"""

START: Final = ""
"""The cursor of somebody who has read nothing yet."""

KEPT_DAYS: Final = 60
"""A mark that nobody fetched for so long goes: what it spoke of is known from rollups alone by then."""

TABLE: Final = "telemetry_register_mark"
TABLE_SQL: Final = f"""
CREATE TABLE {TABLE} (
  node_id integer NOT NULL, hour timestamptz NOT NULL, moved xid8 NOT NULL DEFAULT pg_current_xact_id(),
  PRIMARY KEY (node_id, hour)
);
CREATE INDEX telemetry_register_mark_order ON {TABLE} (moved, node_id, hour);
"""


@dataclass(frozen=True, slots=True)
class Changes:
    """Node-hours in the order in which they changed, and the cursor to go on with; it says itself what it means."""

    marks: tuple[Mark, ...]
    cursor: str
    is_all: bool


def note(node_ids: Sequence[int], hours: Sequence[datetime]) -> None:
    """Move the marks of each of these hours of each of these nodes. In the transaction that changes them."""
    with connection.cursor() as cursor:
        # In order, so that two writers take turns instead of deadlocking.
        cursor.execute(
            f"INSERT INTO {TABLE} (node_id, hour)"  # noqa: S608
            " SELECT n, h FROM unnest(%s::int[]) AS n, unnest(%s::timestamptz[]) AS h ORDER BY n, h"
            " ON CONFLICT (node_id, hour) DO UPDATE SET moved = EXCLUDED.moved",
            [list(node_ids), list(hours)],
        )


def read_since(cursor: str, limit: int) -> Changes:
    """Marks after a cursor. Raises ValueError for one that is none."""
    moved, node_id, hour = _parse(cursor)
    with connection.cursor() as sql:
        sql.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        if moved >= sql.fetchone()[0]:  # from another cluster, whose transactions were counted further: from the start
            moved, node_id, hour = _parse(START)
        sql.execute(
            f"SELECT node_id, hour, moved::text FROM {TABLE}"  # noqa: S608
            " WHERE (moved, node_id, hour) > (%s::text::xid8, %s, %s)"
            " AND moved < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY moved, node_id, hour LIMIT %s",
            [str(moved), node_id, hour, limit],
        )
        rows = sql.fetchall()
    if not rows:
        return Changes((), cursor, True)
    node_id, hour, last = rows[-1]
    onward = f"{last}/{node_id}/{int(hour.timestamp())}"
    return Changes(tuple((row[0], row[1]) for row in rows), onward, len(rows) < limit)


def forget(before: datetime) -> int:
    """Drop the marks of hours before an instant. Returns how many went."""
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE} WHERE hour < %s", [before])  # noqa: S608
        return int(cursor.rowcount)


def _parse(cursor: str) -> tuple[int, int, datetime]:
    moved, node_id, second = (int(part) for part in cursor.split("/")) if cursor else (0, 0, 0)
    return moved, node_id, datetime.fromtimestamp(second, UTC)
