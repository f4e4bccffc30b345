"""Rollups, recomputed: a bucket is always what its raw samples say, however late or often they came.

Writers mark (node, hour) dirty; this reads the raw samples of the dirty minutes and replaces those
minute buckets, then derives quarter-hours and hours from minutes. Nothing is ever incremented, so doing
it twice changes nothing. One writer at a time per node, by advisory lock.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import numpy as np
from django.db import connection, transaction

from telemetry import chunks, fleet_rollups, raw, register_marks, windows
from telemetry.bucketing import LOOKBACK_SECONDS, bucket_rows
from telemetry.catalogue import COLUMNS, Kind, Shape
from telemetry.chunks import Grid
from telemetry.raw_rows import RawRows
from telemetry.tables import FLEET_BLOCK
from telemetry.windows import Ints, Window

NODES_AT_ONCE: Final = 32
ROWS_AT_ONCE: Final = 400_000
"""An hour of as many nodes at 5 s; about 300 MB while they are worked on."""
SHORT_LOOKBACK_SECONDS: Final = 45
"""Usually far enough to find a counter's previous value; where it is not, the whole LOOKBACK_SECONDS are read."""

RETRY_SECONDS: Final = 60
"""After so long what somebody was recomputing is taken up again, and after twice as long for each time that failed."""
MOST_DOUBLINGS: Final = 6
STUCK_TRIES: Final = 3
"""From so many failures on somebody is called."""

logger = logging.getLogger("telemetry.rollups")

Mark = tuple[int, datetime]
"""(node id, hour)"""


def roll_up_dirty(seconds: float = 60.0, rest_seconds: float = 0.0) -> int:
    """Recompute dirty node-hours, those first that have waited longest. Returns how many were done.

    Stops after `seconds`, of which half at most goes to what was left behind: that may fail again, and the others are
    not to wait for it. A mark younger than `rest_seconds` is left alone, so that a node which reports every few seconds
    is not recomputed for each report.
    """
    began, done = time.monotonic(), 0
    while time.monotonic() < began + seconds / 2 and (left := _take_up()):
        done += _try(left)
    while time.monotonic() < began + seconds and (claimed := _claim(rest_seconds)):
        done += _try(claimed)
    return done


def stuck() -> int:
    """How many node-hours could not be recomputed, several times over. They are tried while there are raw samples."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM telemetry_rolling WHERE tries >= %s", [STUCK_TRIES])
        return int(cursor.fetchone()[0])


def _try(marks: Sequence[Mark]) -> int:
    """As `_roll_up`, but one that cannot be done stays for later, and the others are done."""
    try:
        return _roll_up(marks)
    except Exception:  # whatever is wrong with it: every other node-hour would wait for it, and every bill
        if len(marks) > 1:
            return sum(_try([mark]) for mark in marks)
        logger.exception("node %s cannot be rolled up at %s", *marks[0])
    with connection.cursor() as cursor:  # which fails too where Postgres is away: then it was nothing about the mark
        cursor.execute(
            "UPDATE telemetry_rolling SET since = now(), tries = greatest(tries, 1) WHERE node_id = %s AND hour = %s",
            marks[0],
        )
    return 0


def _take_up() -> list[Mark]:
    """The next one that was left behind, by a failure or by a worker that died. It counts as a try before it is tried:
    it may be what its worker died of."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH eldest AS MATERIALIZED (SELECT node_id, hour FROM telemetry_rolling"
            " WHERE since < now() - make_interval(secs => %s * 2 ^ least(tries, %s)) ORDER BY since LIMIT 1"
            " FOR UPDATE SKIP LOCKED)"
            " UPDATE telemetry_rolling r SET since = now(), tries = least(r.tries, 1000) + 1 FROM eldest e"
            " WHERE r.node_id = e.node_id AND r.hour = e.hour RETURNING r.node_id, r.hour",
            [RETRY_SECONDS, MOST_DOUBLINGS],
        )
        return list(cursor.fetchall())


_NOT_FAILED: Final = """
NOT EXISTS (SELECT FROM telemetry_rolling r WHERE r.node_id = d.node_id AND r.hour = d.hour AND r.tries > 0)"""

# MATERIALIZED: with `IN (SELECT ... LIMIT n FOR UPDATE SKIP LOCKED)` Postgres may run the subquery once a row and take
# marks that nobody hears of until somebody looks for what died.
_CLAIM: Final = f"""
WITH eldest AS MATERIALIZED (
  SELECT hour, date_bin('5 min', from_at, hour) AS part, node_id / %s AS block FROM telemetry_dirty d
  WHERE since <= now() - make_interval(secs => %s) AND {_NOT_FAILED} ORDER BY since LIMIT 1),
chosen AS MATERIALIZED (
  SELECT d.node_id, d.hour FROM telemetry_dirty d, eldest e
  WHERE d.hour = e.hour AND date_bin('5 min', d.from_at, d.hour) = e.part AND d.node_id / %s = e.block
  AND d.since <= now() - make_interval(secs => %s) AND {_NOT_FAILED} ORDER BY d.since LIMIT %s
  FOR UPDATE OF d SKIP LOCKED),
taken AS (
  DELETE FROM telemetry_dirty d USING chosen c WHERE d.node_id = c.node_id AND d.hour = c.hour RETURNING d.*)
INSERT INTO telemetry_rolling AS r (node_id, hour, from_at, to_at) SELECT node_id, hour, from_at, to_at FROM taken
ON CONFLICT (node_id, hour) DO UPDATE SET from_at = LEAST(r.from_at, EXCLUDED.from_at),
to_at = GREATEST(r.to_at, EXCLUDED.to_at) RETURNING node_id, hour
"""  # noqa: S608


def _claim(rest_seconds: float) -> list[Mark]:
    """Move the oldest marks of one hour aside. Short, because a writer that marks the same hour waits for it.

    A mark of what failed before stays until that is done.

    Those that begin within the same five minutes go together, since they need about the same of the raw samples; and
    nodes that share slabs, which are then written once.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLAIM, [FLEET_BLOCK, rest_seconds, FLEET_BLOCK, rest_seconds, NODES_AT_ONCE])
        return list(cursor.fetchall())


def _roll_up(marks: Sequence[Mark]) -> int:
    """Recompute a claimed hour of some nodes and drop the claims, in one transaction. Returns how many were left."""
    node_ids, hour = sorted(node_id for node_id, _ in marks), marks[0][1]
    with transaction.atomic(), connection.cursor() as cursor:
        # Two workers may hold different hours of one node: its chunks are written by one at a time. In order of id,
        # so that they take turns instead of deadlocking.
        cursor.execute("SELECT pg_advisory_xact_lock(%s, n) FROM unnest(%s::int[]) AS n", [7_302, node_ids])
        cursor.execute(
            "DELETE FROM telemetry_rolling WHERE node_id = ANY(%s) AND hour = %s RETURNING node_id, from_at, to_at",
            [node_ids, hour],
        )
        rows = cursor.fetchall()
        if rows:
            start, end = min(row[1] for row in rows), max(row[2] for row in rows)
            changed = [row[0] for row in rows]
            recompute(changed, int(start.timestamp()), int(end.timestamp()) + 1)
            register_marks.note(changed, [hour])
        return len(rows)


def recompute(node_ids: Sequence[int], start: int, end: int) -> None:
    """Recompute every bucket of these nodes that overlaps [start, end), Unix seconds, from raw samples."""
    first = start - start % 60
    last = end + (-end) % 60 + LOOKBACK_SECONDS  # later buckets may take their counters' increase from here
    for some, begin, until in _pieces(node_ids, first, last):
        _recompute(some, begin, until)


def _pieces(node_ids: Sequence[int], first: int, last: int) -> Iterator[tuple[Sequence[int], int, int]]:
    """(nodes, first, last) of about ROWS_AT_ONCE raw rows each: fewer nodes at once, and then fewer minutes.

    Many hours that waited, or a sender that is very dense, must not take memory in proportion.
    """
    each = -(-raw.count(node_ids, first, last) // len(node_ids))
    together = max(1, ROWS_AT_ONCE // max(1, each))
    minutes = max(1, (last - first) // 60 * ROWS_AT_ONCE // max(ROWS_AT_ONCE, each))
    for i in range(0, len(node_ids), together):
        for begin in range(first, last, minutes * 60):
            yield node_ids[i : i + together], begin, min(last, begin + minutes * 60)


def _recompute(node_ids: Sequence[int], first: int, last: int) -> None:
    """Recompute the buckets of [first, last), which are whole minutes."""
    hours = {}
    for kind in Kind:
        found = _read(kind, node_ids, first, last)
        if len(found):
            hours[kind] = _recompute_kind(kind, found, first, last)
    fleet_rollups.save(hours, first, last)


def _read(kind: Kind, node_ids: Sequence[int], first: int, last: int) -> RawRows:
    """Rows of [first, last) and, before that, what counters need."""
    for lookback in (SHORT_LOOKBACK_SECONDS, LOOKBACK_SECONDS):
        found = raw.read(kind, node_ids, COLUMNS[kind], first - lookback, last)
        if _counters_have_a_past(kind, found, first * 1000):
            break
    return found


def _counters_have_a_past(kind: Kind, rows: RawRows, first_ms: int) -> bool:
    """Whether each counter of each subject that has a value also has one before `first_ms`."""
    counters = [column.code for column in COLUMNS[kind] if column.shape is Shape.COUNTER]
    some, subject = ~np.isnan(rows.values[:, counters]), np.cumsum(_is_new(rows)) - 1
    size = int(subject[-1]) + 1 if len(subject) else 0
    past, now = (np.zeros((size, len(counters)), np.bool_) for _ in range(2))
    early = rows.at_ms < first_ms
    np.logical_or.at(past, subject[early], some[early])
    np.logical_or.at(now, subject[~early], some[~early])
    return bool((past | ~now).all())


def _is_new(rows: RawRows) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """True where the rows of another subject begin."""
    new: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.diff(rows.node_ids << 32 | rows.subject_ids, prepend=-1) != 0
    return new


def _recompute_kind(kind: Kind, rows: RawRows, first: int, last: int) -> dict[int, Window]:
    """Minutes from the rows, the rest from minutes. Returns the hours, in whole days, by node."""
    fresh = {node_id: _bucket(kind, mine, first, last) for node_id, mine in rows.by_node()}
    subjects = {node_id: ids for node_id, (ids, _) in fresh.items()}
    minutes = windows.load(kind, subjects, 60, first, last)
    for node_id, (ids, grid) in fresh.items():
        minutes[node_id].put(first, ids, grid, (last - first) // 60)
    windows.save(kind, minutes, 60)
    coarse: dict[int, Window] = {}
    for resolution in (900, 3600):
        coarse = windows.load(kind, _subjects(minutes), resolution, _any(minutes).start, _any(minutes).end)
        for node_id, window in minutes.items():
            grid = {code: chunks.coarsen(buckets, resolution // 60) for code, buckets in window.grid.items()}
            coarse[node_id].put(window.start, window.subject_ids, grid, (window.end - window.start) // resolution)
        windows.save(kind, coarse, resolution)
    return coarse


def _bucket(kind: Kind, rows: RawRows, first: int, last: int) -> tuple[Ints, Grid]:
    """Subject ids of one node's rows, and their minute buckets."""
    ids, subject = np.unique(rows.subject_ids, return_inverse=True)
    used = np.flatnonzero(~np.isnan(rows.values).all(axis=0)).tolist()
    shapes = [COLUMNS[kind][code].shape for code in used]
    slots = (last - first) // 60
    found = bucket_rows(shapes, subject, rows.at_ms, rows.values[:, used], first * 1000, 60_000, len(ids), slots)
    return ids, dict(zip(used, found, strict=True))


def _subjects(held: dict[int, Window]) -> dict[int, Ints]:
    return {node_id: window.subject_ids for node_id, window in held.items()}


def _any(held: dict[int, Window]) -> Window:
    return next(iter(held.values()))
