"""The figures of the homeowner's pages, from telemetry and the home's own calendar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from homes.calendar import day_edges, month_start
from homes.models import Home, Node
from telemetry import reads
from telemetry.catalogue import Kind
from telemetry.node_state import SILENCE_SECONDS, SILENT, Cause, State
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


@dataclass(frozen=True, slots=True)
class Lately:
    """What happened, newest first. `is_known` is False where nothing is known of the time at all."""

    happenings: Sequence[Happening]
    is_known: bool


def lately(node: Node, home: Home, now: datetime, most: int = 5) -> Lately:
    """The last week besides ordinary work, with what still goes on."""
    spans = reads.state_spans(node.pk, now - timedelta(days=7), now)
    told = [span for span in spans if span.state is not State.WORKING and _seconds(span, now) >= SHORTEST_TOLD_SECONDS]
    is_known = any(span.cause is not Cause.NEVER_HEARD for span in spans)
    return Lately([_happening(node, home, span, now) for span in reversed(told[-most:])], is_known)


def _seconds(span: StateSpan, now: datetime) -> float:
    return ((span.end or now) - span.start).total_seconds()


def _happening(node: Node, home: Home, span: StateSpan, now: datetime) -> Happening:
    local, today = span.start.astimezone(home.zone), now.astimezone(home.zone).date()
    when = formats.clock(local) if local.date() == today else f"{local:%a} {formats.clock(local)}"
    circuit = busiest_then(node, span.start, span.end or now) if span.cause == "headroom" else None
    text = wording.past(span.state, span.cause, _seconds(span, now), circuit)
    return Happening(span.state.value, when, text if span.end else f"{text} so far", span.start)


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


@dataclass(frozen=True, slots=True)
class Said:
    """The story, and the state that it is of: unknown where nobody has looked for a minute."""

    state: State
    story: wording.Story


def story(home: Home, latest: NodeLatest, now: datetime) -> Said:
    """Of the node, while its state is judged; else of us, since a state that nobody judges is no news of the node."""
    status = latest.status
    if status.as_of and (now - status.as_of).total_seconds() > SILENCE_SECONDS:
        return Said(State.UNKNOWN, wording.behind(_clock_words(home, status.as_of, now)))
    facts = wording.Facts(
        since_clock=_clock_words(home, status.since, now) if status.since else None,
        outdoor_celsius=latest.value("outdoor_celsius"),
        busiest_circuit=busiest_now(latest),
        silent_seconds=_silent_seconds(latest, now),
        is_alarming=any((latest.value(column) or 0) > 0 for column in ("coolant_leak", "enclosure_open")),
    )
    return Said(status.state, wording.tell(status.state, status.cause, facts))


def _silent_seconds(latest: NodeLatest, now: datetime) -> float | None:
    since = latest.silent_since if latest.status.cause in SILENT else latest.heard_at
    return (now - since).total_seconds() if since else None


def _clock_words(home: Home, at: datetime, now: datetime) -> str:
    local = at.astimezone(home.zone)
    same_day = local.date() == now.astimezone(home.zone).date()
    return formats.clock(local) if same_day else f"{local:%A} {formats.clock(local)}"
