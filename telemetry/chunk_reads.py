"""One column of many nodes' chunks out of storage, without the columns around it.

A chunk's column is a few hundred bytes to some kilobytes of up to eighty, and bodies are stored so that a part of one
can be read: first the heads are, which say where the column lies, and then only that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from telemetry import chunks, copying
from telemetry.catalogue import Column
from telemetry.chunks import Buckets
from telemetry.tables import ROLLUP_TABLES

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


def _instant(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
