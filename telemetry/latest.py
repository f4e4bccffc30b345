"""Latest values: for each subject an instant and a value for each column. Never moves back.

Stored as one compressed body per node and kind, so that bringing a fleet forward is a row a node and not a
row a GPU. Arrays are indexed by column code. NaN with an instant says that the series ended then.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import cramjam
import numpy as np
import numpy.typing as npt

from telemetry import briefs, copying
from telemetry.catalogue import COLUMNS, SENSORS, Column, Kind
from telemetry.readings import Cell
from telemetry.wide_rows import Rows

Key = tuple[int, int, int]
"""(node id, kind, subject id)"""

DANGER_MS: Final = 10_000
"""So long a sensor's word keeps one of danger out that may be old: two of the slower scrapes."""

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
        # What was scraped together is of one instant.
        instants = {ms: datetime.fromtimestamp(ms / 1000, UTC) for ms in {at_ms[code] for code in known}}
        return {COLUMNS[kind][code].name: Cell(values[code], instants[at_ms[code]]) for code in known}


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

    def columns(self, places: Sequence[int]) -> Table:
        """Some of the columns, by place."""
        return Table(self.node_ids, self.subject_ids, self.at_ms[:, places], self.values[:, places])

    @property
    def keys(self) -> npt.NDArray[np.int64]:
        return self.node_ids << 32 | self.subject_ids

    def take(self, rows: Rows, doubtful_ms: npt.NDArray[np.int64] | None = None) -> None:
        """Accept what rows of these subjects tell, unless newer is known. Rows are sorted, one for an instant.

        At the same instant a value overwrites, an end does not. `doubtful_ms` (rows,): where it is not clear whether a
        row is old or its node's clock is behind, a sensor that tells of danger is believed if what is known is older
        than that; 0 where it is clear.
        """
        place = np.searchsorted(self.keys, rows.node_ids << 32 | rows.subject_ids)
        known_at, some, at_ms = self.at_ms[place], ~np.isnan(rows.values), rows.at_ms[:, None]
        newer = ((at_ms > known_at) & (some | rows.ended)) | ((at_ms == known_at) & some)
        if doubtful_ms is not None and rows.kind == Kind.NODE:
            danger = rows.values[:, SENSORS] > 0
            newer[:, SENSORS] |= danger & (known_at[:, SENSORS] < doubtful_ms[:, None])
        first = np.flatnonzero(np.diff(place, prepend=-1))
        if len(first) == len(place):
            chosen_at, chosen = at_ms, rows.values
        else:  # of each subject and column the last row that is newer, which is the newest
            row = np.where(newer, np.arange(len(place), dtype=np.int32)[:, None], np.int32(-1))
            last = np.maximum.reduceat(row, first, axis=0)
            place, newer = place[first], last >= 0
            chosen_at, chosen = rows.at_ms[last], np.take_along_axis(rows.values, np.maximum(last, 0), axis=0)
        self.at_ms[place] = np.where(newer, chosen_at, self.at_ms[place])
        self.values[place] = np.where(newer, chosen, self.values[place])


@dataclass(frozen=True, slots=True)
class Arrival:
    """When the last came of each node's, in milliseconds, and of which nodes it is not clear whether it is old."""

    came_ms: Mapping[int, int]
    doubtful: Set[int] = frozenset()

    def of(self, rows: Rows) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64] | None]:
        """(rows,) arrays: when each came at the latest, and `doubtful_ms` of Table.take."""
        nodes, which = np.unique(rows.node_ids, return_inverse=True)
        came_ms = np.array([self.came_ms[node_id] for node_id in nodes.tolist()], np.int64)[which]
        if not self.doubtful:
            return came_ms, None
        is_doubtful = np.array([node_id in self.doubtful for node_id in nodes.tolist()], np.bool_)[which]
        return came_ms, np.where(is_doubtful, came_ms - DANGER_MS, 0)


def advance(rows: Rows, arrival: Arrival | None = None) -> npt.NDArray[np.bool_]:
    """Bring latest values forward with these rows, none to later than it came. The caller holds the shard's lock.

    Says of each row whether it is newer than everything that was known of its subject.
    """
    if not len(rows.at_ms):
        return np.zeros(0, np.bool_)
    width = len(COLUMNS[rows.kind])
    node_ids = np.unique(rows.node_ids)
    known = read_columns(rows.kind, node_ids.tolist(), COLUMNS[rows.kind])
    keys = np.union1d(known.keys, rows.node_ids << 32 | rows.subject_ids)
    table = Table.never(keys >> 32, keys & 0xFFFFFFFF, width)
    held = np.searchsorted(keys, known.keys)
    table.at_ms[held], table.values[held] = known.at_ms, known.values
    newest = table.at_ms.max(axis=1)
    came_ms, doubtful_ms = arrival.of(rows) if arrival else (rows.at_ms, None)
    table.take(replace(rows, at_ms=np.minimum(rows.at_ms, came_ms)), doubtful_ms)
    _store(rows.kind, table)
    is_newer: npt.NDArray[np.bool_] = rows.at_ms > newest[np.searchsorted(keys, rows.node_ids << 32 | rows.subject_ids)]
    return is_newer


def store(kind: Kind, table: Table) -> None:
    """Replace what is known of these nodes' subjects of one kind. Nobody else may be writing these nodes."""
    _store(kind, table)


def _store(kind: Kind, table: Table) -> None:
    node_ids, starts = np.unique(table.node_ids, return_index=True)
    edges = [*starts.tolist(), len(table)]
    mine = [slice(a, b) for a, b in itertools.pairwise(edges)]
    copying.execute(
        "INSERT INTO telemetry_latest (node_id, kind, body, brief)"
        " SELECT n, %s, b, f FROM unnest(%s::int[], %s::bytea[], %s::bytea[]) AS new(n, b, f)"
        " ON CONFLICT (node_id, kind) DO UPDATE SET body = EXCLUDED.body, brief = EXCLUDED.brief",
        [
            int(kind),
            node_ids.tolist(),
            [_encode(table, rows) for rows in mine],
            [briefs.pack(kind, table.subject_ids[rows], table.at_ms[rows], table.values[rows]) for rows in mine],
        ],
    )


def _encode(table: Table, mine: slice) -> bytes:
    at_ms, values = table.at_ms[mine], table.values[mine]
    parts = [_HEAD.pack(*at_ms.shape), table.subject_ids[mine].astype("<i4").tobytes(), at_ms.tobytes()]
    return bytes(cramjam.zstd.compress(b"".join([*parts, values.tobytes()]), level=1))


def _unpack(bodies: Sequence[tuple[int, bytes]], codes: Sequence[int]) -> Table:
    """(node id, body) from storage: some columns of all subjects, in the order of `codes`. Not stored is never heard.

    A fleet's bodies are mostly of one size, and those become arrays together.
    """
    alike: dict[tuple[int, int], list[tuple[int, memoryview]]] = {}
    # Frames one after the other are one stream, and a decoder made once for all is half of the work saved.
    whole, begin = memoryview(cramjam.zstd.decompress(b"".join(body for _, body in bodies)) if bodies else b""), 0
    for node_id, _ in bodies:
        count, stored = size = _HEAD.unpack_from(whole, begin)
        end = begin + _HEAD.size + count * (4 + 16 * stored)
        alike.setdefault(size, []).append((node_id, whole[begin:end]))
        begin = end
    empty = np.empty(0, np.int64)
    parts = [_unpack_alike(*size, some, codes) for size, some in alike.items()]
    if not parts:
        return Table.never(empty, empty, len(codes))
    table = Table(*(np.concatenate([getattr(part, name) for part in parts]) for name in Table.__slots__))
    order = np.argsort(table.keys, kind="stable")
    return Table(*(getattr(table, name)[order] for name in Table.__slots__))


def _unpack_alike(count: int, stored: int, bodies: Sequence[tuple[int, memoryview]], codes: Sequence[int]) -> Table:
    """Bodies of so many subjects and columns each."""
    whole = np.frombuffer(b"".join(data for _, data in bodies), np.uint8).reshape(len(bodies), -1)
    edges = np.cumsum([_HEAD.size, 4 * count, 8 * count * stored, 8 * count * stored]).tolist()
    subjects, at_ms, values = (
        whole[:, begin:end].view(dtype)
        for begin, end, dtype in zip(edges[:-1], edges[1:], ("<i4", "<i8", "<f8"), strict=True)
    )
    node_ids = np.repeat(np.array([node_id for node_id, _ in bodies], np.int64), count)
    table = Table.never(node_ids, subjects.reshape(-1).astype(np.int64), len(codes))
    known = [place for place, code in enumerate(codes) if code < stored]
    cells = (np.arange(count)[:, None] * stored + [codes[place] for place in known]).reshape(-1).astype(np.int64)
    table.at_ms[:, known] = at_ms[:, cells].reshape(-1, len(known))
    table.values[:, known] = values[:, cells].reshape(-1, len(known))
    return table


def read_columns(kind: Kind, node_ids: Iterable[int], columns: Sequence[Column]) -> Table:
    """Some columns of the latest states of all subjects of one kind of these nodes, in the order of `columns`."""
    rows = copying.fetch(
        "SELECT node_id, body FROM telemetry_latest WHERE node_id = ANY(%s) AND kind = %s", [list(node_ids), int(kind)]
    )
    return _unpack(rows, [column.code for column in columns])


def read_brief(kind: Kind, node_ids: Iterable[int]) -> Table:
    """The columns in briefs.BRIEF of the latest states of all subjects of one kind of these nodes."""
    rows = copying.fetch(
        "SELECT node_id, brief FROM telemetry_latest WHERE node_id = ANY(%s::int[]) AND kind = %s",
        [copying.ints(node_ids), int(kind)],
    )
    return Table(*briefs.unpack(kind, rows))


def read_tables(node_ids: Iterable[int], kinds: Iterable[Kind] = Kind) -> dict[Kind, Table]:
    """All columns of the latest states of these nodes, by kind."""
    wanted = list(kinds)
    rows = copying.fetch(
        "SELECT node_id, kind, body FROM telemetry_latest WHERE node_id = ANY(%s::int[]) AND kind = ANY(%s)",
        [copying.ints(node_ids), [int(kind) for kind in wanted]],
    )
    return {
        kind: _unpack([(node, body) for node, its, body in rows if its == kind], range(len(COLUMNS[kind])))
        for kind in wanted
    }


def read(node_ids: Iterable[int], kinds: Iterable[Kind] = Kind) -> dict[Key, State]:
    """Latest states of all subjects of these nodes."""
    return {
        (node, kind, subject): State(table.at_ms[i], table.values[i])
        for kind, table in read_tables(node_ids, kinds).items()
        for i, (node, subject) in enumerate(zip(table.node_ids.tolist(), table.subject_ids.tolist(), strict=True))
    }
