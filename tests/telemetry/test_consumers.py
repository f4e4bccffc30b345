"""Websockets through the whole application, on the real Redis layer: who may watch, what they get, how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from channels.layers import get_channel_layer
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from homes.access import acting_as_system
from homes.models import Membership, NodeCredential, User, WorkOrder
from telemetry import consumers, live, reads, watchers
from telemetry.consumers import NOT_FOUND, NOT_SIGNED_IN, TRY_LATER, WITHDRAWN
from tests.cast import ANONYMOUS, PASSWORD, Cast, needs_database
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

pytestmark = needs_database


@pytest.fixture(autouse=True)
def _one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels closes the connection around each piece of work, which would end the transaction that the cast is in."""
    monkeypatch.setattr("channels.db.close_old_connections", lambda: None)
    cache.clear()  # sign-ins are counted


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is counted in seconds, in tenths of them."""
    monkeypatch.setattr(consumers, "SECONDS_BETWEEN_FRAMES", 0.1)
    monkeypatch.setattr(watchers, "SECONDS_BETWEEN_CHECKS", 0.3)


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


def _leave(cast: Cast) -> None:
    Membership.objects.filter(home=cast.home, user=cast.people["viewer"]).delete()


def _deactivate(cast: Cast) -> None:
    User.objects.filter(pk=cast.people["viewer"].pk).update(is_active=False)


def _sign_out(cast: Cast) -> None:
    Session.objects.all().delete()


def _close_order(cast: Cast) -> None:
    WorkOrder.objects.filter(technician=cast.people["technician"]).update(closed_at=timezone.now())


def _dismiss(cast: Cast) -> None:
    cast.people["operator"].staff_role.delete()


def _reset_password(cast: Cast) -> None:
    """Away from any browser of theirs, as with a link by mail: no session is deleted, none is good any more."""
    cast.people["viewer"].set_password("another-horse-battery")
    cast.people["viewer"].save(update_fields=["password"])


def _lapse(cast: Cast) -> None:
    Session.objects.update(expire_date=timezone.now())


WITHDRAWALS = [
    (home_path, "viewer", _reset_password),
    (home_path, "viewer", _lapse),
    (home_path, "viewer", _leave),
    (home_path, "viewer", _deactivate),
    (home_path, "viewer", _sign_out),
    (node_path, "technician", _close_order),
    (node_path, "operator", _dismiss),
    (lambda cast: FLEET, "operator", _dismiss),
]


@pytest.mark.parametrize(("path", "person", "withdraw"), WITHDRAWALS)
def test_what_is_withdrawn_ends_the_socket(
    cast: Cast, soon: None, path: Callable[[Cast], str], person: str, withdraw: Callable[[Cast], None]
) -> None:
    session = session_of(cast, person)

    async def watch() -> int:
        socket = Socket(path(cast), session)
        await socket.open()
        await socket.frame()
        assert await socket.is_quiet(0.4), "a check passes while all is well"
        await as_system(withdraw, cast)
        return await socket.end()

    assert run(watch) == WITHDRAWN


def test_staff_watches_through_a_session_that_used_a_second_factor_and_no_other(
    cast: Cast, soon: None, settings: Any
) -> None:
    settings.REQUIRE_OPERATOR_MFA = True
    operator = cast.people["operator"]
    with acting_as_system():
        factor = TOTP.activate(operator, generate_totp_secret()).instance
    with_password, with_factor = session_of(cast, "operator"), session_of(cast, "operator")
    store = SessionStore(with_factor)
    store["account_authentication_methods"] = [{"method": "mfa", "at": 0.0, "id": factor.pk, "type": "totp"}]
    store["account_authentication_methods_user"] = str(operator.pk)
    store.save()

    async def watch() -> list[int]:
        refused, socket = Socket(FLEET, with_password), Socket(FLEET, with_factor)
        await refused.open()
        await socket.open()
        await socket.frame()
        assert await socket.is_quiet(0.5), "a check passes while all is well"
        await as_system(factor.delete)
        return [await refused.end(), await socket.end()]

    assert run(watch) == [NOT_FOUND, WITHDRAWN]


def test_what_is_withdrawn_is_noticed_within_five_seconds() -> None:
    assert watchers.SECONDS_BETWEEN_CHECKS * (1 + 1 / watchers.ROUNDS) < 5


def test_an_app_of_another_session_keeps_its_socket(cast: Cast, soon: None) -> None:
    first, second = session_of(cast, "owner"), session_of(cast, "owner")
    assert first != second

    async def watch() -> None:
        sockets = [Socket(home_path(cast), session) for session in (first, second)]
        for socket in sockets:
            await socket.open()
            await socket.frame()
        await as_system(_end_session, first)
        assert await sockets[0].end() == WITHDRAWN
        assert await sockets[1].is_quiet(0.5)
        await sockets[1].close()

    run(watch)


def _end_session(key: str) -> None:
    Session.objects.filter(pk=key).delete()


@pytest.mark.parametrize("origin", [b"https://localhost.evil.example", b"null", b"http://localhost:8001"])
def test_another_sites_page_is_refused_before_anything_is_said(cast: Cast, origin: bytes) -> None:
    session = session_of(cast, "owner")

    async def knock() -> bool:
        return await Socket(home_path(cast), session, origin).open()

    assert run(knock) is False


def test_an_app_brings_a_token_and_leaves_with_it(cast: Cast, soon: None) -> None:
    client = Client(HTTP_HOST="localhost")
    login = {"email": "owner@cast.example", "password": PASSWORD}
    meta = client.post("/_allauth/app/v1/auth/login", login, content_type="application/json").json()["meta"]
    offers = ["xfra.v1", f"bearer.{meta['access_token']}"]

    async def watch() -> int:
        socket = Socket(home_path(cast), None, None, offers)
        assert await socket.open()
        assert socket.protocol == "xfra.v1", "never the token"
        assert (await socket.frame())["home"] == str(cast.home.pk)
        assert await socket.is_quiet(0.5)
        await as_system(_sign_out, cast)
        return await socket.end()

    assert run(watch) == WITHDRAWN


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
        for text in ("", "{}", '{"type":"live.state","payload":{}}', "x" * 10_000):
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


def test_a_question_that_fails_is_asked_again(cast: Cast, soon: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is thrown out for want of an answer, and nobody stays for want of one more question."""
    session, answers = session_of(cast, "viewer"), iter([OperationalError("away"), ValueError("a mistake of ours")])
    real = watchers._may_watch

    def ask(*args: Any) -> bool:
        if error := next(answers, None):
            raise error
        return real(*args)

    monkeypatch.setattr(watchers, "_may_watch", ask)

    async def watch() -> int:
        socket = Socket(home_path(cast), session)
        await socket.open()
        await socket.frame()
        assert await socket.is_quiet(1.0)
        assert next(answers, None) is None, "both were asked"
        await as_system(_leave, cast)
        return await socket.end()

    assert run(watch) == WITHDRAWN
