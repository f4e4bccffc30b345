"""OTLP metrics at the door: what becomes of each kind, in both encodings, and what is said of the rest."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
import time
from typing import Any

import httpx
import pytest
import redis
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as m

from telemetry import decoding, ingest, otlp
from telemetry.catalogue import Kind
from telemetry.door import RemoteWriteDoor
from telemetry.otlp_door import JSON, PROTOBUF, OtlpDoor
from telemetry.remote_write import STALE, BadBody, parse_labels
from telemetry.stream import Keys, shard_of
from tests.telemetry import stored
from tests.telemetry.conftest import MakeNode
from tests.telemetry.messages import bits

NOW = int(time.time() * 1000)
NANO = NOW * 1_000_000
CUMULATIVE, DELTA = 2, 1


def pairs(**attributes: Any) -> list[KeyValue]:
    kinds = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}
    return [KeyValue(key=key, value=AnyValue(**{kinds[type(v)]: v})) for key, v in attributes.items()]


def number(value: float, **attributes: Any) -> m.NumberDataPoint:
    return m.NumberDataPoint(time_unix_nano=NANO, as_double=value, attributes=pairs(**attributes))


def request(*metrics: m.Metric, **resource: Any) -> ExportMetricsServiceRequest:
    found = ExportMetricsServiceRequest()
    one = found.resource_metrics.add()
    one.resource.attributes.extend(pairs(**{key.replace("__", "."): value for key, value in resource.items()}))
    one.scope_metrics.add().metrics.extend(metrics)
    return found


def gauge(name: str, *points: m.NumberDataPoint, unit: str = "") -> m.Metric:
    return m.Metric(name=name, unit=unit, gauge=m.Gauge(data_points=points))


def total(name: str, *points: m.NumberDataPoint, unit: str = "", monotonic: bool = True, how: int = 2) -> m.Metric:
    data = m.Sum(data_points=points, is_monotonic=monotonic, aggregation_temporality=how)  # type: ignore[arg-type]
    return m.Metric(name=name, unit=unit, sum=data)


def said(found: ExportMetricsServiceRequest) -> dict[tuple[tuple[str, str], ...], float]:
    out = {}
    for series in otlp.translate(found).series:
        ((at, value),) = series.samples
        assert at == NOW
        out[tuple(sorted(parse_labels(series.label_bytes).items()))] = value
    return out


NAMED = [
    (gauge("system.cpu.utilization", number(0.5), unit="1"), "system_cpu_utilization_ratio"),
    (gauge("temp", number(1.0), unit="Cel"), "temp_celsius"),
    (gauge("xfra_sound_decibels", number(1.0), unit="{dB}"), "xfra_sound_decibels"),
    (gauge("net.io", number(1.0), unit="By/s"), "net_io_bytes_per_second"),
    (gauge("wait.seconds", number(1.0), unit="s"), "wait_seconds"),
    (gauge("2nd", number(1.0)), "_2nd"),
    (total("requests", number(1.0), unit="1"), "requests_total"),
    (total("energy", number(1.0), unit="J"), "energy_joules_total"),
    (total("energy_joules_total", number(1.0), unit="J"), "energy_joules_total"),
    (total("queue", number(1.0), monotonic=False), "queue"),
]


@pytest.mark.parametrize(("metric", "name"), NAMED, ids=[name for _, name in NAMED])
def test_names_as_prometheus_gives_them(metric: m.Metric, name: str) -> None:
    (labels,) = said(request(metric))
    assert labels == (("__name__", name),)


def test_who_sends_becomes_job_and_instance() -> None:
    metric = gauge("up", number(1.0, **{"http.route": "/x", "ok": True, "code": 200}))
    (labels,) = said(
        request(metric, service__name="api", service__namespace="shop", service__instance__id="i-1", os="x")
    )
    assert dict(labels) == {
        "__name__": "up", "job": "shop/api", "instance": "i-1", "http_route": "/x", "ok": "true", "code": "200",
    }  # fmt: skip


def test_a_histogram_is_cumulative_buckets_a_sum_and_a_count() -> None:
    point = m.HistogramDataPoint(
        time_unix_nano=NANO, count=6, sum=7.5, bucket_counts=[1, 2, 3], explicit_bounds=[0.5, 10]
    )
    metric = m.Metric(
        name="d", unit="s", histogram=m.Histogram(data_points=[point], aggregation_temporality=CUMULATIVE)
    )  # type: ignore[arg-type]
    assert {(dict(k)["__name__"], dict(k).get("le")): v for k, v in said(request(metric)).items()} == {
        ("d_seconds_bucket", "0.5"): 1.0,
        ("d_seconds_bucket", "10"): 3.0,
        ("d_seconds_bucket", "+Inf"): 6.0,
        ("d_seconds_sum", None): 7.5,
        ("d_seconds_count", None): 6.0,
    }


def test_a_summary_is_quantiles_a_sum_and_a_count() -> None:
    quantile = m.SummaryDataPoint.ValueAtQuantile(quantile=0.99, value=3.0)
    point = m.SummaryDataPoint(time_unix_nano=NANO, count=2, sum=4.0, quantile_values=[quantile])
    metric = m.Metric(name="d", summary=m.Summary(data_points=[point]))
    assert sorted(said(request(metric)).values()) == [2.0, 3.0, 4.0]


def test_whole_numbers_and_what_ended() -> None:
    whole = m.NumberDataPoint(time_unix_nano=NANO, as_int=7)
    ended = m.NumberDataPoint(time_unix_nano=NANO, flags=1, attributes=pairs(a="b"))
    values = list(said(request(gauge("x", whole, ended))).values())
    assert values[0] == 7.0
    assert (math.isnan(values[1]), bits(values[1])) == (True, bits(STALE))


def test_what_is_not_kept_is_counted_by_reason() -> None:
    exponential = m.ExponentialHistogram(data_points=[m.ExponentialHistogramDataPoint()] * 3)
    found = otlp.translate(
        request(
            total("d", number(1.0), number(2.0), how=DELTA),
            m.Metric(name="e", exponential_histogram=exponential),
            m.Metric(name="nothing"),
            gauge("g", number(1.0)),
        )
    )
    assert len(found.series) == 1
    assert found.rejected == {"only cumulative temporality is kept": 2, "exponential histograms are not kept": 3}


@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_are_a_request_or_refused(body: bytes, is_json: bool) -> None:
    try:
        otlp.translate(otlp.parse(body, is_json))
    except BadBody:
        return


# At the door


def post(token: str, content: bytes, media: bytes = PROTOBUF, method: str = "POST", **headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(OtlpDoor(RemoteWriteDoor()))
        async with httpx.AsyncClient(transport=transport, base_url="http://portal") as client:
            sent = {"content-type": media.decode(), "authorization": f"Bearer {token}", **headers}
            return await client.request(method, "/v1/metrics", content=content, headers=sent)

    return asyncio.run(ask())


SOUND = request(gauge("xfra_sound_decibels", number(40.0)))
LATE = m.NumberDataPoint(time_unix_nano=NANO + 3_600_000_000_000, as_double=1.0)


@pytest.mark.usefixtures("ingest_redis", "system")
class TestAtTheDoor:
    @pytest.mark.parametrize("media", [PROTOBUF, JSON])
    @pytest.mark.parametrize("zipped", [False, True])
    def test_stored_once_however_often(
        self, make_node: MakeNode, monkeypatch: pytest.MonkeyPatch, media: bytes, zipped: bool
    ) -> None:
        node, token = make_node()
        body = json.dumps(MessageToDict(SOUND)).encode() if media == JSON else SOUND.SerializeToString()
        headers = {"content-encoding": "gzip"} if zipped else {}
        for _ in range(2):
            found = post(token, gzip.compress(body) if zipped else body, media, **headers)
            assert (found.status_code, found.headers["content-type"]) == (200, media.decode())
            assert found.content == (b"{}" if media == JSON else b"")
        monkeypatch.setattr(ingest, "LINGER_MS", 1)
        ingest.drain_shard(shard_of(node.pk))
        assert stored.column(Kind.NODE, node.pk, "sound_decibels") == {NOW: 40.0}
        assert stored.rows(Kind.NODE, node.pk) == 1

    def test_partial_success_says_how_many_and_why(self, make_node: MakeNode, ingest_redis: redis.Redis) -> None:
        node, token = make_node()
        mixed = request(gauge("xfra_sound_decibels", number(40.0), LATE), total("d", number(1.0), how=DELTA))
        found = post(token, mixed.SerializeToString())
        told = ExportMetricsServiceResponse.FromString(found.content).partial_success
        assert (found.status_code, told.rejected_data_points) == (200, 2)
        assert "future" in told.error_message
        assert "cumulative" in told.error_message
        as_json = post(token, json.dumps(MessageToDict(mixed)).encode(), JSON).json()
        assert as_json["partialSuccess"]["rejectedDataPoints"] == "2"
        assert int(ingest_redis.xlen(Keys(shard_of(node.pk)).stream)) == 2

    @pytest.mark.parametrize(
        ("content", "headers", "status"),
        [
            (b"\xff\xff", {}, 400),
            (b"\x1f\x8bnonsense", {"content-encoding": "gzip"}, 400),
            (gzip.compress(b"x" * 500, mtime=0)[:-9], {"content-encoding": "gzip"}, 400),
            (b"", {"content-encoding": "zstd"}, 415),
            (b"", {"content-type": "text/plain"}, 415),
            (b"", {"content-length": str(5 << 20)}, 413),
        ],
    )
    def test_nonsense_has_a_status_and_a_reason(
        self, make_node: MakeNode, content: bytes, headers: dict[str, str], status: int
    ) -> None:
        found = post(make_node()[1], content, **headers)
        assert found.status_code == status
        assert len(found.content) > 4

    def test_a_bomb(self, make_node: MakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(decoding, "MAX_OTLP_BYTES", 1000)
        found = post(make_node()[1], gzip.compress(bytes(30_000)), JSON, **{"content-encoding": "gzip"})
        assert (found.status_code, found.json()["code"]) == (413, 8)

    @pytest.mark.parametrize("token", ["", "xfn_1_wrong", "nonsense"])
    def test_the_outsider(self, make_node: MakeNode, token: str) -> None:
        make_node()
        found = post(token, SOUND.SerializeToString(), JSON)
        assert (found.status_code, found.json()["code"]) == (401, 16)

    def test_another_method(self, make_node: MakeNode) -> None:
        assert post(make_node()[1], b"", method="GET").status_code == 405
