"""The only writer of samples: batches in, wide rows out, in one transaction per call.

Each kind's samples go by binary COPY into a temporary table and are merged from there per column, so
that the half of a scrape that arrives in the next body completes a row instead of being thrown away,
and the same sample again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction

from telemetry import copying, latest, registry
from telemetry.batch import OTHER, Batch
from telemetry.catalogue import COLUMNS, Kind, Shape
from telemetry.tables import OTHER_TABLE, SAMPLE_TABLES

HOUR_MS: Final = 3_600_000
_LOCK_FAMILY: Final = 7_301


@dataclass(frozen=True, slots=True)
class Rows:
    """Wide rows of one kind: keys sorted by (node, subject, at), values (rows, columns) with NaN for not sent."""

    kind: Kind
    node_ids: npt.NDArray[np.int64]
    subject_ids: npt.NDArray[np.int64]
    at_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    ended: npt.NDArray[np.bool_]
    """True where the series said, at that instant, that it has no value (a stale marker or an unsupported field)."""


def write(batches: Sequence[Batch], shard: int) -> set[int]:
    """Store everything or nothing. Returns the ids of the nodes that were touched.

    The advisory lock makes writers of one shard take turns, which keeps latest values moving forward
    only. Repeating a call is harmless.
    """
    try:
        return _write(batches, shard)
    except BaseException:
        registry.forget()  # it may remember ids that were rolled back
        raise


def _write(batches: Sequence[Batch], shard: int) -> set[int]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK_FAMILY, shard])
        subjects = registry.resolve(batches)
        for kind in Kind:
            rows = widen(kind, batches, subjects)
            if len(rows.at_ms):
                _merge(cursor, rows)
                latest.advance(cursor, rows)
        _write_other(cursor, batches, subjects)
        _mark_dirty(cursor, batches)
    return {batch.node_id for batch in batches}


def write_rows(rows: Rows) -> None:
    """Store wide rows that are known already: back-fill. The caller sees to it that nobody else writes these nodes."""
    with transaction.atomic(), connection.cursor() as cursor:
        _merge(cursor, rows)
        latest.advance(cursor, rows)


def widen(kind: Kind, batches: Sequence[Batch], subjects: registry.Subjects) -> Rows:
    """Pivot the samples of one kind into wide rows. Of two values for one cell, the later to arrive stays.

    A value outlives an end at the same instant: when a label changes, an agent sends the new series' first sample
    and the old one's stale marker with one timestamp, and both are this cell.
    """
    nodes, subject_ids, at_ms, codes, values = _gather(kind, batches, subjects)
    order = np.lexsort((np.arange(len(values)), at_ms, subject_ids, nodes))
    nodes, subject_ids, at_ms = nodes[order], subject_ids[order], at_ms[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (np.diff(nodes) != 0) | (np.diff(subject_ids) != 0) | (np.diff(at_ms) != 0)
    row = np.cumsum(new) - 1
    shape = (int(new.sum()), len(COLUMNS[kind]))
    matrix, ended = np.full(shape, np.nan), np.zeros(shape, np.bool_)
    codes, values = codes[order], values[order]
    some = ~np.isnan(values)
    matrix[row[some], codes[some]] = values[some]
    ended[row[~some], codes[~some]] = True
    ended &= np.isnan(matrix)
    return Rows(kind, nodes[new], subject_ids[new], at_ms[new], matrix, ended)


def _gather(kind: int, batches: Sequence[Batch], subjects: registry.Subjects) -> list[npt.NDArray[Any]]:
    columns: list[list[npt.NDArray[Any]]] = [[], [], [], [], []]
    for batch in batches:
        mine = batch.kinds == kind
        ids = subjects.ids(batch, kind)[batch.subjects[mine]]
        parts = (
            np.full(len(ids), batch.node_id, np.int64),
            ids,
            batch.at_ms[mine],
            batch.codes[mine],
            batch.values[mine],
        )
        for column, part in zip(columns, parts, strict=True):
            column.append(part)
    return [np.concatenate(column) for column in columns]


def _sizes(kind: Kind) -> list[int]:
    return [8 if column.shape is Shape.COUNTER else 4 for column in COLUMNS[kind]]


def _merge(cursor: Any, rows: Rows) -> None:
    table, names = SAMPLE_TABLES[rows.kind], [column.name for column in COLUMNS[rows.kind]]
    some = ~np.isnan(rows.values).all(axis=1)
    body = copying.binary_rows(
        [
            (rows.node_ids[some], ">i4"),
            (rows.subject_ids[some], ">i4"),
            (copying.timestamps(rows.at_ms[some]), ">i8"),
        ],
        rows.values[some],
        _sizes(rows.kind),
    )
    _copy(cursor, table, body)
    kept = ", ".join(f"{name} = COALESCE(EXCLUDED.{name}, {table}.{name})" for name in names)
    cursor.execute(
        f"INSERT INTO {table} SELECT * FROM new_{table}"  # noqa: S608  (names come from our own catalogue)
        f" ON CONFLICT (node_id, subject_id, at) DO UPDATE SET {kept}"
    )


def _copy(cursor: Any, table: str, body: bytes) -> None:
    cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS new_{table} (LIKE {table}) ON COMMIT DELETE ROWS")
    cursor.execute(f"DELETE FROM new_{table}")  # noqa: S608  (a second call within one transaction starts empty too)
    with cursor.copy(f"COPY new_{table} FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(body)


def _write_other(cursor: Any, batches: Sequence[Batch], subjects: registry.Subjects) -> None:
    nodes, series_ids, at_ms, _, values = _gather(OTHER, batches, subjects)
    some = ~np.isnan(values)
    if not some.any():
        return
    keys = [(nodes[some], ">i4"), (series_ids[some], ">i8"), (copying.timestamps(at_ms[some]), ">i8")]
    _copy(cursor, OTHER_TABLE, copying.binary_rows(keys, values[some].reshape(-1, 1), [8]))
    cursor.execute(
        f"INSERT INTO {OTHER_TABLE} SELECT DISTINCT ON (node_id, series_id, at) * FROM new_{OTHER_TABLE}"  # noqa: S608
        " ORDER BY node_id, series_id, at"
        " ON CONFLICT (node_id, series_id, at) DO UPDATE SET value = EXCLUDED.value"
    )


def _mark_dirty(cursor: Any, batches: Sequence[Batch]) -> None:
    """Remember which hours of which nodes changed, so that their rollups are computed anew."""
    spans: dict[tuple[int, int], tuple[int, int]] = {}
    for batch in batches:
        at_ms = batch.at_ms[batch.kinds != OTHER]
        for hour in np.unique(at_ms // HOUR_MS).tolist():
            inside = at_ms[at_ms // HOUR_MS == hour]
            low, high = int(inside.min()), int(inside.max())
            before = spans.get((batch.node_id, hour), (low, high))
            spans[batch.node_id, hour] = (min(low, before[0]), max(high, before[1]))
    rows = [
        (node, _instant(hour * HOUR_MS), _instant(low), _instant(high))
        for (node, hour), (low, high) in sorted(spans.items())
    ]
    cursor.executemany(
        "INSERT INTO telemetry_dirty AS d (node_id, hour, from_at, to_at) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (node_id, hour) DO UPDATE SET from_at = LEAST(d.from_at, EXCLUDED.from_at),"
        " to_at = GREATEST(d.to_at, EXCLUDED.to_at)",
        rows,
    )


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
