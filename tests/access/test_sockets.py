"""Every websocket route against every member of the cast, through the whole ASGI application."""

from __future__ import annotations

import asyncio
import json
import re
from operator import attrgetter
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.cache import cache
from django.test import Client

from telemetry.consumers import NOT_FOUND, NOT_SIGNED_IN
from telemetry.routing import websocket_urlpatterns
from tests.access.table import PLACEHOLDERS, SOCKETS
from tests.cast import ANONYMOUS, NAMES, PASSWORD, Cast, needs_database
from xfra_portal.asgi import application

pytestmark = needs_database
ROUTES = {route.name: "/" + str(route.pattern) for route in websocket_urlpatterns}
HOST = b"localhost"


@pytest.fixture(autouse=True)
def _one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels closes the connection around each piece of work, which would end the transaction that the cast is in."""
    monkeypatch.setattr("channels.db.close_old_connections", lambda: None)


def test_every_route_is_declared() -> None:
    assert ROUTES.keys() == SOCKETS.keys(), "say in tests/access/table.py who may watch what"


async def _knock(path: str, headers: list[tuple[bytes, bytes]], subprotocols: list[str] | None = None) -> Any:
    """The first message as JSON, the code of closing, or False for a refused handshake."""
    scope = {"type": "websocket", "path": path, "query_string": b"", "headers": headers}
    said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    await said.put({"type": "websocket.connect"})
    serving = asyncio.create_task(application({**scope, "subprotocols": subprotocols or []}, said.get, heard.put))
    try:
        async with asyncio.timeout(5):
            if (await heard.get())["type"] != "websocket.accept":
                return False
            first = await heard.get()
            if first["type"] == "websocket.close":
                return first["code"]
            await said.put({"type": "websocket.disconnect", "code": 1000})
            await serving
            return json.loads(first["text"])
    finally:
        if serving.done():
            serving.result()  # what went wrong in the application, rather than our waiting in vain
        serving.cancel()


def _headers(cast: Cast, person: str, origin: bytes | None = b"http://localhost") -> list[tuple[bytes, bytes]]:
    found = [(b"host", HOST), *([(b"origin", origin)] if origin else [])]
    if person != ANONYMOUS:
        session = cast.client(person).cookies[settings.SESSION_COOKIE_NAME].value
        found.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={session}".encode()))
    return found


def _path(name: str, cast: Cast) -> str:
    values = {name: str(attrgetter(path)(cast)) for name, path in PLACEHOLDERS.items()}
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values[found[1]], ROUTES[name])


@pytest.mark.parametrize("person", NAMES)
@pytest.mark.parametrize("name", sorted(SOCKETS))
def test_everybody_gets_what_the_table_says(cast: Cast, name: str, person: str) -> None:
    got = async_to_sync(_knock)(_path(name, cast), _headers(cast, person))
    expected = SOCKETS[name][person]
    if expected == ".":
        assert got["type"] == name.removeprefix("ws-")
        assert "Street" not in json.dumps(got)
    else:
        assert got == {"-": NOT_FOUND, "U": NOT_SIGNED_IN}[expected]


@pytest.mark.parametrize("origin", [b"https://evil.example", b"http://localhost.evil.example", b"null"])
def test_another_sites_page_cannot_open_a_socket(cast: Cast, origin: bytes) -> None:
    assert async_to_sync(_knock)(_path("ws-home", cast), _headers(cast, "owner", origin)) is False


def test_an_app_brings_its_token_as_a_subprotocol(cast: Cast) -> None:
    cache.clear()  # limits of sign-in are counted there, across tests
    body = {"email": "owner@cast.example", "password": PASSWORD}
    signed_in = Client(HTTP_HOST="localhost").post("/_allauth/app/v1/auth/login", body, content_type="application/json")
    token = signed_in.json()["meta"]["access_token"]
    offers = ["xfra.v1", f"bearer.{token}"]
    own, other = _path("ws-home", cast), f"/ws/homes/{cast.other_home.pk}/"
    host = [(b"host", HOST)]
    assert async_to_sync(_knock)(own, host, offers)["home"] == str(cast.home.pk)
    assert async_to_sync(_knock)(other, host, offers) == NOT_FOUND
    assert async_to_sync(_knock)(own, host, ["xfra.v1", f"bearer.{token}x"]) == NOT_SIGNED_IN
    assert async_to_sync(_knock)(own, _headers(cast, "owner"), ["xfra.v1", "bearer.x"]) == NOT_SIGNED_IN
