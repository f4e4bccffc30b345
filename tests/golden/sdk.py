"""A program that measures with the OpenTelemetry SDK and exports with the SDK's own exporter."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from tests.golden.recording import Labels, Samples

PACKAGE: Final = "opentelemetry-exporter-otlp-proto-http"
_RESOURCE: Final = {"service.name": "jobs", "service.namespace": "golden", "service.instance.id": "node-1"}
_TARGET: Final = (("instance", "node-1"), ("job", "golden/jobs"))
# As the OpenTelemetry specification has Prometheus call them, written out by hand.
_NAMES: Final = {
    "xfra.sound": "xfra_sound_decibels",
    "jobs.done": "jobs_done_total",
    "jobs.waiting": "jobs_waiting",
    "job.seconds": "job_seconds",
}


def push(url: str, *, exports: int, is_zipped: bool) -> list[Samples]:
    """Export so often; what was told to the SDK's exporter each time."""
    told: list[Samples] = []

    class Telling(OTLPMetricExporter):
        def export(self, metrics_data: MetricsData, *args: Any, **kwargs: Any) -> MetricExportResult:
            told.append(_samples(metrics_data))
            return super().export(metrics_data, *args, **kwargs)

    compression = Compression.Gzip if is_zipped else Compression.NoCompression
    exporter = Telling(url, headers={"authorization": "Bearer not-a-token"}, compression=compression, timeout=10)
    levels = itertools.count(160)

    def sound(_: CallbackOptions) -> Iterator[Observation]:
        yield Observation(next(levels) / 4)

    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=float("inf"))
    provider = MeterProvider([reader], Resource(_RESOURCE), shutdown_on_exit=False)
    meter = provider.get_meter("golden")
    meter.create_observable_gauge("xfra.sound", [sound], unit="decibels")
    done, took = meter.create_counter("jobs.done"), meter.create_histogram("job.seconds", unit="s")
    waiting = meter.create_up_down_counter("jobs.waiting")
    for number in range(1, exports + 1):
        done.add(3, {"class": "inference", "outcome": "ok"})
        done.add(1, {"class": "inference", "outcome": "späť"})
        waiting.add(-1 if number % 2 else 4)
        took.record(0.125 * number)
        took.record(75.0)
        reader.collect()
    return told


def _samples(data: MetricsData) -> Samples:
    """What the data means to Prometheus: a histogram is cumulative buckets, a sum and a count."""
    found: Samples = {}
    metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics]
    for metric, point in ((m, p) for m in metrics for p in m.data.data_points):
        name, at_ms = _NAMES[metric.name], point.time_unix_nano // 1_000_000
        labels: Labels = tuple(sorted([*_TARGET, *(point.attributes or {}).items()]))
        if metric.name != "job.seconds":
            found[name, labels, at_ms] = float(point.value)
            continue
        bounds = [f"{bound:g}" for bound in point.explicit_bounds] + ["+Inf"]
        for le, count in zip(bounds, itertools.accumulate(point.bucket_counts), strict=True):
            found[f"{name}_bucket", tuple(sorted([*labels, ("le", le)])), at_ms] = float(count)
        found[f"{name}_sum", labels, at_ms] = float(point.sum)
        found[f"{name}_count", labels, at_ms] = float(point.count)
    return found
