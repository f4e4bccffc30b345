"""The door when something behind it is away: it says when to come again, and loses nobody's trust."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.db import connections

from telemetry import callers
from telemetry import remote_write as wire
from telemetry.catalogue import Kind
from telemetry.door import RemoteWriteDoor
from tests.telemetry import stored
from tests.telemetry.agents import NOW, Agent, answer, assert_try_later, one, store, waiting

pytestmark = pytest.mark.usefixtures("ingest_redis", "system")


def test_a_full_stream_is_503_and_takes_again_when_it_is_drained(
    known: tuple[int, str], ingest_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.INGEST_STREAM_BYTES = 300 * settings.INGEST_SHARDS
    statuses = []
    for second in range(6):
        found = answer(known[1], one(at=NOW + second))
        statuses.append(found.status_code)
        if found.status_code != 204:
            assert_try_later(found)
    accepted = statuses.count(204)
    assert statuses == [204] * accepted + [503] * (6 - accepted)
    assert 0 < accepted < 6
    assert waiting(ingest_redis, known[0]) == accepted
    store(known[0], monkeypatch)
    assert stored.rows(Kind.NODE, known[0]) == accepted
    assert answer(known[1], one(at=NOW + 9)).status_code == 204


def test_redis_away_is_503(known: tuple[int, str], settings: Any) -> None:
    settings.INGEST_REDIS_URL = "redis://127.0.0.1:1/0"
    assert_try_later(answer(known[1], one()))


def test_the_broker_away_is_no_reason_to_refuse(
    known: tuple[int, str], ingest_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is safe in the stream; beat finds it."""
    from xfra_portal.celery import app

    monkeypatch.setattr(app.conf, "broker_url", "redis://127.0.0.1:1/0")
    assert answer(known[1], one()).status_code == 204
    assert waiting(ingest_redis, known[0]) == 1


@pytest.fixture
def postgres_away(known: tuple[int, str]) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    """Switches that point the application at a closed port, and back."""
    held = connections.settings["default"]
    port = held["PORT"]

    def point_at(port: str) -> None:
        connections["default"].close()
        connections["default"].close_pool()
        held["PORT"] = port

    yield lambda: point_at("1"), lambda: point_at(port)
    point_at(port)


def test_postgres_away_is_never_401(
    known: tuple[int, str],
    postgres_away: tuple[Callable[[], None], Callable[[], None]],
    monkeypatch: pytest.MonkeyPatch,
    ingest_redis: redis.Redis,
) -> None:
    """Whoever was known a moment ago still is; anybody else may come again when the token store is back."""
    go_away, come_back = postgres_away
    monkeypatch.setattr(callers, "REMEMBER_SECONDS", 0.0)
    monkeypatch.setattr(callers, "REMEMBER_BAD_SECONDS", 0.0)
    monkeypatch.setattr(callers, "RETRY_WHILE_AWAY_SECONDS", 0.5)
    _, other = known[1], f"xfn_999999_{'x' * 43}"

    async def story() -> None:
        application = RemoteWriteDoor()
        familiar, stranger = Agent(application, known[1]), Agent(application, other)
        assert (await familiar.post(one())).status_code == 204
        assert (await stranger.post(one())).status_code == 401
        await asyncio.to_thread(go_away)
        started = time.monotonic()
        assert (await familiar.post(one(at=NOW + 1))).status_code == 204
        assert_try_later(await stranger.post(one()))
        assert time.monotonic() - started < 5
        await asyncio.to_thread(come_back)
        await asyncio.sleep(0.6)
        assert (await stranger.post(one())).status_code == 401
        assert (await familiar.post(one(at=NOW + 2))).status_code == 204

    asyncio.run(story())
    assert waiting(ingest_redis, known[0]) == 3


def test_trust_without_a_token_store_ends(
    known: tuple[int, str],
    postgres_away: tuple[Callable[[], None], Callable[[], None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(callers, "REMEMBER_SECONDS", 0.0)
    monkeypatch.setattr(callers, "TRUST_WHILE_AWAY_SECONDS", 0.0)

    async def story() -> None:
        agent = Agent(RemoteWriteDoor(), known[1])
        assert (await agent.post(one())).status_code == 204
        await asyncio.to_thread(postgres_away[0])
        assert_try_later(await agent.post(one()))

    asyncio.run(story())


def test_the_stream_has_room_for_a_body(settings: Any) -> None:
    assert settings.INGEST_STREAM_BYTES // settings.INGEST_SHARDS > wire.MAX_DECOMPRESSED_BYTES
