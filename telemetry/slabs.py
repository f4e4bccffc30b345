"""A slab of fleet rollups: one bucket of every column of many nodes' subjects, as one body. Pure.

Where a chunk holds many buckets of one node, a slab holds one bucket of many nodes, and of that only what a fleet is
asked for: how many samples there were, and a gauge's average or a counter's increase. Each column is compressed on
its own; where it ends is kept beside the body, so that one is read without the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import cramjam
import numpy as np
import numpy.typing as npt

from telemetry.catalogue import COLUMNS, Kind, Shape

Ints = npt.NDArray[np.int64]
Counts = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float64]
Stored = npt.NDArray[np.floating]

FIELD: Final = {Shape.GAUGE: "average", Shape.FLAG: "average", Shape.COUNTER: "increase"}
"""What is kept of a bucket."""


@dataclass(frozen=True, slots=True)
class Slab:
    """Whose buckets they are, sorted by (node, subject), and by column code (count, value): (subjects,) arrays.

    The value is NaN where the count is 0. `foreign` are columns that this release does not know, of a later one that
    finds them again: their values are as they are stored.
    """

    node_ids: Ints
    subject_ids: Ints
    columns: Mapping[int, tuple[Counts, Floats]]
    foreign: Mapping[int, tuple[Counts, Stored]] = field(default_factory=dict)

    @property
    def keys(self) -> Ints:
        return keys_of(self.node_ids, self.subject_ids)


@dataclass(frozen=True, slots=True)
class Packed:
    """As it is stored: `ends[0]` is where the subjects end in the body, `ends[i + 1]` where column `codes[i]` does."""

    codes: Sequence[int]
    ends: Sequence[int]
    body: bytes


def keys_of(node_ids: Ints, subject_ids: Ints) -> Ints:
    return node_ids << 32 | subject_ids


def pack(kind: Kind, slab: Slab) -> Packed:
    """Columns without any sample are left out."""
    used = sorted(code for code, (count, _) in slab.columns.items() if count.any())
    blocks = [_compress(slab.node_ids.astype("<i4").tobytes() + slab.subject_ids.astype("<i4").tobytes())]
    for code in used:
        count, value = slab.columns[code]
        blocks.append(_compress(count.astype("<u4").tobytes() + value.astype(_dtype(kind, code)).tobytes()))
    for code, (count, stored) in sorted(slab.foreign.items()):
        used.append(code)
        blocks.append(_compress(count.astype("<u4").tobytes() + stored.tobytes()))
    return Packed(used, np.cumsum([len(block) for block in blocks]).tolist(), b"".join(blocks))


def unpack(kind: Kind, packed: Packed) -> Slab:
    """Raises ValueError for what `pack` did not make."""
    node_ids, subject_ids = unpack_subjects(packed.body[: packed.ends[0]])
    columns, foreign = {}, {}
    for code, begin, end in zip(packed.codes, packed.ends[:-1], packed.ends[1:], strict=True):
        block = packed.body[begin:end]
        if code < len(COLUMNS[kind]):
            columns[code] = unpack_column(kind, code, block, len(node_ids))
        else:
            foreign[code] = _unpack_foreign(block, len(node_ids))
    return Slab(node_ids, subject_ids, columns, foreign)


def _unpack_foreign(block: bytes, subjects: int) -> tuple[Counts, Stored]:
    """Whether it is a gauge or a counter is told by its size."""
    raw = _decompress(block)
    size = len(raw) // max(1, subjects) - 4
    if size not in (4, 8) or len(raw) != subjects * (4 + size):
        raise ValueError("wrong size of a column")
    return np.frombuffer(raw, "<u4", subjects), np.frombuffer(raw, f"<f{size}", subjects, 4 * subjects)


def unpack_subjects(block: bytes) -> tuple[Ints, Ints]:
    """Node ids and subject ids."""
    ids = np.frombuffer(_decompress(block), "<i4").astype(np.int64).reshape(2, -1)
    return ids[0], ids[1]


def unpack_column(kind: Kind, code: int, block: bytes, subjects: int) -> tuple[Counts, Floats]:
    """Counts and values of so many subjects. Raises ValueError for a block that is not of them."""
    raw, dtype = _decompress(block), np.dtype(_dtype(kind, code))
    if len(raw) != subjects * (4 + dtype.itemsize):
        raise ValueError("wrong size of a column")
    return np.frombuffer(raw, "<u4", subjects), np.frombuffer(raw, dtype, subjects, 4 * subjects).astype(np.float64)


def replace(old: Slab, nodes: Ints, new: Slab) -> Slab:
    """`old`, but of these nodes what `new` says, which is of no others. It says nothing of columns that are unknown."""
    keep = np.flatnonzero(~np.isin(old.node_ids, nodes))
    node_ids, subject_ids = (
        np.concatenate([ids[keep], fresh])
        for ids, fresh in ((old.node_ids, new.node_ids), (old.subject_ids, new.subject_ids))
    )
    order = np.argsort(keys_of(node_ids, subject_ids))
    columns = {}
    for code in old.columns.keys() | new.columns.keys():
        held, fresh = old.columns.get(code), new.columns.get(code)
        count, value = np.zeros(len(order), np.uint32), np.full(len(order), np.nan)
        if held is not None:
            count[: len(keep)], value[: len(keep)] = held[0][keep], held[1][keep]
        if fresh is not None:
            count[len(keep) :], value[len(keep) :] = fresh
        columns[code] = count[order], value[order]
    node_ids, subject_ids = node_ids[order], subject_ids[order]
    keys = keys_of(node_ids, subject_ids)
    foreign = {code: _moved(old.keys, keys, *held) for code, held in old.foreign.items()}
    return Slab(node_ids, subject_ids, columns, foreign)


def _moved(before: Ints, after: Ints, count: Counts, value: Stored) -> tuple[Counts, Stored]:
    """A column of the subjects `before` as one of those `after`, both sorted."""
    place = np.minimum(np.searchsorted(after, before), len(after) - 1)
    there: Any = after[place] == before
    counts, values = np.zeros(len(after), np.uint32), np.full(len(after), np.nan, value.dtype)
    counts[place[there]], values[place[there]] = count[there], value[there]
    return counts, values


def _dtype(kind: Kind, code: int) -> str:
    return "<f8" if COLUMNS[kind][code].shape is Shape.COUNTER else "<f4"


def _compress(raw: bytes) -> bytes:
    return bytes(cramjam.zstd.compress(raw, level=1))


def _decompress(block: bytes) -> bytes:
    try:
        return bytes(cramjam.zstd.decompress(block))
    except cramjam.DecompressionError as error:
        raise ValueError("not a block of a slab") from error
