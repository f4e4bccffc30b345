"""In production the operator's staff has its role only where a second factor was used; a password gets nobody there."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.test import Client

from homes.access import acting_as_system
from homes.models import Membership, OperatorRole
from tests.cast import PASSWORD, Cast, needs_database

pytestmark = needs_database
LOGIN = "/accounts/login/"
CODE = "/accounts/login/code/confirm/"
FACTOR = "/accounts/2fa/authenticate/"
ENROL = "/accounts/2fa/totp/activate/"
PROVE = "/accounts/2fa/reauthenticate/"
APP = "/_allauth/app/v1/auth"


@pytest.fixture(autouse=True)
def _required(settings: Any) -> None:
    settings.REQUIRE_OPERATOR_MFA = True
    cache.clear()  # sign-ins are counted


@pytest.fixture
def secret(cast: Cast) -> str:
    """The operator's second factor."""
    made: str = generate_totp_secret()
    with acting_as_system():
        TOTP.activate(cast.people["operator"], made)
    return made


def _digits(secret: str) -> str:
    found: str = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    return found


def _browser() -> Client:
    return Client(HTTP_HOST="localhost")


def _with_password(name: str, client: Client | None = None) -> tuple[Client, str]:
    """A browser that gave the password, and where it was sent next."""
    client = client or _browser()
    answer = client.post(LOGIN, {"login": f"{name}@cast.example", "password": PASSWORD})
    assert answer.status_code == 302, answer.content.decode()
    return client, answer["Location"]


def _mailed_code() -> str:
    found = re.search(r"^\s*([A-Z0-9]{4}-[A-Z0-9]{4})$", mail.outbox[-1].body, re.MULTILINE)
    assert found is not None, mail.outbox[-1].body
    return found[1]


def _sees_fleet(client: Client) -> bool:
    return client.get("/fleet/").status_code == 200


def test_without_one_the_console_does_not_exist(cast: Cast) -> None:
    client = cast.client("operator")
    for door in ("/fleet/", f"/fleet/nodes/{cast.node.hostname}/", "/api/v1/fleet", f"/homes/{cast.home.pk}/"):
        assert client.get(door).status_code == 404, door
    assert "second factor" in client.get("/").content.decode()


def test_with_one_it_does_and_the_seed_is_sealed(cast: Cast, secret: str) -> None:
    with acting_as_system():
        stored = Authenticator.objects.get(user=cast.people["operator"]).data["secret"]
    assert secret not in stored
    client, then = _with_password("operator")
    assert then == FACTOR and not _sees_fleet(client)
    client.post(FACTOR, {"code": _digits(secret)})
    assert _sees_fleet(client)


def test_a_session_that_did_not_use_it_gains_nothing_by_it(cast: Cast, secret: str) -> None:
    """Somebody who knew the password was signed in before the operator set up a second factor."""
    client = cast.client("operator")
    assert not _sees_fleet(client)
    assert PROVE in client.get("/").content.decode()
    client.post(f"{PROVE}?next=/", {"code": _digits(secret)})
    assert _sees_fleet(client)


def test_the_role_ends_with_the_factor(cast: Cast, secret: str) -> None:
    client, _ = _with_password("operator")
    client.post(FACTOR, {"code": _digits(secret)})
    with acting_as_system():
        Authenticator.objects.filter(user=cast.people["operator"]).delete()
    assert not _sees_fleet(client)


def test_a_password_alone_does_not_let_staff_in_to_set_one_up(cast: Cast) -> None:
    client, then = _with_password("operator")
    assert then == CODE
    assert client.get(ENROL)["Location"].startswith(LOGIN), "not signed in yet"
    assert [message.to for message in mail.outbox] == [["operator@cast.example"]]
    client.post(CODE, {"code": "WRONG1"})
    assert client.get(ENROL)["Location"].startswith(LOGIN)
    client.post(CODE, {"code": _mailed_code()})
    assert client.get("/").status_code == 200 and not _sees_fleet(client)


def test_setting_one_up_ends_other_sessions_and_a_code_begins_the_role(
    cast: Cast, django_capture_on_commit_callbacks: Any
) -> None:
    other, mine = _browser(), _browser()
    for client in (other, mine):
        _with_password("operator", client)
        client.post(CODE, {"code": _mailed_code()})
        assert client.get("/").status_code == 200
    mine.post("/accounts/reauthenticate/", {"password": PASSWORD})
    secret = mine.get(ENROL).context["form"].secret
    with django_capture_on_commit_callbacks(execute=True):
        assert mine.post(ENROL, {"code": _digits(secret)}).status_code == 302
    assert other.get("/")["Location"].startswith(LOGIN)
    assert not _sees_fleet(mine)
    cache.clear()  # a code is good once
    mine.post(f"{PROVE}?next=/", {"code": _digits(secret)})
    assert _sees_fleet(mine)


def test_who_becomes_staff_starts_anew(cast: Cast) -> None:
    client, _ = _with_password("owner")
    assert client.get(f"/homes/{cast.home.pk}/").status_code == 200
    with acting_as_system():
        OperatorRole.objects.create(user=cast.people["owner"], role=OperatorRole.Role.ADMIN)
    assert client.get(f"/homes/{cast.home.pk}/").status_code == 302


def test_staff_with_a_home_of_its_own_is_told_too(cast: Cast) -> None:
    with acting_as_system():
        Membership.objects.create(home=cast.other_home, user=cast.people["operator"], role=Membership.Role.MEMBER)
    assert "second factor" in cast.client("operator").get("/").content.decode()


def test_an_apps_token_carries_the_role_only_with_a_code(cast: Cast, secret: str) -> None:
    given = {"email": "operator@cast.example", "password": PASSWORD}
    pending = _browser().post(f"{APP}/login", given, content_type="application/json")
    assert pending.status_code == 401
    session = {"X-Session-Token": pending.json()["meta"]["session_token"]}
    body = {"code": _digits(secret)}
    done = _browser().post(f"{APP}/2fa/authenticate", body, content_type="application/json", headers=session)
    token = {"Authorization": f"Bearer {done.json()['meta']['access_token']}"}
    assert _browser().get("/api/v1/fleet", headers=token).status_code == 200
    with acting_as_system():  # the same token of a session that knows of no code
        for stored in Session.objects.all():
            data = stored.get_decoded()
            data.pop("account_authentication_methods", None)
            Session.objects.filter(pk=stored.pk).update(session_data=Session.get_session_store_class()().encode(data))
    assert _browser().get("/api/v1/fleet", headers=token).status_code == 404


def test_a_household_is_not_forced(cast: Cast) -> None:
    client, _ = _with_password("owner")
    assert client.get(f"/homes/{cast.home.pk}/").status_code == 200
    assert mail.outbox == []


def test_a_passkey_can_be_used_to_sign_in_and_the_account_is_found(cast: Cast) -> None:
    said = _browser().get(LOGIN).content.decode()
    assert 'id="passkey_login"' in said and 'id="mfa_login"' in said and "webauthn.js" in said
    assert 'href="/accounts/2fa/"' in cast.client("owner").get(f"/homes/{cast.home.pk}/").content.decode()
    page = cast.client("owner").get("/accounts/2fa/").content.decode()
    assert 'href="/accounts/password/change/"' in page and 'href="/accounts/sessions/"' in page
