"""The node itself: GPUs, their power and heat, the coolant loop. Vectorised over homes (N) and GPUs (N, 16)."""

from __future__ import annotations

from typing import Final

import numpy as np

from telemetry.simulator.faults import ActiveFaults, FaultKind
from telemetry.simulator.noise import Booleans, Floats, Seeds, uniform
from telemetry.simulator.profiles import GPUS_PER_NODE
from telemetry.simulator.state import FleetState, GpuRow, NodeRow

WATT_STEP: Final = 0.125
"""Meters and boards report in eighths of a watt, which floats hold exactly: sums come out to the last bit."""

GPU_IDLE_WATTS: Final = 32.0
GPU_LIMIT_WATTS: Final = 600.0
WORKLOAD_OF_GPU: Final = np.array([0] * 10 + [1] * 4 + [2] * 2)
_WATTS_AT_FULL: Final = np.array([582.0, 455.0, 350.0])[WORKLOAD_OF_GPU]
_HOSTS_IDLE_WATTS: Final = 4 * 105.0 + 240.0  # four EPYC sockets; memory, network, storage, pump
_HOSTS_BUSY_WATTS: Final = 4 * 165.0

_COOLANT_JOULES_PER_KELVIN: Final = 250_000.0
_SETPOINT_CELSIUS: Final = 31.0
_LOOP_WATTS_PER_KELVIN: Final = 2000.0
_RATED_REJECTION_WATTS: Final = 10_300.0  # 35,000 BTU/h at 35 degrees Celsius outdoors
_SLOW_FROM_CELSIUS: Final = 42.0
_SLOW_BAND_KELVIN: Final = 12.0
_SLOWEST_RATIO: Final = 0.3
_GPU_LAG_S: Final = 14.0
_FULL_FLOW: Final = 0.36
_HW_SLOWDOWN_CELSIUS: Final = 88.0
_JITTER_ROWS: Final = 509  # prime, so that no step size repeats it quickly

BIT_IDLE, BIT_POWER_CAP, BIT_SW_THERMAL, BIT_HW_THERMAL = 0x1, 0x4, 0x20, 0x40


class Machine:
    """Physics of the boxes on the walls; writes its rows of a FleetState."""

    def __init__(self, seeds: Seeds, state: FleetState) -> None:
        homes = len(seeds)
        self._state = state
        slots = np.arange(GPUS_PER_NODE)[:, None]
        self._preference = 0.07 * (uniform(seeds, 200, slots).T - 0.5)
        self._kelvin_per_watt = 0.052 + 0.016 * uniform(seeds, 201, slots).T
        rows = np.arange(_JITTER_ROWS * GPUS_PER_NODE)[:, None]
        jitter = uniform(seeds, 202, rows).reshape(_JITTER_ROWS, GPUS_PER_NODE, homes)
        self._jitter = np.ascontiguousarray(0.10 * (jitter - 0.5).transpose(0, 2, 1))
        self._requested = np.zeros((homes, GPUS_PER_NODE))
        self._hosts_watts = np.zeros(homes)
        self._heat_pump_watts = np.zeros(homes)
        self._thermal_ratio = np.ones(homes)
        self._leaks = np.zeros(homes)

    def request(self, at_s: float, demand: Floats, serving: Booleans, faults: ActiveFaults) -> Floats:
        """Watts each node would draw if the home left it everything, (N,); heat already limits it."""
        node, gpu = self._state.node, self._state.gpu
        utilization = gpu[GpuRow.UTILIZATION]
        np.add(demand.T[:, WORKLOAD_OF_GPU], self._preference, out=utilization)
        utilization += self._jitter[int(at_s) % _JITTER_ROWS]
        np.clip(utilization, 0.0, 1.0, out=utilization)
        available = gpu[GpuRow.PRESENT]
        utilization *= serving[:, None]
        if faults.any_of & {FaultKind.GPU_LOST, FaultKind.COOLANT_LEAK}:
            utilization *= ~faults.stalled
        self._leaks = faults.masks[FaultKind.COOLANT_LEAK].astype(np.float64)
        slack = (_SLOW_FROM_CELSIUS + _SLOW_BAND_KELVIN - node[NodeRow.SUPPLY_CELSIUS]) / _SLOW_BAND_KELVIN
        self._thermal_ratio = np.clip(slack, _SLOWEST_RATIO, 1.0)
        np.multiply(utilization, _WATTS_AT_FULL - GPU_IDLE_WATTS, out=self._requested)
        self._hosts_watts = _HOSTS_IDLE_WATTS + _HOSTS_BUSY_WATTS * utilization.mean(axis=1)
        outdoor = node[NodeRow.OUTDOOR_CELSIUS]
        efficiency = np.clip(4.2 - 0.07 * (outdoor - 25.0), 2.2, 7.0)
        self._heat_pump_watts = node[NodeRow.REJECTED_WATTS] / efficiency
        self._requested *= available
        busy = (self._requested.sum(axis=1)) * self._thermal_ratio
        return np.asarray(busy + GPU_IDLE_WATTS * available.sum(axis=1) + self._hosts_watts + self._heat_pump_watts)

    def run(self, dt_s: float, allowed_watts: Floats, powered: Booleans) -> Floats:
        """Draw at most `allowed_watts` (N,) for a step and return the node's watts, in whole steps."""
        node, gpu = self._state.node, self._state.gpu
        present = gpu[GpuRow.PRESENT]
        idle = GPU_IDLE_WATTS * present.sum(axis=1)
        fixed = self._hosts_watts + self._heat_pump_watts
        dynamic = self._requested.sum(axis=1)
        headroom_ratio = np.clip((allowed_watts - fixed - idle) / np.maximum(dynamic, 1.0), 0.0, 1.0)
        ratio = np.minimum(headroom_ratio, self._thermal_ratio)
        # Where not even idling fits, hosts are suspended and everything shrinks alike.
        shrink = np.clip(allowed_watts / np.maximum(fixed + idle, 1.0), 0.0, 1.0) * powered
        power = gpu[GpuRow.POWER_WATTS]
        np.multiply(self._requested, ratio[:, None], out=power)
        power += GPU_IDLE_WATTS * present
        power *= shrink[:, None]
        np.floor(power / WATT_STEP, out=power)
        power *= WATT_STEP
        np.minimum(power, GPU_LIMIT_WATTS, out=power)
        self._limit_and_throttle(dt_s, headroom_ratio, ratio)
        node_watts = power.sum(axis=1) + np.floor(fixed * shrink / WATT_STEP) * WATT_STEP
        self._circulate(dt_s, power.sum(axis=1) + self._hosts_watts * shrink, powered)
        self._warm(dt_s)
        return np.asarray(node_watts)

    def _limit_and_throttle(self, dt_s: float, headroom_ratio: Floats, ratio: Floats) -> None:
        node, gpu = self._state.node, self._state.gpu
        headroom = (headroom_ratio < 0.995) & (headroom_ratio <= self._thermal_ratio)
        thermal = self._thermal_ratio < 0.985
        span = GPU_LIMIT_WATTS - GPU_IDLE_WATTS
        gpu[GpuRow.LIMIT_WATTS] = np.where(headroom, np.ceil(GPU_IDLE_WATTS + span * headroom_ratio), GPU_LIMIT_WATTS)[
            :, None
        ]
        busy = gpu[GpuRow.UTILIZATION] > 0.02
        capped = busy & (headroom[:, None] | (gpu[GpuRow.POWER_WATTS] >= 578.0))
        sw_thermal = busy & (thermal & ~headroom)[:, None]
        hw_thermal = busy & (gpu[GpuRow.CELSIUS] > _HW_SLOWDOWN_CELSIUS)
        gpu[GpuRow.CAPPED_SECONDS] += dt_s * capped
        gpu[GpuRow.SW_THERMAL_SECONDS] += dt_s * sw_thermal
        gpu[GpuRow.HW_THERMAL_SECONDS] += dt_s * hw_thermal
        reasons = gpu[GpuRow.THROTTLE_REASONS]
        np.multiply(~busy, BIT_IDLE, out=reasons)
        reasons += BIT_POWER_CAP * capped
        reasons += BIT_SW_THERMAL * sw_thermal
        reasons += BIT_HW_THERMAL * hw_thermal
        speed = np.where(ratio < 0.995, np.maximum(ratio, 0.02) ** 0.45, 1.0)
        gpu[GpuRow.SPEED_RATIO] = speed[:, None]
        node[NodeRow.SPEED_RATIO] = speed
        node[NodeRow.CURTAILED_HEADROOM] = headroom & (gpu[GpuRow.UTILIZATION].max(axis=1) > 0.02)
        node[NodeRow.CURTAILED_THERMAL] = thermal & ~headroom

    def _circulate(self, dt_s: float, heat_watts: Floats, powered: Booleans) -> None:
        """The coolant takes the heat, the heat pump gives up to its capacity to the air outdoors.

        The gain is chosen so that a step of any length settles instead of swinging.
        """
        node = self._state.node
        supply = node[NodeRow.SUPPLY_CELSIUS]
        outdoor = node[NodeRow.OUTDOOR_CELSIUS]
        flow = (0.30 + 0.06 * heat_watts / 11_000.0) * (1.0 - 0.45 * self._leaks) * powered
        capacity = _RATED_REJECTION_WATTS * np.clip(1.0 + 0.024 * (35.0 - outdoor), 0.55, 1.5)
        capacity = capacity * (1.0 - 0.35 * self._leaks) * powered
        gain = _COOLANT_JOULES_PER_KELVIN / dt_s
        gain = gain * -np.expm1(-_LOOP_WATTS_PER_KELVIN / gain)
        rejected = np.clip(heat_watts + gain * (supply - _SETPOINT_CELSIUS), 0.0, capacity)
        supply = supply + (heat_watts - rejected) * dt_s / _COOLANT_JOULES_PER_KELVIN
        # A switched-off loop drifts towards the air around it within hours.
        drift = -np.expm1(-dt_s / 14_400.0) * ~powered
        supply = supply + (np.maximum(outdoor, 8.0) - supply) * drift
        node[NodeRow.SUPPLY_CELSIUS] = np.clip(supply, 5.0, 62.0)
        node[NodeRow.RETURN_CELSIUS] = node[NodeRow.SUPPLY_CELSIUS] + heat_watts / np.maximum(flow, 0.05) / 3900.0
        node[NodeRow.FLOW_LITERS_PER_SECOND] = flow
        node[NodeRow.REJECTED_WATTS] = rejected

    def _warm(self, dt_s: float) -> None:
        """Each GPU approaches coolant + resistance x power with a lag; slow coolant insulates."""
        node, gpu = self._state.node, self._state.gpu
        insulation = 1.0 + 0.55 * self._leaks
        target = gpu[GpuRow.POWER_WATTS] * self._kelvin_per_watt
        target *= insulation[:, None]
        target += node[NodeRow.SUPPLY_CELSIUS][:, None]
        target -= gpu[GpuRow.CELSIUS]
        target *= -np.expm1(-dt_s / _GPU_LAG_S)
        gpu[GpuRow.CELSIUS] += target
