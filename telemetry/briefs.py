"""The few latest values that an overview of the fleet asks of every node, as they lie beside the whole body. Pure.

Not compressed, and alike for nodes of as many subjects: a thousand of them become one array without a loop over nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from telemetry.catalogue import BY_NAME, Column, Kind

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BRIEF: Final[dict[Kind, tuple[Column, ...]]] = {
    Kind.NODE: tuple(
        BY_NAME[Kind.NODE][name]
        for name in (
            "node_power_watts",
            "main_amperes",
            "limit_amperes",
            "outdoor_celsius",
            "coolant_leak",
            "enclosure_open",
        )
    ),
    Kind.GPU: tuple(
        BY_NAME[Kind.GPU][name] for name in ("utilization_ratio", "temperature_celsius", "xid", "power_watts")
    ),
    Kind.CIRCUIT: (),
}
"""What is in it, in this order. Whoever changes this has to write every node's anew."""


def pack(kind: Kind, subject_ids: Ints, at_ms: Ints, values: Floats) -> bytes:
    """Of one node: (subjects,) ids and (subjects, columns) instants and values of all columns, indexed by code."""
    codes = [column.code for column in BRIEF[kind]]
    parts = [subject_ids.astype("<i4"), at_ms[:, codes].astype("<i8"), values[:, codes].astype("<f8")]
    return b"".join(part.tobytes() for part in parts)


def unpack(kind: Kind, bodies: Sequence[tuple[int, bytes]]) -> tuple[Ints, Ints, Ints, Floats]:
    """(node id, what `pack` made) of many nodes: node ids, subject ids, (subjects, BRIEF) instants and values.

    Sorted by (node, subject) where the subjects of each node are.
    """
    alike: dict[int, list[tuple[int, bytes]]] = {}
    for node_id, body in bodies:
        alike.setdefault(len(body), []).append((node_id, body))
    width = len(BRIEF[kind])
    parts = [_unpack_alike(size // (4 + 16 * width), width, some) for size, some in alike.items()]
    nobody = np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, width), np.int64), np.empty((0, width))
    node_ids, subject_ids, at_ms, values = (np.concatenate(columns) for columns in zip(nobody, *parts, strict=True))
    order = np.argsort(node_ids, kind="stable")
    return node_ids[order], subject_ids[order], at_ms[order], values[order]


def _unpack_alike(count: int, width: int, bodies: Sequence[tuple[int, bytes]]) -> tuple[Ints, Ints, Ints, Floats]:
    """Bodies of so many subjects each."""
    whole = np.frombuffer(b"".join(body for _, body in bodies), np.uint8).reshape(len(bodies), -1)
    edges = [0, 4 * count, 4 * count + 8 * count * width, 4 * count + 16 * count * width]
    ids, at_ms, values = (
        np.ascontiguousarray(whole[:, begin:end]).view(dtype)
        for begin, end, dtype in zip(edges[:-1], edges[1:], ("<i4", "<i8", "<f8"), strict=True)
    )
    node_ids = np.repeat(np.array([node_id for node_id, _ in bodies], np.int64), count)
    return (
        node_ids,
        ids.reshape(-1).astype(np.int64),
        at_ms.reshape(-1, width).astype(np.int64),
        values.reshape(-1, width).astype(np.float64),
    )
