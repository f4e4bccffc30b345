"""One exporter's metrics under all the names that they come by: every one reaches its column, with the same value."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final

import pytest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as m

from telemetry import otlp
from telemetry.admission import Admitted, admit
from telemetry.catalogue import SOURCES, Kind, Shape, Source, find_source
from telemetry.gathering import gather
from telemetry.known_series import KnownSeries
from telemetry.remote_write import RawSeries, walk
from telemetry.units import SPELLED
from tests.telemetry.messages import message, series
from tests.telemetry.test_otlp import gauge, number, request, total

NOW = 1_780_000_000.0
AT = int(NOW * 1000)

TOLD_UNITS: Final = {
    # What a sender may call the unit of a column (UCUM), by what the catalogue multiplies its values with.
    ("hertz", 1): "Hz", ("hertz", 1e6): "MHz", ("celsius", 1): "Cel", ("watts", 1): "W", ("joules", 1): "J",
    ("joules", 1e-3): "mJ", ("ratio", 1): "1", ("ratio", 1e-2): "%", ("bytes", 1): "By", ("bytes", 1 << 20): "MiBy",
    ("seconds", 1): "s", ("seconds", 1e-9): "ns", ("amperes", 1): "A", ("degrees", 1): "deg", ("decibels", 1): "dB",
    ("bits_per_second", 1): "bit/s", ("liters_per_second", 1): "L/s", ("", 1): "",
}  # fmt: skip
QUANTITIES: Final = sorted({quantity for quantity, _ in TOLD_UNITS}, key=len, reverse=True)


def unit(source: Source) -> str:
    quantity = next(name for name in QUANTITIES if not name or source.column.name.endswith(f"_{name}"))
    return TOLD_UNITS[quantity, source.scale]


def suffix(source: Source) -> str:
    """How a translator of OpenTelemetry spells the unit behind a name."""
    if unit(source) == "1":
        return "" if source.column.shape is Shape.COUNTER else "_ratio"
    main, _, per = unit(source).partition("/")
    spelled = SPELLED.get(main, main)
    return (f"_{spelled}" if spelled else "") + (f"_per_{'second' if per == 's' else per}" if per else "")


def labels(source: Source) -> dict[str, str]:
    found = {**dict(source.labels), "instance": "10.0.0.7:9400", "job": "gpus"}
    if source.column.kind is Kind.GPU:
        found |= {"UUID": "GPU-1", "gpu": "3", "modelName": "Test", "hostname": "n"}
    return found | ({"circuit": "oven"} if source.column.kind is Kind.CIRCUIT else {})


def is_counter(source: Source) -> bool:
    return source.column.shape is Shape.COUNTER


def as_scraped(source: Source) -> str:
    return source.metric


def behind_a_collector(source: Source) -> str:
    """Remote-write of a collector: a counter is called a total, whatever it is called already."""
    return re.sub("_total$", "", source.metric) + "_total" if is_counter(source) else source.metric


def with_total_twice(source: Source) -> str:
    return source.metric + ("_total" if is_counter(source) else "")


def with_its_unit(source: Source) -> str:
    name = re.sub("_total$", "", source.metric) if is_counter(source) else source.metric
    return name + ("" if name.endswith(suffix(source)) else suffix(source)) + ("_total" if is_counter(source) else "")


def with_its_unit_alone(source: Source) -> str:
    return source.metric + suffix(source)


def without_suffixes(source: Source) -> str:
    """A collector that is told to append nothing takes the total of a counter away."""
    return re.sub("(?i)_total$", "", source.metric) if is_counter(source) else source.metric


def with_dots(source: Source) -> str:
    return source.metric.replace("_", ".")


NAMES: Final = [
    as_scraped,
    behind_a_collector,
    with_total_twice,
    with_its_unit,
    with_its_unit_alone,
    without_suffixes,
    with_dots,
]


def value(source: Source) -> float:
    """One that fits every column."""
    return (source.column.low + min(source.column.high, 40.0)) / 2 / source.scale


def came_in(parts: Any) -> Admitted:
    found = admit(1, gather(parts), KnownSeries(), NOW, AT - 1000)
    assert not found.refused, found.complaint
    return found


def outside_their_columns(found: dict[Source, Admitted]) -> list[str]:
    """The metrics that came in as something else than they are."""
    return [
        source.metric
        for source, admitted in found.items()
        if (admitted.batch.kinds.tolist(), admitted.batch.codes.tolist())
        != ([source.column.kind], [source.column.code])
        or admitted.batch.values.tolist() != [pytest.approx(value(source) * source.scale, rel=1e-12)]
    ]


@pytest.mark.parametrize("name", NAMES)
def test_each_name_of_a_metric_reaches_its_column(name: Callable[[Source], str]) -> None:
    sent = {s: walk(message(series(name(s), [(AT, value(s))], **labels(s)))) for s in SOURCES}
    assert outside_their_columns({source: came_in(parts) for source, parts in sent.items()}) == []


def of_otlp(source: Source, told_unit: str) -> list[RawSeries]:
    attributes = {key: text for key, text in labels(source).items() if key not in ("job", "instance")}
    point = number(value(source), **attributes)
    point.time_unix_nano = AT * 1_000_000
    metric: m.Metric = (total if is_counter(source) else gauge)(source.metric, point, unit=told_unit)
    return otlp.translate(request(metric, service__name="gpus", service__instance__id="10.0.0.7:9400")).series


@pytest.mark.parametrize("told", [True, False], ids=["with its unit", "without"])
def test_by_otlp_it_reaches_the_same_column(told: bool) -> None:
    sent = {source: of_otlp(source, unit(source) if told else "") for source in SOURCES}
    assert outside_their_columns({source: came_in(parts) for source, parts in sent.items()}) == []


ANOTHER_UNIT: Final = [
    ("xfra_panel_energy_kWh_total", {"register": "node"}, "node_energy_joules", 3.6e6),
    ("xfra_panel_power_kilowatts", {"channel": "site"}, "site_power_watts", 1e3),
    ("DCGM_FI_DEV_FB_USED_bytes", {}, "memory_used_bytes", 1.0),
    ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION_joules_total", {}, "energy_joules", 1.0),
    ("DCGM_FI_DEV_POWER_USAGE_milliwatts", {}, "power_watts", 1e-3),
    ("xfra_internet_download_bytes_per_second", {"traffic": "home"}, "internet_home_download_bits_per_second", 8.0),
]


@pytest.mark.parametrize(("metric", "labels", "column", "scale"), ANOTHER_UNIT)
def test_a_unit_that_a_name_tells_is_the_one_of_its_values(
    metric: str, labels: dict[str, str], column: str, scale: float
) -> None:
    found = find_source(metric, labels)
    assert found and (found.column.name, found.scale) == (column, scale)


@pytest.mark.parametrize(
    "metric",
    [
        "DCGM_FI_DEV_XID_ERRORS_total",  # the last one's number is no count
        "DCGM_FI_DEV_GPU_TEMP_total",
        "DCGM_FI_DEV_GPU_TEMP_watts",
        "DCGM_FI_DEV_FB_USED_percent",
        "DCGM_FI_DEV_FB_USED_PERCENT",
        "DCGM_FI_DEV_POWER_USAGE_INSTANT",
        "xfra_grid_up_seconds",
        "xfra_panel_power",
        "_total",
        "total",
        "",
    ],
)
def test_what_only_looks_like_it_is_something_else(metric: str) -> None:
    assert find_source(metric, {"channel": "site"}) is None


def test_no_two_metrics_are_one_without_their_endings() -> None:
    stems = [re.sub("(?i)_total$", "", metric) for metric in {source.metric for source in SOURCES}]
    assert len(set(stems)) == len(stems)
    assert all(math.isfinite(source.scale) and source.scale > 0 for source in SOURCES)
