"""A chunk of rollups: consecutive buckets of every column of one subject, as one compressed body.

Pure. Minute buckets come 60 to a chunk (an hour), quarter-hours 96 (a UTC day), hours 168 (a week since
the epoch). Gauges and flags keep minimum, maximum, average and last as float32; counters keep last and
the reset-aware increase as float64. `count` is the number of raw samples behind a bucket: 0 is a gap.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import cramjam
import numpy as np
import numpy.typing as npt

from telemetry.catalogue import COLUMNS, Kind, Shape

SLOTS: Final = {60: 60, 900: 96, 3600: 168}
"""Buckets per chunk, by resolution in seconds."""

FIELDS: Final = {
    Shape.GAUGE: ("minimum", "maximum", "average", "last"),
    Shape.FLAG: ("minimum", "maximum", "average", "last"),
    Shape.COUNTER: ("last", "increase"),
}
_MAGIC: Final = b"XFC1"
_HEAD: Final = struct.Struct("<HH")


def span_seconds(resolution: int) -> int:
    """How much time one chunk covers."""
    return resolution * SLOTS[resolution]


def chunk_start(resolution: int, second: int) -> int:
    """Start of the chunk that holds this Unix second."""
    return second - second % span_seconds(resolution)


@dataclass(slots=True)
class Buckets:
    """One column over consecutive buckets: (n,) arrays by field name, NaN where count is 0."""

    shape: Shape
    count: npt.NDArray[np.uint32]
    fields: dict[str, npt.NDArray[np.float64]]

    @classmethod
    def empty(cls, shape: Shape, slots: int) -> Buckets:
        return cls(shape, np.zeros(slots, np.uint32), {name: np.full(slots, np.nan) for name in FIELDS[shape]})

    def put(self, at: slice | npt.NDArray[np.intp], other: Buckets) -> None:
        """Replace the buckets `at` with those of `other`."""
        self.count[at] = other.count
        for name, values in self.fields.items():
            values[at] = other.fields[name]

    def part(self, at: slice) -> Buckets:
        """Some of the buckets, sharing memory with these."""
        return Buckets(self.shape, self.count[at], {name: values[at] for name, values in self.fields.items()})


Chunk = dict[int, Buckets]
"""Buckets by column code; a column that was never sent is not there."""


def encode(kind: Kind, chunk: Chunk) -> bytes:
    """Compressed body; columns without any sample are left out."""
    parts = [_MAGIC]
    for code, buckets in sorted(chunk.items()):
        if not buckets.count.any():
            continue
        dtype = _dtype(COLUMNS[kind][code].shape)
        parts += [_HEAD.pack(code, len(buckets.count)), buckets.count.astype("<u4").tobytes()]
        parts += [buckets.fields[name].astype(dtype).tobytes() for name in FIELDS[buckets.shape]]
    return bytes(cramjam.zstd.compress(b"".join(parts), level=1))


def decode(kind: Kind, body: bytes) -> Chunk:
    """Raises ValueError for a body that `encode` did not make."""
    try:
        data = bytes(cramjam.zstd.decompress(body))
    except cramjam.DecompressionError as error:
        raise ValueError("not a chunk") from error
    if data[:4] != _MAGIC:
        raise ValueError("not a chunk")
    chunk: Chunk = {}
    position = 4
    while position < len(data):
        code, slots = _HEAD.unpack_from(data, position)
        shape = COLUMNS[kind][code].shape
        count = np.frombuffer(data, "<u4", slots, position + 4).copy()
        position += 4 + count.nbytes
        fields = {}
        for name in FIELDS[shape]:
            raw = np.frombuffer(data, _dtype(shape), slots, position)
            fields[name] = raw.astype(np.float64)
            position += raw.nbytes
        chunk[code] = Buckets(shape, count, fields)
    return chunk


def _dtype(shape: Shape) -> str:
    return "<f8" if shape is Shape.COUNTER else "<f4"


def coarsen(fine: Buckets, factor: int) -> Buckets:
    """Every `factor` buckets as one: average weighted by count, extremes of extremes, increases added up."""
    groups = len(fine.count) // factor
    count = fine.count[: groups * factor].reshape(groups, factor)
    total = count.sum(axis=1)
    out = Buckets.empty(fine.shape, groups)
    out.count = total.astype(np.uint32)
    some = total > 0
    grid = {name: values[: groups * factor].reshape(groups, factor)[some] for name, values in fine.fields.items()}
    weights = count[some].astype(np.float64)
    for name, values in grid.items():
        present = weights > 0
        if name == "minimum":
            out.fields[name][some] = np.where(present, values, np.inf).min(axis=1)
        elif name == "maximum":
            out.fields[name][some] = np.where(present, values, -np.inf).max(axis=1)
        elif name == "average":
            out.fields[name][some] = (np.where(present, values, 0.0) * weights).sum(axis=1) / weights.sum(axis=1)
        elif name == "increase":
            out.fields[name][some] = np.where(present & ~np.isnan(values), values, 0.0).sum(axis=1)
        else:
            newest = factor - 1 - np.argmax(present[:, ::-1], axis=1)
            out.fields[name][some] = values[np.arange(len(values)), newest]
    return out
