"""A chunk of rollups: consecutive buckets of every column and subject of one kind of a node, as one body.

Pure. Minute buckets come 60 to a chunk (an hour), quarter-hours 32 (eight hours), hours 24 (a UTC day).
Gauges and flags keep minimum, maximum, average and last as float32; counters keep last and the
reset-aware increase as float64. `count` is the number of raw samples behind a bucket: 0 is a gap.

Each column is compressed on its own, so that a chart of one metric opens no other.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import cramjam
import numpy as np
import numpy.typing as npt

from telemetry.catalogue import COLUMNS, Kind, Shape

SLOTS: Final = {60: 60, 900: 32, 3600: 24}
"""Buckets per chunk, by resolution in seconds."""

FIELDS: Final = {
    Shape.GAUGE: ("minimum", "maximum", "average", "last"),
    Shape.FLAG: ("minimum", "maximum", "average", "last"),
    Shape.COUNTER: ("last", "increase"),
}
_MAGIC: Final = b"XFC2"
_HEAD: Final = struct.Struct("<4sHHH")
_ENTRY: Final = struct.Struct("<HI")


def span_seconds(resolution: int) -> int:
    """How much time one chunk covers."""
    return resolution * SLOTS[resolution]


def chunk_start(resolution: int, second: int) -> int:
    """Start of the chunk that holds this Unix second."""
    return second - second % span_seconds(resolution)


@dataclass(slots=True)
class Buckets:
    """One column over consecutive buckets: arrays of (n,) or (subjects, n) by field name, NaN where count is 0."""

    shape: Shape
    count: npt.NDArray[np.uint32]
    fields: dict[str, npt.NDArray[np.float64]]

    @classmethod
    def empty(cls, shape: Shape, *size: int) -> Buckets:
        return cls(shape, np.zeros(size, np.uint32), {name: np.full(size, np.nan) for name in FIELDS[shape]})

    def put(self, at: slice, other: Buckets) -> None:
        """Replace the buckets `at` with those of `other`."""
        self.count[..., at] = other.count
        for name, values in self.fields.items():
            values[..., at] = other.fields[name]

    def part(self, at: slice) -> Buckets:
        """Some of the buckets, sharing memory with these."""
        return Buckets(self.shape, self.count[..., at], {name: values[..., at] for name, values in self.fields.items()})

    def of(self, subject: int | npt.NDArray[np.intp]) -> Buckets:
        """The buckets of one subject, or of some, by position."""
        return Buckets(self.shape, self.count[subject], {name: values[subject] for name, values in self.fields.items()})


Grid = dict[int, Buckets]
"""Buckets of (subjects, n) by column code; a column that was never sent is not there."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one body holds: subject ids, sorted, and their buckets.

    `foreign` are columns that this release does not know, as they are stored: a later one wrote them, and finds them
    again. They are of these subjects in this order and of no others.
    """

    subject_ids: npt.NDArray[np.int64]
    grid: Grid
    foreign: Mapping[int, bytes] = field(default_factory=dict)


def encode(kind: Kind, chunk: Chunk) -> bytes:
    """Compressed body; columns without any sample are left out."""
    blocks: list[tuple[int, bytes]] = []
    slots = 0
    for code, buckets in sorted(chunk.grid.items()):
        slots = buckets.count.shape[-1]
        if not buckets.count.any():
            continue
        dtype = _dtype(COLUMNS[kind][code].shape)
        planes = [buckets.fields[name].astype(dtype).tobytes() for name in FIELDS[buckets.shape]]
        raw = b"".join([buckets.count.astype("<u4").tobytes(), *planes])
        blocks.append((code, bytes(cramjam.zstd.compress(raw, level=1))))
    blocks += sorted(chunk.foreign.items())
    head = _HEAD.pack(_MAGIC, len(chunk.subject_ids), slots, len(blocks))
    directory = [_ENTRY.pack(code, len(block)) for code, block in blocks]
    return b"".join([head, chunk.subject_ids.astype("<i4").tobytes(), *directory, *(block for _, block in blocks)])


def decode(kind: Kind, body: bytes, wanted: Container[int] | None = None) -> Chunk:
    """The chunk, or those of its columns that are wanted. Raises ValueError for a body that `encode` did not make."""
    try:
        return _decode(kind, body, wanted)
    except (struct.error, IndexError, ValueError, cramjam.DecompressionError) as error:
        raise ValueError("not a chunk") from error


def _decode(kind: Kind, body: bytes, wanted: Container[int] | None) -> Chunk:
    magic, subjects, slots, columns = _HEAD.unpack_from(body)
    if magic != _MAGIC:
        raise ValueError("wrong magic")
    subject_ids = np.frombuffer(body, "<i4", subjects, _HEAD.size).astype(np.int64)
    entry = _HEAD.size + 4 * subjects
    position = entry + columns * _ENTRY.size
    grid: Grid = {}
    foreign = {}
    for number in range(columns):
        code, length = _ENTRY.unpack_from(body, entry + number * _ENTRY.size)
        if code >= len(COLUMNS[kind]):
            foreign[code] = bytes(body[position : position + length])
        elif wanted is None or code in wanted:
            block = bytes(cramjam.zstd.decompress(body[position : position + length]))
            grid[code] = _column(COLUMNS[kind][code].shape, block, (subjects, slots))
        position += length
    if position != len(body):
        raise ValueError("wrong length")
    return Chunk(subject_ids, grid, foreign)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one column lies in a body, and of whom: for reading it without the rest."""

    first: int
    length: int
    subject_ids: npt.NDArray[np.int64]
    slots: int


def head_size(body: bytes) -> int:
    """How many bytes of a body come before its columns; its first ten bytes are enough to tell."""
    _, subjects, _, columns = _HEAD.unpack_from(body)
    return int(_HEAD.size + 4 * subjects + columns * _ENTRY.size)


def find_column(head: bytes, code: int) -> Place | None:
    """Where a column lies, told by the first `head_size` bytes of a body; None when it is not there.

    Raises ValueError for a body that `encode` did not make.
    """
    size = head_size(head)
    magic, subjects, slots, _ = _HEAD.unpack_from(head)
    if magic != _MAGIC or len(head) < size:
        raise ValueError("not the head of a chunk")
    first = size
    for at, length in _ENTRY.iter_unpack(head[_HEAD.size + 4 * subjects : size]):
        if at == code:
            ids = np.frombuffer(head, "<i4", subjects, _HEAD.size).astype(np.int64)
            return Place(first, length, ids, slots)
        first += length
    return None


_DIRECTORY: Final = np.dtype([("code", "<u2"), ("length", "<u4")])


def find_columns(body: bytes, wanted: Container[int]) -> tuple[bytes, dict[int, slice]]:
    """Ids of the subjects as they are stored, and where those of these columns that are there lie in a body.

    Raises ValueError for a body that `encode` did not make.
    """
    try:
        magic, subjects, _, columns = _HEAD.unpack_from(body)
        ids = body[_HEAD.size : _HEAD.size + 4 * subjects]
        entries = np.frombuffer(body, _DIRECTORY, columns, _HEAD.size + 4 * subjects)
    except (struct.error, ValueError) as error:
        raise ValueError("not a chunk") from error
    ends = np.cumsum(entries["length"], dtype=np.int64) + _HEAD.size + 4 * subjects + columns * _ENTRY.size
    if magic != _MAGIC or (ends[-1] if columns else head_size(body)) != len(body):
        raise ValueError("not a chunk")
    lengths = entries["length"].tolist()
    found = {
        code: slice(end - length, end)
        for code, length, end in zip(entries["code"].tolist(), lengths, ends.tolist(), strict=True)
        if code in wanted
    }
    return ids, found


def decode_alike(shape: Shape, blocks: Sequence[bytes], size: tuple[int, int]) -> Buckets:
    """One column of many chunks of so many (subjects, slots): arrays of (chunks, subjects, slots).

    Raises ValueError for blocks that are not all of that size.
    """
    dtype, cells = np.dtype(_dtype(shape)), size[0] * size[1]
    width = cells * (4 + len(FIELDS[shape]) * dtype.itemsize)
    try:
        raw = bytes(cramjam.zstd.decompress(b"".join(blocks)))  # frames one after the other are one stream
    except cramjam.DecompressionError as error:
        raise ValueError("not a column") from error
    if len(raw) != width * len(blocks):
        raise ValueError("wrong size of a column")
    whole, number = np.frombuffer(raw, np.uint8).reshape(len(blocks), width), len(blocks)
    count = np.ascontiguousarray(whole[:, : 4 * cells]).view("<u4").reshape(number, *size)
    fields = {}
    for i, name in enumerate(FIELDS[shape]):
        begin = cells * (4 + i * dtype.itemsize)
        plane = np.ascontiguousarray(whole[:, begin : begin + cells * dtype.itemsize]).view(dtype)
        fields[name] = plane.reshape(number, *size).astype(np.float64)
    return Buckets(shape, count, fields)


def decode_column(shape: Shape, block: bytes, place: Place) -> Buckets:
    """The buckets that lie at a place. Raises ValueError for a block that is not from there."""
    try:
        return _column(shape, bytes(cramjam.zstd.decompress(block)), (len(place.subject_ids), place.slots))
    except cramjam.DecompressionError as error:
        raise ValueError("not a column") from error


def _column(shape: Shape, block: bytes, size: tuple[int, int]) -> Buckets:
    dtype, cells = np.dtype(_dtype(shape)), size[0] * size[1]
    if len(block) != cells * (4 + len(FIELDS[shape]) * dtype.itemsize):
        raise ValueError("wrong size of a column")
    count = np.frombuffer(block, "<u4", cells).reshape(size).copy()
    fields = {
        name: np.frombuffer(block, dtype, cells, cells * (4 + i * dtype.itemsize)).reshape(size).astype(np.float64)
        for i, name in enumerate(FIELDS[shape])
    }
    return Buckets(shape, count, fields)


def _dtype(shape: Shape) -> str:
    return "<f8" if shape is Shape.COUNTER else "<f4"


def coarsen(fine: Buckets, factor: int) -> Buckets:
    """Every `factor` buckets as one: average weighted by count, extremes of extremes, increases added up."""
    if factor == 1:
        return fine
    groups = fine.count.shape[-1] // factor
    used, size = slice(groups * factor), (*fine.count.shape[:-1], groups, factor)
    weights = fine.count[..., used].reshape(size)
    grid = {name: values[..., used].reshape(size) for name, values in fine.fields.items()}
    present, count = weights > 0, weights.sum(axis=-1, dtype=np.uint32)
    newest = (factor - 1 - np.argmax(present[..., ::-1], axis=-1))[..., None]
    fields = {}
    for name, values in grid.items():
        if name == "minimum":
            found = np.where(present, values, np.inf).min(axis=-1)
        elif name == "maximum":
            found = np.where(present, values, -np.inf).max(axis=-1)
        elif name == "average":
            weighted = (np.where(present, values, 0.0) * weights).sum(axis=-1)
            found = np.divide(weighted, count, out=np.zeros(weighted.shape), where=count > 0)
        elif name == "increase":
            found = np.where(present & ~np.isnan(values), values, 0.0).sum(axis=-1)
        else:
            found = np.take_along_axis(values, newest, axis=-1)[..., 0]
        fields[name] = np.where(count > 0, found, np.nan)
    return Buckets(fine.shape, count, fields)
