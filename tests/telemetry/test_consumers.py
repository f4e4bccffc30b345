"""Websockets through the whole application, on the real Redis layer: who may watch, what they get, how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import OperationalError

from homes.access import acting_as_system
from homes.models import NodeCredential
from telemetry import consumers, live, reads
from telemetry.consumers import NOT_FOUND, NOT_SIGNED_IN, TRY_LATER
from tests.cast import ANONYMOUS, Cast, needs_database
from tests.telemetry.sockets import (
    FLEET,
    ORIGIN,
    PATIENCE,
    Socket,
    as_system,
    hear,
    home_path,
    node_path,
    run,
    session_of,
)
from xfra_portal.asgi import application

pytestmark = [needs_database, pytest.mark.usefixtures("one_transaction")]


def test_a_snapshot_and_then_what_is_new(cast: Cast, soon: None) -> None:
    session, staff = session_of(cast, "viewer"), session_of(cast, "operator")

    async def watch() -> None:
        await as_system(hear, cast.node, 40.0)
        home, node, fleet = Socket(home_path(cast), session), Socket(node_path(cast), staff), Socket(FLEET, staff)
        for socket in (home, node, fleet):
            assert await socket.open()
        first = await home.frame()
        assert (first["type"], first["home"]) == ("home", str(cast.home.pk))
        assert first["safety"]["sound_decibels"]["value"] == 40.0
        assert (await node.frame())["values"]["sound_decibels"]["value"] == 40.0
        assert {cell["node"] for cell in (await fleet.frame())["cells"]} >= {cast.node.pk, cast.other_node.pk}
        await as_system(hear, cast.node, 55.0)
        await as_system(live.publish, [cast.node.pk])
        assert (await home.frame())["safety"]["sound_decibels"]["value"] == 55.0
        assert (await node.frame())["values"]["sound_decibels"]["value"] == 55.0
        assert [cell["node"] for cell in (await fleet.frame())["cells"]] == [cast.node.pk]
        await as_system(live.publish, [cast.other_node.pk])
        assert await home.is_quiet(0.3)
        assert await node.is_quiet(0.01)
        assert [cell["node"] for cell in (await fleet.frame())["cells"]] == [cast.other_node.pk]
        for socket in (home, node, fleet):
            await socket.close()
        await as_system(live.publish, [cast.node.pk])

    run(watch)


def test_a_burst_becomes_a_few_frames_and_the_last_one_wins(cast: Cast, soon: None) -> None:
    session = session_of(cast, "owner")

    async def burst() -> list[int]:
        socket = Socket(home_path(cast), session)
        await socket.open()
        await socket.frame()
        layer = get_channel_layer()
        for i in range(100):
            await layer.group_send(live.home_group(cast.home.pk), live.state_message({"n": i}))
        found = await socket.frames(lambda frame: frame["n"] == 99)
        assert await socket.is_quiet(0.3)
        await socket.close()
        return [frame["n"] for frame in found]

    numbers = run(burst)
    assert len(numbers) <= 20
    assert numbers == sorted(set(numbers))


def test_the_fleet_keeps_the_newest_of_each_node(cast: Cast, soon: None) -> None:
    session = session_of(cast, "operator_viewer")

    async def burst() -> dict[int, int]:
        socket = Socket(FLEET, session)
        await socket.open()
        await socket.frame()
        layer = get_channel_layer()
        for i in range(60):
            cells: Any = [{"node": i % 3, "n": i}]
            await layer.group_send(live.FLEET_GROUP, live.cells_message(cells))
        found = await socket.frames(lambda frame: any(cell["n"] == 59 for cell in frame["cells"]))
        await socket.close()
        assert len(found) <= 20
        return {cell["node"]: cell["n"] for frame in found for cell in frame["cells"]}

    assert run(burst) == {0: 57, 1: 58, 2: 59}


REFUSED = [
    (home_path, "outsider", NOT_FOUND),
    (home_path, ANONYMOUS, NOT_SIGNED_IN),
    (home_path, "idle_technician", NOT_FOUND),
    (node_path, "owner", NOT_FOUND),
    (node_path, "outsider", NOT_FOUND),
    (node_path, "idle_technician", NOT_FOUND),
    (node_path, ANONYMOUS, NOT_SIGNED_IN),
    (lambda cast: FLEET, "owner", NOT_FOUND),
    (lambda cast: FLEET, "technician", NOT_FOUND),
    (lambda cast: FLEET, ANONYMOUS, NOT_SIGNED_IN),
    (lambda cast: "/ws/homes/00000000-0000-0000-0000-000000000000/", "admin", NOT_FOUND),
    (lambda cast: "/ws/nodes/2000000000/", "admin", NOT_FOUND),
    (lambda cast: f"/ws/nodes/{cast.other_node.pk}/", "technician", NOT_FOUND),
]


@pytest.mark.parametrize(("path", "person", "code"), REFUSED)
def test_who_may_not_watch(cast: Cast, path: Callable[[Cast], str], person: str, code: int) -> None:
    session = session_of(cast, person)

    async def knock() -> int:
        socket = Socket(path(cast), session)
        assert await socket.open()
        return await socket.end()

    assert run(knock) == code


@pytest.mark.parametrize("origin", [b"https://localhost.evil.example", b"null", b"http://localhost:8001"])
def test_another_sites_page_is_refused_before_anything_is_said(cast: Cast, origin: bytes) -> None:
    session = session_of(cast, "owner")

    async def knock() -> bool:
        return await Socket(home_path(cast), session, origin).open()

    assert run(knock) is False


@pytest.mark.parametrize("token", ["", "x", "bearer.x", "eyJhbGciOiJub25lIn0.e30."])
def test_no_other_token_will_do(cast: Cast, token: str) -> None:
    """A bad token is not overlooked for the sake of a good session; a node's token opens no socket."""
    session = session_of(cast, "owner")

    async def knock(offer: str) -> int:
        socket = Socket(home_path(cast), session, protocols=["xfra.v1", f"bearer.{offer}"])
        await socket.open()
        return await socket.end()

    assert run(partial(knock, token)) == NOT_SIGNED_IN
    with acting_as_system():
        _, node_token = NodeCredential.issue(cast.node)
    assert run(partial(knock, node_token)) == NOT_SIGNED_IN


def test_what_a_client_says_is_ignored(cast: Cast, soon: None) -> None:
    session = session_of(cast, "owner")

    async def chatter() -> None:
        socket = Socket(home_path(cast), session)
        await socket.open()
        await socket.frame()
        for text in ("", "{}", '{"type":"live.state","payload":{}}', "x" * 4_000):
            await socket.say(text)
        assert await socket.is_quiet(0.3)
        await as_system(live.publish, [cast.node.pk])
        assert (await socket.frame())["type"] == "home"
        await socket.close()

    run(chatter)


def test_a_snapshot_that_cannot_be_read_closes_the_socket(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Postgres went away between the check and the snapshot: better closed than open and mute."""
    session = session_of(cast, "owner")

    def away(ids: object) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(reads, "households", away)

    async def knock() -> int:
        socket = Socket(home_path(cast), session)
        assert await socket.open()
        return await socket.end()

    assert run(knock) == TRY_LATER


def test_a_socket_with_nothing_to_tell_says_that_it_is_there(
    cast: Cast, soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "STILL_HERE_SECONDS", 0.2)
    session, staff = session_of(cast, "owner"), session_of(cast, "operator")

    async def wait() -> None:
        for path, who in ((home_path(cast), session), (node_path(cast), staff), (FLEET, staff)):
            socket = Socket(path, who)
            await socket.open()
            await socket.frame()
            assert [await socket.frame(), await socket.frame()] == [{"type": "still_here"}] * 2
            await as_system(live.publish, [cast.node.pk])
            assert (await socket.frames(lambda frame: frame["type"] != "still_here"))[-1]
            await socket.close()

    run(wait)


def test_a_client_that_does_not_read_is_let_go(cast: Cast, soon: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "SLOW_CLIENT_SECONDS", 0.2)
    session = session_of(cast, "owner")

    async def stall() -> int:
        """A server's `send` blocks while the client's window is full."""
        heard: asyncio.Queue[Any] = asyncio.Queue()
        headers = [
            (b"host", b"localhost"),
            (b"origin", ORIGIN),
            (b"cookie", f"{settings.SESSION_COOKIE_NAME}={session}".encode()),
        ]
        scope = {
            "type": "websocket",
            "path": home_path(cast),
            "query_string": b"",
            "headers": headers,
            "subprotocols": [],
        }
        said: asyncio.Queue[Any] = asyncio.Queue()
        await said.put({"type": "websocket.connect"})

        async def send(message: Any) -> None:
            if message["type"] == "websocket.send":
                await asyncio.sleep(60)
            await heard.put(message)

        serving = asyncio.create_task(application(scope, said.get, send))
        async with asyncio.timeout(PATIENCE):
            while (message := await heard.get())["type"] != "websocket.close":
                pass
        await said.put({"type": "websocket.disconnect", "code": 1013})
        await serving
        return int(message["code"])

    assert run(stall) == TRY_LATER


def test_nothing_is_made_for_groups_that_nobody_watches(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("glances", "latest", "households"):
        monkeypatch.setattr(reads, name, lambda ids: list(ids) and pytest.fail("nobody asked"))
    with acting_as_system():
        live.publish([cast.node.pk])
