"""A client that is slow on purpose is cut; one that is slow but gets on is served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from xfra_portal import impatience
from xfra_portal.local.portal import Options, web_command
from xfra_portal.local.state import free_port

TICK = 0.3
PATIENCE = 20.0
LONG = b"x" * (8 << 20)

Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEADER_SECONDS", "BODY_SECONDS", "READ_SECONDS"):
        monkeypatch.setattr(impatience, name, TICK * 3)
    monkeypatch.setattr(impatience, "LEAST_BODY_BYTES", 100)


async def _application(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body, then answers with much."""
    while (message := await receive()).get("more_body"):
        if message["type"] == "http.disconnect":
            return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": LONG})


@asynccontextmanager
async def _connection() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    port = free_port()
    config = uvicorn.Config(
        _application,
        port=port,
        http=impatience.ImpatientProtocol,
        lifespan="off",
        log_level="error",
        server_header=False,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        server.should_exit = server.force_exit = True
        await serving


async def _drip(writer: asyncio.StreamWriter, first: bytes, drop: bytes) -> None:
    writer.write(first)
    while True:
        await asyncio.sleep(TICK / 3)
        writer.write(drop)


SLOW = {
    "says nothing": (b"", b""),
    "only ends of lines": (b"", b"\r\n"),
    "headers without end": (b"GET / HTTP/1.1\r\nHost: x\r\n", b"a: b\r\n"),
    "a body by the byte": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n", b"x"),
    "the second request": (
        b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.1\r\n",
        b"a: b\r\n",
    ),
}


@pytest.mark.parametrize("how", SLOW)
def test_who_keeps_us_waiting_is_cut(how: str) -> None:
    async def until_cut() -> None:
        async with _connection() as (reader, writer), asyncio.timeout(PATIENCE):
            dripping = asyncio.create_task(_drip(writer, *SLOW[how]))
            try:
                while await reader.read(1 << 20):
                    pass
            except ConnectionResetError:
                pass
            finally:
                dripping.cancel()

    asyncio.run(until_cut())


def test_who_does_not_read_is_cut() -> None:
    async def until_cut() -> int:
        async with _connection() as (reader, writer), asyncio.timeout(PATIENCE):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            writer.transport.pause_reading()
            await asyncio.sleep(TICK * 12)
            writer.transport.resume_reading()
            try:
                return len(await reader.read(-1))
            except ConnectionResetError:
                return 0

    assert asyncio.run(until_cut()) < len(LONG)


def test_who_is_slow_and_gets_on_is_served() -> None:
    async def post() -> bytes:
        async with _connection() as (reader, writer), asyncio.timeout(PATIENCE * 2):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 12000\r\n\r\n")
            for _ in range(12):
                writer.write(b"x" * 1000)
                await asyncio.sleep(TICK / 2)
            return await reader.read(-1)

    head, _, body = asyncio.run(post()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and b"server:" not in head.lower()
    assert len(body) >= len(LONG)


def test_the_stack_serves_that_way(tmp_path: Any) -> None:
    command = web_command(Options(tmp_path, 1))
    assert "xfra_portal.impatience:ImpatientProtocol" in command and "--no-server-header" in command
