"""A batch: one body from one node, decoded and validated, as arrays. This is what the stream carries.

Pure. A batch says of each sample only which series it belongs to; what the series mean is its layout, which
stays the same from body to body, so that both ends build it once and recognise it by its bytes.

On the wire: magic, node id, counts, the layout, then series (u16), runs of equal instants (u32 length,
i64 milliseconds) and values (f64), all little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

import cramjam
import numpy as np
import numpy.typing as npt
import orjson

MAGIC: Final = b"XFB2"
OTHER: Final = 0
"""The kind of a sample outside the catalogue; its subject is an index into `other_series`."""
MAX_SERIES: Final = 1 << 16

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]

_HEAD: Final = struct.Struct("<4sQIII")
_LAYOUTS: Final = 8192


class CorruptBatch(ValueError):
    """These bytes are not a batch that this version wrote."""


@dataclass(frozen=True, slots=True)
class GpuSubject:
    """A GPU as its series' labels describe it. `slot` is the exporter's index of it now, None where it gives none."""

    uuid: str
    slot: int | None
    model: str
    pci_address: str = ""


@dataclass(frozen=True, slots=True)
class OtherSubject:
    """A series outside the catalogue: metric name and all its labels."""

    name: str
    labels: dict[str, str]


@dataclass(frozen=True, eq=False)
class Layout:
    """What each series of a node means: (series,) arrays, never changed once made.

    `kinds` holds catalogue.Kind or OTHER, `codes` the column code, `subjects` an index into `gpus`,
    `circuits` or `other_series` by kind (0 for the node itself).
    """

    kinds: npt.NDArray[np.uint8]
    codes: npt.NDArray[np.uint16]
    subjects: npt.NDArray[np.uint32]
    gpus: tuple[GpuSubject, ...]
    circuits: tuple[str, ...]
    other_series: tuple[OtherSubject, ...]

    def __len__(self) -> int:
        return len(self.kinds)

    @cached_property
    def wire(self) -> bytes:
        """The layout as the stream carries it."""
        fields = {
            "kinds": self.kinds.tolist(),
            "codes": self.codes.tolist(),
            "subjects": self.subjects.tolist(),
            "gpus": [[g.uuid, g.slot, g.model, g.pci_address] for g in self.gpus],
            "circuits": self.circuits,
            "other": [[s.name, s.labels] for s in self.other_series],
        }
        return bytes(cramjam.zstd.compress(orjson.dumps(fields), level=3))


@dataclass(frozen=True, slots=True)
class Instants:
    """When samples were taken, as runs of equal instants, for all of a scrape have the same: (runs,) arrays."""

    at_ms: Int64s
    lengths: Int64s

    @classmethod
    def of(cls, at_ms: Int64s) -> Instants:
        """From the milliseconds of each sample."""
        starts, lengths = runs(at_ms)
        return cls(at_ms[starts], lengths)

    def each(self) -> Int64s:
        """The milliseconds of each sample."""
        return np.repeat(self.at_ms, self.lengths)


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of one node in the order in which they arrived: (n,) arrays.

    `series` are positions in the layout. Values are in base units; NaN says that the series ended or has
    no value at that instant, except outside the catalogue, where it is a value.
    """

    node_id: int
    layout: Layout
    series: npt.NDArray[np.uint16]
    instants: Instants
    values: Float64s
    came_ms: int | None = None
    """When it came, by the portal's clock; it does not travel, for the stream knows. None: as soon as it could."""

    @classmethod
    def of(
        cls,
        node_id: int,
        kinds: npt.NDArray[np.uint8],
        codes: npt.NDArray[np.uint16],
        subjects: npt.NDArray[np.uint32],
        at_ms: Int64s,
        values: Float64s,
        gpus: Sequence[GpuSubject] = (),
        circuits: Sequence[str] = (),
        other_series: Sequence[OtherSubject] = (),
    ) -> Batch:
        """A batch whose samples each say what they are: one series to a sample."""
        layout = Layout(kinds, codes, subjects, tuple(gpus), tuple(circuits), tuple(other_series))
        return cls(node_id, layout, np.arange(len(values), dtype=np.uint16), Instants.of(at_ms), values)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def at_ms(self) -> Int64s:
        return self.instants.each()

    @property
    def newest_ms(self) -> int:
        """Of when its newest sample is, by its node's clock; 0 where there is none."""
        return int(self.instants.at_ms.max(initial=0))

    @property
    def arrived_ms(self) -> int:
        return self.newest_ms if self.came_ms is None else self.came_ms

    @property
    def kinds(self) -> npt.NDArray[np.uint8]:
        return self.layout.kinds[self.series]

    @property
    def codes(self) -> npt.NDArray[np.uint16]:
        return self.layout.codes[self.series]

    @property
    def subjects(self) -> npt.NDArray[np.uint32]:
        return self.layout.subjects[self.series]


def runs(values: npt.NDArray[Any]) -> tuple[Int64s, Int64s]:
    """Where each run of equal values begins, and how long it is."""
    changes = values[1:] != values[:-1]
    if len(values) and not changes.any():
        return np.zeros(1, np.int64), np.array([len(values)])
    edges = np.flatnonzero(changes) + 1
    bounds = np.concatenate(([0], edges, [len(values)])) if len(values) else np.zeros(1, np.int64)
    return bounds[:-1], bounds[1:] - bounds[:-1]


def encode(batch: Batch) -> bytes:
    if len(batch.layout) > MAX_SERIES:
        raise ValueError(f"a layout of more than {MAX_SERIES} series")
    instants, layout = batch.instants, batch.layout.wire
    return b"".join(
        [
            _HEAD.pack(MAGIC, batch.node_id, len(batch), len(instants.lengths), len(layout)),
            layout,
            batch.series.astype("<u2", copy=False).tobytes(),
            instants.lengths.astype("<u4").tobytes(),
            instants.at_ms.astype("<i8", copy=False).tobytes(),
            batch.values.astype("<f8", copy=False).tobytes(),
        ]
    )


def decode(data: bytes) -> Batch:
    """Raises CorruptBatch for anything that `encode` did not make."""
    try:
        return _decode(data)
    except (struct.error, KeyError, TypeError, ValueError, OverflowError, cramjam.DecompressionError) as error:
        raise CorruptBatch(f"not a batch: {error}") from error


def _decode(data: bytes) -> Batch:
    if data[:4] != MAGIC:
        raise CorruptBatch("wrong magic")
    _, node_id, count, runs, layout_bytes = _HEAD.unpack_from(data)
    begin = _HEAD.size + layout_bytes
    if len(data) != begin + count * 10 + runs * 12:
        raise CorruptBatch("wrong length")
    layout = _layout(data[_HEAD.size : begin])
    series = np.frombuffer(data, "<u2", count, begin)
    lengths = np.frombuffer(data, "<u4", runs, begin + count * 2).astype(np.int64)
    at_ms = np.frombuffer(data, "<i8", runs, begin + count * 2 + runs * 4)
    values = np.frombuffer(data, "<f8", count, begin + count * 2 + runs * 12)
    if int(lengths.sum()) != count or (count and int(series.max()) >= len(layout)):
        raise CorruptBatch("parts that do not fit each other")
    return Batch(node_id, layout, series, Instants(at_ms, lengths), values)


@lru_cache(maxsize=_LAYOUTS)
def _layout(wire: bytes) -> Layout:
    """The layout that these bytes say; the same object for the same bytes."""
    fields = orjson.loads(bytes(cramjam.zstd.decompress(wire)))
    layout = Layout(
        np.array(fields["kinds"], np.uint8),
        np.array(fields["codes"], np.uint16),
        np.array(fields["subjects"], np.uint32),
        **_subjects(fields),
    )
    if not len(layout.kinds) == len(layout.codes) == len(layout.subjects) <= MAX_SERIES:
        raise CorruptBatch("a layout of unequal parts")
    return layout


def _subjects(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "gpus": tuple(GpuSubject(*gpu) for gpu in fields["gpus"]),
        "circuits": tuple(fields["circuits"]),
        "other_series": tuple(OtherSubject(*series) for series in fields["other"]),
    }
