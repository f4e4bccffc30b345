"""Rollups, recomputed: a bucket is always what its raw samples say, however late or often they came.

Writers mark (node, hour) dirty; this reads the raw samples of the dirty minutes and replaces those
minute buckets, then derives quarter-hours and hours from minutes. Nothing is ever incremented, so doing
it twice changes nothing. One writer at a time per node, by row lock on the dirty mark.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction

from telemetry import chunks
from telemetry.bucketing import bucket
from telemetry.catalogue import COLUMNS, Kind
from telemetry.chunks import Buckets, Chunk
from telemetry.tables import ROLLUP_TABLES, SAMPLE_TABLES

LOOKBACK_SECONDS: Final = 300
"""How far back a counter's previous value may be for its increase to be believed (as Prometheus does)."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Raw rows of one subject, sorted by time: instants (ms) and values (rows, columns) with NaN."""

    at_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


def roll_up_dirty(limit: int = 200) -> int:
    """Recompute the oldest dirty node-hours. Returns how many were done; 0 means all is clean."""
    done = 0
    while done < limit and _roll_up_one():
        done += 1
    return done


def _roll_up_one() -> bool:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM telemetry_dirty WHERE (node_id, hour) IN (SELECT node_id, hour FROM telemetry_dirty"
            " ORDER BY hour, node_id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING node_id, from_at, to_at"
        )
        row = cursor.fetchone()
        if row is None:
            return False
        node_id, from_at, to_at = row
        # Two workers may hold different hours of one node: its chunks are written by one at a time.
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [7_302, node_id])
        recompute(node_id, int(from_at.timestamp()), int(to_at.timestamp()) + 1)
        return True


def recompute(node_id: int, start: int, end: int) -> None:
    """Recompute every bucket of a node that overlaps [start, end), Unix seconds, from raw samples."""
    first = start - start % 60
    last = end + (-end) % 60 + 60  # the bucket after may take its counter's increase from here
    for kind in Kind:
        for subject_id, raw in _read_raw(kind, node_id, first - LOOKBACK_SECONDS, last).items():
            _replace_minutes(kind, node_id, subject_id, raw, first, last)
            for resolution in (900, 3600):
                _derive(kind, node_id, subject_id, resolution, first, last)


def _read_raw(kind: Kind, node_id: int, start: int, end: int) -> dict[int, Raw]:
    names = ", ".join(column.name for column in COLUMNS[kind])
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT subject_id, (extract(epoch FROM at) * 1000)::bigint, {names} FROM {SAMPLE_TABLES[kind]}"  # noqa: S608
            " WHERE node_id = %s AND at >= %s AND at < %s ORDER BY subject_id, at",
            [node_id, _instant(start), _instant(end)],
        )
        rows = cursor.fetchall()
    by_subject: dict[int, list[Any]] = {}
    for row in rows:
        by_subject.setdefault(row[0], []).append(row[1:])
    return {subject: _raw(found) for subject, found in by_subject.items()}


def _raw(rows: list[Any]) -> Raw:
    table = np.array(rows, dtype=np.float64)  # None becomes NaN; instants in ms are exact in float64
    return Raw(table[:, 0].astype(np.int64), table[:, 1:])


def _replace_minutes(kind: Kind, node_id: int, subject_id: int, raw: Raw, start: int, end: int) -> None:
    slots = (end - start) // 60
    fresh: Chunk = {}
    for column in COLUMNS[kind]:
        values = raw.values[:, column.code]
        if not np.isnan(values).all():
            fresh[column.code] = bucket(column.shape, raw.at_ms, values, start * 1000, 60_000, slots)
    replace(kind, node_id, subject_id, 60, start, fresh, slots)


def replace(kind: Kind, node_id: int, subject_id: int, resolution: int, start: int, fresh: Chunk, slots: int) -> None:
    """Put consecutive buckets, the first of which starts at `start`, in place of what the chunks hold there."""
    span = chunks.span_seconds(resolution)
    for begin in range(chunks.chunk_start(resolution, start), start + slots * resolution, span):
        stored = read_chunk(kind, node_id, subject_id, resolution, begin)
        low, high = max(begin, start), min(begin + span, start + slots * resolution)
        mine = slice((low - begin) // resolution, (high - begin) // resolution)
        theirs = slice((low - start) // resolution, (high - start) // resolution)
        for code in set(stored) | set(fresh):
            shape = COLUMNS[kind][code].shape
            held = stored.setdefault(code, Buckets.empty(shape, chunks.SLOTS[resolution]))
            held.put(mine, _part(fresh.get(code) or Buckets.empty(shape, slots), theirs))
        _store(kind, node_id, subject_id, resolution, begin, stored)


def _part(buckets: Buckets, at: slice) -> Buckets:
    return Buckets(buckets.shape, buckets.count[at], {name: values[at] for name, values in buckets.fields.items()})


def _derive(kind: Kind, node_id: int, subject_id: int, resolution: int, start: int, end: int) -> None:
    """Buckets of `resolution` that overlap [start, end), from minutes."""
    first, last = start - start % resolution, end + (-end) % resolution
    minutes: Chunk = {}
    slots = (last - first) // 60
    for begin in range(first - first % 3600, last, 3600):
        for code, held in read_chunk(kind, node_id, subject_id, 60, begin).items():
            whole = minutes.setdefault(code, Buckets.empty(held.shape, slots))
            low, high = max(begin, first), min(begin + 3600, last)
            part = _part(held, slice((low - begin) // 60, (high - begin) // 60))
            whole.put(slice((low - first) // 60, (high - first) // 60), part)
    coarse = {code: chunks.coarsen(held, resolution // 60) for code, held in minutes.items()}
    replace(kind, node_id, subject_id, resolution, first, coarse, slots * 60 // resolution)


def read_chunk(kind: Kind, node_id: int, subject_id: int, resolution: int, begin: int) -> Chunk:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT body FROM {ROLLUP_TABLES[resolution]}"  # noqa: S608
            " WHERE node_id = %s AND kind = %s AND subject_id = %s AND at = %s",
            [node_id, int(kind), subject_id, _instant(begin)],
        )
        row = cursor.fetchone()
    return chunks.decode(kind, bytes(row[0])) if row else {}


def _store(kind: Kind, node_id: int, subject_id: int, resolution: int, begin: int, chunk: Chunk) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {ROLLUP_TABLES[resolution]} (node_id, kind, subject_id, at, body)"  # noqa: S608
            " VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (node_id, kind, subject_id, at) DO UPDATE SET body = EXCLUDED.body",
            [node_id, int(kind), subject_id, _instant(begin), chunks.encode(kind, chunk)],
        )


def _instant(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
