"""The one query module: what pages, the API, alerts and billing read of telemetry.

Callers authorise first (`visible_to`); row-level security is the second wall. Everything is in base
units with aware UTC instants. Absence stays absence: None, never zero.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from django.utils import timezone

from homes.models import Gpu
from telemetry import copying, fleet_latest, fleet_reads, other_reads
from telemetry import latest as latest_values
from telemetry.catalogue import BY_NAME, ENERGY_REGISTERS, Kind
from telemetry.fleet_reads import Question
from telemetry.models import Circuit, NodeStateSpan, OtherSeries
from telemetry.node_state import SILENCE_SECONDS, Cause, State
from telemetry.other_reads import OtherSamples
from telemetry.range_reads import choose_step, read_history, read_registers
from telemetry.readings import (
    Cell,
    Energy,
    FleetHistory,
    GpuLatest,
    History,
    NodeGlance,
    NodeLatest,
    NodeStatus,
    Presence,
    StateSpan,
)

_STATES: Final = {state.value: state for state in State}
_CAUSES: Final = {cause.value: cause for cause in Cause}
_NEVER: Final = NodeStatus(State.UNKNOWN, Cause.NEVER_HEARD, None, None)
_USUAL_SECONDS: Final = 600.0
_usual: dict[int, tuple[float, float | None]] = {}
"""By node: until when it is believed, in monotonic seconds, and what."""


def latest(node_ids: Iterable[int]) -> dict[int, NodeLatest]:
    """Latest values and state of each node; a node never heard of is there with no cells."""
    return _latest(list(node_ids), with_gpus=True)


def households(node_ids: Iterable[int]) -> dict[int, NodeLatest]:
    """As `latest`, but without GPUs: all that a home shows, at a fraction of the cost."""
    return _latest(list(node_ids), with_gpus=False)


def _latest(ids: list[int], with_gpus: bool) -> dict[int, NodeLatest]:
    if not ids:
        return {}
    status, heard = _statuses(ids, timezone.now())
    states = latest_values.read(ids, Kind if with_gpus else (Kind.NODE, Kind.CIRCUIT))
    gpus: dict[int, list[GpuLatest]] = {node_id: [] for node_id in ids}
    there = Gpu.objects.filter(node__in=ids, gone_at__isnull=True) if with_gpus else Gpu.objects.none()
    told = there.order_by("node", "slot", "pk").values_list("node_id", "pk", "uuid", "slot", "pci_address")
    for node_id, pk, uuid, slot, pci_address in told:
        state = states.get((node_id, Kind.GPU, pk))
        gpus[node_id].append(GpuLatest(pk, uuid, slot, state.cells(Kind.GPU) if state else {}, pci_address))
    circuits: dict[int, dict[str, Cell]] = {node_id: {} for node_id in ids}
    for node_id, pk, name in Circuit.objects.filter(node__in=ids).values_list("node_id", "pk", "name"):
        state = states.get((node_id, Kind.CIRCUIT, pk))
        if state and (cell := state.cells(Kind.CIRCUIT).get("power_watts")):
            circuits[node_id][name] = cell
    found = {}
    for node_id in ids:
        own = states.get((node_id, Kind.NODE, 0))
        cells = own.cells(Kind.NODE) if own else {}
        found[node_id] = NodeLatest(
            node_id, status[node_id], heard[node_id], cells, tuple(gpus[node_id]), circuits[node_id]
        )
    return found


def glances(node_ids: Iterable[int], now: datetime | None = None) -> dict[int, NodeGlance]:
    """What the fleet's overview needs of each node; some hundred times cheaper than `latest` of as many."""
    ids, at = list(node_ids), now or timezone.now()
    status, heard = _statuses(ids, at)
    return fleet_latest.glances(ids, status, heard, at)


def statuses(node_ids: Iterable[int]) -> dict[int, NodeStatus]:
    """Just the state of each node."""
    return _statuses(list(node_ids), timezone.now())[0]


def _statuses(ids: list[int], now: datetime) -> tuple[dict[int, NodeStatus], dict[int, datetime | None]]:
    """A state that nobody has confirmed for SILENCE_SECONDS is not known any more: the portal itself is behind."""
    status, heard = dict.fromkeys(ids, _NEVER), dict[int, datetime | None].fromkeys(ids)
    rows = copying.fetch(
        "SELECT s.node_id, state, cause, since, as_of, heard_at, gpus_expected, gpus_seen, coalesce(c.ahead_ms, 0)"
        " FROM telemetry_nodestatusrow s LEFT JOIN telemetry_nodeclock c ON c.node_id = s.node_id"
        " WHERE s.node_id = ANY(%s::bigint[])",
        [copying.ints(ids)],
    )
    gone = _gone_at([row[0] for row in rows if row[7] is not None and row[7] < row[6]])
    confirmed = now - timedelta(seconds=SILENCE_SECONDS)
    for node_id, state, cause, since, as_of, heard_at, expected, seen, ahead_ms in rows:
        gpus = Presence(expected, seen, tuple(gone.get(node_id, ())))
        if as_of < confirmed:
            status[node_id] = NodeStatus(State.UNKNOWN, Cause.NOT_JUDGED, as_of, as_of, gpus)
        else:
            status[node_id] = NodeStatus(_STATES[state], _CAUSES[cause], since, as_of, gpus, ahead_ms / 1000)
        heard[node_id] = heard_at
    return status, heard


def _gone_at(node_ids: list[int]) -> Mapping[int, list[datetime]]:
    """By node, when each of its GPUs that are gone went, newest first."""
    found: dict[int, list[datetime]] = defaultdict(list)
    if node_ids:
        gone = Gpu.objects.filter(node__in=node_ids, gone_at__isnull=False).order_by("-gone_at")
        for node_id, gone_at in gone.values_list("node_id", "gone_at"):
            if gone_at:
                found[node_id].append(gone_at)
    return found


def history(
    node_id: int,
    kind: Kind,
    columns: Sequence[str],
    start: datetime,
    end: datetime,
    step_seconds: int | None = None,
    subjects: Sequence[str] | None = None,
) -> History:
    """Values over [start, end). `step_seconds` None picks about 300 buckets; 0 asks for raw samples.

    `subjects` limits GPUs (by UUID) or circuits (by name). The coarsest stored resolution that still
    gives the step is read. Raises ValueError for an unknown column, an empty range or > 5,000 buckets.
    """
    unknown = [name for name in columns if name not in BY_NAME[kind]]
    if unknown:
        raise ValueError(f"unknown metric {unknown[0]}; known are {', '.join(sorted(BY_NAME[kind]))}")
    if end <= start:
        raise ValueError("end must be after start")
    step = choose_step(start, end, step_seconds)
    wanted = [BY_NAME[kind][name] for name in columns]
    return read_history(node_id, kind, wanted, start, end, step, _subject_ids(node_id, kind, subjects))


def _subject_ids(node_id: int, kind: Kind, subjects: Sequence[str] | None) -> dict[int, str]:
    """Names of the subjects to read, by id, in display order."""
    if kind is Kind.NODE:
        return {0: ""}
    if kind is Kind.GPU:
        found = {gpu.pk: gpu.uuid for gpu in Gpu.objects.filter(node=node_id).order_by("slot", "pk")}
    else:
        found = {circuit.pk: circuit.name for circuit in Circuit.objects.filter(node=node_id).order_by("name")}
    return {pk: name for pk, name in found.items() if subjects is None or name in subjects}


def other_heard(node_id: int, series_ids: Sequence[int]) -> dict[int, datetime]:
    """When series outside the catalogue were heard last, as far as a sample is still kept."""
    return other_reads.heard_last(node_id, series_ids)


def other_samples(series: OtherSeries, start: datetime, end: datetime) -> OtherSamples:
    """Raw samples of a series outside the catalogue over [start, end). Raises ValueError for too many."""
    return other_reads.samples(series, start, end)


def fleet(
    question: Question,
    groups: Mapping[int, str],
    start: datetime | None = None,
    end: datetime | None = None,
    step_seconds: int | None = None,
) -> FleetHistory:
    """One metric of many nodes or their GPUs, aggregated by group: now, or with `start` over [start, end).

    `groups` names each node's group. Raises ValueError for an unknown metric, an empty range, or too much at once.
    """
    now = timezone.now()
    if start is None:
        return fleet_reads.now(question, groups, now)
    return fleet_reads.over(question, groups, start, end or now, step_seconds)


def energy(node_id: int, start: datetime, end: datetime) -> Energy:
    """Watt-hours by register in [start, end), to the quarter-hour: what the registers moved, also across gaps."""
    return energy_by_bucket(node_id, [start, end])[0]


def energy_by_bucket(node_id: int, edges: Sequence[datetime]) -> list[Energy]:
    """`energy` between each pair of neighbouring edges (local midnights, say), in one read.

    Energy that flowed during a gap is counted where the register is heard again, and lowers `covered_ratio`.
    """
    return read_registers(node_id, ENERGY_REGISTERS, edges)


def state_spans(node_id: int, start: datetime, end: datetime) -> list[StateSpan]:
    """The node's states that overlap [start, end), oldest first."""
    spans = NodeStateSpan.objects.filter(node=node_id, started_at__lt=end).exclude(ended_at__lte=start)
    return [
        StateSpan(State(span.state), Cause(span.cause), span.started_at, span.ended_at)
        for span in spans.order_by("started_at")
    ]


def usual_home_watts(node_id: int, now: datetime | None = None) -> float | None:
    """The household's mean draw in the same three hours of the day over the last week; None without data.

    Remembered for ten to twenty minutes: it is a habit, not a measurement. Not equally long for all, so that those
    who were asked for together are not all looked up together again.
    """
    held = _usual.get(node_id)
    if held and time.monotonic() < held[0]:
        return held[1]
    at = now or timezone.now()
    found = history(node_id, Kind.NODE, ["home_power_watts"], at - timedelta(days=7), at, 3600)
    values = [
        value
        for bucket, value in zip(found.at, found.series[0].average, strict=True)
        if value is not None and (bucket.astimezone(UTC).hour - at.astimezone(UTC).hour) % 24 in (0, 1, 23)
    ]
    usual = sum(values) / len(values) if values else None
    _usual[node_id] = (time.monotonic() + _USUAL_SECONDS * random.uniform(1, 2), usual)  # noqa: S311
    return usual
