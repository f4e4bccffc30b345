"""Registers as a node sends them, into telemetry and rolled up, and the readings that came of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np

from billing.models import Channel, Reading, Source
from homes.models import Home, Node
from telemetry import partitions, rollups, storage
from telemetry.batch import Batch
from telemetry.catalogue import BY_NAME, ENERGY_REGISTERS, Kind
from telemetry.stream import shard_of
from telemetry.tables import FLEET_TABLE

KWH: Final = 3.6e6
CODES: Final = {name: BY_NAME[Kind.NODE][f"{name}_energy_joules"].code for name in ENERGY_REGISTERS}

Samples = Mapping[int, float]
"""Joules by Unix second."""


def send(node: Node, registers: Mapping[str, Samples], roll_up: bool = True) -> None:
    """As a worker stores what came through the door."""
    for name, samples in registers.items():
        if not samples:
            continue
        seconds = np.array(sorted(samples), np.int64)
        count = len(seconds)
        partitions.ensure_range("telemetry_node_sample", int(seconds[0]), int(seconds[-1]))
        for table in ("telemetry_rollup_1m", "telemetry_rollup_15m", "telemetry_rollup_1h", FLEET_TABLE):
            partitions.ensure_range(table, int(seconds[0]) - 3600, int(seconds[-1]) + 3600)
        batch = Batch.of(
            node_id=node.pk,
            kinds=np.full(count, int(Kind.NODE), np.uint8),
            codes=np.full(count, CODES[name], np.uint16),
            subjects=np.zeros(count, np.uint32),
            at_ms=seconds * 1000,
            values=np.array([samples[second] for second in seconds.tolist()], np.float64),
            gpus=(),
            circuits=(),
            other_series=(),
        )
        storage.write([batch], shard_of(node.pk))
    if roll_up:
        rollups.roll_up_dirty()


def growing(start: int, end: int, watts: float, joules: float, step: int = 60) -> dict[int, float]:
    """A register that grows evenly, read every `step` seconds over [start, end]."""
    return {second: joules + (second - start) * watts for second in range(start, end + 1, step)}


def versions(home: Home, channel: Channel, on: date, source: Source = Source.PANEL) -> list[Reading]:
    return list(Reading.objects.filter(home=home, channel=channel, on=on, source=source).order_by("version"))


def after(on: date) -> datetime:
    """An instant when a local day of any US zone is well over."""
    return datetime(on.year, on.month, on.day, tzinfo=UTC) + timedelta(days=2)
