"""One example answer per operation, for the schema and the reference."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample

from telemetry.node_state import State
from xfra_portal.api import desk_examples, money_examples

_AT: Final = "2026-11-23T19:29:21.771Z"
_HOME: Final = "ffc0cbdb-5d6c-4d4b-99ef-f0aafa2e19ec"


def _reading(value: float) -> dict[str, Any]:
    return {"value": value, "at": _AT}


_STATE: Final = {"state": "working", "cause": "", "since": "2026-11-23T03:00:00.000Z", "as_of": _AT}
_HOME_FACTS: Final = {
    "id": _HOME,
    "name": "The yellow house",
    "timezone": "America/Phoenix",
    "utility": "Salt River Project",
    "service_amperes": 200,
    "usable_amperes": 160.0,
    "is_simulated": True,
}
_BATTERY: Final = {
    "charge_ratio": _reading(0.83),
    "capacity_watt_hours": _reading(16000.0),
    "reserve_ratio": _reading(0.2),
    "backup_hours_now": 12.16,
    "backup_hours_if_full": 14.7,
    "backup_basis_watts": 1088.0,
}
_LINE: Final = {
    "up": _reading(1.0),
    "download_bits_per_second": _reading(44810120.0),
    "upload_bits_per_second": _reading(3619490.0),
    "latency_seconds": _reading(0.0058),
    "loaded_latency_seconds": None,
    "jitter_seconds": _reading(0.0006),
    "loss_ratio": _reading(0.0),
}
_POWER: Final = {
    "site_watts": _reading(11212.0),
    "home_watts": _reading(612.0),
    "node_watts": _reading(10600.0),
    "battery_watts": _reading(0.0),
    "solar_watts": None,
    "residual_watts": _reading(0.0),
    "main_amperes": _reading(46.7),
    "limit_amperes": _reading(160.0),
    "grid_up": _reading(1.0),
    "node_limit_watts": _reading(15000.0),
}
_SAFETY: Final = {
    "coolant_leak": _reading(0.0),
    "enclosure_open": _reading(0.0),
    "coolant_supply_celsius": _reading(34.2),
    "sound_decibels": _reading(56.0),
    "outdoor_celsius": _reading(29.5),
}
_LIVE: Final = {
    "type": "home",
    "home": _HOME,
    "heard_at": _AT,
    "node": _STATE,
    "power": _POWER,
    "circuits": {"kitchen": _reading(84.0)},
    "battery": _BATTERY,
    "internet": {"home": _LINE, "node": _LINE},
    "safety": _SAFETY,
}
_STORY: Final = {"headline": "Your node is working.", "meaning": "Everything is as it should be.", "action": ""}
_PROMISED: Final = {
    "provider": "Cox",
    "promised_download_bits_per_second": 1_000_000_000,
    "promised_upload_bits_per_second": 1_000_000_000,
    "promised_uptime_ratio": 0.999,
}
_ENERGY: Final = {
    "start": "2026-11-01T07:00:00.000Z",
    "end": _AT,
    "home_watt_hours": 512300.5,
    "watt_hours": {"site_import": 6283281.1, "site_export": 0.0, "node": 5733087.0, "solar": None},
    "covered_ratio": 0.998,
}
_SERIES: Final = {
    "metric": "home_power_watts",
    "subject": "",
    "shape": "gauge",
    "minimum": [299.6, None],
    "maximum": [314.1, None],
    "average": [307.0, None],
    "last": [314.1, None],
}
_HISTORY: Final = {
    "start": "2026-11-22T19:25:00.000Z",
    "end": "2026-11-22T19:35:00.000Z",
    "step_seconds": 300,
    "source_seconds": 60,
    "timezone": "America/Phoenix",
    "at": ["2026-11-22T19:25:00.000Z", "2026-11-22T19:30:00.000Z"],
    "series": [_SERIES],
}
_NODE: Final = {
    "id": 1,
    "hostname": "xfra-00001",
    "home": _HOME,
    "model": "XFRA node, 16 x RTX PRO 6000",
    "firmware": "1.4.2",
    "site_group": "Mesa A",
    "feeder": "feeder 1",
    "expected_gpus": 16,
}
_GPU: Final = {
    "slot": 0,
    "uuid": "GPU-1b2c",
    "pci_address": "00000000:01:00.0",
    "values": {"power_watts": _reading(588.0)},
}
_NODE_LIVE: Final = {
    "type": "node",
    "clock_ahead_seconds": 0.0,
    "node": 1,
    "heard_at": _AT,
    "state": _STATE,
    "values": {"node_power_watts": _reading(10600.0)},
    "circuits": {},
    "gpus": [_GPU],
}
_CELL: Final = {
    "node": 1,
    "hostname": "xfra-00001",
    "state": "working",
    "cause": "",
    "since": "2026-11-23T03:00:00.000Z",
    "heard_at": _AT,
    "gpus_seen": 16,
    "gpus_expected": 16,
    "utilization_ratio": 0.91,
    "node_watts": 10600.0,
    "spare_watts": 9120.0,
    "hottest_celsius": 71.0,
    "coolant_leak": False,
    "enclosure_open": False,
}
_TOTALS: Final = {
    "nodes": 1,
    "by_state": {state.value: int(state is State.WORKING) for state in State},
    "gpus_seen": 16,
    "gpus_expected": 16,
    "watts": 10600.0,
    "spare_watts": 9120.0,
    "busy_ratio": 0.91,
}
_SPANS: Final = {
    "states": [{"state": "making_room", "cause": "outage", "start": "2026-11-20T01:15:00.000Z", "end": None}]
}
_EVENT: Final = {"kind": "gone", "gpu_uuid": "GPU-1b2c", "at": _AT, "from_node": None, "to_node": None}


def _page(row: dict[str, Any]) -> dict[str, Any]:
    return {"next": None, "previous": None, "results": [row]}


_REFUSED: Final = {"reason": "future", "bodies": 12, "samples": 3840, "since": _AT, "at": _AT}
_DEAD_LETTER: Final = {
    "id": "1795465761771-0",
    "at": _AT,
    "node": 1,
    "reason": "index 96 is out of bounds for axis 1 with size 96",
    "size_bytes": 8231,
    "samples": 320,
    "first_at": _AT,
    "last_at": _AT,
}


_ANSWERS: Final[dict[str, dict[str, Any]]] = {
    **money_examples.ANSWERS,
    **desk_examples.ANSWERS,
    "me": {
        "id": 1,
        "email": "maya@example.com",
        "name": "Maya Simulated",
        "operator_role": None,
        "memberships": [{"home": _HOME, "role": "owner"}],
    },
    "homes_list": _page(_HOME_FACTS),
    "homes_read": {
        **_HOME_FACTS,
        "address": None,
        "internet_line": _PROMISED,
        "live": _LIVE,
        "story": _STORY,
        "energy_this_month": _ENERGY,
    },
    "homes_battery": {"heard_at": _AT, "battery": _BATTERY},
    "homes_internet": {"heard_at": _AT, "internet": {"home": _LINE, "node": _LINE}},
    "homes_node": {"heard_at": _AT, "node": _STATE, "story": _STORY},
    "homes_energy": {"timezone": "America/Phoenix", "energy": [_ENERGY]},
    "homes_states": _SPANS,
    "homes_outages": {
        "of": "internet",
        "start": "2026-11-01T07:00:00.000Z",
        "end": _AT,
        "up_ratio": 0.99967,
        "covered_ratio": 0.998,
        "outages": [{"start": "2026-11-20T01:15:00.000Z", "seconds": 660, "ending": "over", "at_least": False}],
    },
    "homes_power_history": _HISTORY,
    "homes_battery_history": _HISTORY | {"series": [_SERIES | {"metric": "battery_power_watts"}]},
    "homes_internet_history": _HISTORY | {"series": [_SERIES | {"metric": "internet_home_latency_seconds"}]},
    "nodes_list": _page(_NODE | {"state": _STATE}),
    "nodes_read": {**_NODE, "live": _NODE_LIVE, "refused": [_REFUSED]},
    "nodes_telemetry": _HISTORY | {"series": [_SERIES | {"metric": "power_watts", "subject": "GPU-1b2c"}]},
    "nodes_states": _SPANS,
    "nodes_inventory": _page(_EVENT),
    "nodes_other_series": _page({"id": 7, "name": "node_load1", "labels": {"job": "node"}, "heard_at": _AT}),
    "nodes_other_series_samples": {"name": "node_load1", "labels": {"job": "node"}, "at": [_AT], "values": [0.42]},
    "dead_letters_list": {
        "letters": 1,
        "held_bytes": 8231,
        "is_full": False,
        "older": None,
        "results": [_DEAD_LETTER],
    },
    "statement_heads_list": {
        "format": "xfra-heads-1",
        "heads": [
            {
                "home": "9a" * 32,
                "position": 1,
                "statement": 1,
                "previous_sha256": "0" * 64,
                "sha256": "5e" * 32,
                "signature": "c4" * 64,
                "public_key": "7d" * 32,
            }
        ],
        "next": None,
    },
    "fleet_aggregate": {
        "metric": "node_power_watts",
        "function": "sum",
        "start": "2026-11-22T19:25:00.000Z",
        "end": "2026-11-22T19:35:00.000Z",
        "step_seconds": 300,
        "source_seconds": 60,
        "nodes_asked": 12,
        "at": ["2026-11-22T19:25:00.000Z", "2026-11-22T19:30:00.000Z"],
        "series": [
            {
                "group": "Mesa A",
                "node": None,
                "subject": "",
                "values": [124300.5, None],
                "nodes": [12, 0],
                "subjects": [12, 0],
            }
        ],
    },
    "fleet_read": {"type": "fleet", "cells": [_CELL], "totals": _TOTALS},
}


def of(operation: str, status: str = "200") -> list[OpenApiExample]:
    """The example of an operation's good answer; KeyError for an operation that has none."""
    return [
        OpenApiExample(operation, value=_ANSWERS[operation], response_only=True, status_codes=[status],
                       media_type="application/json")
    ]  # fmt: skip
