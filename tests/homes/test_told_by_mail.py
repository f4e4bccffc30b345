"""People hear of what changes at their sign-in, prove who they are before it, and see when a session was last used."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from allauth.usersessions.models import UserSession
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from homes.access import acting_as_system, signing_in
from homes.models import OperatorContact, User
from tests.cast import BACKEND, PASSWORD, Cast, needs_database
from tests.homes.soft_key import SoftKey

pytestmark = needs_database
APP: Final = "/_allauth/app/v1"
NEW: Final = "another-battery-staple"
BROWSER: Final = "Mozilla/5.0 (X11; Linux x86_64) Sample/1.0"


@pytest.fixture(autouse=True)
def _unlimited() -> None:
    cache.clear()


class Person:
    """The home's owner, in a browser and in an app."""

    def __init__(self, cast: Cast) -> None:
        self.user: User = cast.people["owner"]
        self.browser = cast.client("owner")
        self.browser.defaults["HTTP_USER_AGENT"] = BROWSER
        given = {"email": self.user.email, "password": PASSWORD}
        found = Client(HTTP_HOST="localhost").post(f"{APP}/auth/login", given, content_type="application/json")
        token = found.json()["meta"]["access_token"]
        self.phone = Client(HTTP_HOST="localhost", HTTP_AUTHORIZATION=f"Bearer {token}", HTTP_USER_AGENT=BROWSER)

    def prove(self) -> None:
        self.browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
        self.app("post", "/auth/reauthenticate", {"password": PASSWORD})

    def app(self, method: str, path: str, body: Any = None) -> Any:
        return getattr(self.phone, method)(APP + path, body or {}, content_type="application/json")


def _digits(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


def _has(person: Person, kind: str) -> bool:
    with acting_as_system():
        return Authenticator.objects.filter(user=person.user, type=kind).exists()


def _activate_totp(person: Person) -> None:
    page = person.browser.get("/accounts/2fa/totp/activate/")
    if page.status_code == 200:
        person.browser.post("/accounts/2fa/totp/activate/", {"code": _digits(page.context["form"].secret)})


def _activate_totp_in_app(person: Person) -> None:
    secret = person.phone.get(f"{APP}/account/authenticators/totp").json()["meta"]["secret"]
    person.app("post", "/account/authenticators/totp", {"code": _digits(secret)})


def _with_totp(person: Person) -> None:
    with acting_as_system():
        TOTP.activate(person.user, generate_totp_secret())


def _with_codes(person: Person) -> None:
    _with_totp(person)
    with acting_as_system():
        RecoveryCodes.activate(person.user)


def _add_passkey(person: Person) -> None:
    asked = person.phone.get(f"{APP}/account/authenticators/webauthn?passwordless").json()
    if "creation_options" in asked.get("data", {}):
        credential = SoftKey().register(asked["data"]["creation_options"], "http://localhost")
        person.app("post", "/account/authenticators/webauthn", {"name": "Phone", "credential": credential})


def _with_passkey(person: Person) -> None:
    person.prove()
    _add_passkey(person)
    person.browser.cookies.clear()
    with signing_in():
        person.browser.force_login(person.user, backend=BACKEND)
    mail.outbox.clear()


def _remove_passkey(person: Person) -> None:
    with acting_as_system():
        key = Authenticator.objects.get(user=person.user, type="webauthn")
    person.browser.post(f"/accounts/2fa/webauthn/keys/{key.pk}/remove/")


def _change_password(person: Person) -> None:
    typed = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    person.browser.post("/accounts/password/change/", typed)


def _change_password_in_app(person: Person) -> None:
    person.app("post", "/account/password/change", {"current_password": PASSWORD, "new_password": NEW})


def _reset_password(person: Person) -> None:
    client = Client(HTTP_HOST="localhost", HTTP_USER_AGENT=BROWSER)
    client.post("/accounts/password/reset/", {"email": person.user.email})
    (link,) = re.findall(r"https?://[^/\s]+(/\S+)", str(mail.outbox.pop().body))
    client.post(client.get(link)["Location"], {"password1": NEW, "password2": NEW})


def _nothing(person: Person) -> None:
    pass


Step = Callable[[Person], Any]
# What is there before, what is done, what the mail's subject says, and whether it takes a fresh proof by itself.
CHANGES: Final[dict[str, tuple[Step, Step, str, bool]]] = {
    "password": (_nothing, _change_password, "Your password was changed", False),
    "password, in an app": (_nothing, _change_password_in_app, "Your password was changed", False),
    "password, by a mailed link": (_nothing, _reset_password, "Your password was reset", False),
    "authenticator": (_nothing, _activate_totp, "An authenticator app was added", True),
    "authenticator, in an app": (_nothing, _activate_totp_in_app, "An authenticator app was added", True),
    "authenticator removed": (
        _with_totp,
        lambda person: person.browser.post("/accounts/2fa/totp/deactivate/"),
        "The authenticator app was removed",
        True,
    ),
    "authenticator removed in an app": (
        _with_totp,
        lambda person: person.app("delete", "/account/authenticators/totp"),
        "The authenticator app was removed",
        True,
    ),
    "recovery codes": (
        _with_codes,
        lambda person: person.browser.post("/accounts/2fa/recovery-codes/generate/"),
        "New recovery codes were made",
        True,
    ),
    "recovery codes, in an app": (
        _with_codes,
        lambda person: person.app("post", "/account/authenticators/recovery-codes"),
        "New recovery codes were made",
        True,
    ),
    "passkey": (_nothing, _add_passkey, "A passkey was added", True),
    "passkey removed": (_with_passkey, _remove_passkey, "A passkey was removed", True),
}


def _state(person: Person) -> tuple[Any, ...]:
    with acting_as_system():
        factors = Authenticator.objects.filter(user=person.user).order_by("pk")
        return User.objects.get(pk=person.user.pk).password, [(each.pk, each.type, each.data) for each in factors]


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_takes_a_fresh_proof_and_is_told(
    cast: Cast, change: str, django_capture_on_commit_callbacks: Any
) -> None:
    before, do, subject, takes_proof = CHANGES[change]
    person = Person(cast)
    with acting_as_system():
        OperatorContact.objects.create(name="Olive Operator", phone="(555) 555-0142", hours="day and night")
    before(person)
    if takes_proof:
        unchanged = _state(person)
        with django_capture_on_commit_callbacks(execute=True):
            do(person)
        assert (_state(person), mail.outbox) == (unchanged, []), "without a fresh proof nothing happens"
        person.prove()
    with django_capture_on_commit_callbacks(execute=True):
        do(person)
    told = [message for message in mail.outbox if message.subject == subject]
    assert [message.to for message in told] == [[person.user.email]], [message.subject for message in mail.outbox]
    said = str(told[0].body)
    assert re.search(r"When: \d+ \w+ \d{4}, \d\d:\d\d UTC", said) and f"From: 127.0.0.1, {BROWSER}" in said
    assert "If this was you, there is nothing to do." in said and "If not: " in said
    assert "You can also call Olive Operator: (555) 555-0142, day and night." in said
    assert "example.com" not in said and "contact us" not in said and not getattr(told[0], "alternatives", [])


def test_a_proof_is_fresh_for_fifteen_minutes(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    person, real = Person(cast), time.time
    person.prove()
    for passed, expected in ((14 * 60, 200), (16 * 60, 302)):
        monkeypatch.setattr("time.time", lambda passed=passed: real() + passed)
        assert person.browser.get("/accounts/2fa/totp/activate/").status_code == expected


def test_a_mail_server_that_is_away_does_not_undo_what_has_happened(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    person = Person(cast)
    monkeypatch.setattr("django.core.mail.message.EmailMessage.send", lambda *_: (_ for _ in ()).throw(OSError("away")))
    typed = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert person.browser.post("/accounts/password/change/", typed).status_code == 302
    with acting_as_system():
        person.user.refresh_from_db()
    assert person.user.check_password(NEW) and "not told by mail" in caplog.text


def test_when_a_session_was_last_used_is_noted_once_a_minute(cast: Cast) -> None:
    person = Person(cast)
    for ask in (lambda: person.browser.get("/accounts/2fa/"), lambda: person.phone.get("/api/v1/me")):
        assert ask().status_code == 200
        with acting_as_system():
            newest = UserSession.objects.filter(user=person.user).latest("last_seen_at")
            sessions = UserSession.objects.filter(pk=newest.pk)
            long_ago = timezone.now() - timedelta(hours=3)
            sessions.update(last_seen_at=long_ago, user_agent="Another/1.0")
        ask()
        with acting_as_system():
            noted = sessions.get()
            assert noted.last_seen_at > timezone.now() - timedelta(minutes=5) and noted.user_agent == BROWSER
        ask()
        with acting_as_system():
            assert sessions.get().last_seen_at == noted.last_seen_at, "not at each request"
            sessions.delete()
