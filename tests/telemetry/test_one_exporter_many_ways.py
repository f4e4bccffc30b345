"""Both generations of dcgm-exporter by every sender that people use: the same columns, with the same values."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from typing import Any, Final

import cramjam
import httpx
import pytest
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.metrics.v1 import metrics_pb2 as m

from homes.models import Gpu
from telemetry.catalogue import SOURCES, Column, Kind, Shape, Source
from telemetry.door import RemoteWriteDoor
from telemetry.otlp_door import OtlpDoor
from tests.telemetry import stored
from tests.telemetry.agents import NOW, store
from tests.telemetry.conftest import MakeNode
from tests.telemetry.messages import message, pack, series
from tests.telemetry.messages_v2 import Book
from tests.telemetry.test_otlp import gauge, number, request, total
from tests.telemetry.test_spellings import behind_a_collector, unit, with_its_unit

pytestmark = pytest.mark.usefixtures("ingest_redis", "system")

GPUS: Final = 2
Generation = dict[Column, Source]
LEGACY: Final[Generation] = {s.column: s for s in reversed(SOURCES) if s.column.kind is Kind.GPU}
BASE_UNITS: Final[Generation] = {s.column: s for s in SOURCES if s.column.kind is Kind.GPU}
Sample = tuple[Source, dict[str, str], float]
Sent = tuple[str, bytes, dict[str, str]]
"""(path, body, headers)"""


def measured(column: Column, slot: int) -> float:
    """In base units; no two columns are alike."""
    return (column.high if column.high <= 1 else min(column.high, 1e9)) * (column.code + 1) / 64 / (slot + 1)


def scrape(owner: str, generation: Generation) -> list[Sample]:
    return [
        (
            source,
            {"UUID": f"GPU-{owner}-{slot}", "gpu": str(slot), "device": f"nvidia{slot}", "modelName": "Test"},
            measured(column, slot) / source.scale,
        )
        for slot in range(GPUS)
        for column, source in generation.items()
    ]


def of_prometheus(samples: list[Sample], name: Callable[[Source], str] = lambda source: source.metric) -> bytes:
    target = {"instance": "127.0.0.1:9400", "job": "dcgm"}
    return message(*(series(name(source), [(NOW, value)], **labels, **target) for source, labels, value in samples))


def prometheus(samples: list[Sample]) -> Sent:
    return "/api/v1/write", pack(of_prometheus(samples)), {"content-encoding": "snappy"}


def prometheus_2(samples: list[Sample]) -> Sent:
    book = Book()
    for source, labels, value in samples:
        book.add([("__name__", source.metric), *labels.items()], [(NOW, value)])
    v2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
    return "/api/v1/write", pack(book.message()), {"content-encoding": "snappy", "content-type": v2}


def vmagent(samples: list[Sample]) -> Sent:
    headers = {"content-encoding": "zstd", "x-victoriametrics-remote-write-version": "1"}
    return "/api/v1/write", bytes(cramjam.zstd.compress(of_prometheus(samples))), headers


def collector(samples: list[Sample]) -> Sent:
    return "/api/v1/write", pack(of_prometheus(samples, behind_a_collector)), {"content-encoding": "snappy"}


def collector_that_was_told_units(samples: list[Sample]) -> Sent:
    return "/api/v1/write", pack(of_prometheus(samples, with_its_unit)), {"content-encoding": "snappy"}


def of_otlp(samples: list[Sample], told: bool = False) -> Any:
    metrics: list[m.Metric] = []
    for source, labels, value in samples:
        point = number(value, **labels)
        point.time_unix_nano = NOW * 1_000_000
        make = total if source.column.shape is Shape.COUNTER else gauge
        metrics.append(make(source.metric, point, unit=unit(source) if told else ""))
    return request(*metrics, service__name="dcgm", service__instance__id="127.0.0.1:9400")


def otlp(samples: list[Sample]) -> Sent:
    return "/v1/metrics", of_otlp(samples).SerializeToString(), {}


def otlp_with_units_in_gzip(samples: list[Sample]) -> Sent:
    return "/v1/metrics", gzip.compress(of_otlp(samples, True).SerializeToString()), {"content-encoding": "gzip"}


def otlp_in_json(samples: list[Sample]) -> Sent:
    return "/v1/metrics", MessageToJson(of_otlp(samples)).encode(), {"content-type": "application/json"}


SENDERS: Final = [
    prometheus,
    prometheus_2,
    vmagent,
    collector,
    collector_that_was_told_units,
    otlp,
    otlp_with_units_in_gzip,
    otlp_in_json,
]


def post(token: str, sent: Sent) -> httpx.Response:
    path, content, more = sent
    headers = {"content-type": "application/x-protobuf", "authorization": f"Bearer {token}", **more}

    async def knock() -> httpx.Response:
        door = RemoteWriteDoor()
        application: Any = OtlpDoor(door) if path == "/v1/metrics" else door
        async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://portal") as client:
            return await client.post(path, content=content, headers=headers)

    return asyncio.run(knock())


@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize("generation", [LEGACY, BASE_UNITS], ids=["before 4.9", "since 4.9"])
def test_it_fills_the_same_columns_with_the_same_values(
    generation: Generation,
    sender: Callable[[list[Sample]], Sent],
    make_node: MakeNode,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node, token = make_node()
    found = post(token, sender(scrape(f"{node.pk}", generation)))
    assert found.status_code in (200, 204) and found.content in (b"", b"{}"), found.text
    store(node.pk, monkeypatch)
    slots = dict(Gpu.objects.filter(node=node).values_list("pk", "slot"))
    cells = {(slots[gpu], column): value for (gpu, _, column), value in stored.cells(Kind.GPU, node.pk).items()}
    assert cells == {
        (slot, column.name): pytest.approx(measured(column, slot), rel=1e-6)
        for slot in range(GPUS)
        for column in generation
    }
    assert not stored.others(node.pk)
