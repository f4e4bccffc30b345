"""Back-filled history: the fleet lives through the past, and what it reported comes out as rolled-up blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from telemetry.catalogue import COLUMNS, Kind, Shape
from telemetry.simulator.fleet import Fleet
from telemetry.simulator.household import CIRCUITS
from telemetry.simulator.noise import Floats, Integers
from telemetry.simulator.profiles import GPUS_PER_NODE
from telemetry.simulator.readings import Tables
from telemetry.simulator.rollup import Buckets, Narrow, Stats, coarser, from_samples, split, stats_of
from telemetry.simulator.state import GpuRow, NodeRow

STEP_S: Final = 60.0
_HOUR_S, _DAY_S = 3600.0, 86400.0
_SHAPES: Final = {kind: [column.shape for column in COLUMNS[kind]] for kind in Kind}
_SUBJECTS: Final = {
    Kind.NODE: [""],
    Kind.GPU: [str(gpu) for gpu in range(GPUS_PER_NODE)],
    Kind.CIRCUIT: list(CIRCUITS),
}


@dataclass(frozen=True, slots=True)
class HistoryBlock:
    """Some buckets of one kind for every node.

    at_ms (T,) is where each bucket [at, at + resolution) begins, or the instant for resolution 0.
    columns maps a catalogue column name to arrays of shape (T, N, S): S is 1 for NODE, 16 for GPU and
    the number of circuits for CIRCUIT; `subjects` names them. N is in the order of `fleet.hostnames`.
    """

    resolution_seconds: int
    kind: Kind
    at_ms: Integers
    columns: dict[str, Stats]
    subjects: list[str]


def generate_history(
    fleet: Fleet,
    until_ms: int,
    days: float = 35,
    fine_days: float = 2,
    raw_minutes: float = 60,
    raw_step_seconds: float = 10,
    coarse_step_seconds: float = 60,
) -> Iterator[HistoryBlock]:
    """Live from `until - days` to `until` and yield what was reported, in order of time for each resolution.

    3600 s and 900 s buckets cover all of it, 60 s buckets the last `fine_days`, instants the last
    `raw_minutes`. The fleet must stand at or before the beginning; it is left at `until_ms`. The last
    bucket of each resolution is as complete as its time allows. While a node was silent its values are
    NaN and its counts 0.

    `coarse_step_seconds` (a divisor of 900) is the step before `fine_days`: 180 is three times as fast and leaves
    five samples in a quarter of an hour. Registers stay exact at any step.

    At most a day of buckets is held at a time (an hour for 60 s buckets and instants).
    """
    until_s = until_ms / 1000.0
    fleet.fast_forward(until_s - days * _DAY_S)
    raw_from_s = until_s - raw_minutes * 60.0
    recorder = _Recorder(fleet, until_s - fine_days * _DAY_S, coarse_step_seconds, raw_from_s, raw_step_seconds)
    kinds = [_KindHistory(kind, until_s - fine_days * _DAY_S, raw_from_s) for kind in Kind]
    beginning = recorder.stands()
    for kind in kinds:
        kind.begin(beginning)
    while fleet.at_s < until_s:
        at_s, tables = recorder.record_hour(until_s)
        for kind in kinds:
            yield from kind.feed(at_s, tables)
    for kind in kinds:
        yield from kind.finish()


class _Recorder:
    """Steps the fleet and keeps each state of an hour."""

    def __init__(
        self, fleet: Fleet, fine_from_s: float, coarse_step_s: float, raw_from_s: float, raw_step_s: float
    ) -> None:
        self._fleet = fleet
        self._fine_from_s = fine_from_s
        self._coarse_step_s = coarse_step_s
        self._raw_from_s = raw_from_s
        self._raw_step_s = raw_step_s

    def stands(self) -> Tables:
        """What the nodes report before the first step."""
        state = self._fleet.state
        instant = np.array([self._fleet.at_s])
        return self._fleet.readings.derive(instant, state.node[None], state.gpu[None], state.circuit[None])

    def record_hour(self, until_s: float) -> tuple[Floats, Tables]:
        """Step through the rest of the hour that the next step falls into, so that no bucket is cut."""
        fleet, instants = self._fleet, self._instants(until_s)
        count, homes = len(instants), len(fleet.profiles)
        node = np.empty((count, len(NodeRow), homes))
        gpu = np.empty((count, len(GpuRow), homes, GPUS_PER_NODE))
        circuit = np.empty((count, len(CIRCUITS), homes))
        for position, at_s in enumerate(instants.tolist()):
            fleet.step(at_s - fleet.at_s)
            fleet.at_s = at_s
            node[position], gpu[position], circuit[position] = fleet.state.node, fleet.state.gpu, fleet.state.circuit
        return instants, fleet.readings.derive(instants, node, gpu, circuit)

    def _instants(self, until_s: float) -> Floats:
        """Whole steps up to but without the end of the hour; `until` itself is included."""
        at_s = self._next_instant(self._fleet.at_s, until_s)
        end_s = at_s // _HOUR_S * _HOUR_S + _HOUR_S
        instants = [at_s]
        while at_s < until_s and (at_s := self._next_instant(at_s, until_s)) < end_s:
            instants.append(at_s)
        return np.array(instants)

    def _next_instant(self, at_s: float, until_s: float) -> float:
        step_s = self._step_s(at_s + 1e-6)
        return min((at_s + 1e-6) // step_s * step_s + step_s, until_s)

    def _step_s(self, at_s: float) -> float:
        if at_s >= self._raw_from_s:
            return self._raw_step_s
        # The whole hour in which fine buckets begin is fine, or their first ones would be thin.
        return STEP_S if at_s >= self._fine_from_s - _HOUR_S else self._coarse_step_s


class _Shelf:
    """Collects the buckets of one resolution and kind into blocks of bounded size."""

    def __init__(self, resolution: int, kind: Kind, hours_held: int) -> None:
        self._resolution = resolution
        self._kind = kind
        self._hours_held = hours_held
        self._parts: list[Buckets] = []
        self._before: Floats | None = None

    def pass_by(self, counter: Floats) -> None:
        """Take note of where counters (T, counters, N, S) stand without making buckets."""
        known = counter[-1] if self._before is None else np.where(np.isnan(counter[-1]), self._before, counter[-1])
        self._before = known

    def add(self, buckets: Buckets) -> Iterator[HistoryBlock]:
        self._parts.append(buckets)
        if len(self._parts) >= self._hours_held:
            yield from self.empty()

    def empty(self) -> Iterator[HistoryBlock]:
        """What has been collected, if anything."""
        if not self._parts:
            return
        buckets = Buckets.joined(self._parts)
        self._parts = []
        stats, self._before = stats_of(buckets, self._before, _SHAPES[self._kind])
        columns = {column.name: one for column, one in zip(COLUMNS[self._kind], stats, strict=True)}
        yield HistoryBlock(self._resolution, self._kind, buckets.start_s * 1000, columns, _SUBJECTS[self._kind])


class _KindHistory:
    """Rolls up one kind hour by hour, each resolution from the next finer one."""

    def __init__(self, kind: Kind, fine_from_s: float, raw_from_s: float) -> None:
        self._kind = kind
        self._fine_from_s = fine_from_s
        self._raw_from_s = raw_from_s
        self._shelves = {3600: _Shelf(3600, kind, 24), 900: _Shelf(900, kind, 24), 60: _Shelf(60, kind, 1)}

    def begin(self, tables: Tables) -> None:
        """Counters do not begin at zero: what the first bucket added is known."""
        _, counter = split(self._table(tables), _SHAPES[self._kind])
        for shelf in self._shelves.values():
            shelf.pass_by(counter)

    def feed(self, at_s: Floats, tables: Tables) -> Iterator[HistoryBlock]:
        gauge, counter = split(self._table(tables), _SHAPES[self._kind])
        if at_s[-1] >= self._raw_from_s:
            late = at_s >= self._raw_from_s
            yield self._instants(at_s[late], gauge[late], counter[late])
        if at_s[-1] >= self._fine_from_s:
            minutes = from_samples(at_s, gauge, counter, 60)
            yield from self._shelves[60].add(minutes)
            quarters = coarser(minutes, 900)
        else:
            self._shelves[60].pass_by(counter)
            quarters = from_samples(at_s, gauge, counter, 900)
        yield from self._shelves[900].add(quarters)
        yield from self._shelves[3600].add(coarser(quarters, 3600))

    def finish(self) -> Iterator[HistoryBlock]:
        for shelf in self._shelves.values():
            yield from shelf.empty()

    def _table(self, tables: Tables) -> Floats:
        """The columns of this kind as (T, columns, N, S)."""
        if self._kind is Kind.NODE:
            return tables.node[..., None]
        if self._kind is Kind.GPU:
            return tables.gpu
        return tables.circuit.transpose(0, 2, 1)[:, None]

    def _instants(self, at_s: Floats, gauge: Narrow, counter: Floats) -> HistoryBlock:
        gauges, counters = iter(range(gauge.shape[1])), iter(range(counter.shape[1]))
        columns = {
            column.name: Stats(
                last=counter[:, next(counters)] if column.shape is Shape.COUNTER else gauge[:, next(gauges)]
            )
            for column in COLUMNS[self._kind]
        }
        at_ms = np.rint(at_s * 1000.0).astype(np.int64)
        return HistoryBlock(0, self._kind, at_ms, columns, _SUBJECTS[self._kind])
