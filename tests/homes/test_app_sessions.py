"""Renewal of tokens on trains, by thieves and over a rotation of the secret key: cases M2 to M4 of the design."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import jwt
import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from homes import app_sessions, app_tokens
from homes.access import acting_as_system
from homes.models import AppSession, User
from tests.cast import PASSWORD, Cast, needs_database
from xfra_portal.tasks import clear_sessions

APP: Final = "/_allauth/app/v1"
FORMER, PRESENT = "former-" + "f" * 60, "present-" + "p" * 60


@pytest.fixture(autouse=True)
def _unlimited() -> None:
    cache.clear()


class Phone:
    """An app that keeps its tokens, and remembers all that it ever had: `refresh[-1]` is the newest."""

    def __init__(self, email: str = "owner@cast.example") -> None:
        answer = _post("/auth/login", {"email": email, "password": PASSWORD})
        assert answer.status_code == 200, answer.content
        assert answer.json()["meta"].keys() >= {"access_token", "refresh_token"}
        assert "session_token" not in answer.json()["meta"], "no key that never changes beside those that do"
        self.access: str = answer.json()["meta"]["access_token"]
        self.refresh: list[str] = [answer.json()["meta"]["refresh_token"]]

    def renew(self, generation: int = -1) -> tuple[int, str]:
        """With one of the tokens that it had; the status, and the code of a refusal."""
        status, said = renewed(self.refresh[generation])
        if status == 200:
            self.access = said["data"]["access_token"]
            self.refresh.append(said["data"]["refresh_token"])
        return status, "" if status == 200 else said["errors"][0]["code"]

    def is_signed_in(self) -> bool:
        answer = Client(HTTP_HOST="localhost").get("/api/v1/me", headers={"Authorization": f"Bearer {self.access}"})
        return answer.status_code == 200


def _post(path: str, body: dict[str, str], **headers: str) -> Any:
    return Client(HTTP_HOST="localhost").post(APP + path, body, content_type="application/json", headers=headers)


def renewed(refresh_token: str) -> tuple[int, dict[str, Any]]:
    answer = _post("/tokens/refresh", {"refresh_token": refresh_token})
    return answer.status_code, answer.json()


def later(**passed: float) -> None:
    """As if that much time had passed since everything that is stored of sign-ins."""
    by = timedelta(**passed)
    with acting_as_system():
        for row in AppSession.objects.all():
            row.renewed_at, row.began_at = row.renewed_at - by, row.began_at - by
            row.save()
        for session in Session.objects.all():
            Session.objects.filter(pk=session.pk).update(expire_date=session.expire_date - by)


REUSED, UNKNOWN = (401, "refresh-reused"), (401, "refresh-unknown")
# Which of the phone's tokens it renews with, how many seconds later; what comes of the last try, and whether by mail.
TRAINS: Final = {
    "one after another": ([(-1, 0), (-1, 0), (-1, 3600)], (200, ""), False),
    "M2: the answer was lost, tried again at 59 s": ([(0, 0), (0, 59)], (200, ""), False),
    "M2: tried again at 61 s": ([(0, 0), (0, 61)], REUSED, True),
    "M3: two generations old": ([(0, 0), (1, 0), (0, 0)], REUSED, True),
    "M3: the newest is dead too": ([(0, 0), (1, 0), (0, 0), (2, 0)], REUSED, True),
    "after 13 days, again and again": ([(-1, 13 * 86400), (-1, 13 * 86400)], (200, ""), False),
    "after 15 days": ([(-1, 15 * 86400)], UNKNOWN, False),
}


@needs_database
@pytest.mark.parametrize("case", TRAINS)
def test_renewal(cast: Cast, case: str) -> None:
    tries, expected, is_mailed = TRAINS[case]
    phone, found = Phone(), (0, "")
    for generation, seconds in tries:
        later(seconds=seconds)
        found = phone.renew(generation)
    assert found == expected
    assert [message.to for message in mail.outbox] == [["owner@cast.example"]] * is_mailed
    assert phone.is_signed_in() == (expected == (200, ""))
    if is_mailed:
        assert "old key" in mail.outbox[0].body and "127.0.0.1" in mail.outbox[0].body


@needs_database
def test_a_lost_answer_is_given_again_to_the_letter(cast: Cast) -> None:
    phone = Phone()
    first, again = renewed(phone.refresh[0]), renewed(phone.refresh[0])
    assert first == again and first[0] == 200
    with acting_as_system():
        kept = AppSession.objects.get()
    for token in first[1]["data"].values():
        assert token not in kept.answer_sealed, "kept sealed"


@needs_database
def test_a_sign_in_lasts_180_days_however_often_it_isrenewed(cast: Cast) -> None:
    phone = Phone()
    for _ in range(17):
        later(days=10)
        assert phone.renew() == (200, "")
    later(days=8)
    assert phone.renew() == (200, "")
    until = jwt.decode(phone.refresh[-1], options={"verify_signature": False})["exp"]
    assert until - timezone.now().timestamp() < 3 * 86400, "and no token says that it lasts longer"
    later(days=3)
    assert phone.renew() == UNKNOWN and mail.outbox == []


@needs_database
def test_m4_a_rotated_secret_key_signs_no_phone_out(cast: Cast, settings: Any) -> None:
    settings.SECRET_KEY = FORMER
    phone, idle = Phone(), Phone("viewer@cast.example")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = PRESENT, [FORMER]
    assert phone.is_signed_in()
    asked = Client(HTTP_HOST="localhost").get(
        f"{APP}/auth/session", headers={"Authorization": f"Bearer {phone.access}"}
    )
    assert asked.status_code == 200 and phone.is_signed_in(), "nor does a door of allauth's"
    assert phone.renew(0) == phone.renew(0) == (200, "")
    old, new = (jwt.get_unverified_header(token)["kid"] for token in phone.refresh[:2])
    assert old != new
    settings.SECRET_KEY_FALLBACKS = []
    assert phone.is_signed_in() and phone.renew() == (200, "")
    assert not idle.is_signed_in() and idle.renew() == UNKNOWN, "whoever did not come while both were known"


@needs_database
def test_a_new_password_signs_out_every_phone_but_the_one_it_was_chosen_on(cast: Cast) -> None:
    phone, other = Phone(), Phone()
    body = {"current_password": PASSWORD, "new_password": "another-battery-staple"}
    assert _post("/account/password/change", body, Authorization=f"Bearer {phone.access}").status_code == 200
    assert phone.is_signed_in() and phone.renew() == (200, "")
    assert not other.is_signed_in() and other.renew() == UNKNOWN


@needs_database
def test_an_ended_session_ends_its_tokens(cast: Cast) -> None:
    phone, deactivated = Phone(), Phone("viewer@cast.example")
    Client(HTTP_HOST="localhost").delete(f"{APP}/auth/session", headers={"Authorization": f"Bearer {phone.access}"})
    with acting_as_system():
        User.objects.filter(email="viewer@cast.example").update(is_active=False)
    for each in (phone, deactivated):
        assert not each.is_signed_in() and each.renew() == UNKNOWN
    assert mail.outbox == []


def _foreign(claims: app_tokens.Claims, key: bytes, **header: Any) -> str:
    said = {"jti": str(claims.token_id), "sid": str(claims.sign_in), "sub": str(claims.user_id), "token_use": "refresh"}
    return jwt.encode({**said, "iat": 1, "exp": 4102444800}, key, algorithm="HS256", headers=header)


@needs_database
def test_what_is_no_refresh_token_is_unknown_and_ends_nothing(cast: Cast) -> None:
    phone = Phone()
    claims = app_tokens.read(phone.refresh[0], "refresh")
    assert claims is not None
    kid = jwt.get_unverified_header(phone.refresh[0])["kid"]
    none = jwt.encode({"jti": str(claims.token_id)}, "", algorithm="none")
    deep = "W1tb" * 500 + ".e30.x"
    for token in (
        "x", "a.b.c", "é", "\ud800", phone.access, phone.refresh[0] + "x", "x" * 5000, none, deep,
        _foreign(claims, b"k" * 32), _foreign(claims, b"k" * 32, kid=kid),
    ):  # fmt: skip
        assert renewed(token)[0] in (400, 401), token
        assert app_tokens.read(token, "refresh") is None
    assert phone.renew() == (200, "")


def _upkeep() -> None:
    with acting_as_system():  # as workers are
        clear_sessions()


@needs_database
def test_what_has_ended_is_forgotten(cast: Cast) -> None:
    phone, stolen = Phone(), Phone("viewer@cast.example")
    stolen.renew(0), stolen.renew(1), stolen.renew(0)
    _upkeep()
    assert stolen.renew(0) == REUSED, "said for as long as its tokens would have lasted"
    later(days=15)
    _upkeep()
    with acting_as_system():
        assert not AppSession.objects.exists()
    assert phone.renew() == stolen.renew() == UNKNOWN


@needs_database
def test_a_database_that_is_away_signs_nobody_out(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = Phone()
    monkeypatch.setattr(app_sessions, "_renew", lambda said: (_ for _ in ()).throw(OperationalError("away")))
    assert _post("/tokens/refresh", {"refresh_token": phone.refresh[0]}).status_code == 503
    monkeypatch.undo()
    assert phone.renew() == (200, "")
