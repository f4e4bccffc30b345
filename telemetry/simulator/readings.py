"""What the exporters make of the state: every catalogue column, rounded as the instrument would report it.

Derived for many instants at once, which is what makes 35 days of history cheap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from telemetry.catalogue import BY_NAME, COLUMNS, CURTAIL_REASONS, WORKLOAD_CLASSES, Kind
from telemetry.simulator.household import CIRCUITS
from telemetry.simulator.noise import Booleans, Floats, Seeds, smooth, uniform
from telemetry.simulator.profiles import GPUS_PER_NODE, WORKLOAD_OF_GPU, HomeProfile
from telemetry.simulator.state import FleetState, GpuRow, NodeRow

MIB: Final = float(1 << 20)
BATTERY_CAPACITY_JOULES: Final = 16.0 * 3.6e6
LIMIT_AMPERES: Final = 160.0
SERVICE_VOLTS: Final = 240.0
_MEMORY_TOTAL_MIB, _MEMORY_RESERVED_MIB = 97887.0, 640.0
_JITTER_ROWS: Final = 251

_SAME_IN_NODE: Final = {
    "site_power_watts": NodeRow.SITE_WATTS,
    "home_power_watts": NodeRow.HOME_WATTS,
    "node_power_watts": NodeRow.NODE_WATTS,
    "battery_power_watts": NodeRow.BATTERY_WATTS,
    "solar_power_watts": NodeRow.SOLAR_WATTS,
    "site_import_energy_joules": NodeRow.SITE_IMPORT_JOULES,
    "site_export_energy_joules": NodeRow.SITE_EXPORT_JOULES,
    "node_energy_joules": NodeRow.NODE_JOULES,
    "battery_in_energy_joules": NodeRow.BATTERY_IN_JOULES,
    "battery_out_energy_joules": NodeRow.BATTERY_OUT_JOULES,
    "solar_energy_joules": NodeRow.SOLAR_JOULES,
    "grid_up": NodeRow.GRID_UP,
    "node_power_limit_watts": NodeRow.NODE_LIMIT_WATTS,
    "coolant_leak": NodeRow.LEAK,
    "enclosure_open": NodeRow.TAMPER,
    "desired_state_version": NodeRow.DESIRED_VERSION,
} | {f"curtailed_{reason}": NodeRow[f"CURTAILED_{reason.upper()}"] for reason in CURTAIL_REASONS}


@dataclass(frozen=True, slots=True)
class Tables:
    """Columns of T instants in catalogue order: node (T, columns, N), gpu (T, columns, N, 16), circuit (T, C, N)."""

    node: Floats
    gpu: Floats
    circuit: Floats


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What every node reports at one instant, in base units; NaN is not sent.

    node_table (columns, N), gpu_table (columns, N, 16), circuit_table (C, N) in catalogue order;
    silent (N,) marks nodes that report nothing at all.
    """

    at_ms: int
    node_table: Floats
    gpu_table: Floats
    circuit_table: Floats
    silent: Booleans

    @property
    def node(self) -> dict[str, Floats]:
        return {column.name: self.node_table[column.code] for column in COLUMNS[Kind.NODE]}

    @property
    def gpu(self) -> dict[str, Floats]:
        return {column.name: self.gpu_table[column.code] for column in COLUMNS[Kind.GPU]}

    @property
    def circuit(self) -> dict[str, Floats]:
        return {name: self.circuit_table[position] for position, name in enumerate(CIRCUITS)}


class _Writer:
    """Puts arrays into a table by column name."""

    def __init__(self, kind: Kind, table: Floats) -> None:
        self._codes = {name: column.code for name, column in BY_NAME[kind].items()}
        self._table = table

    def __setitem__(self, name: str, values: Floats | float) -> None:
        self._table[:, self._codes[name]] = values


class Readings:
    """Turns recorded states into reported columns for N homes."""

    def __init__(self, profiles: Sequence[HomeProfile], seeds: Seeds) -> None:
        self._seeds = seeds
        slots = np.arange(GPUS_PER_NODE)[:, None]
        self._dice = uniform(seeds, 400, slots).T
        rows = np.arange(_JITTER_ROWS * GPUS_PER_NODE)[:, None]
        jitter = uniform(seeds, 401, rows).reshape(_JITTER_ROWS, GPUS_PER_NODE, len(seeds))
        self._jitter: Floats = np.ascontiguousarray(jitter.transpose(0, 2, 1))
        self._no_solar = np.array([not profile.has_solar for profile in profiles])
        self._reserve = np.array([profile.battery_reserve_ratio for profile in profiles])
        self._upload_plan = np.array([profile.upload_plan_bits_per_second for profile in profiles])
        self._near_s = 0.005 + 0.005 * uniform(seeds, 402, np.zeros(1))

    def snapshot(self, at_s: float, state: FleetState) -> Snapshot:
        """The columns of one instant."""
        tables = self.derive(np.array([at_s]), state.node[None], state.gpu[None], state.circuit[None])
        silent = state.node[NodeRow.SILENT] > 0
        return Snapshot(round(at_s * 1000), tables.node[0], tables.gpu[0], tables.circuit[0], silent)

    def derive(self, at_s: Floats, node: Floats, gpu: Floats, circuit: Floats) -> Tables:
        """Columns of T instants from states node (T, rows, N), gpu (T, rows, N, 16), circuit (T, C, N)."""
        instants, _, homes = node.shape
        tables = Tables(
            node=np.empty((instants, len(COLUMNS[Kind.NODE]), homes)),
            gpu=np.empty((instants, len(COLUMNS[Kind.GPU]), homes, GPUS_PER_NODE)),
            circuit=circuit.copy(),
        )
        self._derive_panel(_Writer(Kind.NODE, tables.node), node)
        self._derive_enclosure(_Writer(Kind.NODE, tables.node), node, at_s[:, None])
        self._derive_internet(_Writer(Kind.NODE, tables.node), node, at_s[:, None])
        self._derive_work(_Writer(Kind.NODE, tables.node), node, at_s[:, None])
        jitter = self._jitter[at_s.astype(np.int64) % _JITTER_ROWS]
        self._derive_gpus(_Writer(Kind.GPU, tables.gpu), node, gpu, jitter)
        self._derive_gpu_memory(_Writer(Kind.GPU, tables.gpu), gpu)
        self._derive_gpu_counters(_Writer(Kind.GPU, tables.gpu), gpu)
        absent = gpu[:, GpuRow.PRESENT] == 0.0
        if absent.any():
            np.copyto(tables.gpu, np.nan, where=absent[:, None])
        silent = node[:, NodeRow.SILENT] > 0.0
        if silent.any():
            np.copyto(tables.node, np.nan, where=silent[:, None])
            np.copyto(tables.gpu, np.nan, where=silent[:, None, :, None])
            np.copyto(tables.circuit, np.nan, where=silent[:, None])
        return tables

    def _derive_panel(self, put: _Writer, node: Floats) -> None:
        for name, row in _SAME_IN_NODE.items():
            put[name] = node[:, row]
        if self._no_solar.any():
            missing = np.where(self._no_solar, np.nan, 0.0)
            put["solar_power_watts"] = node[:, NodeRow.SOLAR_WATTS] + missing
            put["solar_energy_joules"] = node[:, NodeRow.SOLAR_JOULES] + missing
        put["main_amperes"] = node[:, NodeRow.SITE_WATTS] / SERVICE_VOLTS
        put["limit_amperes"] = LIMIT_AMPERES
        charge = node[:, NodeRow.STORED_JOULES] / BATTERY_CAPACITY_JOULES
        put["battery_charge_ratio"] = np.clip(charge, 0.0, 1.0)
        put["battery_capacity_joules"] = BATTERY_CAPACITY_JOULES
        put["battery_reserve_ratio"] = self._reserve

    def _derive_enclosure(self, put: _Writer, node: Floats, at_s: Floats) -> None:
        tamper = node[:, NodeRow.TAMPER]
        put["coolant_supply_celsius"] = np.round(node[:, NodeRow.SUPPLY_CELSIUS], 2)
        put["coolant_return_celsius"] = np.round(node[:, NodeRow.RETURN_CELSIUS], 2)
        put["coolant_flow_liters_per_second"] = np.round(node[:, NodeRow.FLOW_LITERS_PER_SECOND], 4)
        sway = smooth(self._seeds, 410, at_s / 40.0)
        put["enclosure_tilt_degrees"] = np.round(0.3 + 0.05 * sway + tamper * (6.0 + 2.0 * sway), 2)
        fans = node[:, NodeRow.REJECTED_WATTS] / 10_300.0
        put["sound_decibels"] = np.round(38.0 + 19.0 * np.sqrt(fans) + 0.6 * sway + 8.0 * tamper, 1)
        put["outdoor_celsius"] = np.round(node[:, NodeRow.OUTDOOR_CELSIUS], 2)

    def _derive_internet(self, put: _Writer, node: Floats, at_s: Floats) -> None:
        out, trouble = node[:, NodeRow.LINE_OUT], node[:, NodeRow.LINE_TROUBLE]
        carries, gone = 1.0 - out, np.where(out > 0, np.nan, 0.0)
        inference, gaming, streaming = (
            node[:, NodeRow.INFERENCE_SESSIONS + position] for position in range(len(WORKLOAD_CLASSES))
        )
        browsing = np.maximum(smooth(self._seeds, 420, at_s / 75.0), 0.0) ** 3
        traffic = {
            "home": (2.5e6 + 2.4e8 * browsing, 0.8e6 + 1.6e7 * browsing),
            "node": (
                1.5e5 * inference + 2.0e6 * gaming + 3.0e5 * streaming,
                2.5e5 * inference + 2.8e7 * gaming + 5.0e6 * streaming,
            ),
        }
        busy = traffic["node"][1] / self._upload_plan
        for salt, (name, (download, upload)) in enumerate(traffic.items()):
            wobble = smooth(self._seeds, 430 + salt, at_s / 25.0)
            bad = smooth(self._seeds, 440 + salt, at_s / 15.0)
            latency = self._near_s * (1.0 + 0.12 * wobble) + trouble * (0.06 + 0.03 * bad) + 0.0004 * salt + gone
            prefix = f"internet_{name}"
            put[f"{prefix}_up"] = carries
            put[f"{prefix}_download_bits_per_second"] = np.round(download * (1 + 0.05 * wobble) * carries)
            put[f"{prefix}_upload_bits_per_second"] = np.round(upload * (1 + 0.05 * wobble) * carries)
            put[f"{prefix}_latency_seconds"] = np.round(latency, 6)
            put[f"{prefix}_loaded_latency_seconds"] = np.round(latency + 0.005 + 0.03 * busy, 6)
            jitter = 0.0009 + 0.0004 * wobble + trouble * (0.02 + 0.01 * bad) + gone
            put[f"{prefix}_jitter_seconds"] = np.round(jitter, 6)
            loss = 0.004 * np.maximum(bad - 0.9, 0.0) + trouble * (0.05 + 0.03 * bad)
            put[f"{prefix}_loss_ratio"] = np.asarray(np.round(np.maximum(loss, out), 5), dtype=np.float64)

    def _derive_work(self, put: _Writer, node: Floats, at_s: Floats) -> None:
        trouble = 0.08 * node[:, NodeRow.LINE_TROUBLE]
        slowness = 1.0 / np.maximum(node[:, NodeRow.SPEED_RATIO], 0.1) ** 1.5
        for position, (work, base_s) in enumerate(zip(WORKLOAD_CLASSES, (0.32, 0.018, 0.045), strict=True)):
            sessions = node[:, NodeRow.INFERENCE_SESSIONS + position]
            idle = np.where(sessions > 0, 0.0, np.nan)
            noise = smooth(self._seeds, 450 + position, at_s / 30.0)
            median = base_s * slowness * (1.0 + 0.08 * noise) + trouble + idle
            put[f"{work}_sessions"] = sessions
            put[f"{work}_latency_p50_seconds"] = np.round(median, 5)
            put[f"{work}_latency_p95_seconds"] = np.round(median * (2.1 + 0.2 * noise), 5)
            put[f"{work}_latency_p99_seconds"] = np.round(median * (3.4 + 0.5 * noise), 5)
            put[f"{work}_requests_ok"] = np.floor(node[:, NodeRow.INFERENCE_OK + position])
            put[f"{work}_requests_error"] = np.floor(node[:, NodeRow.INFERENCE_ERRORS + position])

    def _derive_gpus(self, put: _Writer, node: Floats, gpu: Floats, jitter: Floats) -> None:
        used, celsius = gpu[:, GpuRow.UTILIZATION], gpu[:, GpuRow.CELSIUS]
        speed = node[:, NodeRow.SPEED_RATIO, :, None]
        busy = used > 0.02
        pace = used * speed
        dram = pace * _by_workload(0.66, 0.42, 0.30) * (1.0 - 0.10 * jitter)
        active = pace * _by_workload(0.86, 0.74, 0.55) * (1.0 - 0.05 * jitter)
        put["sm_clock_hertz"] = np.where(busy, np.rint((2430.0 * speed - 30.0 * jitter) / 15.0) * 15.0, 180.0) * 1e6
        put["memory_clock_hertz"] = np.where(busy, 14001e6, 405e6)
        put["memory_temperature_celsius"] = np.rint(celsius + 4.0 + 9.0 * dram)
        put["temperature_celsius"] = np.rint(celsius)
        put["power_watts"] = gpu[:, GpuRow.POWER_WATTS]
        put["power_limit_watts"] = node[:, NodeRow.GPU_LIMIT_WATTS, :, None]
        put["utilization_ratio"] = np.rint(used * 100.0) / 100.0
        put["memory_utilization_ratio"] = np.rint(dram * 90.0) / 100.0
        put["encoder_utilization_ratio"] = np.rint(pace * _by_workload(0.0, 38.0, 72.0)) / 100.0
        put["decoder_utilization_ratio"] = np.rint(pace * _by_workload(0.0, 4.0, 46.0)) / 100.0
        put["graphics_active_ratio"] = _millionths(used * (0.99 - 0.02 * jitter))
        put["tensor_active_ratio"] = _millionths(pace * _by_workload(0.58, 0.11, 0.05) * (1.0 - 0.15 * jitter))
        put["dram_active_ratio"] = _millionths(dram)
        put["sm_active_ratio"] = _millionths(active)
        put["sm_occupancy_ratio"] = _millionths(active * 0.55)
        put["throttle_reasons"] = gpu[:, GpuRow.THROTTLE_REASONS]
        put["xid"] = gpu[:, GpuRow.XID]
        put["performance_state"] = np.where(busy, 0.0, 8.0).astype(np.float64)
        put["slowdown_temperature_celsius"] = 92.0
        put["pcie_link_generation"] = np.where(busy, 5.0, 1.0).astype(np.float64)
        put["pcie_link_width"] = 16.0

    def _derive_gpu_memory(self, put: _Writer, gpu: Floats) -> None:
        used = gpu[:, GpuRow.UTILIZATION]
        loaded = _by_workload(78_000.0, 30_000.0, 17_000.0) + 9_000.0 * self._dice + 4_000.0 * used
        used_mib = np.rint(np.where(used > 0.0, loaded, 900.0))
        put["memory_used_bytes"] = used_mib * MIB
        put["memory_free_bytes"] = (_MEMORY_TOTAL_MIB - _MEMORY_RESERVED_MIB - used_mib) * MIB
        put["memory_reserved_bytes"] = _MEMORY_RESERVED_MIB * MIB
        put["memory_total_bytes"] = _MEMORY_TOTAL_MIB * MIB

    def _derive_gpu_counters(self, put: _Writer, gpu: Floats) -> None:
        busy_s = gpu[:, GpuRow.BUSY_SECONDS]
        single, double = np.floor(gpu[:, GpuRow.SINGLE_BIT_ERRORS]), gpu[:, GpuRow.DOUBLE_BIT_ERRORS]
        put["energy_joules"] = np.floor(gpu[:, GpuRow.ENERGY_JOULES] * 1e3) / 1e3
        put["pcie_replays"] = np.floor(self._dice * 1.4)
        put["pcie_sent_bytes"] = np.floor(busy_s * 4.1e7)
        put["pcie_received_bytes"] = np.floor(busy_s * 1.2e8)
        put["rows_remapped_uncorrectable"] = double
        put["rows_remapped_correctable"] = np.floor(self._dice * 1.15)
        put["row_remap_failed"] = 0.0
        put["ecc_single_bit_volatile"] = single
        put["ecc_double_bit_volatile"] = double
        put["ecc_single_bit_aggregate"] = single + np.floor(self._dice * 3.0)
        put["ecc_double_bit_aggregate"] = double
        put["throttled_sw_power_cap_seconds"] = np.rint(gpu[:, GpuRow.CAPPED_SECONDS] * 1e9) / 1e9
        put["throttled_sw_therm_seconds"] = np.rint(gpu[:, GpuRow.SW_THERMAL_SECONDS] * 1e9) / 1e9
        put["throttled_hw_therm_seconds"] = np.rint(gpu[:, GpuRow.HW_THERMAL_SECONDS] * 1e9) / 1e9
        put["throttled_hw_power_brake_seconds"] = 0.0


def _by_workload(inference: float, gaming: float, streaming: float) -> Floats:
    """One value per GPU slot, (16,), by the workload it serves."""
    return np.asarray(np.array([inference, gaming, streaming])[WORKLOAD_OF_GPU])


def _millionths(values: Floats) -> Floats:
    return np.asarray(np.rint(values * 1e6) / 1e6)
