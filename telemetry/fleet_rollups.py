"""Hours, quarters of a day and days of the whole fleet, so that a long range opens no node's chunks.

Written with the hours that they come from, in the same transaction: a slab is always what the chunks of hours say. It
holds BLOCK nodes, and the recomputation takes nodes of one block together. Slabs are read by those who see every node;
for everybody else row-level security leaves none, and their few nodes' chunks are read.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np
from django.db import connection

from homes.row_security import SEES_EVERY_HOME
from telemetry import chunks, copying, slabs
from telemetry.catalogue import Column, Kind
from telemetry.chunks import Buckets
from telemetry.slabs import FIELD, Ints, Packed, Slab
from telemetry.tables import FLEET_BLOCK, FLEET_TABLE
from telemetry.windows import Window

KINDS: Final = (Kind.NODE, Kind.GPU)
RESOLUTIONS: Final = (86_400, 21_600, 3600)
"""In seconds; all divide a day, which is what a chunk of hours covers."""

_LOCK: Final = 7_304
_HOUR: Final = 3600


def save(windows: Mapping[Kind, Mapping[int, Window]], start: int, end: int) -> None:
    """Replace what is said of these nodes in every bucket that overlaps [start, end).

    `windows` are chunks of hours, whole, of all nodes over the same days. Within the transaction that writes them.
    """
    kinds = [kind for kind in KINDS if windows.get(kind)]
    blocks = sorted({node_id // FLEET_BLOCK for kind in kinds for node_id in windows[kind]})
    with connection.cursor() as cursor:
        # Two workers may hold different nodes of one block. In order, and after the locks of nodes: nobody deadlocks.
        cursor.execute("SELECT pg_advisory_xact_lock(%s, n) FROM unnest(%s::int[]) AS n", [_LOCK, blocks])
    for kind in kinds:
        whole = _Hours.of(windows[kind])
        _store(kind, whole.nodes, dict(whole.slabs(start, end)))


class _Hours:
    """Hours of many nodes side by side, of one field a column: (subjects, hours)."""

    def __init__(self, start: int, nodes: Ints, node_ids: Ints, subject_ids: Ints, columns: dict[int, Buckets]) -> None:
        self._start, self.nodes = start, nodes
        self._node_ids, self._subject_ids, self._columns = node_ids, subject_ids, columns

    @classmethod
    def of(cls, windows: Mapping[int, Window]) -> _Hours:
        nodes = sorted(windows)
        sizes = [len(windows[node_id].subject_ids) for node_id in nodes]
        begins = np.cumsum([0, *sizes]).tolist()
        shape = (begins[-1], windows[nodes[0]].slots)
        columns: dict[int, Buckets] = {}
        for node_id, begin, size in zip(nodes, begins[:-1], sizes, strict=True):
            for code, held in windows[node_id].grid.items():
                name = FIELD[held.shape]
                if code not in columns:
                    columns[code] = Buckets(held.shape, np.zeros(shape, np.uint32), {name: np.full(shape, np.nan)})
                mine = slice(begin, begin + size)
                columns[code].count[mine] = held.count
                columns[code].fields[name][mine] = held.fields[name]
        node_ids = np.repeat(np.array(nodes, np.int64), sizes)
        subject_ids = np.concatenate([windows[node_id].subject_ids for node_id in nodes])
        return cls(windows[nodes[0]].start, np.array(nodes, np.int64), node_ids, subject_ids, columns)

    def slabs(self, start: int, end: int) -> Iterator[tuple[tuple[int, int, int], Slab]]:
        """((resolution, begin, block), slab) of each bucket that overlaps [start, end)."""
        block = self._node_ids // FLEET_BLOCK
        edges = [*np.flatnonzero(np.diff(block, prepend=-1)).tolist(), len(block)]
        for resolution in RESOLUTIONS:
            first = start // resolution * resolution
            slots = -(-(end - first) // resolution)
            at = slice((first - self._start) // _HOUR, (first - self._start + slots * resolution) // _HOUR)
            found = {code: chunks.coarsen(held.part(at), resolution // _HOUR) for code, held in self._columns.items()}
            for slot in range(slots):
                for low, high in itertools.pairwise(edges):
                    columns = {
                        code: (held.count[low:high, slot], held.fields[FIELD[held.shape]][low:high, slot])
                        for code, held in found.items()
                    }
                    slab = Slab(self._node_ids[low:high], self._subject_ids[low:high], columns)
                    yield (resolution, first + slot * resolution, int(block[low])), slab


def _store(kind: Kind, nodes: Ints, fresh: Mapping[tuple[int, int, int], Slab]) -> None:
    packed, held = {}, _held(kind, list(fresh))
    for key, new in fresh.items():
        old = held.get(key)
        packed[key] = slabs.pack(kind, new if old is None else slabs.replace(slabs.unpack(kind, old), nodes, new))
    # Of hours to come there is nothing to say.
    keys = sorted(key for key, new in packed.items() if new.codes or key in held)
    if not keys:
        return
    copying.execute(
        f"INSERT INTO {FLEET_TABLE} (resolution, kind, at, block, codes, ends, body)"  # noqa: S608
        " SELECT r, %s, to_timestamp(a), b, c::smallint[], e::int[], body"
        " FROM unnest(%s::int[], %s::bigint[], %s::int[], %s::text[], %s::text[], %s::bytea[])"
        " AS new(r, a, b, c, e, body)"
        " ON CONFLICT (resolution, kind, at, block)"
        " DO UPDATE SET codes = EXCLUDED.codes, ends = EXCLUDED.ends, body = EXCLUDED.body",
        [
            int(kind),
            *(list(column) for column in zip(*keys, strict=True)),
            # Postgres has no array of arrays of different lengths.
            [copying.ints(packed[key].codes) for key in keys],
            [copying.ints(packed[key].ends) for key in keys],
            [packed[key].body for key in keys],
        ],
    )


def _held(kind: Kind, keys: Sequence[tuple[int, int, int]]) -> dict[tuple[int, int, int], Packed]:
    resolutions, begins, blocks = (list(column) for column in zip(*keys, strict=True))
    rows = copying.fetch(
        "SELECT f.resolution, extract(epoch FROM f.at)::bigint, f.block, f.codes, f.ends, f.body"  # noqa: S608
        f" FROM {FLEET_TABLE} f JOIN unnest(%s::int[], %s::timestamptz[], %s::int[]) AS k(resolution, at, block)"
        " USING (resolution, at, block) WHERE f.kind = %s",
        [resolutions, [_instant(begin) for begin in begins], blocks, int(kind)],
    )
    return {
        (resolution, begin, block): Packed(codes, ends, body) for resolution, begin, block, codes, ends, body in rows
    }


def resolution_of(step: int) -> int | None:
    """The coarsest that divides the step; None for a finer step."""
    return next((resolution for resolution in RESOLUTIONS if step % resolution == 0), None)


def may_read() -> bool:
    """Whether slabs are shown to whoever asks: to those who see every node."""
    ((allowed,),) = copying.fetch(f"SELECT {SEES_EVERY_HOME}", [])
    return bool(allowed)


def read(
    column: Column, node_ids: Sequence[int], resolution: int, first: int, slots: int
) -> tuple[Ints, Ints, Buckets]:
    """Node ids, subject ids and buckets from `first` on of these nodes' subjects, sorted by (node, subject)."""
    rows = copying.fetch(
        "SELECT (extract(epoch FROM f.at)::bigint - %s) / %s, substring(f.body FOR f.ends[1]),"  # noqa: S608
        " substring(f.body FROM f.ends[p.place] + 1 FOR f.ends[p.place + 1] - f.ends[p.place])"
        f" FROM {FLEET_TABLE} f CROSS JOIN LATERAL (SELECT array_position(f.codes, %s::smallint) AS place) p"
        " WHERE f.resolution = %s AND f.kind = %s AND f.at >= %s AND f.at < %s AND f.block = ANY(%s)"
        " AND p.place IS NOT NULL",
        [
            first,
            resolution,
            column.code,
            resolution,
            int(column.kind),
            _instant(first),
            _instant(first + slots * resolution),
            sorted({node_id // FLEET_BLOCK for node_id in node_ids}),
        ],
    )
    subjects = {block: slabs.unpack_subjects(block) for block in {row[1] for row in rows}}
    keys = np.unique(np.concatenate([slabs.keys_of(*ids) for ids in subjects.values()] or [np.empty(0, np.int64)]))
    keys = keys[np.isin(keys >> 32, np.array(node_ids, np.int64))]
    count, values = np.zeros((len(keys), slots), np.uint32), np.full((len(keys), slots), np.nan)
    places = {block: _places(keys, slabs.keys_of(*ids)) for block, ids in subjects.items()}
    for slot, block, body in rows:
        wanted, place = places[block]
        counts, found = slabs.unpack_column(column.kind, column.code, body, len(wanted))
        count[place, slot], values[place, slot] = counts[wanted], found[wanted]
    return keys >> 32, keys & 0xFFFFFFFF, Buckets(column.shape, count, {FIELD[column.shape]: values})


def _places(keys: Ints, of: Ints) -> tuple[np.ndarray[tuple[int], np.dtype[np.bool_]], Ints]:
    """Which of these are among the keys, and where."""
    place = np.minimum(np.searchsorted(keys, of), max(len(keys) - 1, 0))
    wanted = keys[place] == of if len(keys) else np.zeros(len(of), np.bool_)
    return wanted, place[wanted]


def _instant(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
