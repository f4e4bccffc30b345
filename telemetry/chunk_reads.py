"""Chunks out of storage: some columns of one node over a long time, or one column of many nodes.

Of one node whole bodies are read, and a column of all of them is opened at once. Of many nodes a column is read without
the columns around it: it is a few hundred bytes to some kilobytes of up to eighty, and bodies are stored so that a part
of one can be read: first the heads are, which say where the column lies, and then only that.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from telemetry import chunks, copying
from telemetry.catalogue import COLUMNS, Column, Kind
from telemetry.chunks import Buckets
from telemetry.tables import ROLLUP_TABLES

Ints = npt.NDArray[np.int64]

_HEAD_BYTES: Final = 1_000
"""Enough for the head of a chunk of a hundred subjects; where there are more, heads are read a second time."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One column of one chunk: when it begins, subject ids, and their buckets of (subjects, slots)."""

    node_id: int
    begin: int
    subject_ids: npt.NDArray[np.int64]
    buckets: Buckets


def read_column(column: Column, node_ids: Sequence[int], resolution: int, start: int, end: int) -> Iterator[Piece]:
    """Pieces of the chunks that overlap [start, end), Unix seconds, and have the column; sorted by node and time."""
    table, where = ROLLUP_TABLES[resolution], "node_id = ANY(%s) AND kind = %s AND at >= %s AND at < %s"
    some = [list(node_ids), int(column.kind), _instant(chunks.chunk_start(resolution, start)), _instant(end)]
    head_bytes = _HEAD_BYTES
    while True:
        heads = copying.fetch(
            f"SELECT node_id, extract(epoch FROM at)::bigint, substring(body FOR %s) FROM {table} WHERE {where}"  # noqa: S608
            " ORDER BY node_id, at",
            [head_bytes, *some],
        )
        longest = max((chunks.head_size(head) for _, _, head in heads), default=0)
        if longest <= head_bytes:
            break
        head_bytes = longest
    found = []
    for node_id, begin, head in heads:
        place = chunks.find_column(head, column.code)
        if place is not None:
            found.append((node_id, begin, place))
    blocks = copying.fetch(
        "SELECT r.node_id, extract(epoch FROM r.at)::bigint, substring(r.body FROM p.first + 1 FOR p.length)"  # noqa: S608
        f" FROM {table} r JOIN unnest(%s::int[], %s::timestamptz[], %s::int[], %s::int[])"
        " AS p(node, begins, first, length) ON r.node_id = p.node AND r.at = p.begins"
        f" WHERE {where}",
        [
            [node_id for node_id, _, _ in found],
            [_instant(begin) for _, begin, _ in found],
            [place.first for _, _, place in found],
            [place.length for _, _, place in found],
            *some,
        ],
    )
    held = {(node_id, begin): block for node_id, begin, block in blocks}
    for node_id, begin, place in found:
        if (block := held.get((node_id, begin))) is not None:
            yield Piece(node_id, begin, place.subject_ids, chunks.decode_column(column.shape, block, place))


def read_node(
    node_id: int, kind: Kind, columns: Sequence[Column], resolution: int, start: int, end: int
) -> tuple[Ints, dict[int, Buckets]]:
    """Subject ids, sorted, and by column code their buckets of (subjects, slots) over [start, end), Unix seconds.

    Start and end are borders of buckets. A column of which there is nothing is not there.
    """
    span, slots = chunks.span_seconds(resolution), chunks.SLOTS[resolution]
    begin = chunks.chunk_start(resolution, start)
    rows = copying.fetch(
        f"SELECT extract(epoch FROM at)::bigint, body FROM {ROLLUP_TABLES[resolution]}"  # noqa: S608
        " WHERE node_id = %s AND kind = %s AND at >= %s AND at < %s",
        [node_id, int(kind), _instant(begin), _instant(end)],
    )
    alike = _alike(rows, {column.code for column in columns})
    of_ids = {ids: np.frombuffer(ids, "<i4").astype(np.int64) for _, ids in alike}
    everybody = np.unique(np.concatenate([np.empty(0, np.int64), *of_ids.values()]))
    whole: dict[int, Buckets] = {}
    for (code, ids), found in alike.items():
        shape = COLUMNS[kind][code].shape
        if code not in whole:
            whole[code] = Buckets.empty(shape, len(everybody), -(-(end - begin) // span), slots)
        opened = chunks.decode_alike(shape, [block for _, block in found], (len(of_ids[ids]), slots))
        at = np.array([(second - begin) // span for second, _ in found], np.int64)
        _put(whole[code], np.searchsorted(everybody, of_ids[ids]), at, opened)
    part = slice((start - begin) // resolution, (end - begin) // resolution)
    return everybody, {code: _joined(held).part(part) for code, held in whole.items()}


def _alike(
    rows: Sequence[tuple[int, bytes]], wanted: Container[int]
) -> dict[tuple[int, bytes], list[tuple[int, bytes]]]:
    """(when a chunk begins, a column's block) by column code and the ids of the subjects, as they are stored."""
    found: dict[tuple[int, bytes], list[tuple[int, bytes]]] = {}
    for begin, body in rows:
        ids, places = chunks.find_columns(body, wanted)
        for code, place in places.items():
            found.setdefault((code, ids), []).append((begin, body[place]))
    return found


def _put(whole: Buckets, rows: Ints, at: Ints, found: Buckets) -> None:
    """Chunks of some subjects, (chunks, subjects, slots), into the (subjects, chunks, slots) of everybody."""
    place = np.ix_(rows, at)
    whole.count[place] = found.count.swapaxes(0, 1)
    for name, values in whole.fields.items():
        values[place] = found.fields[name].swapaxes(0, 1)


def _joined(held: Buckets) -> Buckets:
    """(subjects, chunks, slots) as (subjects, chunks * slots)."""
    size = (held.count.shape[0], -1)
    fields = {name: values.reshape(size) for name, values in held.fields.items()}
    return Buckets(held.shape, held.count.reshape(size), fields)


def _instant(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
