"""A websocket as somebody of the cast opens it, through the whole application."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from asgiref.sync import async_to_sync, sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.conf import settings

from homes.access import acting_as_system
from homes.models import Node
from telemetry import latest
from telemetry.catalogue import COLUMNS, Kind
from tests.cast import ANONYMOUS, Cast
from tests.telemetry.stored import put_latest
from xfra_portal.asgi import application

PATIENCE = 5.0
ORIGIN = b"http://localhost"
FLEET = "/ws/fleet/"


class Socket:
    """One websocket, as somebody of the cast opens it."""

    def __init__(
        self, path: str, session: str | None, origin: bytes | None = ORIGIN, protocols: list[str] | None = None
    ) -> None:
        headers = [(b"host", b"localhost"), *([(b"origin", origin)] if origin else [])]
        if session:
            headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={session}".encode()))
        scope = {"type": "websocket", "path": path, "query_string": b"", "headers": headers}
        self._wire = ApplicationCommunicator(application, {**scope, "subprotocols": protocols or []})
        self.protocol: str | None = None

    async def open(self) -> bool:
        await self._wire.send_input({"type": "websocket.connect"})
        answer = await self._wire.receive_output(PATIENCE)
        self.protocol = answer.get("subprotocol")
        return bool(answer["type"] == "websocket.accept")

    async def frame(self) -> Any:
        message = await self._wire.receive_output(PATIENCE)
        assert message["type"] == "websocket.send", message
        return json.loads(message["text"])

    async def frames(self, until: Callable[[Any], bool]) -> list[Any]:
        found = [await self.frame()]
        while not until(found[-1]):
            found.append(await self.frame())
        return found

    async def end(self) -> int:
        """The code with which the other side closes; frames before it do not matter."""
        while True:
            message = await self._wire.receive_output(PATIENCE)
            if message["type"] == "websocket.close":
                return int(message["code"])

    async def is_quiet(self, seconds: float) -> bool:
        return bool(await self._wire.receive_nothing(timeout=seconds))

    async def say(self, frame: str | bytes) -> None:
        kind = "text" if isinstance(frame, str) else "bytes"
        await self._wire.send_input({"type": "websocket.receive", kind: frame})

    async def close(self) -> None:
        await self._wire.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._wire.wait(PATIENCE)


def session_of(cast: Cast, person: str) -> str | None:
    if person == ANONYMOUS:
        return None
    return cast.client(person).cookies[settings.SESSION_COOKIE_NAME].value


def home_path(cast: Cast) -> str:
    return f"/ws/homes/{cast.home.pk}/"


def node_path(cast: Cast) -> str:
    return f"/ws/nodes/{cast.node.pk}/"


def run(scenario: Callable[[], Awaitable[Any]]) -> Any:
    return async_to_sync(scenario)()


async def as_system(function: Callable[..., Any], *args: Any) -> Any:
    def call() -> Any:
        with acting_as_system():
            return function(*args)

    return await sync_to_async(call)()


def hear(node: Node, decibels: float, at: float | None = None) -> None:
    """A latest value as storage leaves it."""
    width = len(COLUMNS[Kind.NODE])
    code = next(c.code for c in COLUMNS[Kind.NODE] if c.name == "sound_decibels")
    at_ms, values = [0] * width, [float("nan")] * width
    at_ms[code], values[code] = int((at or time.time()) * 1000), decibels
    put_latest(node.pk, Kind.NODE, {0: latest.State(np.array(at_ms), np.array(values))})
