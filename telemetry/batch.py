"""A batch: one body from one node, decoded and validated, as parallel arrays. This is what the stream carries.

Pure. Layout on the wire: magic, header length (u32 little-endian), JSON header, then the arrays back to back.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

MAGIC: Final = b"XFB1"
OTHER: Final = 0
"""The kind of a sample outside the catalogue; its subject is an index into `other_series`."""

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]


class CorruptBatch(ValueError):
    """These bytes are not a batch that this version wrote."""


@dataclass(frozen=True, slots=True)
class GpuSubject:
    """A GPU as its series' labels describe it."""

    uuid: str
    slot: int
    model: str


@dataclass(frozen=True, slots=True)
class OtherSubject:
    """A series outside the catalogue: metric name and all its labels."""

    name: str
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of one node. All arrays have the same length, in the order in which they arrived.

    `kinds` holds catalogue.Kind or OTHER, `codes` the column code, `subjects` an index into `gpus`,
    `circuits` or `other_series` by kind (0 for the node itself). Values are in base units; NaN says that
    the series ended or has no value at that instant.
    """

    node_id: int
    kinds: npt.NDArray[np.uint8]
    codes: npt.NDArray[np.uint16]
    subjects: npt.NDArray[np.uint32]
    at_ms: Int64s
    values: Float64s
    gpus: tuple[GpuSubject, ...]
    circuits: tuple[str, ...]
    other_series: tuple[OtherSubject, ...]

    def __len__(self) -> int:
        return len(self.values)


_ARRAYS: Final = (("kinds", "<u1"), ("codes", "<u2"), ("subjects", "<u4"), ("at_ms", "<i8"), ("values", "<f8"))


def encode(batch: Batch) -> bytes:
    header = orjson.dumps(
        {
            "node": batch.node_id,
            "n": len(batch),
            "gpus": [[g.uuid, g.slot, g.model] for g in batch.gpus],
            "circuits": batch.circuits,
            "other": [[s.name, s.labels] for s in batch.other_series],
        }
    )
    arrays = [np.ascontiguousarray(getattr(batch, name), dtype=dtype).tobytes() for name, dtype in _ARRAYS]
    return b"".join([MAGIC, struct.pack("<I", len(header)), header, *arrays])


def decode(data: bytes) -> Batch:
    """Raises CorruptBatch for anything that `encode` did not make."""
    try:
        return _decode(data)
    except (struct.error, KeyError, TypeError, ValueError) as error:
        raise CorruptBatch(f"not a batch: {error}") from error


def _decode(data: bytes) -> Batch:
    if data[:4] != MAGIC:
        raise CorruptBatch("wrong magic")
    (length,) = struct.unpack_from("<I", data, 4)
    header = orjson.loads(data[8 : 8 + length])
    count, offset, arrays = header["n"], 8 + length, dict[str, Any]()
    for name, dtype in _ARRAYS:
        arrays[name] = np.frombuffer(data, dtype=dtype, count=count, offset=offset)
        offset += arrays[name].nbytes
    if offset != len(data):
        raise CorruptBatch("wrong length")
    return Batch(node_id=header["node"], **arrays, **_subjects(header))


def _subjects(header: dict[str, Any]) -> dict[str, Any]:
    return {
        "gpus": tuple(GpuSubject(*gpu) for gpu in header["gpus"]),
        "circuits": tuple(header["circuits"]),
        "other_series": tuple(OtherSubject(*series) for series in header["other"]),
    }
