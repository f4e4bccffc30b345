"""Old raw samples, from wide rows into sealed bodies: a tenth of the room, read by the same functions.

A partition of raw rows is sealed when all of it is older than SEAL_AFTER_HOURS, node by node, each in a
transaction that removes the rows and writes their bodies; what arrives later is sealed into them the next time. An
emptied partition is truncated, which gives its room back without a vacuum.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import Final

import numpy as np
from django.conf import settings
from django.db import OperationalError, connection, transaction

from telemetry import raw, sealed
from telemetry.catalogue import COLUMNS, Kind
from telemetry.raw_rows import RawRows
from telemetry.tables import PARTITION_SECONDS, SAMPLE_TABLES, SEALED_TABLE

logger = logging.getLogger("telemetry.sealing")

_HOUR: Final = 3600
_LOCK_FAMILY: Final = 7_303


def seal(seconds: float = 60.0, now: float | None = None) -> int:
    """Seal what is due, the oldest first, for about `seconds`. Returns how many node-hours of a kind were sealed.

    `now` in Unix seconds decides what is due.
    """
    until = time.monotonic() + seconds
    done = 0
    for begin, kind in _due(time.time() if now is None else now):
        while time.monotonic() < until and (node_ids := _nodes(kind, begin)):
            for node_id in node_ids:
                done += _seal(kind, node_id, begin)
                if time.monotonic() >= until:
                    return done
        _free(kind, begin)
    return done


def _due(now: float) -> list[tuple[int, Kind]]:
    """(start, kind) of the partitions that are old enough and not empty on disk, the oldest first."""
    kinds = {table: kind for kind, table in SAMPLE_TABLES.items()}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.relname, extract(epoch FROM substring(pg_get_expr(c.relpartbound, c.oid)"
            " FROM $r$FROM \\('([^']+)'$r$)::timestamptz)::bigint"
            " FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent"
            " WHERE p.relname = ANY(%s) AND pg_relation_size(c.oid) > 0",
            [list(kinds)],
        )
        found = [(begin, kinds[table]) for table, begin in cursor.fetchall()]
    before = now - settings.SEAL_AFTER_HOURS * _HOUR
    return sorted((begin, kind) for begin, kind in found if begin + PARTITION_SECONDS[SAMPLE_TABLES[kind]] <= before)


def _nodes(kind: Kind, begin: int) -> list[int]:
    """Some of the nodes that have rows in a partition: a step of the index for each, not the whole of it."""
    table = SAMPLE_TABLES[kind]
    within = "at >= %s AND at < %s"
    first = f"SELECT node_id, 1 AS n FROM {table} WHERE {within} ORDER BY node_id LIMIT 1"  # noqa: S608
    following = f"SELECT node_id FROM {table} WHERE {within} AND node_id > f.node_id ORDER BY node_id LIMIT 1"  # noqa: S608
    query = (
        f"WITH RECURSIVE found AS (({first}) UNION ALL"  # noqa: S608
        f" (SELECT t.node_id, f.n + 1 FROM found f CROSS JOIN LATERAL ({following}) t WHERE f.n < 100))"
        " SELECT node_id FROM found"
    )
    bounds = _bounds(kind, begin)
    with connection.cursor() as cursor:
        cursor.execute(query, [*bounds, *bounds])
        return [node_id for (node_id,) in cursor.fetchall()]


def _seal(kind: Kind, node_id: int, begin: int) -> int:
    """Seal one node's rows of a partition. Returns of how many hours there were any."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK_FAMILY, node_id])
        rows = raw.take(kind, node_id, COLUMNS[kind], begin, begin + PARTITION_SECONDS[SAMPLE_TABLES[kind]])
        hours = rows.at_ms // (_HOUR * 1000)
        found = np.unique(hours).tolist()
        for hour in found:
            _put(kind, node_id, hour * _HOUR, rows.where(hours == hour))
        return len(found)


def _put(kind: Kind, node_id: int, hour: int, rows: RawRows) -> None:
    """Write the body of an hour, together with what was sealed of it before."""
    at = datetime.fromtimestamp(hour, UTC)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT body FROM {SEALED_TABLE} WHERE node_id = %s AND kind = %s AND at = %s",  # noqa: S608
            [node_id, int(kind), at],
        )
        before = [sealed.decode(kind, bytes(body), COLUMNS[kind]) for (body,) in cursor.fetchall()]
        cursor.execute(
            f"INSERT INTO {SEALED_TABLE} (node_id, kind, at, body) VALUES (%s, %s, %s, %s)"  # noqa: S608
            " ON CONFLICT (node_id, kind, at) DO UPDATE SET body = EXCLUDED.body",
            [node_id, int(kind), at, sealed.encode(kind, RawRows.joined([*before, rows]))],
        )


def _free(kind: Kind, begin: int) -> None:
    """Give an emptied partition's room back; the next turn tries again where somebody is reading it now."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT telemetry_free_partition(%s, %s)", [SAMPLE_TABLES[kind], datetime.fromtimestamp(begin, UTC)]
            )
    except OperationalError as error:
        logger.info("the room of sealed samples is given back later: %s", error)


def _bounds(kind: Kind, begin: int) -> list[datetime]:
    end = begin + PARTITION_SECONDS[SAMPLE_TABLES[kind]]
    return [datetime.fromtimestamp(second, UTC) for second in (begin, end)]
