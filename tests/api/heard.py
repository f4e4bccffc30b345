"""Telemetry for the API's tests: written by the real writer, as if a node had sent it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np

from homes.access import acting_as_system
from homes.models import Node
from telemetry import partitions, rollups, states, storage
from telemetry.batch import Batch, GpuSubject
from telemetry.catalogue import BY_NAME, Kind
from telemetry.models import OtherSeries

Told = Mapping[datetime, Mapping[str, float]]
"""By instant, the values of one subject by column name, in base units; NaN ends a series."""


def tell(
    node: Node,
    own: Told | None = None,
    gpus: Mapping[str, Told] | None = None,
    circuits: Mapping[str, Told] | None = None,
) -> None:
    """Store these samples, roll them up, and judge the node's state. GPUs go by UUID, circuits by name."""
    gpus, circuits = gpus or {}, circuits or {}
    cells = [(Kind.NODE, 0, *cell) for cell in _cells(own or {}, Kind.NODE)]
    cells += [(Kind.GPU, i, *cell) for i, told in enumerate(gpus.values()) for cell in _cells(told, Kind.GPU)]
    cells += [
        (Kind.CIRCUIT, i, *cell) for i, told in enumerate(circuits.values()) for cell in _cells(told, Kind.CIRCUIT)
    ]
    kinds, subjects, at_ms, codes, values = zip(*cells, strict=True)
    batch = Batch.of(
        node.pk,
        np.array(kinds, np.uint8),
        np.array(codes, np.uint16),
        np.array(subjects, np.uint32),
        np.array(at_ms, np.int64),
        np.array(values, np.float64),
        tuple(GpuSubject(uuid, slot, "RTX PRO 6000") for slot, uuid in enumerate(gpus)),
        tuple(circuits),
        (),
    )
    with acting_as_system():
        partitions.ensure_range("telemetry_node_sample", min(at_ms) / 1000, max(at_ms) / 1000)
        partitions.ensure_partitions()
        storage.write([batch], 0)
        rollups.recompute([node.pk], min(at_ms) // 1000, max(at_ms) // 1000 + 1)
        states.judge([node.pk])


def mention(node: Node) -> int:
    """A series outside the catalogue, of which nothing is kept any more. Its id."""
    with acting_as_system():
        return OtherSeries.objects.create(node=node, name="node_load1", labels={}, digest=bytes(16)).pk


def _cells(told: Told, kind: Kind) -> list[tuple[int, int, float]]:
    return [
        (round(at.timestamp() * 1000), BY_NAME[kind][name].code, value)
        for at, values in told.items()
        for name, value in values.items()
    ]
