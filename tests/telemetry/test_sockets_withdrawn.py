"""A websocket ends when the right to watch does, and not before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from homes.access import acting_as_system
from homes.models import Membership, User, WorkOrder
from homes.sessions import SessionStore
from telemetry import watchers
from telemetry.consumers import NOT_FOUND, WITHDRAWN
from tests.cast import PASSWORD, Cast, needs_database
from tests.telemetry.sockets import FLEET, Socket, as_system, home_path, node_path, run, session_of

pytestmark = [needs_database, pytest.mark.usefixtures("one_transaction")]


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
