"""Back-filled history: the fleet lives through the past, and what it reported comes out as rolled-up blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from telemetry.catalogue import COLUMNS, Column, Kind, Shape
from telemetry.simulator.fleet import Fleet
from telemetry.simulator.household import CIRCUITS
from telemetry.simulator.noise import Floats, Integers
from telemetry.simulator.profiles import GPUS_PER_NODE
from telemetry.simulator.readings import Tables
from telemetry.simulator.rollup import KindRollup, Stats
from telemetry.simulator.state import GpuRow, NodeRow

STEP_S: Final = 60.0
_HOUR_S, _DAY_S = 3600.0, 86400.0
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
) -> Iterator[HistoryBlock]:
    """Live from `until - days` to `until` and yield what was reported, in order of time for each resolution.

    3600 s and 900 s buckets cover all of it, 60 s buckets the last `fine_days`, instants the last
    `raw_minutes`. The fleet must stand at or before the beginning; it is left at `until_ms`. The last
    bucket of each resolution is as complete as its time allows. While a node was silent its values are
    NaN and its counts 0.

    At most a day of buckets is held at a time (an hour for 60 s buckets and instants).
    """
    until_s = until_ms / 1000.0
    fleet.fast_forward(until_s - days * _DAY_S)
    raw_from_s = until_s - raw_minutes * 60.0
    recorder = _Recorder(fleet)
    makers = {(resolution, kind): _BlockMaker(resolution, kind) for resolution in (3600, 900, 60, 0) for kind in Kind}
    while fleet.at_s < until_s:
        at_s, tables = recorder.record(_next_hour(fleet.at_s, until_s), raw_from_s, raw_step_seconds)
        last_hour = fleet.at_s >= until_s
        for (resolution, _), maker in makers.items():
            from_s = {60: until_s - fine_days * _DAY_S, 0: raw_from_s}.get(resolution, 0.0)
            yield from maker.feed(at_s, tables, from_s)
            if last_hour:
                yield from maker.finish()


def _next_hour(at_s: float, until_s: float) -> float:
    """The last instant of the hour that the next step falls into, so that no bucket is cut."""
    return float(min((at_s + STEP_S) // _HOUR_S * _HOUR_S + _HOUR_S, until_s))


class _Recorder:
    """Steps the fleet and keeps each state of an hour."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def record(self, end_s: float, raw_from_s: float, raw_step_s: float) -> tuple[Floats, Tables]:
        """Step through [now, end) and at the very end of history through `end` too."""
        fleet, instants = self._fleet, self._instants(end_s, raw_from_s, raw_step_s)
        count, homes = len(instants), len(fleet.profiles)
        node = np.empty((count, len(NodeRow), homes))
        gpu = np.empty((count, len(GpuRow), homes, GPUS_PER_NODE))
        circuit = np.empty((count, len(CIRCUITS), homes))
        for position, at_s in enumerate(instants.tolist()):
            fleet.step(at_s - fleet.at_s)
            fleet.at_s = at_s
            node[position], gpu[position], circuit[position] = fleet.state.node, fleet.state.gpu, fleet.state.circuit
        return instants, fleet.readings.derive(instants, node, gpu, circuit)

    def _instants(self, end_s: float, raw_from_s: float, raw_step_s: float) -> Floats:
        """Whole minutes, then whole raw steps, up to but without the end of an hour; `until` itself is included."""
        instants = []
        at_s = self._fleet.at_s
        while True:
            step_s = raw_step_s if at_s >= raw_from_s - 1e-6 else STEP_S
            at_s = min((at_s + 1e-6) // step_s * step_s + step_s, end_s)
            if at_s >= end_s and end_s % _HOUR_S == 0 and instants:
                break
            instants.append(at_s)
            if at_s >= end_s:
                break
        return np.array(instants)


class _BlockMaker:
    """Collects the buckets of one resolution and kind into blocks of bounded size."""

    def __init__(self, resolution: int, kind: Kind) -> None:
        self._resolution = resolution
        self._kind = kind
        self._columns: tuple[Column, ...] = COLUMNS[kind]
        self._rollup = KindRollup([column.shape for column in self._columns])
        self._parts: list[tuple[Integers, list[Stats]]] = []

    def feed(self, at_s: Floats, tables: Tables, from_s: float) -> Iterator[HistoryBlock]:
        table = self._table(tables)
        if self._resolution == 0:
            if at_s[-1] >= from_s:
                yield self._instants(at_s[at_s >= from_s], table[at_s >= from_s])
            return
        if self._resolution == 60 and at_s[-1] < from_s:
            self._rollup.skip(table)
            return
        starts_s, stats = self._rollup.buckets(at_s, table, self._resolution)
        self._parts.append((starts_s, stats))
        held = len(self._parts)
        if self._resolution == 60 or held >= 24:
            yield from self.finish()

    def finish(self) -> Iterator[HistoryBlock]:
        """What has been collected, if anything."""
        if not self._parts:
            return
        at_ms = np.concatenate([starts for starts, _ in self._parts]) * 1000
        columns = {
            column.name: Stats.joined([stats[column.code] for _, stats in self._parts]) for column in self._columns
        }
        self._parts = []
        yield HistoryBlock(self._resolution, self._kind, at_ms, columns, _SUBJECTS[self._kind])

    def _table(self, tables: Tables) -> Floats:
        """The columns of this kind as (T, columns, N, S)."""
        if self._kind is Kind.NODE:
            return tables.node[..., None]
        if self._kind is Kind.GPU:
            return tables.gpu
        return tables.circuit.transpose(0, 2, 1)[:, None]

    def _instants(self, at_s: Floats, table: Floats) -> HistoryBlock:
        columns = {column.name: Stats(last=_narrow(table[:, column.code], column.shape)) for column in self._columns}
        at_ms = np.rint(at_s * 1000.0).astype(np.int64)
        return HistoryBlock(0, self._kind, at_ms, columns, _SUBJECTS[self._kind])


def _narrow(values: Floats, shape: Shape) -> npt.NDArray[np.float32] | Floats:
    """Gauges and flags are float32 everywhere; a counter needs every digit."""
    return values if shape is Shape.COUNTER else values.astype(np.float32)
