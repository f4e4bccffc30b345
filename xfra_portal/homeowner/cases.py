"""Which of a few sentences is true of a home right now. Pure: what the live payload says, and how old that is.

`static/xfra_portal/js/cases.js` decides the same while the page is open; a test compares the two. The sentences
themselves stand once, in the templates (the tag `told`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from telemetry.payloads import STALE_SECONDS, HomePayload, Reading

RESTING_WATTS: Final = 20.0
CASES: Final[Mapping[str, frozenset[str]]] = {
    "heard": frozenset({"now", "before", "never"}),
    "internet": frozenset({"up", "down", "unknown"}),
    "grid": frozenset({"up", "down", "unknown"}),
    "leak": frozenset({"wet", "dry", "unknown"}),
    "cabinet": frozenset({"open", "closed", "unknown"}),
    "battery": frozenset({"charging", "carrying", "giving", "resting", "unknown"}),
    "backup": frozenset({"ready", "carrying", "before", "unknown"}),
}
"""By what is told: each needs a sentence."""


def cases_of(live: HomePayload, now: datetime) -> dict[str, str]:
    """By what is told. What is older than a minute is not known; only danger stands until it is known to be over."""
    safety, battery = live["safety"], live["battery"]
    grid = _flag(_fresh(live["power"]["grid_up"], now), "up", "down")
    return {
        "heard": "never" if live["heard_at"] is None else "now" if _is_fresh(live["heard_at"], now) else "before",
        "internet": _flag(_fresh(live["internet"]["home"]["up"], now), "up", "down"),
        "grid": grid,
        "leak": _danger(safety["coolant_leak"], now, "wet", "dry"),
        "cabinet": _danger(safety["enclosure_open"], now, "open", "closed"),
        "battery": _battery(
            _fresh(live["power"]["battery_watts"], now), grid, _fresh(live["power"]["home_watts"], now)
        ),
        "backup": _backup(battery["backup_hours_now"], _fresh(battery["charge_ratio"], now), grid),
    }


def _is_fresh(at: str, now: datetime) -> bool:
    return (now - datetime.fromisoformat(at)).total_seconds() <= STALE_SECONDS


def _fresh(reading: Reading | None, now: datetime) -> float | None:
    return reading["value"] if reading and _is_fresh(reading["at"], now) else None


def _danger(reading: Reading | None, now: datetime, on: str, off: str) -> str:
    return on if reading and reading["value"] > 0 else _flag(_fresh(reading, now), on, off)


def _flag(value: float | None, on: str, off: str) -> str:
    if value is None:
        return "unknown"
    return on if value > 0 else off


def _battery(watts: float | None, grid: str, home_watts: float | None) -> str:
    """It carries the home where the grid is away and the home draws power: else it just gives."""
    if watts is None:
        return "unknown"
    if watts > RESTING_WATTS:
        return "charging"
    if watts < -RESTING_WATTS:
        return "carrying" if grid == "down" and (home_watts or 0) > RESTING_WATTS else "giving"
    return "resting"


def _backup(hours: float | None, charge: float | None, grid: str) -> str:
    if hours is None:
        return "unknown"
    if charge is None:
        return "before"
    return "carrying" if grid == "down" else "ready"
