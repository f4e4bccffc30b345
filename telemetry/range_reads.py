"""Ranges out of storage: raw rows or rollup chunks, brought to the step that was asked for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.db import connection

from telemetry import chunk_reads, chunks
from telemetry.bucketing import LOOKBACK_SECONDS, bucket_rows
from telemetry.catalogue import BY_NAME, Column, Kind, Shape
from telemetry.chunks import Buckets
from telemetry.partitions import retention_seconds
from telemetry.readings import Energy, History, Series
from telemetry.store import raw_store
from telemetry.tables import ROLLUP_TABLES, SAMPLE_TABLES

MAX_BUCKETS: Final = 5_000
MAX_RAW_SECONDS: Final = 6 * 3600
NICE_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
_TARGET_BUCKETS: Final = 300
_COARSEST_FIRST: Final = tuple(sorted(ROLLUP_TABLES, reverse=True))
_GRACE_SECONDS: Final = 60
"""`-14d` is a moment more than fourteen days ago when it is looked at."""
_CHUNKS_BACK: Final = 120


def choose_step(start: datetime, end: datetime, asked: int | None) -> int:
    """The step in seconds, 0 for raw. Raises ValueError for one that cannot be served."""
    span = (end - start).total_seconds()
    if asked is None:
        few = (nice for nice in NICE_STEPS if span / nice <= _TARGET_BUCKETS and is_kept(nice, start))
        return next(few, NICE_STEPS[-1])
    if asked == 0 and span > MAX_RAW_SECONDS:
        raise ValueError(f"raw samples (step 0) are served for at most {MAX_RAW_SECONDS // 3600} hours at a time")
    if asked < 0 or (asked > 60 and asked % 60):
        raise ValueError("step must be 0 (raw), 1 to 60, or a whole number of minutes, in seconds")
    if asked and span / asked > MAX_BUCKETS:
        raise ValueError(f"{span / asked:.0f} buckets; at most {MAX_BUCKETS}: ask for a longer step or a shorter range")
    if source_of(asked) or not settings.SAMPLES_URL:  # an engine keeps raw samples for as long as it likes
        refuse_finer_than_kept(asked, start)
    return asked


def source_of(step: int) -> int:
    """The coarsest stored resolution that divides the step; 0 is raw."""
    return next((resolution for resolution in _COARSEST_FIRST if step and step % resolution == 0), 0)


def is_kept(step: int, start: datetime) -> bool:
    """Whether Postgres still has, from `start` on, what a step is read from. Of the coarsest there is always a try."""
    source = source_of(step)
    return source == _COARSEST_FIRST[0] or start.timestamp() >= time.time() - _kept_seconds(source) - _GRACE_SECONDS


def refuse_finer_than_kept(step: int, start: datetime) -> None:
    """Raises ValueError, with the finest that could be asked for: nulls would look like a gap in what was measured."""
    if is_kept(step, start):
        return
    finest = next(resolution for resolution in reversed(_COARSEST_FIRST) if is_kept(resolution, start))
    days = _kept_seconds(source_of(step)) / 86_400
    raise ValueError(
        f"what such a step is made of is kept for {days:g} days: from this start on, ask for a multiple of {finest}"
    )


def _kept_seconds(source: int) -> int:
    return retention_seconds(ROLLUP_TABLES[source] if source else SAMPLE_TABLES[Kind.NODE])


def read_history(
    node_id: int, kind: Kind, columns: list[Column], start: datetime, end: datetime, step: int, subjects: dict[int, str]
) -> History:
    """See reads.history. Buckets are aligned to multiples of the step since the epoch."""
    source = source_of(step)
    if step == 0:
        return _raw_history(node_id, kind, columns, start, end, subjects)
    first = int(start.timestamp()) // step * step
    slots = -(-(int(np.ceil(end.timestamp())) - first) // step)
    at = [datetime.fromtimestamp(first + i * step, UTC) for i in range(slots)]
    found = (
        _from_chunks(node_id, kind, columns, first, slots, step, source, subjects)
        if source
        else _from_raw(node_id, kind, columns, first, slots, step, subjects)
    )
    series = [
        _series(column, name, found.get((subject, column.code)), slots)
        for subject, name in subjects.items()
        for column in columns
    ]
    return History(start, end, step, source, at, series)


def _from_chunks(
    node_id: int,
    kind: Kind,
    columns: list[Column],
    first: int,
    slots: int,
    step: int,
    source: int,
    subjects: dict[int, str],
) -> dict[tuple[int, int], Buckets]:
    ids, found = chunk_reads.read_node(node_id, kind, columns, source, first, first + slots * step)
    coarse = {code: chunks.coarsen(held, step // source) for code, held in found.items()}
    return {
        (subject, code): held.of(i)
        for i, subject in enumerate(ids.tolist())
        if subject in subjects
        for code, held in coarse.items()
    }


def _from_raw(
    node_id: int, kind: Kind, columns: list[Column], first: int, slots: int, step: int, subjects: dict[int, str]
) -> dict[tuple[int, int], Buckets]:
    lookback = LOOKBACK_SECONDS if any(column.shape is Shape.COUNTER for column in columns) else 0
    rows = raw_store().read(kind, [node_id], columns, first - lookback, first + slots * step, list(subjects))
    ids, subject = np.unique(rows.subject_ids, return_inverse=True)
    shapes = [column.shape for column in columns]
    found = bucket_rows(shapes, subject, rows.at_ms, rows.values, first * 1000, step * 1000, len(ids), slots)
    return {
        (subject_id, column.code): buckets.of(place)
        for column, buckets in zip(columns, found, strict=True)
        for place, subject_id in enumerate(ids.tolist())
    }


def _raw_history(
    node_id: int, kind: Kind, columns: list[Column], start: datetime, end: datetime, subjects: dict[int, str]
) -> History:
    found = raw_store().read(kind, [node_id], columns, start.timestamp(), end.timestamp(), list(subjects))
    instants, rows = np.unique(found.at_ms), dict(found.by_subject())
    series = []
    for subject, name in subjects.items():
        mine = rows.get(subject)
        for i, column in enumerate(columns):
            values = np.full(len(instants), np.nan)
            if mine is not None:
                values[np.searchsorted(instants, mine.at_ms)] = mine.values[:, i]
            series.append(Series(column.name, column.shape, name, last=_plain(values)))
    at = [datetime.fromtimestamp(ms / 1000, UTC) for ms in instants.tolist()]
    return History(start, end, 0, 0, at, series)


def _series(column: Column, subject: str, buckets: Buckets | None, slots: int) -> Series:
    held = buckets or Buckets.empty(column.shape, slots)
    return Series(column.name, column.shape, subject, **{name: _plain(v) for name, v in held.fields.items()})


def _plain(values: npt.NDArray[np.float64]) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]


def read_registers(node_id: int, registers: Sequence[str], edges: Sequence[datetime]) -> list[Energy]:
    """Energy between neighbouring edges from the registers' last values per quarter-hour, in watt-hours."""
    seconds = [int(edge.timestamp()) for edge in edges]
    now, source = int(time.time()), 900
    first = seconds[0] // source * source
    slots = -(-(seconds[-1] - first) // source)
    columns = [BY_NAME[Kind.NODE][f"{name}_energy_joules"] for name in registers]
    found = _from_chunks(node_id, Kind.NODE, columns, first, slots, source, source, {0: ""})
    starts = first + np.arange(slots) * source
    before = _readings_before(node_id, {code for _, code in found}, first)
    moved = {
        name: _moved(found.get((0, column.code)), before.get(column.code), slots)
        for name, column in zip(registers, columns, strict=True)
    }
    heard = np.any([~np.isnan(values) for values in moved.values()], axis=0)
    return [_energy(edges[i], edges[i + 1], starts, moved, heard, now) for i in range(len(edges) - 1)]


def _readings_before(node_id: int, codes: set[int], second: int) -> dict[int, float]:
    """The newest reading of these registers before a quarter-hour, by column code, however long the gap before it."""
    found: dict[int, float] = {}
    end = second
    for _ in range(_CHUNKS_BACK):
        row = _newest_chunk_before(node_id, end) if codes - found.keys() else None
        if row is None:
            break
        end, body = row
        for code, held in chunks.decode(Kind.NODE, body, codes - found.keys()).grid.items():
            known = np.flatnonzero(held.count[0, : (second - end) // 900])
            if len(known):
                found[code] = float(held.fields["last"][0, known[-1]])
    return found


def _newest_chunk_before(node_id: int, second: int) -> tuple[int, bytes] | None:
    """Start and body of the node's own newest chunk of quarter-hours that begins before an instant."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT extract(epoch FROM at)::bigint, body FROM {ROLLUP_TABLES[900]}"  # noqa: S608
            " WHERE node_id = %s AND kind = %s AND at < %s ORDER BY at DESC LIMIT 1",
            [node_id, int(Kind.NODE), _instant(second)],
        )
        row = cursor.fetchone()
    return (row[0], bytes(row[1])) if row else None


def _moved(buckets: Buckets | None, before: float | None, slots: int) -> npt.NDArray[np.float64]:
    """Watt-hours by which a register grew up to each bucket's last reading; NaN where there was none."""
    out = np.full(slots, np.nan)
    if buckets is None:
        return out
    known = np.flatnonzero(buckets.count)
    last = buckets.fields["last"][known]
    # A register that fell belongs to another meter, which may start anywhere: nothing is known to have flowed.
    out[known] = np.maximum(np.diff(last, prepend=last[:1] if before is None else before), 0.0) / 3600.0
    return out


def _energy(
    start: datetime,
    end: datetime,
    starts: npt.NDArray[np.int64],
    moved: dict[str, npt.NDArray[np.float64]],
    heard: npt.NDArray[np.bool_],
    now: int,
) -> Energy:
    inside = (starts >= start.timestamp()) & (starts < end.timestamp())
    elapsed = inside & (starts < now)
    covered = float((heard & elapsed).sum() / elapsed.sum()) if elapsed.any() else 0.0
    sums = {
        name: None if np.isnan(values[inside]).all() else float(np.nansum(values[inside]))
        for name, values in moved.items()
    }
    return Energy(start, end, sums, covered)


def _instant(second: float) -> datetime:
    return datetime.fromtimestamp(second, UTC)
