"""What a fleet needs: arithmetic over figures that were measured. Pure.

The figures below are of `make bench` on a machine with 2 cores and of the simulator's nodes and history;
`manage.py capacity --measure` replaces those about storage by what the tables at hand say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

BUSY_RATIO: Final = 0.7
"""How busy cores may be on average, so that a backlog shrinks again."""
SPANS_A_DAY: Final = 24
"""How often a node's state or its cause changes, at a guess: a node on the border of a threshold does so more often."""
WAL_BYTES: Final = 1 << 30
"""Postgres' own log: its default max_wal_size."""
REDIS_BASE_BYTES: Final = 64 << 20
"""Broker, cache, Channels and Redis itself, where they share the ingest stream's Redis."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Bytes for each sample or bucket of a series, indexes and row heads included, and CPU seconds."""

    raw: float = 10.0
    """A sample in a wide row: 9.7 to 10."""
    sealed: float = 0.9
    """The same after sealing: 0.74 at 5 s, 0.86 at 30 s."""
    other: float = 95.0
    """A sample outside the catalogue: a row of its own."""
    bucket: Mapping[int, float] = field(default_factory=lambda: {60: 2.2, 900: 5.2, 3600: 6.0})
    """A bucket of one series, by resolution in seconds: 1.8, 4.3 and 5.0 in the simulator's history, and a fifth on top
    for the versions of open chunks that autovacuum has not taken away yet."""
    slab: float = 5.0
    """A bucket of one series in the fleet's slabs: a mean or an increase and its count, of which little compresses."""
    mark: float = 160.0
    """A node-hour among the marks of changed registers: a row, two indexes, and what its many updates leave."""
    span: float = 160.0
    """A span of a node's state: a row and three indexes."""
    latest: float = 32 * 1024
    """The latest state of a node: 14 KiB at rest, and its table is rewritten with every scrape."""
    stream: float = 11.3
    """A sample that waits in the ingest stream."""
    wire: float = 31.5
    """A sample in a body of remote-write, compressed, as it arrives."""
    forwarded: float = 18.0
    """A sample on its way to an engine."""
    cpu_seconds_per_million: float = 15.5
    """Doors, workers, Postgres and Redis together, of a fleet in its stride: scrape by scrape, judged and rolled up."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """`series` per node have a column of the catalogue, `other_series` have none; all are sent every interval."""

    nodes: int
    interval_seconds: float
    series: int
    other_series: int = 0

    @property
    def samples_per_second(self) -> float:
        return self.nodes * (self.series + self.other_series) / self.interval_seconds


@dataclass(frozen=True, slots=True)
class Kept:
    """For how long at most, in seconds: as settings say, and the partition that has to be over before it can go."""

    rows: float
    """Raw samples that are not sealed yet."""
    raw: float
    """Raw samples, sealed or not."""
    rollups: Mapping[int, float]
    """By resolution in seconds."""
    slabs: Mapping[int, float]
    """The fleet's, likewise."""
    marks: float
    spans: float


@dataclass(frozen=True, slots=True)
class Part:
    """One line of the disk: `items` are samples, buckets or nodes, of which each takes `bytes_each`."""

    name: str
    resolution_seconds: float | None
    kept_seconds: float | None
    items: float
    bytes_each: float

    @property
    def bytes(self) -> float:
        return self.items * self.bytes_each


def disk(fleet: Fleet, kept: Kept, costs: Costs) -> list[Part]:
    """Postgres' disk, once the fleet has run for as long as things are kept."""
    per_second = fleet.nodes * fleet.series / fleet.interval_seconds
    fresh = min(kept.rows, kept.raw)
    others = fleet.nodes * fleet.other_series / fleet.interval_seconds * kept.raw
    parts = [
        Part("raw", fleet.interval_seconds, fresh, per_second * fresh, costs.raw),
        Part("raw, sealed", fleet.interval_seconds, kept.raw - fresh, per_second * (kept.raw - fresh), costs.sealed),
        Part("other families", fleet.interval_seconds, kept.raw, others, costs.other),
    ]
    for resolution, seconds in sorted(kept.rollups.items()):
        # A series that comes less often than this fills as many buckets as it has samples.
        buckets = fleet.nodes * fleet.series * seconds / max(resolution, fleet.interval_seconds)
        parts.append(Part("rollup", resolution, seconds, buckets, costs.bucket[resolution]))
    for resolution, seconds in sorted(kept.slabs.items()):
        buckets = fleet.nodes * fleet.series * seconds / max(resolution, fleet.interval_seconds)
        parts.append(Part("rollup, fleet", resolution, seconds, buckets, costs.slab))
    parts.append(Part("register marks", 3600, kept.marks, fleet.nodes * kept.marks / 3600, costs.mark))
    parts.append(Part("node states", None, kept.spans, fleet.nodes * kept.spans / 86_400 * SPANS_A_DAY, costs.span))
    parts.append(Part("latest state", None, None, fleet.nodes, costs.latest))
    parts.append(Part("Postgres' log", None, None, 1, WAL_BYTES))
    return parts


def volume_bytes(parts: list[Part], free_ratio: float) -> float:
    """A volume on which that share stays free."""
    return sum(part.bytes for part in parts) / (1 - free_ratio)


def cores(fleet: Fleet, costs: Costs) -> int:
    """For taking in, storing and rolling up; pages and sockets come on top."""
    busy = fleet.samples_per_second * costs.cpu_seconds_per_million / 1e6
    return max(1, math.ceil(busy / BUSY_RATIO))


def stream_bytes(fleet: Fleet, costs: Costs, seconds: float) -> float:
    """What waits in the stream after so long without anybody to store it."""
    return fleet.samples_per_second * costs.stream * seconds


def redis_bytes(stream: float, dead_letters: float, memory_ratio: float) -> float:
    """The `maxmemory` under which the door still takes in with a stream this full."""
    return (stream + dead_letters + REDIS_BASE_BYTES) / memory_ratio


def bits_per_second(fleet: Fleet, bytes_each: float) -> float:
    return fleet.samples_per_second * bytes_each * 8
