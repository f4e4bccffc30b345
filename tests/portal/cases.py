"""Homes of which something is known, and what that makes true. Server and page are both held to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from telemetry.node_state import Cause, State
from telemetry.payloads import HomePayload, home_payload
from telemetry.readings import Cell, NodeLatest, NodeStatus

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
ALL_WELL = {
    "internet_home_up": 1.0, "grid_up": 1.0, "coolant_leak": 0.0, "enclosure_open": 0.0, "battery_power_watts": 0.0,
    "battery_charge_ratio": 0.9, "battery_capacity_joules": 16 * 3.6e6,
}  # fmt: skip


def home(seconds_old: float = 1.0, ages: dict[str, float] | None = None, **cells: float | None) -> HomePayload:
    """A home that was heard so long ago; `ages` of single readings, None for one that was never sent."""
    values = {**ALL_WELL, **cells}
    at = {name: NOW - timedelta(seconds=(ages or {}).get(name, seconds_old)) for name in values}
    known = {name: Cell(value, at[name]) for name, value in values.items() if value is not None}
    status = NodeStatus(State.WORKING, Cause.NONE, NOW, NOW)
    return home_payload("home", NodeLatest(1, status, max(at.values()), known, (), {}), 1500.0)


CASES_BY_FACTS: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {"heard": "now", "internet": "up", "grid": "up", "leak": "dry", "cabinet": "closed", "battery": "resting",
          "backup": "ready"}),
    ({"seconds_old": 60.0}, {"heard": "now", "internet": "up", "leak": "dry"}),
    ({"seconds_old": 61.0}, {"heard": "before", "internet": "unknown", "grid": "unknown", "leak": "unknown",
                             "cabinet": "unknown", "battery": "unknown", "backup": "before"}),
    ({"coolant_leak": 1.0}, {"leak": "wet", "cabinet": "closed"}),
    ({"coolant_leak": 1.0, "seconds_old": 18_000.0}, {"leak": "wet", "cabinet": "unknown"}),
    ({"enclosure_open": None}, {"leak": "dry", "cabinet": "unknown"}),
    ({"enclosure_open": 1.0, "coolant_leak": None}, {"leak": "unknown", "cabinet": "open"}),
    ({"internet_home_up": 0.0}, {"internet": "down"}),
    ({"ages": {"internet_home_up": 400.0}}, {"heard": "now", "internet": "unknown"}),
    ({"battery_power_watts": -2000.0}, {"battery": "giving", "grid": "up"}),
    ({"battery_power_watts": -2000.0, "grid_up": None}, {"battery": "giving", "grid": "unknown"}),
    ({"battery_power_watts": -2000.0, "grid_up": 0.0, "home_power_watts": 1900.0},
     {"battery": "carrying", "grid": "down", "backup": "carrying"}),
    ({"battery_power_watts": -2000.0, "grid_up": 0.0}, {"battery": "giving"}),
    ({"battery_power_watts": -2000.0, "grid_up": 0.0, "home_power_watts": 0.0}, {"battery": "giving"}),
    ({"battery_power_watts": -2000.0, "grid_up": 0.0, "home_power_watts": 1900.0, "ages": {"home_power_watts": 61.0}},
     {"battery": "giving"}),
    ({"battery_power_watts": 3000.0}, {"battery": "charging"}),
    ({"battery_power_watts": 20.0}, {"battery": "resting"}),
    ({"battery_capacity_joules": None}, {"backup": "unknown"}),
    ({"grid_up": 0.0, "ages": {"grid_up": 61.0}}, {"grid": "unknown", "backup": "ready"}),
]  # fmt: skip
