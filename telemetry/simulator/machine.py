"""The node itself: GPUs, their power and heat, the coolant loop. Vectorised over homes (N) and GPUs (N, 16)."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from telemetry.simulator.faults import ActiveFaults, FaultKind
from telemetry.simulator.noise import Floats, Seeds, clamp, uniform
from telemetry.simulator.profiles import GPUS_PER_NODE, WORKLOAD_OF_GPU
from telemetry.simulator.state import FleetState, GpuRow, NodeRow

WATT_STEP: Final = 0.125
"""Meters and boards report in eighths of a watt, which floats hold exactly: sums come out to the last bit."""

GPU_IDLE_WATTS: Final = 32.0
GPU_LIMIT_WATTS: Final = 600.0
_WATTS_AT_FULL: Final = np.array([582.0, 490.0, 420.0])[WORKLOAD_OF_GPU]
_DYNAMIC_WATTS: Final = _WATTS_AT_FULL - GPU_IDLE_WATTS
_CAP_REACHED_WATTS: Final = 578.0
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
        self._kelvin_per_watt = 0.052 + 0.016 * uniform(seeds, 201, slots).T
        rows = np.arange(_JITTER_ROWS * GPUS_PER_NODE)[:, None]
        jitter = uniform(seeds, 202, rows).reshape(_JITTER_ROWS, GPUS_PER_NODE, homes)
        self._jitter = np.ascontiguousarray(0.10 * (jitter - 0.5).transpose(0, 2, 1))
        self._requested = np.zeros((homes, GPUS_PER_NODE))
        self._works = self._idle_watts = np.zeros((homes, GPUS_PER_NODE))
        self._dynamic = self._fixed = self._idle_sum = self._hosts_watts = self._leaks = np.zeros(homes)
        self._thermal_ratio = np.ones(homes)
        self._powered = np.ones(homes, dtype=np.bool_)

    def apply(self, faults: ActiveFaults) -> None:
        """Take over which GPUs exist, stall or show an XID; called when faults change, not every step."""
        gpu = self._state.gpu
        out = faults.masks[FaultKind.GRID_OUTAGE]
        gpu[GpuRow.PRESENT] = ~(faults.off_bus | out[:, None])
        gpu[GpuRow.XID] = faults.xid
        gpu[GpuRow.DOUBLE_BIT_ERRORS] = faults.double_bit_errors
        serves = ~(out | faults.paused | faults.masks[FaultKind.INTERNET_OUTAGE])
        self._works = gpu[GpuRow.PRESENT] * serves[:, None] * ~faults.stalled
        self._idle_watts = GPU_IDLE_WATTS * gpu[GpuRow.PRESENT]
        self._idle_sum = self._idle_watts.sum(axis=1)
        self._leaks = faults.masks[FaultKind.COOLANT_LEAK].astype(np.float64)
        self._powered = ~out

    def request(self, at_s: float, gpu_demand: Floats) -> Floats:
        """Watts each node would draw if the home left it everything, (N,); heat already limits it."""
        node, gpu = self._state.node, self._state.gpu
        utilization = gpu[GpuRow.UTILIZATION]
        np.add(gpu_demand, self._jitter[int(at_s) % _JITTER_ROWS], out=utilization)
        np.maximum(utilization, 0.0, out=utilization)
        np.minimum(utilization, 1.0, out=utilization)
        utilization *= self._works
        slack = (_SLOW_FROM_CELSIUS + _SLOW_BAND_KELVIN - node[NodeRow.SUPPLY_CELSIUS]) / _SLOW_BAND_KELVIN
        self._thermal_ratio = clamp(slack, _SLOWEST_RATIO, 1.0)
        np.multiply(utilization, _DYNAMIC_WATTS, out=self._requested)
        self._dynamic = np.add.reduce(self._requested, axis=1)
        load = np.add.reduce(utilization, axis=1)
        self._hosts_watts = _HOSTS_IDLE_WATTS + _HOSTS_BUSY_WATTS / GPUS_PER_NODE * load
        efficiency = clamp(5.95 - 0.07 * node[NodeRow.OUTDOOR_CELSIUS], 2.2, 7.0)
        self._fixed = self._hosts_watts + node[NodeRow.REJECTED_WATTS] / efficiency
        return np.asarray(self._dynamic * self._thermal_ratio + self._idle_sum + self._fixed)

    def run(self, dt_s: float, allowed_watts: Floats) -> Floats:
        """Draw at most `allowed_watts` (N,) for a step and return the node's watts, in whole steps."""
        floor_watts = self._fixed + self._idle_sum
        headroom_ratio = (allowed_watts - floor_watts) / np.maximum(self._dynamic, 1.0)
        headroom_ratio = clamp(headroom_ratio, 0.0, 1.0)
        ratio = np.minimum(headroom_ratio, self._thermal_ratio)
        # Where not even idling fits, hosts are suspended and everything shrinks alike.
        shrink = np.minimum(allowed_watts / np.maximum(floor_watts, 1.0), 1.0) * self._powered
        power = self._state.gpu[GpuRow.POWER_WATTS]
        np.multiply(self._requested, ratio[:, None], out=power)
        power += self._idle_watts
        power *= shrink[:, None] / WATT_STEP
        np.floor(power, out=power)
        power *= WATT_STEP
        gpu_watts = np.add.reduce(power, axis=1)
        self._limit_and_throttle(dt_s, headroom_ratio, ratio)
        self._circulate(dt_s, gpu_watts + self._hosts_watts * shrink)
        self._warm(dt_s)
        return np.asarray(gpu_watts + np.floor(self._fixed * shrink / WATT_STEP) * WATT_STEP)

    def _limit_and_throttle(self, dt_s: float, headroom_ratio: Floats, ratio: Floats) -> None:
        """What the drivers report about being slow: reasons now, and the seconds each has lasted."""
        node, gpu = self._state.node, self._state.gpu
        headroom = (headroom_ratio < 0.995) & (headroom_ratio <= self._thermal_ratio)
        thermal = (self._thermal_ratio < 0.985) & ~headroom
        node[NodeRow.CURTAILED_HEADROOM] = headroom & (self._dynamic > 0.0)
        node[NodeRow.CURTAILED_THERMAL] = thermal
        speed = node[NodeRow.SPEED_RATIO]
        np.power(np.maximum(ratio, 0.02), 0.45, out=speed)
        span_watts = GPU_LIMIT_WATTS - GPU_IDLE_WATTS
        node[NodeRow.GPU_LIMIT_WATTS] = np.ceil(GPU_IDLE_WATTS + span_watts * headroom_ratio)
        busy = gpu[GpuRow.UTILIZATION] > 0.02
        capped = gpu[GpuRow.POWER_WATTS] >= _CAP_REACHED_WATTS
        if headroom.any():
            capped |= busy & headroom[:, None]
        gpu[GpuRow.CAPPED_SECONDS] += dt_s * capped
        reasons = gpu[GpuRow.THROTTLE_REASONS]
        np.multiply(capped, BIT_POWER_CAP, out=reasons)
        reasons += ~busy
        if thermal.any():
            slowed = busy & thermal[:, None]
            gpu[GpuRow.SW_THERMAL_SECONDS] += dt_s * slowed
            reasons += BIT_SW_THERMAL * slowed
        scorched = gpu[GpuRow.CELSIUS] > _HW_SLOWDOWN_CELSIUS
        if scorched.any():
            scorched &= busy
            gpu[GpuRow.HW_THERMAL_SECONDS] += dt_s * scorched
            reasons += BIT_HW_THERMAL * scorched

    def _circulate(self, dt_s: float, heat_watts: Floats) -> None:
        """The coolant takes the heat, the heat pump gives up to its capacity to the air outdoors.

        The gain is chosen so that a step of any length settles instead of swinging.
        """
        node = self._state.node
        supply = node[NodeRow.SUPPLY_CELSIUS]
        outdoor = node[NodeRow.OUTDOOR_CELSIUS]
        flow = (0.30 + 5.5e-6 * heat_watts) * (1.0 - 0.45 * self._leaks) * self._powered
        capacity = clamp(1.98 - 0.028 * outdoor, 0.55, 1.5)  # 1 at 35 degrees
        capacity *= _RATED_REJECTION_WATTS * (1.0 - 0.5 * self._leaks) * self._powered
        gain = (
            _COOLANT_JOULES_PER_KELVIN / dt_s * -math.expm1(-_LOOP_WATTS_PER_KELVIN * dt_s / _COOLANT_JOULES_PER_KELVIN)
        )
        rejected = clamp(heat_watts + gain * (supply - _SETPOINT_CELSIUS), 0.0, capacity)
        supply += (heat_watts - rejected) * (dt_s / _COOLANT_JOULES_PER_KELVIN)
        if not self._powered.all():
            # A switched-off loop drifts towards the air around it within hours.
            drift = -math.expm1(-dt_s / 14_400.0) * ~self._powered
            supply += (np.maximum(outdoor, 8.0) - supply) * drift
        np.minimum(supply, 62.0, out=supply)
        np.maximum(supply, 5.0, out=supply)
        node[NodeRow.RETURN_CELSIUS] = supply + heat_watts / np.maximum(flow, 0.05) / 3900.0
        node[NodeRow.FLOW_LITERS_PER_SECOND] = flow
        node[NodeRow.REJECTED_WATTS] = rejected

    def _warm(self, dt_s: float) -> None:
        """Each GPU approaches coolant + resistance x power with a lag; slow coolant insulates."""
        node, gpu = self._state.node, self._state.gpu
        insulation = 1.0 + 0.4 * self._leaks
        target = gpu[GpuRow.POWER_WATTS] * self._kelvin_per_watt
        target *= insulation[:, None]
        target += node[NodeRow.SUPPLY_CELSIUS][:, None]
        target -= gpu[GpuRow.CELSIUS]
        target *= -math.expm1(-dt_s / _GPU_LAG_S)
        gpu[GpuRow.CELSIUS] += target
