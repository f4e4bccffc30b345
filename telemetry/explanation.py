"""One sentence that answers `why`, joining GPU, panel, weather and line. Pure; field terms are welcome here."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from telemetry.node_state import Cause, State
from telemetry.readings import NodeLatest
from telemetry.xid import throttle_words

_BUSY_CIRCUIT_WATTS: Final = 1000.0
HOT_OUTDOORS_CELSIUS: Final = 33.0
_ABBREVIATIONS: Final = {"ev": "EV", "ac": "AC", "hvac": "HVAC"}
"""In names of circuits, whose words stand apart by underscores."""


def explain(latest: NodeLatest, expected_gpus: int, now: datetime) -> str:
    """The sentence for an operator: danger first, then the state, then the evidence that supports it."""
    return " ".join([*_danger(latest), _state(latest, expected_gpus, now)])


def _danger(latest: NodeLatest) -> list[str]:
    words = {"coolant_leak": "Leak sensor wet.", "enclosure_open": "Enclosure open."}
    return [sentence for column, sentence in words.items() if (latest.value(column) or 0) > 0]


def _state(latest: NodeLatest, expected_gpus: int, now: datetime) -> str:
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
    if status.cause is Cause.MISSING_GPUS:
        return f"{len(latest.gpus)} of {expected_gpus} GPUs answer; the rest work normally{_work(latest)}."
    fixed = {
        Cause.HOST_PAUSE: "Paused by the host.",
        Cause.OPERATOR: "Paused by an operator.",
        Cause.GRID_EVENT: "Making room: the utility asked for less load.",
        Cause.VISIT: "In service: a technician is at work on it.",
    }
    return fixed.get(status.cause, f"Working normally{_work(latest)}.")


def _work(latest: NodeLatest) -> str:
    watts, busy = latest.value("node_power_watts"), _mean(latest, "utilization_ratio")
    parts = []
    if watts is not None:
        parts.append(f"{watts / 1000:.1f} kW")
    if busy is not None:
        parts.append(f"{busy:.0%} busy")
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
            " Suspect its exporters."
        )
    heard = f"Unknown: nothing heard{_for(latest.silent_since, now)}"
    if latest.status.cause is Cause.SILENT_LINE_UP:
        return f"{heard}. The home's line was up at the last word, so suspect the node itself."
    return f"{heard}, and nothing else is known of the home's line."


def _for(since: datetime | None, now: datetime) -> str:
    return f" for {_age(since, now)}" if since else ""


def _age(since: datetime | None, now: datetime) -> str:
    return duration((now - since).total_seconds()) if since else "long"


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
    outdoor, supply = latest.value("outdoor_celsius"), latest.value("coolant_supply_celsius")
    parts = [" and ".join(words)]
    if supply is not None:
        parts.append(f"coolant supply {supply:.0f} °C")
    if outdoor is not None and outdoor >= HOT_OUTDOORS_CELSIUS:
        parts.append(f"{outdoor:.0f} °C outdoors leaves the heat pump short")
    elif outdoor is not None:
        parts.append(f"only {outdoor:.0f} °C outdoors, so suspect pump, flow or filter")
    return f"Slower by heat: {', '.join(parts)}{_limited(latest)}."


def _circuit(name: str) -> str:
    return " ".join(_ABBREVIATIONS.get(word, word) for word in name.split("_"))


def _headroom(latest: NodeLatest) -> str:
    main, limit = latest.value("main_amperes"), latest.value("limit_amperes")
    busy = sorted(((c.value, n) for n, c in latest.circuits.items() if c.value > _BUSY_CIRCUIT_WATTS), reverse=True)
    parts = []
    if busy:
        parts.append(" and ".join(f"{_circuit(name)} {watts / 1000:.1f} kW" for watts, name in busy[:2]))
    if main is not None and limit is not None:
        parts.append(f"panel at {main:.0f} of {limit:.0f} A")
    return f"Making room for the home: {', '.join(parts) or 'no headroom at the panel'}{_limited(latest)}."


def _outage(latest: NodeLatest) -> str:
    charge = latest.value("battery_charge_ratio")
    return f"Grid outage: work drained, battery carries the home{f' at {charge:.0%}' if charge is not None else ''}."


def _power(latest: NodeLatest) -> str:
    return f"Slower by power limit: HW slowdown or power brake is set{_limited(latest)}."


def _limited(latest: NodeLatest) -> str:
    limit = latest.value("node_power_limit_watts")
    return f"; limited to {limit / 1000:.1f} kW" if limit is not None else ""


def _mean(latest: NodeLatest, column: str) -> float | None:
    values = [cell.value for gpu in latest.gpus if (cell := gpu.cells.get(column))]
    return sum(values) / len(values) if values else None
