"""Latest values: for each subject an instant and a value for each column. Never moves back.

Stored as one compressed body per node and kind, so that bringing a fleet forward is a row a node and not a
row a GPU. Arrays are indexed by column code. NaN with an instant says that the series ended then.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import cramjam
import numpy as np
import numpy.typing as npt
from django.db import connection

from telemetry.catalogue import COLUMNS, Kind
from telemetry.readings import Cell
from telemetry.widening import Rows

Key = tuple[int, int, int]
"""(node id, kind, subject id)"""

_HEAD: Final = struct.Struct("<HH")


@dataclass(slots=True)
class State:
    """Newest instants (0: never) and values of one subject, by column code."""

    at_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    def cells(self, kind: Kind) -> dict[str, Cell]:
        """What has a value now, by column name."""
        known = np.flatnonzero((self.at_ms != 0) & ~np.isnan(self.values)).tolist()
        at_ms, values = self.at_ms.tolist(), self.values.tolist()
        return {
            COLUMNS[kind][code].name: Cell(values[code], datetime.fromtimestamp(at_ms[code] / 1000, UTC))
            for code in known
        }


@dataclass(slots=True)
class Table:
    """The states of many subjects of one kind, sorted by (node, subject): (n,) keys, (n, columns) cells."""

    node_ids: npt.NDArray[np.int64]
    subject_ids: npt.NDArray[np.int64]
    at_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.node_ids)

    @classmethod
    def never(cls, node_ids: npt.NDArray[np.int64], subject_ids: npt.NDArray[np.int64], width: int) -> Table:
        shape = (len(node_ids), width)
        return cls(node_ids, subject_ids, np.zeros(shape, np.int64), np.full(shape, np.nan))

    @property
    def keys(self) -> npt.NDArray[np.int64]:
        return self.node_ids << 32 | self.subject_ids

    def take(self, rows: Rows) -> None:
        """Accept what rows of these subjects tell, unless newer is known.

        At the same instant a value overwrites, an end does not.
        """
        place = np.searchsorted(self.keys, rows.node_ids << 32 | rows.subject_ids)
        turn = np.arange(len(place)) - np.searchsorted(place, place)  # the first, second ... row of its subject
        for number in range(int(turn.max(initial=-1)) + 1):
            now = turn == number
            self._take(place[now], rows.at_ms[now, None], rows.values[now], rows.ended[now])

    def _take(self, place: Any, at_ms: Any, values: Any, ended: Any) -> None:
        known_at, some = self.at_ms[place], ~np.isnan(values)
        newer = ((at_ms > known_at) & (some | ended)) | ((at_ms == known_at) & some)
        self.at_ms[place] = np.where(newer, at_ms, known_at)
        self.values[place] = np.where(newer, values, self.values[place])


def advance(cursor: Any, rows: Rows) -> None:
    """Bring latest values forward with these rows. The caller holds the shard's lock."""
    if not len(rows.at_ms):
        return
    kind, width = int(rows.kind), len(COLUMNS[rows.kind])
    node_ids = np.unique(rows.node_ids)
    cursor.execute(
        "SELECT node_id, body FROM telemetry_latest WHERE node_id = ANY(%s) AND kind = %s", [node_ids.tolist(), kind]
    )
    known = _join([_decode(node, bytes(body), width) for node, body in cursor.fetchall()], width)
    keys = np.union1d(known.keys, rows.node_ids << 32 | rows.subject_ids)
    table = Table.never(keys >> 32, keys & 0xFFFFFFFF, width)
    held = np.searchsorted(keys, known.keys)
    table.at_ms[held], table.values[held] = known.at_ms, known.values
    table.take(rows)
    edges = np.searchsorted(table.node_ids, node_ids).tolist()
    bodies = [_encode(table, slice(a, b)) for a, b in zip(edges, [*edges[1:], len(table)], strict=True)]
    cursor.execute(
        "INSERT INTO telemetry_latest (node_id, kind, body)"
        " SELECT n, %s, b FROM unnest(%s::int[], %s::bytea[]) AS new(n, b)"
        " ON CONFLICT (node_id, kind) DO UPDATE SET body = EXCLUDED.body",
        [kind, node_ids.tolist(), bodies],
    )


def _join(tables: list[Table], width: int) -> Table:
    empty = np.empty(0, np.int64)
    tables = [Table.never(empty, empty, width), *sorted(tables, key=lambda table: int(table.node_ids[0]))]
    return Table(*(np.concatenate([getattr(t, name) for t in tables]) for name in Table.__slots__))


def _encode(table: Table, mine: slice) -> bytes:
    at_ms, values = table.at_ms[mine], table.values[mine]
    parts = [_HEAD.pack(*at_ms.shape), table.subject_ids[mine].astype("<i4").tobytes(), at_ms.tobytes()]
    return bytes(cramjam.zstd.compress(b"".join([*parts, values.tobytes()]), level=1))


def _decode(node_id: int, body: bytes, width: int) -> Table:
    """From storage, grown to today's number of columns."""
    data = bytes(cramjam.zstd.decompress(body))
    count, stored = _HEAD.unpack_from(data)
    subjects = np.frombuffer(data, "<i4", count, _HEAD.size).astype(np.int64)
    begin = _HEAD.size + 4 * count
    table = Table.never(np.full(count, node_id, np.int64), subjects, max(width, stored))
    table.at_ms[:, :stored] = np.frombuffer(data, "<i8", count * stored, begin).reshape(count, stored)
    values = np.frombuffer(data, "<f8", count * stored, begin + 8 * count * stored)
    table.values[:, :stored] = values.reshape(count, stored)
    return table


def read(node_ids: Iterable[int]) -> dict[Key, State]:
    """Latest states of all subjects of these nodes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT node_id, kind, body FROM telemetry_latest WHERE node_id = ANY(%s)", [list(node_ids)])
        rows = cursor.fetchall()
    found: dict[Key, State] = {}
    for node, kind, body in rows:
        table = _decode(node, bytes(body), len(COLUMNS[Kind(kind)]))
        for i, subject in enumerate(table.subject_ids.tolist()):
            found[node, kind, subject] = State(table.at_ms[i], table.values[i])
    return found
