"""One sentence that answers `why`, joining GPU, panel, weather and line. Pure; field terms are welcome here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from telemetry.node_state import Cause, State
from telemetry.readings import NodeLatest
from telemetry.xid import throttle_words

_BUSY_CIRCUIT_WATTS: Final = 1000.0
HOT_OUTDOORS_CELSIUS: Final = 33.0
CLOCK_SECONDS: Final = 60.0
"""From so much on it is said that a clock is wrong; less moves nothing on any page."""
_ABBREVIATIONS: Final = {"ev": "EV", "ac": "AC", "hvac": "HVAC"}
"""In names of circuits, whose words stand apart by underscores."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number within a sentence: where it lies in the node's live payload, how it is written, and what it is now."""

    path: str
    unit: str
    value: float


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words with a place `{name}` for each of its figures, so that it stays true beside the figures of the page."""

    words: str
    figures: Mapping[str, Figure]


_FIGURES: Final = {
    "node_power_watts": "watts",
    "node_power_limit_watts": "watts",
    "battery_power_watts": "watts",
    "battery_charge_ratio": "ratio",
    "main_amperes": "amperes",
    "limit_amperes": "amperes",
    "coolant_supply_celsius": "celsius",
    "outdoor_celsius": "celsius",
}
"""What a sentence may tell of a node's own values, and how each is written."""
_BINDING_RATIO: Final = 0.9
"""A power limit is told of when the node draws so much of it: else it is not what holds the node back."""


def explain(latest: NodeLatest, beside: Sequence[str], now: datetime, is_well: bool) -> Sentence:
    """The sentence for an operator: danger first, then what needs somebody beside the state, then the state and the
    evidence that supports it. `is_well`: nothing at all needs anybody; only then anything is called normal."""
    others = [f"{_plain(words[:1].upper() + words[1:])}." for words in beside]
    words = " ".join([*_danger(latest), *others, _state(latest, now, is_well)])
    figures = {
        name: Figure(f"values.{name}", unit, value)
        for name, unit in _FIGURES.items()
        if (value := latest.value(name)) is not None
    }
    if (busy := busy_ratio(latest)) is not None:
        figures["busy_ratio"] = Figure("busy_ratio", "ratio", busy)
    for name, cell in latest.circuits.items():
        figures[_place(latest, name)] = Figure(f"circuits.{name}", "watts", cell.value)
    return Sentence(words, figures)


def _plain(words: str) -> str:
    """Without a place for a figure, whatever a node calls its circuits."""
    return words.replace("{", "(").replace("}", ")")


def _place(latest: NodeLatest, circuit: str) -> str:
    """By its number, whatever a node calls it."""
    return f"circuit_{sorted(latest.circuits).index(circuit)}"


def clock_words(ahead_seconds: float) -> str:
    """What is wrong with a node's clock; nothing where that is too little for anybody to mind."""
    if abs(ahead_seconds) < CLOCK_SECONDS:
        return ""
    return f"its clock is {duration(abs(ahead_seconds))} {'ahead' if ahead_seconds > 0 else 'behind'}"


def _danger(latest: NodeLatest) -> list[str]:
    words = {"coolant_leak": "Leak sensor wet.", "enclosure_open": "Enclosure open."}
    return [sentence for column, sentence in words.items() if (latest.value(column) or 0) > 0]


def _state(latest: NodeLatest, now: datetime, is_well: bool) -> str:
    status = latest.status
    if status.cause is Cause.NEVER_HEARD:
        return "Never heard: no sample has arrived with this node's credential."
    if status.state in (State.DOWN, State.UNKNOWN):
        return _silent(latest, now)
    tellers = {
        Cause.HEAT: _heat,
        Cause.HEADROOM: _headroom,
        Cause.OUTAGE: _outage,
        Cause.POWER_LIMIT: _power,
    }
    if status.cause in tellers:
        return tellers[status.cause](latest)
    fixed = {
        Cause.HOST_PAUSE: "Paused by the host",
        Cause.OPERATOR: "Paused by an operator",
        Cause.GRID_EVENT: "Making room: the utility asked for less load",
        Cause.VISIT: "In service: a technician is at work on it",
        Cause.MISSING_GPUS: "The others work",
    }
    return fixed.get(status.cause, "Working normally" if is_well else "Working") + f"{_work(latest)}."


def _work(latest: NodeLatest) -> str:
    parts = ["{node_power_watts}"] if latest.value("node_power_watts") is not None else []
    if busy_ratio(latest) is not None:
        parts.append("{busy_ratio} busy")
    return f": {', '.join(parts)}" if parts else ""


def _silent(latest: NodeLatest, now: datetime) -> str:
    if latest.status.cause is Cause.NO_GPUS:
        return "Down: samples arrive, but no GPU is among them."
    if latest.status.cause is Cause.NOT_JUDGED:
        return f"Unknown: the portal is behind{_for(latest.status.as_of, now)}; that says nothing about this node."
    if latest.status.cause is Cause.LATE:
        return (
            f"Unknown: what arrives now is of {_age(latest.heard_at, now)} ago. It catches up, or its clock is behind."
        )
    if latest.status.cause is Cause.NO_READINGS:
        return (
            f"Unknown: its agent delivers, but has sent no reading of the node{_for(latest.heard_at, now)}."
            " Suspect its exporters, or its clock where the door refuses what it sends."
        )
    heard = f"Unknown: nothing heard{_for(latest.silent_since, now)}"
    if latest.status.cause is Cause.SILENT_LINE_UP:
        return f"{heard}. The home's line was up at the last word, so suspect the node itself."
    return f"{heard}, and nothing else is known of the home's line."


def _for(since: datetime | None, now: datetime) -> str:
    return f" for {_age(since, now)}" if since else ""


def _age(since: datetime | None, now: datetime) -> str:
    return duration(max(0.0, (now - since).total_seconds())) if since else "long"


def duration(seconds: float) -> str:
    """90 -> 2 min; 10000 -> 2.8 h; 300000 -> 3.5 days."""
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


def _heat(latest: NodeLatest) -> str:
    bits = 0
    for gpu in latest.gpus:
        if cell := gpu.cells.get("throttle_reasons"):
            bits |= int(cell.value)
    words = [word for word in throttle_words(bits) if "thermal" in word] or ["cooling limit"]
    outdoor = latest.value("outdoor_celsius")
    parts = [" and ".join(words)]
    if latest.value("coolant_supply_celsius") is not None:
        parts.append("coolant supply {coolant_supply_celsius}")
    if outdoor is not None and outdoor >= HOT_OUTDOORS_CELSIUS:
        parts.append("{outdoor_celsius} outdoors leaves the heat pump short")
    elif outdoor is not None:
        parts.append("only {outdoor_celsius} outdoors, so suspect pump, flow or filter")
    return f"Slower by heat: {', '.join(parts)}{_limited(latest)}."


def _circuit(name: str) -> str:
    return _plain(" ".join(_ABBREVIATIONS.get(word, word) for word in name.split("_")))


def _headroom(latest: NodeLatest) -> str:
    busy = sorted(((c.value, n) for n, c in latest.circuits.items() if c.value > _BUSY_CIRCUIT_WATTS), reverse=True)
    parts = []
    if busy:
        parts.append(" and ".join(f"{_circuit(name)} {{{_place(latest, name)}}}" for _, name in busy[:2]))
    if latest.value("main_amperes") is not None and latest.value("limit_amperes") is not None:
        parts.append("panel at {main_amperes} of {limit_amperes}")
    return f"Making room for the home: {', '.join(parts) or 'no headroom at the panel'}{_limited(latest)}."


def _outage(latest: NodeLatest) -> str:
    """What is measured; whether the battery carries the home is not said by its flag."""
    known = {
        "node_power_watts": "the node draws {node_power_watts}",
        "battery_power_watts": "power into the battery {battery_power_watts}",
        "battery_charge_ratio": "battery at {battery_charge_ratio}",
    }
    parts = [words for name, words in known.items() if latest.value(name) is not None]
    return f"Grid outage: {', '.join(parts) or 'the node has drained its work by its own word'}."


def _power(latest: NodeLatest) -> str:
    return f"Slower by power limit: HW slowdown or power brake is set{_limited(latest)}."


def _limited(latest: NodeLatest) -> str:
    drawn, limit = latest.value("node_power_watts"), latest.value("node_power_limit_watts")
    if limit is None or drawn is None or drawn < _BINDING_RATIO * limit:
        return ""
    return "; at its limit of {node_power_limit_watts}"


def busy_ratio(latest: NodeLatest) -> float | None:
    """The mean of its GPUs; `static/telemetry/js/node.js` has the same."""
    values = [cell.value for gpu in latest.gpus if (cell := gpu.cells.get("utilization_ratio"))]
    return sum(values) / len(values) if values else None
