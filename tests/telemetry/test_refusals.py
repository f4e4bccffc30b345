"""What the door refuses is counted by node and reason, and told to operators."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
import redis
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2

from homes.models import Node, NodeCredential
from telemetry import alarms, refusals, room
from telemetry.attention import Severity
from telemetry.door import RemoteWriteDoor
from telemetry.otlp_door import OtlpDoor
from telemetry.refusals import Reason
from tests.cast import Cast, needs_database
from tests.telemetry.agents import NOW, SOUND, Agent, one
from tests.telemetry.conftest import MakeNode
from tests.telemetry.messages import Exemplar, Histogram, body, pack, series
from tests.telemetry.messages_v2 import Book
from tests.telemetry.messages_v2 import Exemplar as ExemplarOf2
from tests.telemetry.messages_v2 import Histogram as HistogramOf2

HOUR = 3_600_000
BIG = {"content-length": str(1 << 30)}
OTHER = {"content-type": "text/plain"}
Counts = dict[str, tuple[int, int]]


def send(token: str, *posts: tuple[bytes, dict[str, str]], door: RemoteWriteDoor | None = None) -> list[int]:
    """Bodies one after the other to one door, which then has a moment to tell Redis."""

    async def story() -> list[int]:
        agent = Agent(door or RemoteWriteDoor(), token)
        statuses = [(await agent.post(content, **headers)).status_code for content, headers in posts]
        await asyncio.sleep(0.2)
        return statuses

    return asyncio.run(story())


def counted(node: Node) -> Counts:
    return {found.reason.value: (found.bodies, found.samples) for found in refusals.refused([node.pk])[node.pk]}


def with_histogram() -> Any:
    found = series("http_seconds", [])
    found.histograms.append(Histogram(timestamp=NOW))
    return found


def with_exemplar() -> Any:
    found = series("http_total", [(NOW, 1.0)])
    found.exemplars.append(Exemplar(timestamp=NOW, value=1.0))
    return found


def body_of_2(**parts: Any) -> bytes:
    book = Book()
    book.add([("__name__", "http_total")], **parts)
    return pack(book.message())


OF_2 = {"content-type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}
CASES: dict[str, tuple[bytes, dict[str, str], int, Counts]] = {
    "future": (body(series(SOUND, [(NOW, 1.0), (NOW + HOUR, 1.0), (NOW + HOUR, 2.0)])), {}, 400, {"future": (1, 2)}),
    "past": (one(at=NOW - 100 * HOUR), {}, 400, {"past": (1, 1)}),
    "bounds": (one(900.0), {}, 400, {"bounds": (1, 1)}),
    "two at once": (body(series(SOUND, [(0, 1.0), (NOW, 900.0)])), {}, 400, {"past": (1, 1), "bounds": (1, 1)}),
    "labels": (body(series("", [(NOW, 1.0)], job="x")), {}, 400, {"malformed": (1, 1)}),
    "garbage": (b"garbage", {}, 400, {"malformed": (1, 0)}),
    "size": (b"", BIG, 413, {"too_large": (1, 0)}),
    "lie": (b"\xff\xff\xff\x7f" + one(), {}, 413, {"too_large": (1, 0)}),
    "format": (one(), OTHER, 415, {"format": (1, 0)}),
    "native histogram": (body(with_histogram()), {}, 204, {"not_kept": (1, 1)}),
    "exemplar": (body(with_exemplar()), {}, 204, {"not_kept": (1, 1)}),
    "2.0 native histogram": (body_of_2(histograms=[HistogramOf2()]), OF_2, 400, {"not_kept": (1, 1)}),
    "2.0 exemplars": (body_of_2(samples=[(NOW, 1.0)], exemplars=[ExemplarOf2()] * 2), OF_2, 400, {"not_kept": (1, 2)}),
    "nothing wrong": (one(), {}, 204, {}),
}


@pytest.mark.usefixtures("ingest_redis", "system")
@pytest.mark.parametrize(("content", "headers", "status", "expected"), CASES.values(), ids=CASES)
def test_each_refusal_is_counted_under_its_reason(
    make_node: MakeNode, content: bytes, headers: dict[str, str], status: int, expected: Counts
) -> None:
    node, token = make_node()
    assert send(token, (content, headers)) == [status]
    assert counted(node) == expected


@pytest.mark.usefixtures("ingest_redis", "system")
def test_more_series_than_the_budget_are_counted(make_node: MakeNode) -> None:
    node, token = make_node()
    content = body(*(series("many", [(NOW, 1.0)], n=str(n)) for n in range(3007)))
    assert send(token, (content, {})) == [400]
    assert counted(node) == {"budget": (1, 7)}


@pytest.mark.usefixtures("ingest_redis", "system")
def test_a_revoked_token_that_is_still_used_is_its_nodes(make_node: MakeNode) -> None:
    node, token = make_node()
    NodeCredential.objects.get(node=node).revoke()
    assert send(token, (one(), {}), (one(), {})) == [401, 401]
    assert counted(node) == {"token": (2, 0)}


@pytest.mark.usefixtures("ingest_redis", "system")
def test_a_guess_at_a_revoked_token_is_nobodys(make_node: MakeNode) -> None:
    node, token = make_node()
    NodeCredential.objects.get(node=node).revoke()
    assert send(token[:-1] + ("a" if token[-1] != "a" else "b"), (one(), {})) == [401]
    assert counted(node) == {}


def with_otlp_exemplars() -> bytes:
    point = metrics_pb2.NumberDataPoint(
        time_unix_nano=NOW * 1_000_000, as_double=1.0, exemplars=[metrics_pb2.Exemplar(as_double=1.0)] * 2
    )
    found = ExportMetricsServiceRequest()
    metrics = found.resource_metrics.add().scope_metrics.add().metrics
    metrics.append(metrics_pb2.Metric(name="load", gauge=metrics_pb2.Gauge(data_points=[point])))
    return found.SerializeToString()


OTLP_CASES: dict[str, tuple[bytes, int, Counts]] = {
    "garbage": (b"garbage", 400, {"malformed": (1, 0)}),
    "exemplars": (with_otlp_exemplars(), 200, {"not_kept": (1, 2)}),
}


@pytest.mark.usefixtures("ingest_redis", "system")
@pytest.mark.parametrize(("content", "status", "expected"), OTLP_CASES.values(), ids=OTLP_CASES)
def test_the_other_door_counts_alike(make_node: MakeNode, content: bytes, status: int, expected: Counts) -> None:
    node, token = make_node()

    async def story() -> int:
        door = RemoteWriteDoor()
        found = await Agent(OtlpDoor(door), token).post(content, **{"content-encoding": "identity"})
        await asyncio.sleep(0.2)
        return found.status_code

    assert asyncio.run(story()) == status
    assert counted(node) == expected


@pytest.mark.usefixtures("ingest_redis", "system")
def test_counts_add_up_over_doors_and_are_told_once_a_second(
    make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, token = make_node()
    told = []
    add = refusals._add
    monkeypatch.setattr(refusals, "PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(refusals, "_add", lambda pipe, counts, now: (told.append(dict(counts)), add(pipe, counts, now)))
    for _ in range(2):
        send(token, *[(one(900.0), {})] * 20)
    assert counted(node) == {"bounds": (40, 40)}
    assert len(told) < 20, "not once for each body"
    (found,) = refusals.refused([node.pk])[node.pk]
    assert found.since < found.at


@pytest.mark.usefixtures("system")
def test_without_redis_the_sender_is_told_all_the_same(make_node: MakeNode, settings: Any) -> None:
    settings.INGEST_REDIS_URL = "redis://127.0.0.1:1/0"
    _, token = make_node()
    assert send(token, (b"garbage", {}), (b"garbage", {})) == [400, 400]


@pytest.mark.usefixtures("system")
def test_what_goes_on_now_rings(make_node: MakeNode, ingest_redis: redis.Redis) -> None:
    nodes = [make_node()[0] for _ in range(5)]
    room.watch(ingest_redis)
    assert alarms.ringing() == []
    refusals.tell(ingest_redis, {(node.pk, Reason.FUTURE): (1, 320) for node in nodes})
    refusals.tell(ingest_redis, {(nodes[0].pk, Reason.RATE): (1, 0), (nodes[1].pk, Reason.NOT_KEPT): (1, 7)})
    clock, pace = alarms.ringing()
    assert clock.severity is Severity.MAJOR and pace.severity is Severity.MINOR
    assert clock.sentence.endswith(" and 2 more: send samples of more than 10 minutes ahead")
    assert pace.sentence == f"{nodes[0].hostname}: sends faster than a node may"
    assert clock.action == "correct the node's clock"
    assert (len(clock.nodes), clock.more, clock.bodies) == (3, 2, 5) and clock.at
    assert (pace.nodes, pace.more, pace.bodies) == ((nodes[0].hostname,), 0, 1)


@pytest.mark.parametrize("reason", Reason)
def test_several_send_where_one_sends(reason: Reason) -> None:
    verb = alarms.plural(reason.words).removeprefix("still ").split()[0]
    assert verb in ("send", "name") and alarms.plural("still sends x sends") == "still send x sends"


@pytest.mark.usefixtures("system")
def test_what_is_over_is_silent_and_then_forgotten(node: Node, ingest_redis: redis.Redis) -> None:
    refusals.tell(ingest_redis, {(node.pk, Reason.FUTURE): (1, 320)})
    (name,) = ingest_redis.zrange(refusals._KEY, 0, -1)
    assert 0 < ingest_redis.ttl(refusals._key(node.pk, Reason.FUTURE)) <= refusals.KEPT_SECONDS
    ingest_redis.zadd(refusals._KEY, {name: time.time() - refusals.LATELY_SECONDS - 1})
    room.watch(ingest_redis)
    assert alarms.ringing() == []
    assert counted(node) == {"future": (1, 320)}
    ingest_redis.zadd(refusals._KEY, {name: time.time() - refusals.KEPT_SECONDS - 1})
    refusals.tell(ingest_redis, {(node.pk, Reason.PAST): (1, 1)})
    assert ingest_redis.zcard(refusals._KEY) == 1


@needs_database
class TestShown:
    def test_on_the_nodes_page(self, cast: Cast, ingest_redis: redis.Redis) -> None:
        page = f"/fleet/nodes/{cast.node.hostname}/"
        refusals.tell(ingest_redis, {(cast.node.pk, Reason.TOKEN): (12, 0)})
        text = cast.client("operator").get(page).content.decode()
        assert f"{cast.node.hostname} still sends with a revoked token: 12 bodies since" in text

    def test_through_the_api(self, cast: Cast, ingest_redis: redis.Redis) -> None:
        refusals.tell(ingest_redis, {(cast.node.pk, Reason.BUDGET): (2, 14)})
        (found,) = cast.client("operator").get(f"/api/v1/nodes/{cast.node.pk}").json()["refused"]
        assert (found["reason"], found["bodies"], found["samples"]) == ("budget", 2, 14)
        assert found["at"] == found["since"] and found["at"].endswith("Z")

    def test_a_page_without_redis_says_that_it_does_not_know(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        away = redis.Redis.from_url("redis://127.0.0.1:1/0")
        monkeypatch.setattr(refusals, "_client", lambda: away)
        client = cast.client("operator")
        assert client.get(f"/api/v1/nodes/{cast.node.pk}").json()["refused"] is None
        assert (
            "Not known: the ingest Redis does not answer"
            in client.get(f"/fleet/nodes/{cast.node.hostname}/").content.decode()
        )
