"""Windows of rollups: whole chunks of one kind of some nodes, side by side in memory, to be changed and saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from telemetry import chunks, copying
from telemetry.catalogue import Kind
from telemetry.chunks import Buckets, Chunk, Grid
from telemetry.tables import ROLLUP_TABLES

Ints = npt.NDArray[np.int64]
_NOBODY: Final = np.empty(0, np.int64)


@dataclass(slots=True)
class Window:
    """Buckets of (subjects, n) over [start, end) by column code. Start and end are borders of chunks."""

    resolution: int
    start: int
    end: int
    subject_ids: Ints
    grid: Grid = field(default_factory=dict)
    strange: dict[int, Chunk] = field(default_factory=dict)
    """Chunks with columns that are unknown here, by where they begin."""

    @property
    def slots(self) -> int:
        return (self.end - self.start) // self.resolution

    def put(self, start: int, subject_ids: Ints, fresh: Grid, slots: int) -> None:
        """Replace `slots` buckets from `start` on: whatever is not in `fresh` becomes a gap there."""
        first = (start - self.start) // self.resolution
        at = slice(first, first + slots)
        mine = np.searchsorted(self.subject_ids, subject_ids)
        for code in self.grid.keys() | fresh.keys():
            self._set(code, at, mine, fresh.get(code), slots)

    def _set(self, code: int, at: slice, mine: npt.NDArray[np.intp], fresh: Buckets | None, slots: int) -> None:
        held = self.grid.get(code)
        if held is None:
            if fresh is None:
                return
            held = self.grid[code] = Buckets.empty(fresh.shape, len(self.subject_ids), self.slots)
        new = Buckets.empty(held.shape, len(mine), slots) if fresh is None else fresh
        held.count[mine, at] = new.count
        for name, values in held.fields.items():
            values[mine, at] = new.fields[name]

    def add(self, begin: int, chunk: Chunk) -> None:
        """What is stored, where a chunk begins."""
        self.put(begin, chunk.subject_ids, chunk.grid, chunks.SLOTS[self.resolution])
        if chunk.foreign:
            self.strange[begin] = chunk

    def chunks(self) -> list[tuple[int, Chunk]]:
        """(start, chunk) of each. Raises ValueError where an unknown column would have to be taken apart."""
        per_chunk, span = chunks.SLOTS[self.resolution], chunks.span_seconds(self.resolution)
        return [
            (begin, self._chunk(begin, slice(i * per_chunk, (i + 1) * per_chunk)))
            for i, begin in enumerate(range(self.start, self.end, span))
        ]

    def _chunk(self, begin: int, at: slice) -> Chunk:
        mine = Chunk(self.subject_ids, {code: held.part(at) for code, held in self.grid.items()})
        strange = self.strange.get(begin)
        if strange is None:
            return mine
        new = ~np.isin(mine.subject_ids, strange.subject_ids)
        if any(held.count[new].any() for held in mine.grid.values()):
            raise ValueError("a chunk has columns that this release does not know, and subjects that they do not")
        of_old = {code: held.of(np.flatnonzero(~new)) for code, held in mine.grid.items()}
        return Chunk(strange.subject_ids, of_old, strange.foreign)


def load(kind: Kind, subjects: Mapping[int, Ints], resolution: int, start: int, end: int) -> dict[int, Window]:
    """For each node (with the sorted subject ids that are to be put) the chunks that overlap [start, end), whole."""
    span = chunks.span_seconds(resolution)
    begin, stop = chunks.chunk_start(resolution, start), end + (-end) % span
    held: dict[int, list[tuple[int, Chunk]]] = {node_id: [] for node_id in subjects}
    stored = copying.fetch(
        f"SELECT node_id, extract(epoch FROM at)::bigint, body FROM {ROLLUP_TABLES[resolution]}"  # noqa: S608
        " WHERE node_id = ANY(%s) AND kind = %s AND at >= %s AND at < %s",
        [list(subjects), int(kind), _instant(begin), _instant(stop)],
    )
    for node_id, at, body in stored:
        held[node_id].append((at, chunks.decode(kind, body)))
    found = {}
    for node_id, new in subjects.items():
        everybody = np.unique(np.concatenate([new, *(chunk.subject_ids for _, chunk in held[node_id]), _NOBODY]))
        window = found[node_id] = Window(resolution, begin, stop, everybody)
        for at, chunk in held[node_id]:
            window.add(at, chunk)
    return found


def save(kind: Kind, windows: Mapping[int, Window], resolution: int) -> None:
    """Write every chunk back, in one statement."""
    rows = [
        (node_id, begin, chunks.encode(kind, chunk))
        for node_id, window in sorted(windows.items())
        for begin, chunk in window.chunks()
    ]
    copying.execute(
        f"INSERT INTO {ROLLUP_TABLES[resolution]} (node_id, kind, at, body)"  # noqa: S608
        " SELECT n, %s, to_timestamp(a), b FROM unnest(%s::int[], %s::bigint[], %s::bytea[]) AS new(n, a, b)"
        " ON CONFLICT (node_id, kind, at) DO UPDATE SET body = EXCLUDED.body",
        [int(kind), [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]],
    )


def _instant(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
