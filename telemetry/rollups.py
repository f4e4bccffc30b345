"""Rollups, recomputed: a bucket is always what its raw samples say, however late or often they came.

Writers mark (node, hour) dirty; this reads the raw samples of the dirty minutes and replaces those
minute buckets, then derives quarter-hours and hours from minutes. Nothing is ever incremented, so doing
it twice changes nothing. One writer at a time per node, by advisory lock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from django.db import connection, transaction

from telemetry import chunks, raw
from telemetry.bucketing import LOOKBACK_SECONDS, bucket
from telemetry.catalogue import COLUMNS, Kind
from telemetry.chunks import Buckets, Chunk
from telemetry.raw import RawRows
from telemetry.tables import ROLLUP_TABLES


def roll_up_dirty(seconds: float = 60.0, rest_seconds: float = 0.0) -> int:
    """Recompute dirty node-hours, those first that have waited longest. Returns how many were done.

    Stops after `seconds`. A mark younger than `rest_seconds` is left alone, so that a node which reports
    every few seconds is not recomputed for each report.
    """
    until = time.monotonic() + seconds
    done = sum(_roll_up(node_id, hour) for node_id, hour in _left_behind())
    while time.monotonic() < until and (claimed := _claim(rest_seconds)):
        done += _roll_up(*claimed)
    return done


def _left_behind() -> list[tuple[int, datetime]]:
    """What a worker that died was recomputing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT node_id, hour FROM telemetry_rolling WHERE since < now() - interval '60 seconds'")
        return list(cursor.fetchall())


def _claim(rest_seconds: float) -> tuple[int, datetime] | None:
    """Move the oldest mark aside. Short, because a writer that marks the same hour waits for it."""
    with transaction.atomic(), connection.cursor() as cursor:
        # MATERIALIZED: with `IN (SELECT ... LIMIT 1 FOR UPDATE SKIP LOCKED)` Postgres may run the subquery once a row
        # and take several marks, of which all but the first would wait until somebody looks for what died.
        cursor.execute(
            "WITH oldest AS MATERIALIZED (SELECT node_id, hour FROM telemetry_dirty"
            " WHERE since <= now() - make_interval(secs => %s) ORDER BY since LIMIT 1 FOR UPDATE SKIP LOCKED),"
            " taken AS (DELETE FROM telemetry_dirty d USING oldest o WHERE d.node_id = o.node_id AND d.hour = o.hour"
            " RETURNING d.*)"
            " INSERT INTO telemetry_rolling AS r (node_id, hour, from_at, to_at)"
            " SELECT node_id, hour, from_at, to_at FROM taken"
            " ON CONFLICT (node_id, hour) DO UPDATE SET from_at = LEAST(r.from_at, EXCLUDED.from_at),"
            " to_at = GREATEST(r.to_at, EXCLUDED.to_at) RETURNING node_id, hour",
            [rest_seconds],
        )
        row = cursor.fetchone()
        return (row[0], row[1]) if row else None


def _roll_up(node_id: int, hour: datetime) -> int:
    """Recompute a claimed hour and drop the claim, in one transaction. 0 when another worker was faster."""
    with transaction.atomic(), connection.cursor() as cursor:
        # Two workers may hold different hours of one node: its chunks are written by one at a time.
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [7_302, node_id])
        cursor.execute(
            "DELETE FROM telemetry_rolling WHERE node_id = %s AND hour = %s RETURNING from_at, to_at", [node_id, hour]
        )
        row = cursor.fetchone()
        if row is None:
            return 0
        recompute(node_id, int(row[0].timestamp()), int(row[1].timestamp()) + 1)
        return 1


def recompute(node_id: int, start: int, end: int) -> None:
    """Recompute every bucket of a node that overlaps [start, end), Unix seconds, from raw samples."""
    first = start - start % 60
    last = end + (-end) % 60 + LOOKBACK_SECONDS  # later buckets may take their counters' increase from here
    for kind in Kind:
        found = raw.read(kind, [node_id], COLUMNS[kind], first - LOOKBACK_SECONDS, last)
        if len(found):
            _recompute_kind(kind, node_id, dict(found.by_subject()), first, last)


def _recompute_kind(kind: Kind, node_id: int, found: dict[int, RawRows], first: int, last: int) -> None:
    minutes = Window.load(kind, node_id, list(found), 60, first, last)
    slots = (last - first) // 60
    for subject, rows in found.items():
        fresh = {}
        for column in COLUMNS[kind]:
            values = rows.values[:, column.code]
            if not np.isnan(values).all():
                fresh[column.code] = bucket(column.shape, rows.at_ms, values, first * 1000, 60_000, slots)
        minutes.put(subject, first, fresh, slots)
    minutes.save()
    for resolution in (900, 3600):
        factor = resolution // 60
        coarse = Window.load(kind, node_id, list(found), resolution, minutes.start, minutes.end)
        for subject, chunk in minutes.held.items():
            derived = {code: chunks.coarsen(buckets, factor) for code, buckets in chunk.items()}
            coarse.put(subject, minutes.start, derived, (minutes.end - minutes.start) // resolution)
        coarse.save()


@dataclass(slots=True)
class Window:
    """Whole chunks of some subjects of one kind, side by side in memory: buckets over [start, end)."""

    kind: Kind
    node_id: int
    resolution: int
    start: int
    end: int
    held: dict[int, Chunk]

    @classmethod
    def load(cls, kind: Kind, node_id: int, subjects: list[int], resolution: int, start: int, end: int) -> Window:
        """The chunks that overlap [start, end), all of each."""
        span = chunks.span_seconds(resolution)
        begin, stop = chunks.chunk_start(resolution, start), end + (-end) % span
        window = cls(kind, node_id, resolution, begin, stop, {subject: {} for subject in subjects})
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT subject_id, extract(epoch FROM at)::bigint, body FROM {ROLLUP_TABLES[resolution]}"  # noqa: S608
                " WHERE node_id = %s AND kind = %s AND subject_id = ANY(%s) AND at >= %s AND at < %s",
                [node_id, int(kind), subjects, _instant(begin), _instant(stop)],
            )
            for subject, at, body in cursor.fetchall():
                window._set(subject, at, chunks.decode(kind, bytes(body)), chunks.SLOTS[resolution])
        return window

    def put(self, subject: int, start: int, fresh: Chunk, slots: int) -> None:
        """Replace `slots` buckets from `start` on: columns that are not in `fresh` become gaps there."""
        first = (start - self.start) // self.resolution
        for code, buckets in self.held[subject].items():
            if code not in fresh:
                buckets.put(slice(first, first + slots), Buckets.empty(buckets.shape, slots))
        self._set(subject, start, fresh, slots)

    def _set(self, subject: int, start: int, chunk: Chunk, slots: int) -> None:
        first = (start - self.start) // self.resolution
        mine = self.held[subject]
        for code, buckets in chunk.items():
            if code not in mine:
                mine[code] = Buckets.empty(buckets.shape, (self.end - self.start) // self.resolution)
            mine[code].put(slice(first, first + slots), buckets)

    def save(self) -> None:
        """Write every chunk back."""
        per_chunk = chunks.SLOTS[self.resolution]
        rows = []
        for subject, chunk in self.held.items():
            for number, begin in enumerate(range(self.start, self.end, chunks.span_seconds(self.resolution))):
                part = slice(number * per_chunk, (number + 1) * per_chunk)
                body = chunks.encode(self.kind, {code: buckets.part(part) for code, buckets in chunk.items()})
                rows.append((self.node_id, int(self.kind), subject, _instant(begin), body))
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {ROLLUP_TABLES[self.resolution]} (node_id, kind, subject_id, at, body)"  # noqa: S608
                " VALUES (%s, %s, %s, %s, %s)"
                " ON CONFLICT (node_id, kind, subject_id, at) DO UPDATE SET body = EXCLUDED.body",
                rows,
            )


def _instant(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
