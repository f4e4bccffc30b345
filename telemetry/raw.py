"""Raw wide rows out of storage, as arrays.

Read by binary COPY with NaN for NULL: every row then has the same length, and a whole answer becomes
arrays at once instead of a Python object per value.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from telemetry import copying
from telemetry.catalogue import Column, Kind, Shape
from telemetry.copying import EPOCH_2000_US, HEADER, TRAILER
from telemetry.tables import SAMPLE_TABLES

_KEYS: Final = (("node", ">i4"), ("subject", ">i4"), ("at", ">i8"))


@dataclass(frozen=True, slots=True)
class RawRows:
    """Wide rows of one kind, sorted by node, subject and instant: (n,) keys; (n, columns) values, NaN for absent."""

    node_ids: npt.NDArray[np.int64]
    subject_ids: npt.NDArray[np.int64]
    at_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.at_ms)

    def by_node(self) -> Iterator[tuple[int, RawRows]]:
        """(node id, its rows)"""
        return self._split(self.node_ids)

    def by_subject(self) -> Iterator[tuple[int, RawRows]]:
        """(subject id, its rows): for the rows of one node."""
        return self._split(self.subject_ids)

    def _split(self, ids: npt.NDArray[np.int64]) -> Iterator[tuple[int, RawRows]]:
        edges = [0, *(np.flatnonzero(np.diff(ids)) + 1).tolist(), len(self)]
        for begin, end in itertools.pairwise(edges):
            if begin < end:
                some = slice(begin, end)
                yield (
                    int(ids[begin]),
                    RawRows(self.node_ids[some], self.subject_ids[some], self.at_ms[some], self.values[some]),
                )


def read(
    kind: Kind,
    node_ids: Sequence[int],
    columns: Sequence[Column],
    start: float,
    end: float,
    subjects: Sequence[int] | None = None,
) -> RawRows:
    """Rows of these nodes in [start, end), Unix seconds. `subjects` None means all of them."""
    # float8 NaN for an absent float4 as well would double the answer: each column keeps its own type.
    values = ", ".join(
        f"COALESCE({c.name}, 'NaN'::{'float8' if c.shape is Shape.COUNTER else 'float4'})" for c in columns
    )
    where, arguments = "node_id = ANY(%s) AND at >= %s AND at < %s", [list(node_ids), _instant(start), _instant(end)]
    if subjects is not None:
        where += " AND subject_id = ANY(%s)"
        arguments.append(list(subjects))
    table = SAMPLE_TABLES[kind]
    query = f"COPY (SELECT node_id, subject_id, at, {values} FROM {table} WHERE {where}"  # noqa: S608
    query += " ORDER BY node_id, subject_id, at) TO STDOUT (FORMAT BINARY)"
    return _parse(copying.copy_out(query, arguments), columns)


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
