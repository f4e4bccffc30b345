"""What pages, sockets and the API say about a node and a home, in one shape for all three.

Pure: built from plain readings. A value is `{"value": number, "at": instant}` or null when unknown:
unknown is never zero. Units are in the names; instants are ISO 8601 in UTC.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Final, TypedDict, cast

from telemetry.node_state import Cause, State
from telemetry.readings import Cell, GpuLatest, NodeGlance, NodeLatest


class Reading(TypedDict):
    value: float
    at: str


class StatePayload(TypedDict):
    state: str
    cause: str
    since: str | None
    as_of: str | None


class PowerPayload(TypedDict):
    site_watts: Reading | None
    home_watts: Reading | None
    node_watts: Reading | None
    battery_watts: Reading | None
    solar_watts: Reading | None
    residual_watts: Reading | None
    main_amperes: Reading | None
    limit_amperes: Reading | None
    grid_up: Reading | None
    node_limit_watts: Reading | None


class BatteryPayload(TypedDict):
    charge_ratio: Reading | None
    capacity_watt_hours: Reading | None
    reserve_ratio: Reading | None
    backup_hours_now: float | None
    backup_hours_if_full: float | None
    backup_basis_watts: float | None


class LinePayload(TypedDict):
    up: Reading | None
    download_bits_per_second: Reading | None
    upload_bits_per_second: Reading | None
    latency_seconds: Reading | None
    loaded_latency_seconds: Reading | None
    jitter_seconds: Reading | None
    loss_ratio: Reading | None


class SafetyPayload(TypedDict):
    coolant_leak: Reading | None
    enclosure_open: Reading | None
    coolant_supply_celsius: Reading | None
    sound_decibels: Reading | None
    outdoor_celsius: Reading | None


class HomePayload(TypedDict):
    """Everything a member of the household may see live. No money, no address."""

    type: str
    home: str
    heard_at: str | None
    node: StatePayload
    power: PowerPayload
    circuits: dict[str, Reading]
    battery: BatteryPayload
    internet: dict[str, LinePayload]
    safety: SafetyPayload


class HomeWithoutNodePayload(TypedDict):
    """The same of a home in which no node stands yet: all of it would come from the node."""

    type: str
    home: str
    heard_at: None
    node: None
    power: None
    circuits: dict[str, Reading]
    battery: None
    internet: None
    safety: None


class GpuPayload(TypedDict):
    slot: int
    uuid: str
    pci_address: str
    values: dict[str, Reading]


class NodePayload(TypedDict):
    """Everything an operator sees of one node live: field terms, all columns."""

    type: str
    node: int
    heard_at: str | None
    clock_ahead_seconds: float
    state: StatePayload
    values: dict[str, Reading]
    circuits: dict[str, Reading]
    gpus: list[GpuPayload]


class FleetCell(TypedDict):
    """One node in the fleet grid."""

    node: int
    hostname: str
    state: str
    cause: str
    since: str | None
    heard_at: str | None
    gpus_seen: int
    gpus_expected: int
    utilization_ratio: float | None
    node_watts: float | None
    spare_watts: float | None
    hottest_celsius: float | None
    coolant_leak: bool | None
    enclosure_open: bool | None


class FleetPayload(TypedDict):
    """Cells that changed; a snapshot carries all of them."""

    type: str
    cells: list[FleetCell]


VOLTS: Final = 240.0
STALE_SECONDS: Final = 60.0
_LINE = (
    "up",
    "download_bits_per_second",
    "upload_bits_per_second",
    "latency_seconds",
    "loaded_latency_seconds",
    "jitter_seconds",
    "loss_ratio",
)


@lru_cache(maxsize=4096)
def iso(at: datetime | None) -> str | None:
    """What was scraped together is of one instant, so that one is asked for hundreds of times in a row."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None


def reading(cell: Cell | None, scale: float = 1.0) -> Reading | None:
    """A cell for the wire, rounded to the seven digits that a float32 holds."""
    if cell is None:
        return None
    return {"value": float(f"{cell.value * scale:.7g}"), "at": iso(cell.at) or ""}


def state_payload(latest: NodeLatest) -> StatePayload:
    status = latest.status
    return {
        "state": status.state.value,
        "cause": status.cause.value,
        "since": iso(status.since),
        "as_of": iso(status.as_of),
    }


def home_payload(home_id: str, latest: NodeLatest, home_basis_watts: float | None) -> HomePayload:
    """`home_basis_watts` is the household's usual draw that hours of backup are reckoned with; None: unknown."""
    cells = latest.cells
    get = cells.get
    return {
        "type": "home",
        "home": home_id,
        "heard_at": iso(latest.heard_at),
        "node": state_payload(latest),
        "power": {
            "site_watts": reading(get("site_power_watts")),
            "home_watts": reading(get("home_power_watts")),
            "node_watts": reading(get("node_power_watts")),
            "battery_watts": reading(get("battery_power_watts")),
            "solar_watts": reading(get("solar_power_watts")),
            "residual_watts": reading(_residual(latest)),
            "main_amperes": reading(get("main_amperes")),
            "limit_amperes": reading(get("limit_amperes")),
            "grid_up": reading(get("grid_up")),
            "node_limit_watts": reading(get("node_power_limit_watts")),
        },
        "circuits": {name: r for name, cell in sorted(latest.circuits.items()) if (r := reading(cell))},
        "battery": battery_payload(latest, home_basis_watts),
        "internet": {traffic: line_payload(latest, traffic) for traffic in ("home", "node")},
        "safety": {
            "coolant_leak": reading(get("coolant_leak")),
            "enclosure_open": reading(get("enclosure_open")),
            "coolant_supply_celsius": reading(get("coolant_supply_celsius")),
            "sound_decibels": reading(get("sound_decibels")),
            "outdoor_celsius": reading(get("outdoor_celsius")),
        },
    }


def home_without_node(home_id: str) -> HomeWithoutNodePayload:
    return {
        "type": "home",
        "home": home_id,
        "heard_at": None,
        "node": None,
        "power": None,
        "circuits": {},
        "battery": None,
        "internet": None,
        "safety": None,
    }


def _residual(latest: NodeLatest) -> Cell | None:
    """What the meters do not account for: site less home, node and battery, plus solar; as old as its oldest part."""
    site, *parts = (latest.cells.get(f"{channel}_power_watts") for channel in ("site", "home", "node", "battery"))
    solar = latest.cells.get("solar_power_watts")
    uses = [part for part in parts if part]
    if site is None or len(uses) < len(parts):
        return None
    watts = site.value - sum(part.value for part in uses) + (solar.value if solar else 0.0)
    return Cell(watts, min(cell.at for cell in (site, *uses, solar) if cell))


def battery_payload(latest: NodeLatest, basis_watts: float | None) -> BatteryPayload:
    """Hours of backup: the energy now in the battery over the household's usual draw (the node stops in an outage)."""
    charge, capacity = latest.value("battery_charge_ratio"), latest.value("battery_capacity_joules")
    full_hours = capacity / 3600 / basis_watts if capacity is not None and basis_watts else None
    now_hours = full_hours * charge if full_hours is not None and charge is not None else None
    return {
        "charge_ratio": reading(latest.cells.get("battery_charge_ratio")),
        "capacity_watt_hours": reading(latest.cells.get("battery_capacity_joules"), 1 / 3600),
        "reserve_ratio": reading(latest.cells.get("battery_reserve_ratio")),
        "backup_hours_now": _rounded(now_hours, 2),
        "backup_hours_if_full": _rounded(full_hours, 2),
        "backup_basis_watts": _rounded(basis_watts, 0),
    }


def line_payload(latest: NodeLatest, traffic: str) -> LinePayload:
    """One kind of traffic of the home's internet line."""
    return cast(LinePayload, {name: reading(latest.cells.get(f"internet_{traffic}_{name}")) for name in _LINE})


def node_payload(latest: NodeLatest) -> NodePayload:
    return {
        "type": "node",
        "node": latest.node_id,
        "heard_at": iso(latest.heard_at),
        "clock_ahead_seconds": latest.status.clock_ahead_seconds,
        "state": state_payload(latest),
        "values": {name: r for name, cell in latest.cells.items() if (r := reading(cell))},
        "circuits": {name: r for name, cell in sorted(latest.circuits.items()) if (r := reading(cell))},
        "gpus": [_gpu_payload(gpu) for gpu in latest.gpus],
    }


def _gpu_payload(gpu: GpuLatest) -> GpuPayload:
    values = {name: r for name, cell in gpu.cells.items() if (r := reading(cell))}
    return {"slot": gpu.slot, "uuid": gpu.uuid, "pci_address": gpu.pci_address, "values": values}


def fleet_cell(hostname: str, gpus_expected: int, glance: NodeGlance) -> FleetCell:
    status = glance.status
    silent = status.state in (State.UNKNOWN, State.DOWN) and status.cause is not Cause.NO_GPUS
    return {
        "node": glance.node_id,
        "hostname": hostname,
        "state": status.state.value,
        "cause": status.cause.value,
        "since": iso(status.since),
        "heard_at": iso(glance.heard_at),
        "gpus_seen": glance.gpus_seen,
        "gpus_expected": gpus_expected,
        "utilization_ratio": None if silent else _rounded(glance.utilization_ratio, 3),
        "node_watts": None if silent else _rounded(glance.node_watts, 0),
        "spare_watts": None if silent else _rounded(spare_watts(glance), 0),
        "hottest_celsius": None if silent else _rounded(glance.hottest_celsius, 1),
        "coolant_leak": glance.coolant_leak,
        "enclosure_open": glance.enclosure_open,
    }


def spare_watts(glance: NodeGlance) -> float | None:
    """What the service could still carry: limit less main current, at the nominal 240 V."""
    main, limit = glance.main_amperes, glance.limit_amperes
    return max(0.0, (limit - main) * VOLTS) if main is not None and limit is not None else None


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
