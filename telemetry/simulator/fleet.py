"""A fleet of homes with their nodes, stepped together. The home always wins; the meter always adds up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np

from telemetry.simulator.drivers import Drivers, Minute
from telemetry.simulator.faults import ActiveFaults, Fault, FaultBoard, FaultKind
from telemetry.simulator.household import CIRCUITS, COOKTOP_WATTS, DRYER_WATTS, OVEN_WATTS, WATER_HEATER_WATTS
from telemetry.simulator.machine import WATT_STEP, Machine
from telemetry.simulator.noise import Booleans, Floats, clamp, seeds_of, uniform
from telemetry.simulator.profiles import HomeProfile
from telemetry.simulator.readings import Readings, Snapshot
from telemetry.simulator.state import FleetState, GpuRow, NodeRow

SERVICE_VOLTS: Final = 240.0
USABLE_AMPERES: Final = 160.0  # 80 % of a 200 A service, continuously
USABLE_WATTS: Final = SERVICE_VOLTS * USABLE_AMPERES
NODE_MAX_WATTS: Final = 15_000.0
IDLE_LIMIT_WATTS: Final = 3_000.0
GRID_EVENT_LIMIT_WATTS: Final = 6_000.0

BATTERY_JOULES: Final = 16.0 * 3.6e6
BATTERY_MAX_WATTS: Final = 11_500.0
ONE_WAY_EFFICIENCY: Final = 0.95

_OVEN, _COOKTOP, _DRYER, _EV, _WATER = (
    CIRCUITS.index(name) for name in ("oven", "cooktop", "dryer", "ev_charger", "water_heater")
)
_AIR = CIRCUITS.index("air_conditioner")
_SESSIONS_AT_FULL: Final = np.array([240.0, 12.0, 64.0])[:, None]
_REQUESTS_PER_SESSION_S: Final = np.array([0.9, 0.002, 0.4])[:, None]
_PAUSES: Final = (
    (NodeRow.CURTAILED_HOST_PAUSE, FaultKind.HOST_PAUSE),
    (NodeRow.CURTAILED_OPERATOR, FaultKind.OPERATOR_PAUSE),
)
_FLAGS: Final = (
    (NodeRow.LEAK, FaultKind.COOLANT_LEAK),
    (NodeRow.TAMPER, FaultKind.TAMPER),
    (NodeRow.LINE_OUT, FaultKind.INTERNET_OUTAGE),
    (NodeRow.LINE_TROUBLE, FaultKind.INTERNET_TROUBLE),
    (NodeRow.SILENT, FaultKind.SILENT),
    (NodeRow.CURTAILED_OUTAGE, FaultKind.GRID_OUTAGE),
    (NodeRow.CURTAILED_GRID_EVENT, FaultKind.GRID_EVENT),
)
_ONE_CAR_WATTS: Final = 11_500.0
_HEAT_RAMP_S: Final = 7200.0
_HEAT_CELSIUS: Final = 45.5
_FAST_FORWARD_FINE_S: Final = 3 * 86400.0
_FAST_FORWARD_CAP_S: Final = 400 * 86400.0


def _whole_steps(watts: Floats) -> Floats:
    return np.asarray(np.floor(watts / WATT_STEP) * WATT_STEP)


class Fleet:
    """N homes at one instant. Powers hold for the step that led to `at`; registers are their exact integral."""

    def __init__(
        self,
        profiles: Sequence[HomeProfile],
        seed: int,
        start_at: datetime,
        faults: Sequence[Fault] = (),
        state: FleetState | None = None,
    ) -> None:
        self.profiles = list(profiles)
        self.seed = seed
        self.at_s = start_at.timestamp()
        self.hostnames = [profile.hostname for profile in self.profiles]
        self.board = FaultBoard(faults, self.hostnames)
        seeds = seeds_of(self.hostnames, "home", seed)
        self._has_solar = np.array([float(profile.has_solar) for profile in self.profiles])
        self._reserve = np.array([profile.battery_reserve_ratio for profile in self.profiles])
        self._air_conditioner_watts = np.array([profile.air_conditioner_watts for profile in self.profiles])
        self._ev_charger_watts = np.array([profile.ev_charger_watts for profile in self.profiles])
        self.state = state or FleetState.installed(seeds, self._has_solar, BATTERY_JOULES)
        self._drivers = Drivers(self.profiles, seed)
        self._machine = Machine(seeds, self.state)
        self._flicker = 0.94 + 0.12 * uniform(seeds, 300, np.arange(997)[:, None])
        self._demand = np.zeros((len(_SESSIONS_AT_FULL), len(self.profiles)))
        self._flows = np.zeros((6, len(self.profiles)))
        self._faults: ActiveFaults | None = None
        self._ceiling_watts = np.full(len(self.profiles), NODE_MAX_WATTS)
        self._serves = np.ones(len(self.profiles), dtype=np.bool_)
        self.readings = Readings(self.profiles, seeds)

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.at_s, UTC)

    def replace_faults(self, faults: Sequence[Fault]) -> None:
        """Script other faults from now on."""
        self.board = FaultBoard(faults, self.hostnames)

    def snapshot(self) -> Snapshot:
        """What the nodes' exporters report now."""
        return self.readings.snapshot(self.at_s, self.state)

    def fast_forward(self, until_s: float) -> None:
        """Live through a pause in coarse steps, so that registers and charge stay coherent after it."""
        until_s = max(until_s, self.at_s)
        self.at_s = max(self.at_s, until_s - _FAST_FORWARD_CAP_S)
        while self.at_s < until_s:
            coarse = 900.0 if until_s - self.at_s > _FAST_FORWARD_FINE_S else 60.0
            self.step(min(coarse, until_s - self.at_s))

    def step(self, dt_s: float) -> None:
        """Advance by `dt_s` seconds (at most 900)."""
        if not 0.0 < dt_s <= 900.0:
            raise ValueError(f"a step lasts up to 900 s, not {dt_s}")
        self.at_s += dt_s
        minute, faults = self._drivers.at(self.at_s), self.board.at(self.at_s)
        if faults is not self._faults:
            self._change_faults(faults)
        gpu_demand = self._surround(minute, faults)
        home = self._load_home(minute, faults)
        requested = np.minimum(self._machine.request(self.at_s, gpu_demand), self._ceiling_watts)
        solar = _whole_steps(minute.solar_watts)
        battery = self._plan_battery(dt_s, minute, home, solar, requested)
        if FaultKind.GRID_OUTAGE in faults.any_of:
            solar, battery, home = self._island(dt_s, faults.masks[FaultKind.GRID_OUTAGE], solar, battery, home)
        spare = np.maximum(USABLE_WATTS + solar - home - battery, 0.0)
        allowed = _whole_steps(np.minimum(spare, self._ceiling_watts))
        watts = self._machine.run(dt_s, allowed)
        node = self.state.node
        # A ceiling set by a pause or the utility is not the home's doing.
        node[NodeRow.CURTAILED_HEADROOM] *= spare < self._ceiling_watts
        node[NodeRow.NODE_LIMIT_WATTS] = allowed
        self._meter(dt_s, home, watts, battery, solar)
        self._serve(dt_s, faults)

    def _change_faults(self, faults: ActiveFaults) -> None:
        """Take over what begins or ends; between two changes none of this has to be written again."""
        node, masks = self.state.node, faults.masks
        out, paused = masks[FaultKind.GRID_OUTAGE], faults.paused
        for row, kind in _FLAGS:
            node[row] = masks[kind]
        for row, kind in _PAUSES:
            # Each pause and each resumption is a new desired state that the node has applied.
            node[NodeRow.DESIRED_VERSION] += node[row] != masks[kind]
            node[row] = masks[kind]
        node[NodeRow.GRID_UP] = ~out
        self._ceiling_watts = np.where(out, 0.0, np.where(paused, IDLE_LIMIT_WATTS, NODE_MAX_WATTS))
        self._ceiling_watts[masks[FaultKind.GRID_EVENT] & ~out & ~paused] = GRID_EVENT_LIMIT_WATTS
        self._serves = ~(out | paused | masks[FaultKind.INTERNET_OUTAGE])
        self._machine.apply(faults)
        self._faults = faults

    def _surround(self, minute: Minute, faults: ActiveFaults) -> Floats:
        """Weather and demand around the nodes; returns what is asked of each GPU, (N, 16)."""
        outdoor, self._demand, gpu_demand = minute.outdoor_celsius, minute.demand_ratio, minute.gpu_demand_ratio
        if FaultKind.HEAT in faults.any_of:
            ramp = clamp((self.at_s - faults.heat_since_s) / _HEAT_RAMP_S, 0.0, 1.0)
            outdoor = outdoor + ramp * np.maximum(_HEAT_CELSIUS - outdoor, 0.0)
            # A hot afternoon is a busy one, or heat would hide behind a lull.
            least = 0.92 * faults.masks[FaultKind.HEAT]
            self._demand = np.maximum(self._demand, least)
            gpu_demand = np.maximum(gpu_demand, least[:, None])
        self.state.node[NodeRow.OUTDOOR_CELSIUS] = outdoor
        return gpu_demand

    def _load_home(self, minute: Minute, faults: ActiveFaults) -> Floats:
        circuit = self.state.circuit
        np.multiply(minute.circuit_watts, self._flicker[int(self.at_s) % 997], out=circuit)
        if FaultKind.OVEN in faults.any_of:
            baking = faults.masks[FaultKind.OVEN]
            # The oven comes on when the car charges and everything else runs: then there is nothing to spare.
            circuit[_AIR, baking] = self._air_conditioner_watts[baking]
            circuit[_OVEN, baking] = OVEN_WATTS
            circuit[_COOKTOP, baking] = COOKTOP_WATTS
            circuit[_DRYER, baking] = DRYER_WATTS
            circuit[_WATER, baking] = WATER_HEATER_WATTS
            circuit[_EV, baking] = np.minimum(self._ev_charger_watts, _ONE_CAR_WATTS)[baking]
        if FaultKind.GRID_OUTAGE in faults.any_of:
            out = faults.masks[FaultKind.GRID_OUTAGE]
            # On battery the panel sheds what a battery cannot carry for long.
            for shed in (_OVEN, _DRYER, _EV, _WATER):
                circuit[shed, out] = 0.0
            circuit[_AIR, out] *= 0.5
        circuit *= 1.0 / WATT_STEP
        np.floor(circuit, out=circuit)
        circuit *= WATT_STEP
        return np.asarray(np.add.reduce(circuit, axis=0))

    def _plan_battery(self, dt_s: float, minute: Minute, home: Floats, solar: Floats, requested: Floats) -> Floats:
        """Watts into the battery (N,): charging waits for the home and the node, discharging covers the home only."""
        stored = self.state.node[NodeRow.STORED_JOULES]
        wish = minute.battery_wish_watts
        room = np.maximum(USABLE_WATTS + solar - home - requested, 0.0)
        space = (BATTERY_JOULES - stored) / ONE_WAY_EFFICIENCY / dt_s
        charge = np.minimum(np.minimum(np.maximum(wish, 0.0), room), space)
        floor = self._reserve * BATTERY_JOULES
        above = np.maximum(stored - floor, 0.0) * ONE_WAY_EFFICIENCY / dt_s
        discharge = np.minimum(np.minimum(np.maximum(-wish, 0.0), home), above)
        return _whole_steps(charge) - _whole_steps(discharge)

    def _island(
        self, dt_s: float, out: Booleans, solar: Floats, battery: Floats, home: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Without the grid: sun, then battery, carry the home; what is too much is curtailed, what lacks goes dark."""
        stored = self.state.node[NodeRow.STORED_JOULES]
        space = _whole_steps(np.minimum((BATTERY_JOULES - stored) / ONE_WAY_EFFICIENCY / dt_s, BATTERY_MAX_WATTS))
        available = _whole_steps(np.minimum(stored * ONE_WAY_EFFICIENCY / dt_s, BATTERY_MAX_WATTS))
        dark = out & (home - solar > available)
        self.state.circuit[:, dark] = 0.0
        home = np.where(dark, 0.0, home)
        used = np.where(out, np.minimum(solar, home + space), solar)
        return used, np.where(out, used - home, battery), home

    def _meter(self, dt_s: float, home: Floats, watts: Floats, battery: Floats, solar: Floats) -> None:
        node = self.state.node
        site = home + watts + battery - solar
        node[NodeRow.SITE_WATTS] = site
        node[NodeRow.HOME_WATTS] = home
        node[NodeRow.NODE_WATTS] = watts
        node[NodeRow.BATTERY_WATTS] = battery
        node[NodeRow.SOLAR_WATTS] = solar
        flows = self._flows
        np.maximum(site, 0.0, out=flows[0])
        np.maximum(-site, 0.0, out=flows[1])
        flows[2] = watts
        np.maximum(battery, 0.0, out=flows[3])
        np.maximum(-battery, 0.0, out=flows[4])
        flows[5] = solar
        flows *= dt_s
        node[NodeRow.SITE_IMPORT_JOULES : NodeRow.SOLAR_JOULES + 1] += flows
        node[NodeRow.STORED_JOULES] += flows[3] * ONE_WAY_EFFICIENCY - flows[4] / ONE_WAY_EFFICIENCY

    def _serve(self, dt_s: float, faults: ActiveFaults) -> None:
        """Sessions and requests follow what the GPUs can really do; counters of the GPUs follow their work."""
        node, gpu = self.state.node, self.state.gpu
        speed = node[NodeRow.SPEED_RATIO] * self._serves
        sessions = np.rint(self._demand * _SESSIONS_AT_FULL * speed)
        node[NodeRow.INFERENCE_SESSIONS : NodeRow.STREAMING_SESSIONS + 1] = sessions
        served = sessions * _REQUESTS_PER_SESSION_S * dt_s
        failed = 0.0006 + 0.02 * node[NodeRow.LINE_TROUBLE]
        node[NodeRow.INFERENCE_OK : NodeRow.STREAMING_OK + 1] += served * (1.0 - failed)
        node[NodeRow.INFERENCE_ERRORS : NodeRow.STREAMING_ERRORS + 1] += served * failed
        gpu[GpuRow.BUSY_SECONDS : GpuRow.ENERGY_JOULES + 1] += gpu[: GpuRow.POWER_WATTS + 1] * dt_s
        if FaultKind.ECC in faults.any_of:
            gpu[GpuRow.SINGLE_BIT_ERRORS] += faults.ecc * (dt_s / 15.0)


__all__ = ["BATTERY_JOULES", "ONE_WAY_EFFICIENCY", "USABLE_AMPERES", "Fleet"]
