"""The whole state of a fleet as three arrays, so that saving, recording and deriving are each one operation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, auto

import numpy as np

from telemetry.simulator.household import CIRCUITS
from telemetry.simulator.noise import Floats, Seeds, uniform
from telemetry.simulator.profiles import GPUS_PER_NODE


class _Row(IntEnum):
    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:
        return count


class NodeRow(_Row):
    """Rows of `FleetState.node`, each (N,). Powers in watts, energies in joules."""

    SITE_WATTS = auto()
    HOME_WATTS = auto()
    NODE_WATTS = auto()
    BATTERY_WATTS = auto()
    SOLAR_WATTS = auto()
    SITE_IMPORT_JOULES = auto()
    SITE_EXPORT_JOULES = auto()
    NODE_JOULES = auto()
    BATTERY_IN_JOULES = auto()
    BATTERY_OUT_JOULES = auto()
    SOLAR_JOULES = auto()
    STORED_JOULES = auto()
    GRID_UP = auto()
    NODE_LIMIT_WATTS = auto()
    CURTAILED_HEADROOM = auto()
    CURTAILED_THERMAL = auto()
    CURTAILED_GRID_EVENT = auto()
    CURTAILED_OUTAGE = auto()
    CURTAILED_HOST_PAUSE = auto()
    CURTAILED_OPERATOR = auto()
    SUPPLY_CELSIUS = auto()
    RETURN_CELSIUS = auto()
    FLOW_LITERS_PER_SECOND = auto()
    REJECTED_WATTS = auto()
    OUTDOOR_CELSIUS = auto()
    LEAK = auto()
    TAMPER = auto()
    LINE_OUT = auto()
    LINE_TROUBLE = auto()
    SILENT = auto()
    SPEED_RATIO = auto()
    GPU_LIMIT_WATTS = auto()
    DESIRED_VERSION = auto()
    INFERENCE_SESSIONS = auto()
    GAMING_SESSIONS = auto()
    STREAMING_SESSIONS = auto()
    INFERENCE_OK = auto()
    GAMING_OK = auto()
    STREAMING_OK = auto()
    INFERENCE_ERRORS = auto()
    GAMING_ERRORS = auto()
    STREAMING_ERRORS = auto()


class GpuRow(_Row):
    """Rows of `FleetState.gpu`, each (N, 16). Busy seconds and joules follow in the order of what they integrate."""

    UTILIZATION = auto()
    POWER_WATTS = auto()
    CELSIUS = auto()
    THROTTLE_REASONS = auto()
    XID = auto()
    PRESENT = auto()
    BUSY_SECONDS = auto()
    ENERGY_JOULES = auto()
    CAPPED_SECONDS = auto()
    SW_THERMAL_SECONDS = auto()
    HW_THERMAL_SECONDS = auto()
    SINGLE_BIT_ERRORS = auto()
    DOUBLE_BIT_ERRORS = auto()


@dataclass(slots=True)
class FleetState:
    """node (rows, N), gpu (rows, N, 16), circuit (C, N); all float64."""

    node: Floats
    gpu: Floats
    circuit: Floats

    @classmethod
    def empty(cls, homes: int) -> FleetState:
        return cls(
            node=np.zeros((len(NodeRow), homes)),
            gpu=np.zeros((len(GpuRow), homes, GPUS_PER_NODE)),
            circuit=np.zeros((len(CIRCUITS), homes)),
        )

    @classmethod
    def installed(cls, seeds: Seeds, has_solar: Floats, battery_joules: float) -> FleetState:
        """A fleet that has been in service for a while: registers do not begin at zero."""
        state = cls.empty(len(seeds))
        age_days = np.floor(30.0 + 150.0 * uniform(seeds, 900, np.zeros(1)))
        node, gpu = state.node, state.gpu
        for row, kwh_a_day in (
            (NodeRow.SITE_IMPORT_JOULES, 310.0),
            (NodeRow.SITE_EXPORT_JOULES, 0.4),
            (NodeRow.NODE_JOULES, 265.0),
            (NodeRow.BATTERY_IN_JOULES, 9.0),
            (NodeRow.BATTERY_OUT_JOULES, 8.0),
        ):
            node[row] = np.floor(age_days * kwh_a_day) * 3.6e6
        node[NodeRow.SOLAR_JOULES] = has_solar * np.floor(age_days * 28.0) * 3.6e6
        node[NodeRow.STORED_JOULES] = 0.8 * battery_joules
        node[NodeRow.GRID_UP] = 1.0
        node[NodeRow.SUPPLY_CELSIUS] = node[NodeRow.RETURN_CELSIUS] = 31.0
        node[NodeRow.REJECTED_WATTS] = 7000.0
        node[NodeRow.DESIRED_VERSION] = 1.0
        gpu[GpuRow.PRESENT] = 1.0
        node[NodeRow.SPEED_RATIO] = 1.0
        node[NodeRow.GPU_LIMIT_WATTS] = 600.0
        gpu[GpuRow.CELSIUS] = 45.0
        gpu[GpuRow.ENERGY_JOULES] = (age_days * 11.5)[:, None] * 3.6e6
        gpu[GpuRow.BUSY_SECONDS] = (age_days * 70_000.0)[:, None]
        for first, per_day in ((NodeRow.INFERENCE_OK, 8e6), (NodeRow.GAMING_OK, 900.0), (NodeRow.STREAMING_OK, 1.2e6)):
            node[first] = np.floor(age_days * per_day)
        return state
