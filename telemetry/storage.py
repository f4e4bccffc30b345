"""The only writer of samples: batches in, wide rows out, in one transaction per call.

Each kind's rows go by binary COPY into a temporary table and are merged from there per column, so
that the half of a scrape that arrives in the next body completes a row instead of being thrown away,
and the same sample again changes nothing. Where a row cannot be there yet, it is simply added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from django.db import IntegrityError, connection, transaction
from psycopg.errors import UniqueViolation

from telemetry import clocks, copying, latest, registry
from telemetry.batch import Batch
from telemetry.catalogue import COLUMNS, Column, Kind, Shape
from telemetry.latest import Arrival
from telemetry.store import raw_store
from telemetry.tables import OTHER_TABLE, SAMPLE_TABLES
from telemetry.wide_rows import Rows
from telemetry.widening import NO_OTHERS, Others, gather, others, widen

HOUR_MS: Final = 3_600_000
_LOCK_FAMILY: Final = 7_301


@dataclass(frozen=True, slots=True)
class Written:
    """What Postgres has committed, for the raw store to take."""

    wide: list[Rows]
    other: Others


def write(batches: Sequence[Batch], shard: int) -> None:
    """`commit`, and hand it to the raw store."""
    written = commit(batches, shard)
    raw_store().take(written.wide, written.other)


def commit(batches: Sequence[Batch], shard: int) -> Written:
    """Store everything or nothing in Postgres. The caller sees to it that the raw store takes it too.

    The advisory lock makes writers of one shard take turns, which keeps latest values moving forward
    only. Repeating a call is harmless.
    """
    try:
        return _commit(batches, shard)
    except BaseException:
        registry.forget()  # it may remember ids that were rolled back
        raise


def _commit(batches: Sequence[Batch], shard: int) -> Written:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK_FAMILY, shard])
        registry.catch_up()
        believed, arrival = _believed(batches)
        samples = gather(believed)
        widened = [widen(kind, samples) for kind in np.unique(samples.kinds).tolist() if kind in _KINDS]
        # A node's layout names what it ever sent, so that of a kind there may be no sample here.
        wide = [rows for rows in widened if len(rows.at_ms)]
        for rows in wide:
            _merge(cursor, rows, latest.advance(rows, arrival))
        other = others(samples)
        _write_other(cursor, other)
        _mark_dirty(cursor, wide)
    return Written(wide, other)


def _believed(batches: Sequence[Batch]) -> tuple[list[Batch], Arrival]:
    """The batches, dated by what can be believed of their nodes' clocks."""
    came_ms = clocks.arrivals(batches)
    known = clocks.load(came_ms)
    found = dict(known)
    believed = clocks.believe(batches, found)
    clocks.save(known, found)
    return believed, Arrival(came_ms, {node_id for node_id, clock in found.items() if clock.is_doubtful})


_KINDS: Final = frozenset(Kind)


def write_rows(rows: Rows) -> None:
    """Store wide rows that are known already: back-fill. The caller sees to it that nobody else writes these nodes."""
    with transaction.atomic(), connection.cursor() as cursor:
        _merge(cursor, rows, latest.advance(rows))
    raw_store().take([rows], NO_OTHERS)


def _merge(cursor: Any, rows: Rows, is_newer: npt.NDArray[np.bool_]) -> None:
    """Only the columns that were sent travel: a scrape fills twenty of the forty and more that a table has.

    Rows that are newer than any that is known are added without looking for what they would complete.
    """
    some = ~np.isnan(rows.values)
    used = np.flatnonzero(some.any(axis=0)).tolist()
    table, columns = SAMPLE_TABLES[rows.kind], [COLUMNS[rows.kind][code] for code in used]
    names = ["node_id", "subject_id", "at", *(column.name for column in columns)]
    for keys, insert in ((~is_newer, _complete), (is_newer, _add)):
        keys = keys & some.any(axis=1)
        if keys.any():
            _copy(cursor, table, names, _body(rows, slice(None) if keys.all() else keys, used))
            insert(cursor, table, columns)


def _body(rows: Rows, keys: Any, used: list[int]) -> bytes:
    """Some of the rows, and of them the columns that are used."""
    return copying.binary_rows(
        [
            (rows.node_ids[keys], ">i4"),
            (rows.subject_ids[keys], ">i4"),
            (copying.timestamps(rows.at_ms[keys]), ">i8"),
        ],
        rows.values[keys][:, used],
        [8 if COLUMNS[rows.kind][code].shape is Shape.COUNTER else 4 for code in used],
    )


def _complete(cursor: Any, table: str, columns: Sequence[Column]) -> None:
    kept = ", ".join(f"{c.name} = COALESCE(EXCLUDED.{c.name}, {table}.{c.name})" for c in columns)
    cursor.execute(f"{_insert(table, columns)} ON CONFLICT (node_id, subject_id, at) DO UPDATE SET {kept}")


def _add(cursor: Any, table: str, columns: Sequence[Column]) -> None:
    """A third cheaper. That latest values know of every row is no more than likely: the primary key has the word."""
    try:
        with transaction.atomic():
            cursor.execute(_insert(table, columns))
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        _complete(cursor, table, columns)


def _insert(table: str, columns: Sequence[Column]) -> str:
    listed = ", ".join(["node_id", "subject_id", "at", *(column.name for column in columns)])
    return f"INSERT INTO {table} ({listed}) SELECT {listed} FROM new_{table}"  # noqa: S608  (our own catalogue's names)


def _copy(cursor: Any, table: str, names: Sequence[str], body: bytes) -> None:
    cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS new_{table} (LIKE {table}) ON COMMIT DELETE ROWS")
    cursor.execute(f"DELETE FROM new_{table}")  # noqa: S608  (a second call within one transaction starts empty too)
    # Django translates errors of statements, not of a COPY: without this a Postgres that ends here is nobody's failure.
    with (
        connection.wrap_database_errors,
        cursor.copy(f"COPY new_{table} ({', '.join(names)}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.write(body)


def _write_other(cursor: Any, other: Others) -> None:
    nodes, series_ids, at_ms, values = other
    if not len(values):
        return
    # The value among what is never NULL: here NaN is one.
    cells = [(nodes, ">i4"), (series_ids, ">i8"), (copying.timestamps(at_ms), ">i8"), (values, ">f8")]
    names = ["node_id", "series_id", "at", "value"]
    _copy(cursor, OTHER_TABLE, names, copying.binary_rows(cells, np.empty((len(values), 0)), []))
    cursor.execute(
        f"INSERT INTO {OTHER_TABLE} SELECT DISTINCT ON (node_id, series_id, at) * FROM new_{OTHER_TABLE}"  # noqa: S608
        " ORDER BY node_id, series_id, at"
        " ON CONFLICT (node_id, series_id, at) DO UPDATE SET value = EXCLUDED.value"
    )


def _mark_dirty(cursor: Any, wide: Sequence[Rows]) -> None:
    """Remember which hours of which nodes changed, so that their rollups are computed anew."""
    if not wide:
        return
    nodes = np.concatenate([rows.node_ids for rows in wide])
    at_ms = np.concatenate([rows.at_ms for rows in wide])
    order = np.lexsort((at_ms, at_ms // HOUR_MS, nodes))
    nodes, at_ms = nodes[order], at_ms[order]
    hours = at_ms // HOUR_MS
    new = np.flatnonzero((np.diff(nodes, prepend=-1) != 0) | (np.diff(hours, prepend=-1) != 0))
    last = np.append(new[1:], len(nodes)) - 1
    cursor.execute(
        "INSERT INTO telemetry_dirty AS d (node_id, hour, from_at, to_at)"
        " SELECT n, to_timestamp(h), to_timestamp(f / 1000.0), to_timestamp(t / 1000.0)"
        " FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::bigint[]) AS new(n, h, f, t)"
        " ON CONFLICT (node_id, hour) DO UPDATE SET from_at = LEAST(d.from_at, EXCLUDED.from_at),"
        " to_at = GREATEST(d.to_at, EXCLUDED.to_at)",
        [nodes[new].tolist(), (hours[new] * 3600).tolist(), at_ms[new].tolist(), at_ms[last].tolist()],
    )
