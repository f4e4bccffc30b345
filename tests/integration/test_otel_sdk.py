"""The OpenTelemetry SDK's own exporter pushes to the running stack, and every data point can be read back.

pytest tests/integration/test_otel_sdk.py --otel-seconds 60
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from tests.figures import Figures
from tests.integration.bench import Bench
from tests.integration.stored import assert_streams_are_clean, database, stream_is_empty
from tests.stack import wait_for

pytestmark = pytest.mark.stack

Point = tuple[str, str, int]
"""(metric, label `le` or nothing, milliseconds)"""


@dataclass
class Recorder:
    """What the SDK handed to its exporter, and how the exporter fared."""

    sent: dict[Point, float] = field(default_factory=dict)
    results: list[MetricExportResult] = field(default_factory=list)

    def note(self, data: MetricsData) -> None:
        metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics]
        for metric, point in ((m, p) for m in metrics for p in m.data.data_points):
            at = point.time_unix_nano // 1_000_000
            if metric.name == "job.seconds":
                bounds = [f"{bound:g}" for bound in point.explicit_bounds] + ["+Inf"]
                running = itertools.accumulate(point.bucket_counts)
                self.sent |= {("job_seconds_bucket", le, at): n for le, n in zip(bounds, running, strict=True)}
                self.sent |= {("job_seconds_sum", "", at): point.sum, ("job_seconds_count", "", at): point.count}
            else:
                self.sent[EXPECTED[metric.name], "", at] = point.value


EXPECTED = {"xfra.sound": "sound_decibels", "jobs.done": "jobs_done_total"}
"""The gauge is one that the portal has a column for."""


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def exporter(bench: Bench, recorder: Recorder) -> Iterator[OTLPMetricExporter]:
    bench.start_over()
    token = bench.tokens[min(bench.tokens)]

    class Recording(OTLPMetricExporter):
        def export(self, metrics_data: MetricsData, *args: Any, **kwargs: Any) -> MetricExportResult:
            recorder.note(metrics_data)
            result = super().export(metrics_data, *args, **kwargs)
            recorder.results.append(result)
            return result

    headers = {"authorization": f"Bearer {token}"}
    yield Recording(f"{bench.stack.url}/v1/metrics", headers=headers, compression=Compression.Gzip, timeout=10)


def test_every_data_point_of_the_sdk_is_stored(
    bench: Bench, exporter: OTLPMetricExporter, recorder: Recorder, figures: Figures, pytestconfig: pytest.Config
) -> None:
    seconds = float(pytestconfig.getoption("--otel-seconds"))
    levels = itertools.count(40)

    def sound(_: CallbackOptions) -> Iterator[Observation]:
        yield Observation(next(levels) / 4)

    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=250)
    provider = MeterProvider([reader], Resource({"service.name": "jobs", "service.instance.id": "node-1"}))
    meter = provider.get_meter("tests")
    meter.create_observable_gauge("xfra.sound", [sound], unit="decibels")
    done, took = meter.create_counter("jobs.done"), meter.create_histogram("job.seconds", unit="s")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done.add(3)
        took.record(0.125 * (1 + len(recorder.results) % 50))
        time.sleep(0.02)
    provider.shutdown()
    assert recorder.results
    assert set(recorder.results) == {MetricExportResult.SUCCESS}
    wait_for(lambda: stream_is_empty(bench.stack), 30, "everything to be stored")
    assert_streams_are_clean(bench.stack)
    assert _stored(bench, min(bench.tokens)) == recorder.sent
    line = f"{len(recorder.results)} exports, {len(recorder.sent)} samples equal"
    figures.note("OpenTelemetry SDK", line)


def _stored(bench: Bench, hostname: str) -> dict[Point, float]:
    with database(bench.stack) as connection:
        rows = connection.execute(
            "SELECT 'sound_decibels', '', (extract(epoch FROM s.at) * 1000)::bigint, s.sound_decibels::float8"
            " FROM telemetry_node_sample s JOIN homes_node n ON n.id = s.node_id WHERE n.hostname = %s"
            " UNION ALL"
            " SELECT o.name, coalesce(o.labels->>'le', ''), (extract(epoch FROM s.at) * 1000)::bigint, s.value"
            " FROM telemetry_other_sample s JOIN telemetry_otherseries o ON o.id = s.series_id"
            " JOIN homes_node n ON n.id = s.node_id WHERE n.hostname = %s",
            [hostname, hostname],
        ).fetchall()
    return {(name, le, at_ms): value for name, le, at_ms, value in rows}
