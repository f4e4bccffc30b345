"""What is believed of a body, what is refused and how it is counted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry import known_series
from telemetry.admission import FUTURE_MS, Admitted, admit
from telemetry.batch import OTHER, GpuSubject, OtherSubject
from telemetry.catalogue import COLUMNS, LATENCY_QUANTILES, SOURCES, Column, Kind, Shape, Source, find_source
from telemetry.gathering import gather
from telemetry.known_series import IDLE_SECONDS, SERIES_BUDGET, KnownSeries
from telemetry.remote_write import walk
from tests.telemetry.messages import STALE, Exemplar, Label, TimeSeries, admit_message, admitted, gpu, message, series

NOW = 1_780_000_000.0
AT = int(NOW * 1000)
OLDEST = AT - 72 * 3_600_000


def admit_all(*parts: Any, known: KnownSeries | None = None, now: float = NOW) -> Admitted:
    return admit(1, gather(walk(message(*parts))), KnownSeries() if known is None else known, now, OLDEST)


def of_source(source: Source, value: float, at: int = AT) -> Any:
    labels = dict(source.labels)
    if source.column.kind is Kind.GPU:
        labels |= {"UUID": "GPU-1", "gpu": "3"}
    if source.column.kind is Kind.CIRCUIT:
        labels["circuit"] = "oven"
    return series(source.metric, [(at, value)], instance="127.0.0.1:9400", job="any", **labels)


def source_id(source: Source) -> str:
    return "-".join([source.metric, *(value for _, value in source.labels)])


@pytest.mark.parametrize("source", SOURCES, ids=source_id)
def test_every_source_reaches_its_column_in_base_units_within_its_bounds(source: Source) -> None:
    column = source.column
    low, high = column.low / source.scale, column.high / source.scale
    inside = [low, high, (low + high) / 2] if high < 9e18 else [low, 1.0, 9e18 * min(1.0, 1 / source.scale) / 10]
    for value in inside:
        found = admit_all(of_source(source, value))
        assert not found.refused, (value, found.complaint)
        assert (found.batch.kinds.tolist(), found.batch.codes.tolist()) == ([column.kind], [column.code])
        assert found.batch.values[0] == pytest.approx(value * source.scale, rel=1e-12)
    hair = 1e-6 * max(1.0, abs(column.low)) / source.scale
    assert admit_all(of_source(source, low - hair)).refused == {"out of bounds": 1}
    if high < 9e18:
        assert admit_all(of_source(source, high * (1 + 1e-6))).refused == {"out of bounds": 1}


BLANK = {
    f"{name} {said}": float(first + offset)
    for name, first in {"int32": 0x7FFFFFF0, "fp64": 1 << 47, "int64": 0x7FFFFFFFFFFFFFF0}.items()
    for offset, said in enumerate(("blank", "not found", "not supported", "not permitted"))
} | {"NaN": math.nan, "end": STALE, "short int64": 9.22e18, "uint64": 1.8446744073709552e19, "infinite": math.inf}
BEFORE_4_9 = {source.column: source for source in reversed(SOURCES) if source.column.kind is Kind.GPU}
SINCE_4_9 = {source.column: source for source in SOURCES if source.column.kind is Kind.GPU}


@pytest.mark.parametrize("value", BLANK.values(), ids=BLANK)
@pytest.mark.parametrize("generation", [BEFORE_4_9, SINCE_4_9], ids=["before 4.9", "since 4.9"])
def test_what_dcgm_calls_blank_is_absent_in_gauges_and_counters_and_no_error(
    generation: dict[Column, Source], value: float
) -> None:
    """In every column, read plainly and by comparison with a body that came before."""
    known = KnownSeries()
    for at in (AT, AT + 1000, AT + 2000):
        told = 1.0 if at == AT + 1000 else value
        data = message(*(of_source(source, told, at) for source in generation.values()))
        found = admit_message(1, data, known, NOW, OLDEST)
        assert not found.refused
        assert (len(generation) if told == 1.0 else 0) == np.isfinite(found.batch.values).sum()
    nowhere = admit_all(gpu(0, "DCGM_FI_DEV_SOMETHING_ELSE", [(AT, value)]))
    assert not nowhere.refused
    assert not np.isfinite(nowhere.batch.values).any()
    assert nowhere.taken == 1


@pytest.mark.parametrize("value", [0x7FFFFFEF, 0x7FFFFFF4, (1 << 47) - 1, (1 << 47) + 4, 9.2e18])
def test_what_is_beside_a_blank_is_a_number(value: float) -> None:
    found = admit_all(gpu(0, "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", [(AT, value)]))
    assert found.batch.values.tolist() == [pytest.approx(value * 1e-3, rel=1e-12)]


@pytest.mark.parametrize("value", [v for v in BLANK.values() if math.isfinite(v)])
def test_elsewhere_the_same_is_a_number(value: float) -> None:
    assert admit_all(series("node_boot", [(AT, value)])).batch.values.tolist() == [value]


def test_a_nan_that_is_no_stale_marker_says_nothing() -> None:
    found = admit_all(series("xfra_sound_decibels", [(AT, math.nan), (AT + 1, STALE), (AT + 2, 40.0)]))
    assert found.batch.at_ms.tolist() == [AT + 1, AT + 2], "an end, and a value"
    assert (found.taken, found.absent, found.refused) == (3, 1, {})


def test_outside_the_catalogue_an_end_leaves_nothing_and_nan_is_a_value() -> None:
    found = admit_all(series("go_gc_duration_seconds", [(AT, math.nan), (AT + 1, STALE), (AT + 2, 0.5)], quantile="1"))
    assert found.batch.at_ms.tolist() == [AT, AT + 2] and np.isnan(found.batch.values[0])
    assert (found.taken, found.absent, found.refused) == (3, 1, {})


GENERATIONS = {
    "SM_CLOCK": ("SM_CLOCK_HERTZ", 2250.0, 2.25e9),
    "MEM_CLOCK": ("MEMORY_CLOCK_HERTZ", 14001.0, 14.001e9),
    "MEMORY_TEMP": ("MEMORY_TEMP_CELSIUS", 71.0, 71.0),
    "GPU_TEMP": ("GPU_TEMP_CELSIUS", 64.0, 64.0),
    "POWER_USAGE": ("BOARD_POWER_WATTS", 598.25, 598.25),
    "TOTAL_ENERGY_CONSUMPTION": ("GPU_ENERGY_JOULES_TOTAL", 123456789.0, 123456.789),
    "PCIE_REPLAY_COUNTER": ("PCIE_REPLAY_TOTAL", 3.0, 3.0),
    "GPU_UTIL": ("GPU_UTIL_RATIO", 97.0, 0.97),
    "XID_ERRORS": ("XID_ERROR", 79.0, 79.0),
    "FB_USED": ("FB_USED_BYTES", 96000.0, 96000.0 * (1 << 20)),
    "UNCORRECTABLE_REMAPPED_ROWS": ("ROW_REMAP_UNCORRECTABLE_TOTAL", 1.0, 1.0),
    "CORRECTABLE_REMAPPED_ROWS": ("ROW_REMAP_CORRECTABLE_TOTAL", 2.0, 2.0),
    "ROW_REMAP_FAILURE": ("ROW_REMAP_FAILED", 1.0, 1.0),
}
PROFILING = {
    "GR_ENGINE_ACTIVE": "GR_ENGINE_UTIL_RATIO",
    "PIPE_TENSOR_ACTIVE": "TENSOR_UTIL_RATIO",
    "DRAM_ACTIVE": "DRAM_UTIL_RATIO",
}
PAIRS = [
    *((f"DCGM_FI_DEV_{old}", f"DCGM_FI_DEV_{new}", value, base) for old, (new, value, base) in GENERATIONS.items()),
    *((f"DCGM_FI_PROF_{old}", f"DCGM_FI_PROF_{new}", 0.75, 0.75) for old, new in PROFILING.items()),
]


@pytest.mark.parametrize(("old", "new", "value", "base"), PAIRS, ids=[pair[0] for pair in PAIRS])
def test_both_generations_say_the_same(old: str, new: str, value: float, base: float) -> None:
    first = admit_all(gpu(5, old, [(AT, value)])).batch
    second = admit_all(gpu(5, new, [(AT, base)], hostname="as since 4.6")).batch
    assert first.kinds.tolist() == [Kind.GPU]
    assert first.values[0] == pytest.approx(base, rel=1e-12)
    assert (first.codes.tolist(), first.layout.gpus) == (second.codes.tolist(), second.layout.gpus)
    assert second.values.tolist() == [base]


def test_the_catalogue_is_unambiguous() -> None:
    assert len({(s.metric, s.labels) for s in SOURCES}) == len(SOURCES)
    for kind, columns in COLUMNS.items():
        assert [column.code for column in columns] == list(range(len(columns)))
        assert len({column.name for column in columns}) == len(columns)
        assert all(column.kind is kind and column.low < column.high for column in columns)


def test_positions_that_storage_relies_on() -> None:
    """Renumbering would turn stored temperatures into clocks. Append to this list, change nothing in it."""
    assert [c.name for c in COLUMNS[Kind.GPU][:8]] == [
        "sm_clock_hertz",
        "memory_clock_hertz",
        "memory_temperature_celsius",
        "temperature_celsius",
        "power_watts",
        "energy_joules",
        "pcie_replays",
        "utilization_ratio",
    ]
    assert [c.name for c in COLUMNS[Kind.NODE][:7]] == [
        "site_power_watts",
        "home_power_watts",
        "node_power_watts",
        "battery_power_watts",
        "solar_power_watts",
        "site_import_energy_joules",
        "site_export_energy_joules",
    ]


LABELS_TO_COLUMNS = [
    ("xfra_panel_power_watts", {"channel": "site"}, "site_power_watts"),
    ("xfra_panel_power_watts", {"channel": "site", "instance": "x", "job": "y"}, "site_power_watts"),
    ("xfra_panel_power_watts", {"channel": "pool"}, None),
    ("xfra_panel_power_watts", {}, None),
    ("xfra_internet_latency_seconds", {"traffic": "home"}, "internet_home_latency_seconds"),
    ("xfra_internet_latency_seconds", {"traffic": "home", "load": "idle"}, "internet_home_latency_seconds"),
    ("xfra_internet_latency_seconds", {"traffic": "node", "load": "loaded"}, "internet_node_loaded_latency_seconds"),
    ("xfra_internet_latency_seconds", {"load": "idle"}, None),
    ("xfra_workload_latency_seconds", {"class": "gaming", "quantile": "0.95"}, "gaming_latency_p95_seconds"),
    ("xfra_workload_latency_seconds", {"class": "gaming", "quantile": "0.9"}, None),
    ("xfra_coolant_temperature_celsius", {"side": "return"}, "coolant_return_celsius"),
    ("node_cpu_seconds_total", {"cpu": "0"}, None),
]


@pytest.mark.parametrize(("metric", "labels", "column"), LABELS_TO_COLUMNS)
def test_labels_choose_the_column(metric: str, labels: dict[str, str], column: str | None) -> None:
    found = find_source(metric, {"__name__": metric, **labels})
    assert (found.column.name if found else None) == column


def test_a_latency_has_three_quantiles() -> None:
    assert list(LATENCY_QUANTILES) == ["0.5", "0.95", "0.99"]


GPU_LABELS = [
    ({"UUID": "GPU-a", "gpu": "7", "modelName": "RTX"}, GpuSubject("GPU-a", 7, "RTX")),
    ({"UUID": "GPU-a"}, GpuSubject("GPU-a", None, "")),
    ({"UUID": "GPU-a", "gpu": "x"}, GpuSubject("GPU-a", None, "")),
    ({"UUID": "GPU-a", "gpu": "-1"}, GpuSubject("GPU-a", None, "")),
    ({"UUID": "GPU-a", "gpu": "²"}, GpuSubject("GPU-a", None, "")),
    ({"UUID": "GPU-a", "gpu": "9999"}, GpuSubject("GPU-a", None, "")),
    ({"UUID": "G" * 64, "modelName": "m" * 200}, GpuSubject("G" * 64, None, "m" * 120)),
]


@pytest.mark.parametrize(("labels", "subject"), GPU_LABELS)
def test_a_gpu_is_its_uuid(labels: dict[str, str], subject: GpuSubject) -> None:
    assert admit_all(series("DCGM_FI_DEV_GPU_TEMP", [(AT, 50.0)], **labels)).batch.layout.gpus == (subject,)


@pytest.mark.parametrize("labels", [{}, {"UUID": "G" * 65}, {"gpu": "0", "Hostname": "n"}])
def test_a_gpu_metric_without_a_uuid_is_kept_as_it_is(labels: dict[str, str]) -> None:
    found = admit_all(series("DCGM_FI_DEV_GPU_UTIL", [(AT, 5000.0)], **labels)).batch
    assert found.kinds.tolist() == [OTHER]
    assert found.values.tolist() == [5000.0]
    assert found.layout.other_series == (OtherSubject("DCGM_FI_DEV_GPU_UTIL", labels),)


def test_a_body_names_each_subject_once() -> None:
    parts = [gpu(slot, metric, [(AT, 1.0)]) for metric in (PAIRS[0][1], PAIRS[3][1]) for slot in (0, 1)]
    parts += [series("xfra_circuit_power_watts", [(AT, 5.0)], circuit=name) for name in ("oven", "dryer", "oven")]
    parts += [series("up", [(AT, 1.0)], job=job) for job in ("a", "b")]
    found = admit_all(*parts).batch
    assert [g.slot for g in found.layout.gpus] == [0, 1]
    assert found.layout.circuits == ("oven", "dryer")
    assert [s.labels for s in found.layout.other_series] == [{"job": "a"}, {"job": "b"}]
    assert found.subjects.tolist() == [0, 1, 0, 1, 0, 1, 0, 0, 1]


WINDOW = [
    (AT + FUTURE_MS, {}),
    (AT + FUTURE_MS + 1, {"more than 10 minutes in the future": 1}),
    (OLDEST, {}),
    (OLDEST - 1, {"older than raw samples are kept": 1}),
    (0, {"older than raw samples are kept": 1}),
    (-(1 << 63), {"older than raw samples are kept": 1}),
    ((1 << 63) - 1, {"more than 10 minutes in the future": 1}),
]


@pytest.mark.parametrize(("at", "refused"), WINDOW)
@pytest.mark.parametrize("value", [50.0, 1e9, math.nan])
def test_the_window_of_time(at: int, refused: dict[str, int], value: float) -> None:
    expected = refused or ({"out of bounds": 1} if value == 1e9 else {})
    assert admit_all(gpu(0, "DCGM_FI_DEV_GPU_TEMP", [(at, value)])).refused == expected


def test_the_complaint_counts_exactly() -> None:
    parts = [
        gpu(0, "DCGM_FI_DEV_GPU_TEMP", [(AT, 50.0), (AT + 10, 999.0), (AT + FUTURE_MS + 1, 1.0), (0, 1.0), (1, 999.0)]),
        series("up", [(AT, 1.0), (AT + 1, 1.0)], **{"": "nameless"}),
        TimeSeries(labels=[Label(name="job", value="x")]),
        TimeSeries(labels=[Label(name="__name__", value="empty")]),
        TimeSeries(labels=[Label(name="__name__", value="exemplars_alone")], exemplars=[Exemplar(value=1)]),
    ]
    found = admit_all(*parts)
    assert len(found.batch) == 1
    assert found.complaint == (
        "8 of 9 refused: 2 label with an empty name, 1 more than 10 minutes in the future,"
        " 2 older than raw samples are kept, 1 out of bounds, 2 series with nothing in it"
    )


@settings(deadline=None)
@given(st.floats(0, 1))
def test_a_percentage_is_a_ratio_that_is_never_over_one(ratio: float) -> None:
    for percent in (ratio * 100, math.nextafter(100.0, 101.0), 100.0000000001):
        found = admit_all(gpu(0, "DCGM_FI_DEV_GPU_UTIL", [(AT, percent)]))
        assert not found.refused
        assert 0.0 <= found.batch.values[0] <= 1.0
    assert admit_all(gpu(0, "DCGM_FI_DEV_GPU_UTIL", [(AT, 100.1)])).refused


def test_utf8_names_are_legal() -> None:
    found = admit_all(series("température de l'eau", [(AT, 4.0)], größe="温度"))
    assert found.batch.layout.other_series == (OtherSubject("température de l'eau", {"größe": "温度"}),)


def test_the_budget_of_series() -> None:
    known = KnownSeries(budget=3)
    first = [series("m", [(AT, 1.0), (AT + 1, 2.0)], i=str(i)) for i in range(5)]
    found = admit_all(*first, known=known)
    assert (len(found.batch), found.refused) == (6, {"over the budget of 3 series per node": 4})
    assert (len(admit_all(*first[:3], known=known).batch), len(known)) == (6, 3)
    # What has been silent for an hour makes room; what is still sent does not.
    admit_all(first[0], known=known, now=NOW + IDLE_SECONDS - 1)
    later = admit_all(*first[3:], known=known, now=NOW + IDLE_SECONDS)
    assert (len(later.batch), later.refused.total(), len(known)) == (4, 0, 3)
    assert admit_all(first[1], known=known, now=NOW + IDLE_SECONDS).refused.total() == 2


NOT_KEPT: dict[str, Any] = {
    "too old": lambda n: series("m", [(OLDEST - 1, 1.0)], n=str(n)),
    "too new": lambda n: series("m", [(AT + FUTURE_MS + 1, 0.0)], n=str(n)),
    "out of bounds": lambda n: gpu(n, "DCGM_FI_DEV_GPU_TEMP", [(AT, 1e9)]),
    "no reading": lambda n: gpu(n, "DCGM_FI_DEV_GPU_TEMP", [(AT, math.nan)]),
    "an end outside the catalogue": lambda n: series("m", [(AT, STALE)], n=str(n)),
    "a blank outside the catalogue": lambda n: gpu(n, "DCGM_FI_DEV_ELSE", [(AT, BLANK["int64 blank"])]),
    "exemplars alone": lambda n: TimeSeries(labels=series("m", [], n=str(n)).labels, exemplars=[Exemplar(value=1.0)]),
}


@pytest.mark.parametrize("make", NOT_KEPT.values(), ids=NOT_KEPT)
@pytest.mark.parametrize("plainly", [False, True])
def test_a_series_of_which_no_sample_is_kept_uses_no_budget(make: Any, plainly: bool) -> None:
    """Read by comparison, where what is new is learned on the way, and plainly; alone, and before what is kept."""
    known = KnownSeries(budget=3)
    take = admit_all if plainly else lambda *parts, known: admit_message(1, message(*parts), known, NOW, OLDEST)
    kept = [series("kept", [(AT, 1.0)], n=str(n)) for n in range(3)]
    take(*(make(n) for n in range(5)), known=known)
    assert (len(known), known.label_bytes, len(known.layout)) == (0, 0, 0)
    found = take(*(make(n) for n in range(5)), *kept, known=known)
    assert (len(found.batch), len(known)) == (3, 3)


def test_labels_have_a_budget_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_series, "LABEL_BYTES_BUDGET", 1000)
    known = KnownSeries()
    parts = [series("m", [(AT, 1.0)], n="x" * 290 + str(n)) for n in range(5)]
    for _ in range(2):
        found = admit_message(1, message(*parts), known, NOW, OLDEST)
        assert (len(found.batch), found.refused) == (3, {"over the budget of 1000 bytes of labels per node": 2})


def test_malformed_series_use_no_budget() -> None:
    known = KnownSeries(budget=1)
    admit_all(series("", [(AT, 1.0)]), series("x", [(AT, 1.0)], **{"": "y"}), known=known)
    assert len(known) == 0
    assert not admit_all(series("up", [(AT, 1.0)]), known=known).refused


def test_a_node_with_everything_is_within_the_budget() -> None:
    per_gpu = sum(source.column.kind is Kind.GPU for source in SOURCES)
    assert per_gpu * 16 + len(SOURCES) < SERIES_BUDGET


def test_the_same_sample_twice_is_no_complaint() -> None:
    one = gpu(0, "DCGM_FI_DEV_GPU_TEMP", [(AT, 50.0), (AT, 50.0)])
    found = admitted(1, [one, one], NOW)
    assert (len(found.batch), found.refused.total()) == (4, 0)


def test_gauges_are_narrow_and_counters_wide_enough() -> None:
    """A float32 holds a gauge's bounds; a float64 counts every millijoule that a GPU can use in its life."""
    for columns in COLUMNS.values():
        for column in columns:
            if column.shape is not Shape.COUNTER:
                assert np.isfinite(np.float32(column.high))
