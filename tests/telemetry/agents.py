"""An agent that knocks at the door over ASGI, and what is behind it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest
import redis

from telemetry import ingest
from telemetry.door import RemoteWriteDoor
from telemetry.stream import Keys, shard_of
from tests.telemetry.messages import body, series

NOW = int(time.time() * 1000)
HEADERS = {"content-type": "application/x-protobuf", "content-encoding": "snappy", "user-agent": "Prometheus/2.53"}
SOUND = "xfra_sound_decibels"


def one(value: float = 40.0, at: int = NOW, **labels: str) -> bytes:
    return body(series(SOUND, [(at, value)], **labels))


class Agent:
    """Posts with one token; `application` is the door alone or the whole portal."""

    def __init__(self, application: Any, token: str | None) -> None:
        transport = httpx.ASGITransport(application)
        headers = HEADERS | ({"authorization": f"Bearer {token}"} if token is not None else {})
        self.client = httpx.AsyncClient(transport=transport, base_url="http://portal", headers=headers)

    async def post(self, content: Any, **headers: str) -> httpx.Response:
        return await self.client.post("/api/v1/write", content=content, headers=headers)


def answer(token: str | None, content: Any, **headers: str) -> httpx.Response:
    """One request to a door that has just started."""
    return asyncio.run(Agent(RemoteWriteDoor(), token).post(content, **headers))


def store(node_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the worker does when it is woken."""
    monkeypatch.setattr(ingest, "LINGER_MS", 1)
    ingest.drain_shard(shard_of(node_id))


def waiting(client: redis.Redis, node_id: int) -> int:
    return int(client.xlen(Keys(shard_of(node_id)).stream))


def assert_try_later(found: httpx.Response) -> None:
    assert found.status_code == 503, found.text
    assert 1 <= int(found.headers["retry-after"]) <= 5
