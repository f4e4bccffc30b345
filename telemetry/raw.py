"""Raw wide rows out of storage, as arrays: those that are still rows, and those that were sealed.

Rows are read by binary COPY with NaN for NULL: each then has the same length, and a whole answer becomes arrays at
once instead of a Python object per value.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from telemetry import copying, sealed
from telemetry.catalogue import Column, Kind, Shape
from telemetry.copying import EPOCH_2000_US, HEADER, TRAILER
from telemetry.raw_rows import RawRows
from telemetry.tables import SAMPLE_TABLES, SEALED_TABLE

_KEYS: Final = (("node", ">i4"), ("subject", ">i4"), ("at", ">i8"))


def read(
    kind: Kind,
    node_ids: Sequence[int],
    columns: Sequence[Column],
    start: float,
    end: float,
    subjects: Sequence[int] | None = None,
) -> RawRows:
    """Rows of these nodes in [start, end), Unix seconds. `subjects` None means all of them."""
    # What is being sealed meanwhile is seen twice in this order, which is harmless; in the other it could be missed.
    rows = _read_rows(kind, node_ids, columns, start, end, subjects)
    held = [sealed.decode(kind, body, columns) for body in _read_sealed(kind, node_ids, start, end)]
    if not held:
        return rows
    found = RawRows.joined(held)
    wanted = (found.at_ms >= start * 1000) & (found.at_ms < end * 1000)
    if subjects is not None:
        wanted &= np.isin(found.subject_ids, np.array(subjects, np.int64))
    return RawRows.joined([found.where(wanted), rows])


def _read_rows(
    kind: Kind,
    node_ids: Sequence[int],
    columns: Sequence[Column],
    start: float,
    end: float,
    subjects: Sequence[int] | None,
) -> RawRows:
    where, arguments = _WHERE, [list(node_ids), _instant(start), _instant(end)]
    if subjects is not None:
        where += " AND subject_id = ANY(%s)"
        arguments.append(list(subjects))
    query = f"SELECT {_listed(columns)} FROM {SAMPLE_TABLES[kind]} WHERE {where} ORDER BY node_id, subject_id, at"  # noqa: S608
    return _copy(query, arguments, columns)


def count(node_ids: Sequence[int], start: float, end: float) -> int:
    """How many rows of all kinds these nodes have in [start, end), Unix seconds, besides those that were sealed."""
    where, arguments = _WHERE, [list(node_ids), _instant(start), _instant(end)]
    tables = [f"(SELECT count(*) FROM {table} WHERE {where})" for table in SAMPLE_TABLES.values()]  # noqa: S608
    ((found,),) = copying.fetch(f"SELECT {' + '.join(tables)}", arguments * len(tables))
    return int(found)


def take(kind: Kind, node_id: int, columns: Sequence[Column], start: float, end: float) -> RawRows:
    """Remove the rows of a node in [start, end) that are not sealed, and return them. In the caller's transaction."""
    arguments = [[node_id], _instant(start), _instant(end)]
    query = f"DELETE FROM {SAMPLE_TABLES[kind]} WHERE {_WHERE} RETURNING {_listed(columns)}"  # noqa: S608
    rows = _copy(query, arguments, columns)
    order = np.lexsort((rows.at_ms, rows.subject_ids))
    return RawRows(rows.node_ids[order], rows.subject_ids[order], rows.at_ms[order], rows.values[order])


_WHERE: Final = "node_id = ANY(%s) AND at >= %s AND at < %s"


def _listed(columns: Sequence[Column]) -> str:
    # float8 NaN for an absent float4 as well would double the answer: each column keeps its own type.
    values = [f"COALESCE({c.name}, 'NaN'::{'float8' if c.shape is Shape.COUNTER else 'float4'})" for c in columns]
    return ", ".join(["node_id", "subject_id", "at", *values])


def _copy(query: str, arguments: list[object], columns: Sequence[Column]) -> RawRows:
    return _parse(copying.copy_out(f"COPY ({query}) TO STDOUT (FORMAT BINARY)", arguments), columns)


def _read_sealed(kind: Kind, node_ids: Sequence[int], start: float, end: float) -> list[bytes]:
    """Bodies of the hours that overlap [start, end)."""
    rows = copying.fetch(
        f"SELECT body FROM {SEALED_TABLE} WHERE kind = %s AND {_WHERE}",  # noqa: S608
        [int(kind), list(node_ids), _instant(start // 3600 * 3600), _instant(end)],
    )
    return [body for (body,) in rows]


def _parse(body: bytes, columns: Sequence[Column]) -> RawRows:
    fields: list[tuple[str, str]] = [("width", ">i2")]
    for name, dtype in (*_KEYS, *((f"v{i}", _dtype(column)) for i, column in enumerate(columns))):
        fields += [(f"{name}_length", ">i4"), (name, dtype)]
    record = np.dtype(fields)
    rows: npt.NDArray[Any] = np.frombuffer(body[len(HEADER) : -len(TRAILER)], record)
    values = np.empty((len(rows), len(columns)), np.float64)
    for i in range(len(columns)):
        values[:, i] = rows[f"v{i}"]
    at_ms = (rows["at"].astype(np.int64) + EPOCH_2000_US) // 1000
    return RawRows(rows["node"].astype(np.int64), rows["subject"].astype(np.int64), at_ms, values)


def _dtype(column: Column) -> str:
    return ">f8" if column.shape is Shape.COUNTER else ">f4"


def _instant(second: float) -> datetime:
    return datetime.fromtimestamp(second, UTC)
