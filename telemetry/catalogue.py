"""The one list of what a node may tell us: every known metric name, its unit and its typed column.

Pure: no Django. Sources: NVIDIA dcgm-exporter's default counters (both generations: before and
since 4.9.0, which renamed metrics and moved them to Prometheus base units) and the `xfra_*`
families of the node contract. Everything is stored in base units: hertz, watts, joules, bytes,
degrees Celsius, seconds, ratio 0..1.

`Column.code` and `Column.name` are part of the storage format (the latest-state arrays, the rollup
arrays and the batches on the stream use the code as a position). Append; never renumber.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Final

from telemetry import units

LabelPairs = tuple[tuple[str, str], ...]


class Kind(IntEnum):
    """Which wide table a sample belongs to; a subject is a GPU, a circuit, or 0 for the node itself."""

    NODE = 1
    GPU = 2
    CIRCUIT = 3


class Shape(StrEnum):
    """How a value behaves over time, which decides its type in storage and its rollup."""

    GAUGE = "gauge"  # float32; min, max, avg, last
    COUNTER = "counter"  # float64; last and reset-aware increase
    FLAG = "flag"  # 0/1 as float32; avg is the share of time, max tells whether it happened


@dataclass(frozen=True, slots=True)
class Column:
    """One typed column of one wide table. `low` and `high` bound what is believed, in base units."""

    kind: Kind
    code: int
    name: str
    shape: Shape
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Source:
    """One exporter metric that feeds a column: base value = exporter value * scale."""

    metric: str
    labels: LabelPairs
    column: Column
    scale: float


GPU_UUID_LABEL: Final = "UUID"
CIRCUIT_LABEL: Final = "circuit"

_columns: list[Column] = []
_sources: list[Source] = []
_next_code: dict[Kind, int] = dict.fromkeys(Kind, 0)


def _add(
    kind: Kind,
    name: str,
    shape: Shape,
    low: float,
    high: float,
    *sources: tuple[str, float] | tuple[str, float, LabelPairs],
) -> None:
    column = Column(kind, _next_code[kind], name, shape, low, high)
    _next_code[kind] += 1
    _columns.append(column)
    for metric, scale, *rest in sources:
        labels = rest[0] if rest else ()
        _sources.append(Source(metric, tuple(sorted(labels)), column, scale))


def _dev(name: str) -> str:
    return f"DCGM_FI_DEV_{name}"


def _prof(name: str) -> str:
    return f"DCGM_FI_PROF_{name}"


_MHZ, _MJ, _PERCENT, _MIB, _NS = 1e6, 1e-3, 1e-2, float(1 << 20), 1e-9
_BIG = 1e18


def _declare_gpu() -> None:
    gauge, counter, flag, gpu = Shape.GAUGE, Shape.COUNTER, Shape.FLAG, Kind.GPU
    # The first twenty are what dcgm-exporter sends by default on this GPU.
    _add(gpu, "sm_clock_hertz", gauge, 0, 2e10, (_dev("SM_CLOCK"), _MHZ), (_dev("SM_CLOCK_HERTZ"), 1))
    _add(gpu, "memory_clock_hertz", gauge, 0, 5e10, (_dev("MEM_CLOCK"), _MHZ), (_dev("MEMORY_CLOCK_HERTZ"), 1))
    _add(gpu, "memory_temperature_celsius", gauge, -60, 250, (_dev("MEMORY_TEMP"), 1), (_dev("MEMORY_TEMP_CELSIUS"), 1))
    _add(gpu, "temperature_celsius", gauge, -60, 250, (_dev("GPU_TEMP"), 1), (_dev("GPU_TEMP_CELSIUS"), 1))
    _add(gpu, "power_watts", gauge, 0, 5000, (_dev("POWER_USAGE"), 1), (_dev("BOARD_POWER_WATTS"), 1))
    _add(
        gpu,
        "energy_joules",
        counter,
        0,
        _BIG,
        (_dev("TOTAL_ENERGY_CONSUMPTION"), _MJ),
        (_dev("GPU_ENERGY_JOULES_TOTAL"), 1),
    )
    _add(gpu, "pcie_replays", counter, 0, _BIG, (_dev("PCIE_REPLAY_COUNTER"), 1), (_dev("PCIE_REPLAY_TOTAL"), 1))
    _add(gpu, "utilization_ratio", gauge, 0, 1, (_dev("GPU_UTIL"), _PERCENT), (_dev("GPU_UTIL_RATIO"), 1))
    _add(
        gpu, "memory_utilization_ratio", gauge, 0, 1, (_dev("MEM_COPY_UTIL"), _PERCENT), (_dev("MEMORY_UTIL_RATIO"), 1)
    )
    _add(gpu, "encoder_utilization_ratio", gauge, 0, 1, (_dev("ENC_UTIL"), _PERCENT), (_dev("ENC_UTIL_RATIO"), 1))
    _add(gpu, "decoder_utilization_ratio", gauge, 0, 1, (_dev("DEC_UTIL"), _PERCENT), (_dev("DEC_UTIL_RATIO"), 1))
    _add(gpu, "xid", gauge, 0, 1e6, (_dev("XID_ERRORS"), 1), (_dev("XID_ERROR"), 1))
    _add(gpu, "memory_free_bytes", gauge, 0, 1e13, (_dev("FB_FREE"), _MIB), (_dev("FB_FREE_BYTES"), 1))
    _add(gpu, "memory_used_bytes", gauge, 0, 1e13, (_dev("FB_USED"), _MIB), (_dev("FB_USED_BYTES"), 1))
    _add(
        gpu,
        "rows_remapped_uncorrectable",
        counter,
        0,
        _BIG,
        (_dev("UNCORRECTABLE_REMAPPED_ROWS"), 1),
        (_dev("ROW_REMAP_UNCORRECTABLE_TOTAL"), 1),
    )
    _add(
        gpu,
        "rows_remapped_correctable",
        counter,
        0,
        _BIG,
        (_dev("CORRECTABLE_REMAPPED_ROWS"), 1),
        (_dev("ROW_REMAP_CORRECTABLE_TOTAL"), 1),
    )
    _add(gpu, "row_remap_failed", flag, 0, 1, (_dev("ROW_REMAP_FAILURE"), 1), (_dev("ROW_REMAP_FAILED"), 1))
    _add(gpu, "graphics_active_ratio", gauge, 0, 1, (_prof("GR_ENGINE_ACTIVE"), 1), (_prof("GR_ENGINE_UTIL_RATIO"), 1))
    _add(gpu, "tensor_active_ratio", gauge, 0, 1, (_prof("PIPE_TENSOR_ACTIVE"), 1), (_prof("TENSOR_UTIL_RATIO"), 1))
    _add(gpu, "dram_active_ratio", gauge, 0, 1, (_prof("DRAM_ACTIVE"), 1), (_prof("DRAM_UTIL_RATIO"), 1))
    # Common additions to the default list.
    _add(
        gpu,
        "throttle_reasons",
        gauge,
        0,
        1 << 20,
        (_dev("CLOCKS_EVENT_REASONS"), 1),
        (_dev("CLOCK_THROTTLE_REASONS"), 1),
    )
    _add(gpu, "power_limit_watts", gauge, 0, 5000, (_dev("POWER_MGMT_LIMIT"), 1), (_dev("ENFORCED_POWER_LIMIT"), 1))
    _add(gpu, "memory_reserved_bytes", gauge, 0, 1e13, (_dev("FB_RESERVED"), _MIB), (_dev("FB_RESERVED_BYTES"), 1))
    _add(gpu, "memory_total_bytes", gauge, 0, 1e13, (_dev("FB_TOTAL"), _MIB), (_dev("FB_CAPACITY_BYTES"), 1))
    _add(gpu, "ecc_single_bit_volatile", counter, 0, _BIG, (_dev("ECC_SBE_VOL_TOTAL"), 1))
    _add(gpu, "ecc_double_bit_volatile", counter, 0, _BIG, (_dev("ECC_DBE_VOL_TOTAL"), 1))
    _add(gpu, "ecc_single_bit_aggregate", counter, 0, _BIG, (_dev("ECC_SBE_AGG_TOTAL"), 1))
    _add(gpu, "ecc_double_bit_aggregate", counter, 0, _BIG, (_dev("ECC_DBE_AGG_TOTAL"), 1))
    _add(
        gpu,
        "slowdown_temperature_celsius",
        gauge,
        -60,
        250,
        (_dev("SLOWDOWN_TEMP"), 1),
        (_dev("GPU_TEMP_SLOWDOWN_CELSIUS"), 1),
    )
    _add(gpu, "sm_active_ratio", gauge, 0, 1, (_prof("SM_ACTIVE"), 1), (_prof("SM_UTIL_RATIO"), 1))
    _add(gpu, "sm_occupancy_ratio", gauge, 0, 1, (_prof("SM_OCCUPANCY"), 1), (_prof("SM_OCCUPANCY_RATIO"), 1))
    _add(gpu, "pcie_sent_bytes", counter, 0, _BIG, (_prof("PCIE_TX_BYTES"), 1))
    _add(gpu, "pcie_received_bytes", counter, 0, _BIG, (_prof("PCIE_RX_BYTES"), 1))
    _add(gpu, "performance_state", gauge, 0, 32, (_dev("PSTATE"), 1), (_dev("GPU_PSTATE"), 1))
    _add(gpu, "pcie_link_generation", gauge, 0, 16, (_dev("PCIE_LINK_GEN"), 1))
    _add(gpu, "pcie_link_width", gauge, 0, 64, (_dev("PCIE_LINK_WIDTH"), 1))
    for reason in ("SW_POWER_CAP", "SW_THERM_SLOWDOWN", "HW_THERM_SLOWDOWN", "HW_POWER_BRAKE_SLOWDOWN"):
        _add(
            gpu,
            f"throttled_{reason.lower().removesuffix('_slowdown')}_seconds",
            counter,
            0,
            _BIG,
            (_dev(f"CLOCKS_EVENT_REASON_{reason}_NS"), _NS),
        )


POWER_CHANNELS: Final = ("site", "home", "node", "battery", "solar")
ENERGY_REGISTERS: Final = ("site_import", "site_export", "node", "battery_in", "battery_out", "solar")
CURTAIL_REASONS: Final = ("headroom", "thermal", "grid_event", "outage", "host_pause", "operator")
WORKLOAD_CLASSES: Final = ("inference", "gaming", "streaming")
LATENCY_QUANTILES: Final = {"0.5": "p50", "0.95": "p95", "0.99": "p99"}
_INTERNET: Final = (
    ("up", 0.0, 1.0, Shape.FLAG),
    ("download_bits_per_second", 0.0, 1e12, Shape.GAUGE),
    ("upload_bits_per_second", 0.0, 1e12, Shape.GAUGE),
    ("latency_seconds", 0.0, 600.0, Shape.GAUGE),
    ("jitter_seconds", 0.0, 600.0, Shape.GAUGE),
    ("loss_ratio", 0.0, 1.0, Shape.GAUGE),
)


def _declare_panel() -> None:
    gauge, counter, flag, node = Shape.GAUGE, Shape.COUNTER, Shape.FLAG, Kind.NODE
    for channel in POWER_CHANNELS:
        _add(node, f"{channel}_power_watts", gauge, -1e6, 1e6, ("xfra_panel_power_watts", 1, (("channel", channel),)))
    for register in ENERGY_REGISTERS:
        _add(
            node,
            f"{register}_energy_joules",
            counter,
            0,
            _BIG,
            ("xfra_panel_energy_joules_total", 1, (("register", register),)),
        )
    _add(node, "main_amperes", gauge, -2000, 2000, ("xfra_panel_main_amperes", 1))
    _add(node, "limit_amperes", gauge, 0, 2000, ("xfra_panel_limit_amperes", 1))
    _add(node, "grid_up", flag, 0, 1, ("xfra_grid_up", 1))
    _add(node, "node_power_limit_watts", gauge, 0, 1e6, ("xfra_node_power_limit_watts", 1))
    for reason in CURTAIL_REASONS:
        _add(node, f"curtailed_{reason}", flag, 0, 1, ("xfra_node_curtailed", 1, (("reason", reason),)))
    _add(node, "battery_charge_ratio", gauge, 0, 1, ("xfra_battery_charge_ratio", 1))
    _add(node, "battery_capacity_joules", gauge, 0, 1e12, ("xfra_battery_capacity_joules", 1))
    _add(node, "battery_reserve_ratio", gauge, 0, 1, ("xfra_battery_reserve_ratio", 1))


def _declare_enclosure() -> None:
    gauge, flag, node = Shape.GAUGE, Shape.FLAG, Kind.NODE
    for side in ("supply", "return"):
        _add(
            node, f"coolant_{side}_celsius", gauge, -60, 250, ("xfra_coolant_temperature_celsius", 1, (("side", side),))
        )
    _add(node, "coolant_flow_liters_per_second", gauge, 0, 1000, ("xfra_coolant_flow_liters_per_second", 1))
    _add(node, "coolant_leak", flag, 0, 1, ("xfra_coolant_leak", 1))
    _add(node, "enclosure_open", flag, 0, 1, ("xfra_enclosure_open", 1))
    _add(node, "enclosure_tilt_degrees", gauge, -360, 360, ("xfra_enclosure_tilt_degrees", 1))
    _add(node, "sound_decibels", gauge, 0, 200, ("xfra_sound_decibels", 1))
    _add(node, "outdoor_celsius", gauge, -100, 100, ("xfra_outdoor_temperature_celsius", 1))


def _declare_internet_and_work() -> None:
    gauge, counter, node = Shape.GAUGE, Shape.COUNTER, Kind.NODE
    for traffic in ("home", "node"):
        for name, low, high, shape in _INTERNET:
            plain: LabelPairs = (("traffic", traffic),)
            idle: LabelPairs = (("load", "idle"), ("traffic", traffic))
            metric = f"xfra_internet_{name}"
            _add(node, f"internet_{traffic}_{name}", shape, low, high, (metric, 1, plain), (metric, 1, idle))
        loaded: LabelPairs = (("load", "loaded"), ("traffic", traffic))
        _add(
            node,
            f"internet_{traffic}_loaded_latency_seconds",
            gauge,
            0,
            600,
            ("xfra_internet_latency_seconds", 1, loaded),
        )
    for work in WORKLOAD_CLASSES:
        _add(node, f"{work}_sessions", gauge, 0, 1e7, ("xfra_workload_sessions", 1, (("class", work),)))
        for quantile, short in LATENCY_QUANTILES.items():
            _add(
                node,
                f"{work}_latency_{short}_seconds",
                gauge,
                0,
                3600,
                ("xfra_workload_latency_seconds", 1, (("class", work), ("quantile", quantile))),
            )
        for outcome in ("ok", "error"):
            _add(
                node,
                f"{work}_requests_{outcome}",
                counter,
                0,
                _BIG,
                ("xfra_workload_requests_total", 1, (("class", work), ("outcome", outcome))),
            )
    _add(node, "desired_state_version", counter, 0, _BIG, ("xfra_desired_state_version", 1))


_declare_panel()
_declare_enclosure()
_declare_internet_and_work()
_declare_gpu()
_add(Kind.CIRCUIT, "power_watts", Shape.GAUGE, -1e6, 1e6, ("xfra_circuit_power_watts", 1))

ALARMS: Final = frozenset({"coolant_leak", "enclosure_open", "row_remap_failed", "xid"})
"""The columns in which a number other than 0 says that something is wrong: of two sensors, either may say so."""
INSTANCE_LABELS: Final = ("GPU_I_ID", "GPU_I_PROFILE")
"""A series of dcgm-exporter that has one of these is of a part of a GPU (MIG)."""
OF_AN_INSTANCE: Final = frozenset(
    [
        *("utilization_ratio", "memory_utilization_ratio", "encoder_utilization_ratio", "decoder_utilization_ratio"),
        *("graphics_active_ratio", "tensor_active_ratio", "dram_active_ratio", "sm_active_ratio", "sm_occupancy_ratio"),
        *("memory_free_bytes", "memory_used_bytes", "memory_reserved_bytes", "memory_total_bytes"),
        *("pcie_sent_bytes", "pcie_received_bytes"),
    ]
)
"""The columns of a GPU of which each of its parts has its own value; of the others every part tells the whole's."""

COLUMNS: Final[dict[Kind, tuple[Column, ...]]] = {
    kind: tuple(column for column in _columns if column.kind is kind) for kind in Kind
}
"""Columns of each table in code order: `COLUMNS[kind][code]`."""

SOURCES: Final[tuple[Source, ...]] = tuple(_sources)
"""Every exporter metric that is understood, in both DCGM generations."""

BY_NAME: Final[dict[Kind, dict[str, Column]]] = {
    kind: {column.name: column for column in columns} for kind, columns in COLUMNS.items()
}

SENSORS: Final = tuple(BY_NAME[Kind.NODE][name].code for name in ("coolant_leak", "enclosure_open"))
"""Codes of what says that somebody is in danger, or something: nothing that is wrong with a clock hides it."""

KNOWN_METRICS: Final[frozenset[str]] = frozenset(source.metric for source in SOURCES)

_by_metric_and_labels: Final = {(s.metric, s.labels): s for s in SOURCES}
_label_names: Final[dict[str, frozenset[str]]] = {
    metric: frozenset(name for s in SOURCES if s.metric == metric for name, _ in s.labels) for metric in KNOWN_METRICS
}


_TOTAL: Final = "_total"
_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9_:]")


def _stems() -> dict[str, str]:
    """Every known metric by its name, and each counter by its name without the word "total" at its end."""
    short = {
        re.sub(r"_total$", "", source.metric, flags=re.IGNORECASE): source.metric
        for source in SOURCES
        if source.column.shape is Shape.COUNTER
    }
    return short | {metric: metric for metric in KNOWN_METRICS}


_by_stem: Final = _stems()


def find_source(metric: str, labels: dict[str, str]) -> Source | None:
    """The typed column that `metric{labels}` feeds, or None when it belongs in the generic table.

    Labels that do not distinguish columns (instance, job, modelName, ...) are ignored. The metric may be spelled as a
    translator of OpenTelemetry spells it: with its unit behind it, and `_total` added to a counter or taken from it.
    """
    if metric in KNOWN_METRICS:
        return _find(metric, labels)
    plain = _FOREIGN.sub("_", metric)
    found = _find_translated(plain, labels)
    if found is None and plain.endswith(_TOTAL):
        found = _find_translated(plain.removesuffix(_TOTAL), labels)
        return found if found and found.column.shape is Shape.COUNTER else None
    return found


def _find(metric: str, labels: dict[str, str]) -> Source | None:
    names = _label_names[metric]
    distinguishing = tuple(sorted((name, labels[name]) for name in names if name in labels))
    return _by_metric_and_labels.get((metric, distinguishing))


def _find_translated(name: str, labels: dict[str, str]) -> Source | None:
    """A unit that the name tells is believed, if the column measures that at all."""
    if name in _by_stem:
        return _find(_by_stem[name], labels)
    for stem, unit in units.split(name):
        for known in (stem, f"{stem}_{units.base_of(unit)}"):
            found = _find(_by_stem[known], labels) if known in _by_stem else None
            if found is None:
                continue
            factor = units.factor(unit, units.base_unit(found.column.name))
            return None if factor is None else replace(found, scale=factor)
    return None
