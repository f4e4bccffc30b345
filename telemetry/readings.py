"""Plain values that the read functions return: no Django, no storage, every number with its instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from telemetry.catalogue import Shape
from telemetry.node_state import Cause, State


@dataclass(frozen=True, slots=True)
class Cell:
    """One latest value in base units and when it was measured (aware UTC)."""

    value: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Presence:
    """How many of a node's GPUs answered when its state was judged; `seen` is None where it never told of one."""

    expected: int = 0
    seen: int | None = None
    gone_at: tuple[datetime, ...] = ()
    """When those of its GPUs went that are missing now, newest first."""

    @property
    def missing(self) -> int:
        """0 where nothing is known of them: `is_unknown` says so."""
        return 0 if self.seen is None else max(0, self.expected - self.seen)

    @property
    def is_unknown(self) -> bool:
        return self.seen is None and self.expected > 0

    @property
    def missing_since(self) -> datetime | None:
        """When the first of them went that are missing now; longer ago went those whose place others have taken."""
        return self.gone_at[self.missing - 1] if 0 < self.missing <= len(self.gone_at) else None


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node's state. `since` is when this state began, `as_of` up to when what came in had been looked at then.

    `clock_ahead_seconds` is by how much its clock is known to be wrong, negative where it is behind: what it sends is
    dated by that (see telemetry.clocks).
    """

    state: State
    cause: Cause
    since: datetime | None
    as_of: datetime | None
    gpus: Presence = Presence()
    clock_ahead_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class GpuLatest:
    """A GPU's latest values by catalogue column name; a name that is missing is unknown."""

    gpu_id: int
    uuid: str
    slot: int
    """As its exporter numbers it now."""
    cells: Mapping[str, Cell]
    pci_address: str = ""
    """Empty where it is not known. It does not change when a neighbour falls off the bus."""


@dataclass(frozen=True, slots=True)
class NodeLatest:
    """Everything last heard of a node. `heard_at` is the newest sample's instant, None if there never was one."""

    node_id: int
    status: NodeStatus
    heard_at: datetime | None
    cells: Mapping[str, Cell]
    gpus: tuple[GpuLatest, ...]
    circuits: Mapping[str, Cell]

    @property
    def silent_since(self) -> datetime | None:
        """Of a silent node, since when nothing has come from it: its last delivery may be younger than its readings."""
        return max(filter(None, (self.heard_at, self.status.since)), default=None)

    def value(self, column: str) -> float | None:
        cell = self.cells.get(column)
        return cell.value if cell else None


class ToldXid(NamedTuple):
    """A GPU tells of an error. `since` is when it began to tell of this one, None where that is not known."""

    slot: int
    code: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class NodeGlance:
    """What the fleet's overview says and asks of one node. Base units; None is unknown.

    Of GPUs, powers and currents only what was measured within SILENCE_SECONDS counts; the sensors' last word stands.
    """

    node_id: int
    status: NodeStatus
    heard_at: datetime | None
    utilization_ratio: float | None = None
    """Mean of the GPUs."""
    hottest_celsius: float | None = None
    node_watts: float | None = None
    main_amperes: float | None = None
    limit_amperes: float | None = None
    outdoor_celsius: float | None = None
    coolant_leak: bool | None = None
    enclosure_open: bool | None = None
    coolant_leak_at: datetime | None = None
    enclosure_open_at: datetime | None = None
    """When the sensor last said so."""
    xids: tuple[ToldXid, ...] = ()
    """In order of slot."""

    @property
    def gpus_seen(self) -> int:
        return self.status.gpus.seen or 0


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one subject over time; each list is as long as History.at. None is a gap.

    Gauges and flags fill minimum, maximum, average and last; counters fill last and increase
    (reset-aware, the amount by which it grew in the bucket). At raw resolution only `last` is filled.
    """

    column: str
    shape: Shape
    subject: str
    minimum: list[float | None] = field(default_factory=list)
    maximum: list[float | None] = field(default_factory=list)
    average: list[float | None] = field(default_factory=list)
    last: list[float | None] = field(default_factory=list)
    increase: list[float | None] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class History:
    """Buckets [at, at + step). `step_seconds` 0 means raw samples at their own instants.

    `source_seconds` is the stored resolution that was read: 0 (raw), 60, 900 or 3600.
    """

    start: datetime
    end: datetime
    step_seconds: int
    source_seconds: int
    at: list[datetime]
    series: list[Series]


@dataclass(frozen=True, slots=True)
class FleetSeries:
    """A group's value over time, or, of a ranking, one subject's; each list is as long as FleetHistory.at.

    None is a gap: nobody contributed. `nodes` and `subjects` say how many nodes, and how many of their GPUs (of a
    node's own metric: again nodes), each value is of.
    """

    group: str
    node_id: int | None
    """Of a ranking: whose; `subject` is then the GPU's UUID, or empty for the node itself."""
    subject: str
    values: list[float | None]
    nodes: list[int]
    subjects: list[int]


@dataclass(frozen=True, slots=True)
class FleetHistory:
    """Buckets [at, at + step). `step_seconds` None: one instant, what is known now.

    `source_seconds` is the stored resolution that was read; None: latest values.
    """

    start: datetime
    end: datetime
    step_seconds: int | None
    source_seconds: int | None
    at: list[datetime]
    series: list[FleetSeries]


@dataclass(frozen=True, slots=True)
class StateSpan:
    """The node was in one state from start until end (None: still)."""

    state: State
    cause: Cause
    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Energy:
    """Watt-hours that each register moved in [start, end), and how much of the time is covered by readings."""

    start: datetime
    end: datetime
    watt_hours: Mapping[str, float | None]
    """By register: site_import, site_export, node, battery_in, battery_out, solar; None: no reading at all."""
    covered_ratio: float

    @property
    def home_watt_hours(self) -> float | None:
        """What the household itself used: everything that came in less everything that went elsewhere."""
        parts = [
            self.watt_hours.get(name) for name in ("site_import", "site_export", "node", "battery_in", "battery_out")
        ]
        if any(part is None for part in parts):
            return None
        imported, exported, node, charged, discharged = (part or 0.0 for part in parts)
        solar = self.watt_hours.get("solar") or 0.0
        return imported - exported + solar + discharged - charged - node
