"""An app signs in: password, second factor, tokens, renewal, sign-out. Through the whole middleware, as on the wire."""

from __future__ import annotations

import time
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core.cache import cache
from django.test import Client

from homes.access import acting_as_system
from homes.models import Membership, User
from tests.cast import PASSWORD, Cast, needs_database

pytestmark = needs_database
SIGN_IN = "/_allauth/app/v1/auth/login"
SECOND = "/_allauth/app/v1/auth/2fa/authenticate"
RENEW = "/_allauth/app/v1/tokens/refresh"
SESSION = "/_allauth/app/v1/auth/session"


@pytest.fixture(autouse=True)
def _unlimited() -> None:
    """Limits of sign-in are counted in Redis, which a test's transaction does not roll back."""
    cache.clear()


class App:
    """An app on a phone: no cookies, an access token once it has one."""

    def __init__(self) -> None:
        self.http = Client(HTTP_HOST="localhost", enforce_csrf_checks=True)
        self.tokens: dict[str, str] = {}

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        self.http.cookies.clear()
        given = {"Authorization": f"Bearer {self.tokens['access_token']}"} if "access_token" in self.tokens else {}
        sends = {} if body is None else {"data": body, "content_type": "application/json"}
        answer = getattr(self.http, method)(path, headers={**given, **headers}, **sends)
        assert not answer.cookies, "an app is given tokens, no cookies"
        return answer

    def sign_in(self, email: str, password: str = PASSWORD) -> Any:
        answer = self.call("post", SIGN_IN, {"email": email, "password": password})
        if answer.status_code == 200:
            self.tokens = answer.json()["meta"]
        return answer


def test_password_then_code_then_tokens_then_out(cast: Cast) -> None:
    secret, app = generate_totp_secret(), App()
    with acting_as_system():
        TOTP.activate(cast.people["owner"], secret)
    pending = app.sign_in("owner@cast.example")
    assert pending.status_code == 401
    flows = {flow["id"]: flow for flow in pending.json()["data"]["flows"]}
    assert flows["mfa_authenticate"]["is_pending"] and "totp" in flows["mfa_authenticate"]["types"]
    session = {"X-Session-Token": pending.json()["meta"]["session_token"]}
    assert app.call("get", "/api/v1/me", **session).status_code == 401, "half signed in is not signed in"

    assert app.call("post", SECOND, {"code": "000000"}, **session).status_code == 400
    code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    done = app.call("post", SECOND, {"code": code}, **session)
    assert done.status_code == 200
    app.tokens = done.json()["meta"]
    assert app.call("get", "/api/v1/me").json()["email"] == "owner@cast.example"

    old = app.tokens["refresh_token"]
    renewed = App().call("post", RENEW, {"refresh_token": old})
    assert renewed.status_code == 200
    app.tokens |= renewed.json()["data"]
    assert app.call("get", "/api/v1/me").status_code == 200
    again = App().call("post", RENEW, {"refresh_token": old})
    assert again.json()["data"] == renewed.json()["data"], "at once again, the same: the answer may be lost"

    assert app.call("delete", SESSION).status_code == 401  # allauth's answer for: you are signed out now
    refused = app.call("get", "/api/v1/me")
    assert refused.status_code == 401 and refused["Content-Type"] == "application/problem+json"
    assert App().call("post", RENEW, {"refresh_token": app.tokens["refresh_token"]}).status_code == 401


def test_a_token_shows_its_persons_homes_and_no_others(cast: Cast) -> None:
    app = App()
    assert app.sign_in("outsider@cast.example").status_code == 200
    assert [home["id"] for home in app.call("get", "/api/v1/homes").json()["results"]] == [str(cast.other_home.pk)]
    assert app.call("get", f"/api/v1/homes/{cast.other_home.pk}").status_code == 200
    assert app.call("get", f"/api/v1/homes/{cast.home.pk}").status_code == 404


def test_what_one_request_may_see_does_not_leak_into_the_next(cast: Cast) -> None:
    app = App()
    app.sign_in("owner@cast.example")
    assert app.call("get", f"/api/v1/homes/{cast.home.pk}").status_code == 200
    assert App().call("get", f"/api/v1/homes/{cast.home.pk}").status_code == 401


def test_withdrawn_membership_and_closed_account_take_effect_at_once(cast: Cast) -> None:
    app = App()
    app.sign_in("member@cast.example")
    with acting_as_system():
        Membership.objects.filter(user=cast.people["member"]).delete()
    assert app.call("get", f"/api/v1/homes/{cast.home.pk}").status_code == 404
    with acting_as_system():
        User.objects.filter(pk=cast.people["member"].pk).update(is_active=False)
    assert app.call("get", "/api/v1/me").status_code == 401


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "xfn_1_secret", "\xff"])
def test_a_token_that_is_none_is_refused(cast: Cast, token: str) -> None:
    answer = Client(HTTP_HOST="localhost").get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_nodes_token_opens_nothing_for_people(cast: Cast) -> None:
    app = App()
    app.tokens = {"access_token": cast.node_token}
    assert app.call("get", f"/api/v1/homes/{cast.home.pk}").status_code == 401


def test_guessing_is_slowed_down(cast: Cast) -> None:
    answers = [App().sign_in("owner@cast.example", f"wrong-{i}") for i in range(8)]
    assert {answer.status_code for answer in answers} == {400}
    assert answers[-1].json()["errors"][0]["code"] == "too_many_login_attempts"
    assert App().sign_in("owner@cast.example").status_code == 400, "not even with the right one, for a while"


def test_nobody_signs_up_alone(cast: Cast) -> None:
    body = {"email": "new@cast.example", "password": PASSWORD}
    assert App().call("post", "/_allauth/app/v1/auth/signup", body).status_code == 404
