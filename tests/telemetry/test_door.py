"""The door, asked as an agent asks it: over ASGI, with a real Postgres and a real Redis behind it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import redis
from django.db import connections

from homes.models import NodeCredential
from telemetry import callers, door, reads
from telemetry import remote_write as wire
from telemetry.catalogue import Kind
from telemetry.door import RemoteWriteDoor
from tests.telemetry import stored
from tests.telemetry.agents import HEADERS, NOW, SOUND, Agent, answer, one, store, waiting
from tests.telemetry.conftest import MakeNode
from tests.telemetry.messages import STALE, MetricMetadata, WriteRequest, body, gpu, pack, series
from xfra_portal import asgi

pytestmark = pytest.mark.usefixtures("ingest_redis", "system")


# What is fine


@pytest.mark.parametrize(
    "content_type", ["application/x-protobuf", "application/x-protobuf;proto=prometheus.WriteRequest"]
)
@pytest.mark.parametrize("whole", [True, False], ids=["portal", "door"])
def test_a_body_is_acknowledged_and_stored(
    known: tuple[int, str], content_type: str, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "_door", RemoteWriteDoor())
    agent = Agent(asgi.application if whole else RemoteWriteDoor(), known[1])
    found = asyncio.run(agent.post(one(), **{"content-type": content_type}))
    assert (found.status_code, found.content) == (204, b"")
    assert not [name for name in found.headers if name.startswith("x-prometheus")]
    store(known[0], monkeypatch)
    assert stored.column(Kind.NODE, known[0], "sound_decibels") == {NOW: 40.0}


def test_it_is_in_redis_before_it_is_acknowledged(known: tuple[int, str], ingest_redis: redis.Redis) -> None:
    assert answer(known[1], one()).status_code == 204
    assert waiting(ingest_redis, known[0]) == 1


def test_the_same_body_twice_is_one_row(known: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def twice() -> list[int]:
        agent = Agent(RemoteWriteDoor(), known[1])
        return [(await agent.post(one())).status_code for _ in range(2)]

    assert asyncio.run(twice()) == [204, 204]
    store(known[0], monkeypatch)
    assert answer(known[1], one()).status_code == 204
    store(known[0], monkeypatch)
    assert stored.column(Kind.NODE, known[0], "sound_decibels") == {NOW: 40.0}
    assert stored.rows(Kind.NODE, known[0]) == 1


METADATA = pack(WriteRequest(metadata=[MetricMetadata(metric_family_name="up", help="h")]).SerializeToString())


@pytest.mark.parametrize("content", [METADATA, pack(b"")], ids=["metadata alone", "nothing"])
def test_nothing_to_store_is_fine(known: tuple[int, str], ingest_redis: redis.Redis, content: bytes) -> None:
    assert answer(known[1], content).status_code == 204
    assert waiting(ingest_redis, known[0]) == 0


def test_chunked_bodies_arrive_too(known: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def dribble() -> AsyncIterator[bytes]:
        for byte in one():
            yield bytes([byte])

    assert answer(known[1], dribble()).status_code == 204
    store(known[0], monkeypatch)
    assert stored.rows(Kind.NODE, known[0]) == 1


def test_a_partial_write_keeps_the_valid_rest(known: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
    content = body(
        series(SOUND, [(NOW, 40.0), (NOW + 3_600_000, 41.0), (0, 42.0)]),
        series(SOUND, [(NOW + 1, 900.0)]),
        series("", [(NOW, 1.0)], job="x"),
        series("node_load1", [(NOW, 0.5)]),
    )
    found = answer(known[1], content)
    assert found.status_code == 400
    assert found.text.startswith("4 of 6 refused: ")
    assert "1 more than 10 minutes in the future" in found.text
    store(known[0], monkeypatch)
    assert stored.column(Kind.NODE, known[0], "sound_decibels") == {NOW: 40.0}
    assert stored.others(known[0]) == {("node_load1", NOW): 0.5}


def test_a_stale_marker_ends_a_series_and_any_other_nan_does_not(
    known: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compared by bits, also where a body is recognised and not decoded."""

    async def send(*values: float) -> list[int]:
        agent = Agent(RemoteWriteDoor(), known[1])
        bodies = [
            body(series(SOUND, [(NOW + i, value)]), series("go_gc_seconds", [(NOW + i, value)], quantile="1"))
            for i, value in enumerate(values)
        ]
        return [(await agent.post(content)).status_code for content in bodies]

    assert set(asyncio.run(send(40.0, 41.0, 42.0, math.nan))) == {204}
    store(known[0], monkeypatch)
    assert reads.latest([known[0]])[known[0]].cells["sound_decibels"].value == 42.0
    others = stored.others(known[0])
    assert [value for _, value in sorted(others.items())][:3] == [40.0, 41.0, 42.0]
    assert math.isnan(others["go_gc_seconds", NOW + 3])
    assert set(asyncio.run(send(40.0, 41.0, 42.0, math.nan, STALE))) == {204}
    store(known[0], monkeypatch)
    assert "sound_decibels" not in reads.latest([known[0]])[known[0]].cells
    assert len(stored.others(known[0])) == 4


# Who is calling


@pytest.mark.parametrize(
    "token",
    [
        None,
        "",
        "garbage",
        "xfn_",
        "xfn_1",
        "xfn_x_y",
        "xfn_999999999_secret",
        "xfn_99999999999999999999_s",
        "é",
        "xfn_²_x",
    ],
)
def test_strangers_are_told_401(token: str | None) -> None:
    async def knock() -> httpx.Response:
        agent = Agent(RemoteWriteDoor(), None)
        raw = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
        return await agent.client.post("/api/v1/write", content=one(), headers=[*agent.client.headers.raw, *raw])

    found = asyncio.run(knock())
    assert found.status_code == 401
    assert found.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Basic", "Token", "bearerx", ""])
def test_another_scheme_is_401(known: tuple[int, str], scheme: str) -> None:
    assert answer(None, one(), authorization=f"{scheme} {known[1]}".strip()).status_code == 401


def test_one_letter_of_the_secret(known: tuple[int, str]) -> None:
    assert answer(known[1][:-1] + ("a" if known[1][-1] != "a" else "b"), one()).status_code == 401
    assert answer(known[1], one()).status_code == 204


def test_another_credentials_number_is_not_enough(make_node: MakeNode) -> None:
    (_, mine), (_, theirs) = make_node(), make_node()
    mixed = "_".join([*theirs.split("_")[:2], mine.split("_", 2)[2]])
    assert answer(mixed, one()).status_code == 401


def test_two_tokens_live_at_once_and_a_revoked_one_ends(make_node: MakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rotation: the old token and the new one; then the old one is revoked under a door that remembers it."""
    assert callers.REMEMBER_SECONDS <= 2.0
    monkeypatch.setattr(callers, "REMEMBER_SECONDS", 0.2)
    node, old = make_node()
    credential, new = NodeCredential.issue(node)

    async def rotate() -> list[int]:
        agents = [Agent(application := RemoteWriteDoor(), old), Agent(application, new)]
        found = [(await agent.post(one())).status_code for agent in agents]
        await asyncio.to_thread(_revoke, credential)
        await asyncio.sleep(0.25)
        return found + [(await agent.post(one())).status_code for agent in agents]

    assert asyncio.run(rotate()) == [204, 204, 204, 401]
    assert NodeCredential.objects.get(node=node, revoked_at=None).last_used_at is not None


def _revoke(credential: NodeCredential) -> None:
    credential.revoke()
    connections.close_all()


def test_a_token_writes_to_its_own_node_whatever_the_labels_say(
    make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    (victim, _), (outsider, token) = make_node(), make_node()
    labels = {"node": victim.hostname, "hostname": victim.hostname, "instance": f"{victim.hostname}:9100"}
    content = body(
        series(SOUND, [(NOW, 99.0)], **labels, node_id=str(victim.pk)),
        gpu(0, "DCGM_FI_DEV_GPU_TEMP", [(NOW, 99.0)], owner=outsider.hostname),
        series("up", [(NOW, 1.0)], **labels),
    )
    assert answer(token, content).status_code == 204
    for node in (victim, outsider):
        store(node.pk, monkeypatch)
    assert stored.rows(Kind.NODE, victim.pk) == stored.rows(Kind.GPU, victim.pk) == 0
    assert stored.others(victim.pk) == {}
    assert stored.rows(Kind.NODE, outsider.pk) == stored.rows(Kind.GPU, outsider.pk) == 1


# Whether it fits and is well formed


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"])
def test_only_post(known: tuple[int, str], method: str) -> None:
    agent = Agent(RemoteWriteDoor(), known[1])
    found = asyncio.run(agent.client.request(method, "/api/v1/write"))
    assert (found.status_code, found.headers["allow"]) == (405, "POST")


FORMATS = [
    ({"content-type": "application/json"}, 415),
    ({"content-type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}, 400),
    ({"content-type": "text/plain"}, 415),
    ({"content-encoding": "gzip"}, 415),
    ({"content-encoding": "zstd"}, 400),
    ({"content-type": "Application/X-Protobuf"}, 204),
    ({"content-encoding": "Snappy"}, 204),
]


@pytest.mark.parametrize(("headers", "status"), FORMATS)
def test_formats(known: tuple[int, str], headers: dict[str, str], status: int) -> None:
    assert answer(known[1], one(), **headers).status_code == status


BAD = {
    "garbage": (b"\x00garbage\xff" * 10, 400),
    "empty": (b"", 400),
    "cut short": (one()[:-3], 400),
    "snappy of garbage": (pack(b"\x0a\xff\xff"), 400),
    "a lie about its size": (b"\xff\xff\xff\x7f" + one(), 413),
    "a bomb of samples": (pack(b"\x0a\xc0\x84\x3d" + b"\x12\x00" * 500_000), 413),
}


@pytest.mark.parametrize(("content", "status"), BAD.values(), ids=BAD)
def test_bad_bodies(
    known: tuple[int, str], ingest_redis: redis.Redis, content: bytes, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MAX_SAMPLES_PER_BODY", 10_000)
    found = answer(known[1], content)
    assert found.status_code == status
    assert 0 < len(found.text) < 200
    assert waiting(ingest_redis, known[0]) == 0


def test_who_you_are_comes_before_what_you_bring() -> None:
    assert answer("xfn_1_x", b"garbage", **{"content-type": "text/plain"}).status_code == 401


def test_a_body_over_the_cap(known: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Declared: refused before a byte of it is read. Chunked: refused when it is more than fits."""
    monkeypatch.setattr(wire, "MAX_COMPRESSED_BYTES", 1000)
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 100
            yield b"x" * 100

    assert answer(known[1], endless(), **{"content-length": "1001"}).status_code == 413
    assert taken == 0
    assert answer(known[1], endless()).status_code == 413
    assert taken <= 1200
    assert answer(known[1], one(), **{"content-length": "-5"}).status_code == 413
    assert answer(known[1], b"x" * 1000).status_code == 400


def test_a_slow_body_is_not_waited_for(known: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "BODY_SECONDS", 0.1)

    async def slow() -> AsyncIterator[bytes]:
        yield one()[:5]
        await asyncio.sleep(30)

    started = time.monotonic()
    found = answer(known[1], slow())
    assert time.monotonic() - started < 5
    assert (found.status_code, "retry-after" in found.headers) == (503, True), "a 4xx would be thrown away"


def test_a_sender_that_hangs_up_leaves_nothing(known: tuple[int, str], ingest_redis: redis.Redis) -> None:
    async def hang_up() -> list[dict[str, Any]]:
        said: list[dict[str, Any]] = []
        messages = iter([{"type": "http.request", "body": one(), "more_body": True}, {"type": "http.disconnect"}])
        headers = [
            *((k.encode(), v.encode()) for k, v in HEADERS.items()),
            (b"authorization", b"Bearer " + known[1].encode()),
        ]

        async def receive() -> dict[str, Any]:
            return next(messages)

        async def send(message: dict[str, Any]) -> None:
            said.append(message)

        await RemoteWriteDoor()({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive, send)
        return said

    assert asyncio.run(hang_up())[0]["status"] == 400
    assert waiting(ingest_redis, known[0]) == 0
