"""The figures of the homeowner's pages, from telemetry and the home's own calendar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone

from homes.calendar import day_edges, month_start
from homes.models import Home, Node
from telemetry import reads
from telemetry.catalogue import Kind
from telemetry.node_state import State
from telemetry.readings import Energy, NodeLatest, StateSpan
from xfra_portal import formats, wording

SHORTEST_TOLD_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class DayEnergy:
    """A local day's energy in watt-hours; None where nothing was measured."""

    day: date
    home: float | None
    node: float | None


@dataclass(frozen=True, slots=True)
class MonthEnergy:
    """This month so far: days, totals in watt-hours, and how much of the time readings cover."""

    days: list[DayEnergy]
    home: float | None
    node: float | None
    site_import: float | None
    site_export: float | None
    solar: float | None
    battery_in: float | None
    battery_out: float | None
    covered_ratio: float


def month_energy(node: Node, home: Home, now: datetime) -> MonthEnergy:
    first = month_start(home.zone, now)
    edges = day_edges(home.zone, first, now)
    found = reads.energy_by_bucket(node.pk, edges)
    days = [
        DayEnergy(start.astimezone(home.zone).date(), energy.home_watt_hours, energy.watt_hours["node"])
        for start, energy in zip(edges[:-1], found, strict=True)
    ]
    return MonthEnergy(
        days=days,
        home=_total([day.home for day in days]),
        node=_total([day.node for day in days]),
        **{name: _total([energy.watt_hours[name] for energy in found]) for name in _REGISTERS},
        covered_ratio=_covered(found),
    )


_REGISTERS = ("site_import", "site_export", "solar", "battery_in", "battery_out")


def _covered(found: Sequence[Energy]) -> float:
    seconds = [(energy.end - energy.start).total_seconds() for energy in found]
    covered = sum(e.covered_ratio * s for e, s in zip(found, seconds, strict=True))
    return covered / sum(seconds) if seconds else 0.0


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of `Lately`."""

    state: str
    when: str
    text: str
    at: datetime


def lately(node: Node, home: Home, now: datetime, most: int = 5) -> list[Happening]:
    """What happened in the last week besides ordinary work, newest first."""
    spans = [
        span
        for span in reads.state_spans(node.pk, now - timedelta(days=7), now)
        if span.state is not State.WORKING and span.end and _seconds(span, now) >= SHORTEST_TOLD_SECONDS
    ]
    return [_happening(node, home, span, now) for span in reversed(spans[-most:])]


def _seconds(span: StateSpan, now: datetime) -> float:
    return ((span.end or now) - span.start).total_seconds()


def _happening(node: Node, home: Home, span: StateSpan, now: datetime) -> Happening:
    local, today = span.start.astimezone(home.zone), now.astimezone(home.zone).date()
    when = formats.clock(local) if local.date() == today else f"{local:%a} {formats.clock(local)}"
    circuit = busiest_then(node, span.start, span.end or now) if span.cause == "headroom" else None
    return Happening(
        span.state.value, when, wording.past(span.state, span.cause, _seconds(span, now), circuit), span.start
    )


def busiest_then(node: Node, start: datetime, end: datetime) -> str | None:
    """The circuit that drew most in that time, if circuits were measured then."""
    padded = max(end, start + timedelta(minutes=1))
    found = reads.history(node.pk, Kind.CIRCUIT, ["power_watts"], start, padded, 900)
    best: tuple[float, str] | None = None
    for series in found.series:
        values = [value for value in series.average if value is not None]
        if values and (best is None or sum(values) / len(values) > best[0]):
            best = (sum(values) / len(values), series.subject)
    return best[1] if best and best[0] > 100 else None


def busiest_now(latest: NodeLatest) -> str | None:
    drawing = {name: cell.value for name, cell in latest.circuits.items() if cell.value > 500}
    return max(drawing, key=lambda name: drawing[name]) if drawing else None


def story(home: Home, latest: NodeLatest) -> wording.Story:
    status, now = latest.status, timezone.now()
    silent = (now - latest.heard_at).total_seconds() if latest.heard_at else None
    facts = wording.Facts(
        since_clock=_since_words(home, status.since, now),
        outdoor_celsius=latest.value("outdoor_celsius"),
        busiest_circuit=busiest_now(latest),
        silent_seconds=silent,
    )
    return wording.tell(status.state, status.cause, facts)


def _since_words(home: Home, since: datetime | None, now: datetime) -> str | None:
    if since is None:
        return None
    local = since.astimezone(home.zone)
    same_day = local.date() == now.astimezone(home.zone).date()
    return formats.clock(local) if same_day else f"{local:%A} {formats.clock(local)}"


@dataclass(frozen=True, slots=True)
class Outage:
    """A stretch in which something was down, in the home's local time."""

    start: datetime
    seconds: float
    still: bool


def outages(node: Node, column: str, start: datetime, end: datetime) -> list[Outage]:
    """Stretches in which a flag (1: up) was down for most of a bucket, newest first.

    Minutes for the days whose minutes are kept, quarter-hours before that: lengths are to that precision.
    """
    edge = max(start, end - timedelta(days=2))
    found = []
    if start < edge:
        found += _down_stretches(node, column, start, edge, 900)
    found += _down_stretches(node, column, edge, end, 60)
    return sorted(found, key=lambda outage: outage.start, reverse=True)


def _down_stretches(node: Node, column: str, start: datetime, end: datetime, step: int) -> list[Outage]:
    history = reads.history(node.pk, Kind.NODE, [column], start, end, step)
    stretches: list[Outage] = []
    began: datetime | None = None
    down_seconds = 0.0
    for at, up in zip(history.at, history.series[0].average, strict=True):
        if up is not None and up < 0.999:
            began = began or at
            down_seconds += (1 - up) * step
        elif began is not None:
            stretches.append(Outage(began, down_seconds, False))
            began, down_seconds = None, 0.0
    if began is not None:
        stretches.append(Outage(began, down_seconds, True))
    return stretches


def uptime_ratio(node: Node, column: str, start: datetime, end: datetime) -> float | None:
    """The share of measured time in which a flag was 1; None without any measurement."""
    history = reads.history(node.pk, Kind.NODE, [column], start, end, 900)
    values = [value for value in history.series[0].average if value is not None]
    return sum(values) / len(values) if values else None
