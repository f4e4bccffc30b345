"""The portal's name is its own: no Host, port, scheme or Origin of a request becomes a link, a key or a right."""

from __future__ import annotations

import re
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core import mail
from django.core.cache import cache
from django.test import Client

from tests.access.test_sockets import _headers, _knock, _one_transaction, _path
from tests.cast import Cast, needs_database

__all__ = ["_one_transaction"]
pytestmark = needs_database

OURS = "https://portal.example"
NOT_OURS = [
    "portal.example:8080",
    "evil.example",
    "portal.example.evil.example",
    "portal.example:",
    "a@portal.example",
    "",
]
SAME = ["portal.example", "PORTAL.example", "portal.example:443"]


@pytest.fixture(autouse=True)
def _one_name(settings: Any) -> None:
    cache.clear()
    settings.ORIGINS, settings.ALLOWED_HOSTS = [OURS], ["portal.example"]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")


def _browser(host: str) -> Client:
    return Client(HTTP_HOST=host, HTTP_X_FORWARDED_PROTO="https")


@pytest.mark.parametrize("host", NOT_OURS)
def test_under_another_name_there_is_no_portal(cast: Cast, host: str) -> None:
    for path in ("/accounts/login/", "/api/v1/me", "/_allauth/app/v1/config", "/fleet/"):
        answer = _browser(host).get(path)
        assert answer.status_code == 400, path
        assert OURS in answer.content.decode() and (not host or "evil" not in answer.content.decode())


@pytest.mark.parametrize("host", SAME)
def test_our_name_is_spelled_one_way(cast: Cast, host: str) -> None:
    """Whoever mails a link or counts an attempt asks the request, which knows one spelling."""
    answer = _browser(host).get("/accounts/login/")
    assert answer.status_code == 200 and answer.wsgi_request.get_host() == "portal.example"


def test_a_mail_carries_our_name_whatever_was_asked_for(cast: Cast) -> None:
    for host in (*SAME, *NOT_OURS):
        _browser(host).post("/accounts/password/reset/", {"email": "owner@cast.example"})
    links = [link for message in mail.outbox for link in re.findall(r"https?://[^/\s]+", str(message.body))]
    assert links and set(links) == {OURS}


def test_attempts_are_counted_together_whatever_the_port(cast: Cast) -> None:
    codes = []
    for turn in range(12):
        body = {"email": "owner@cast.example", "password": f"wrong-{turn}"}
        answer = _browser(SAME[turn % len(SAME)]).post(
            "/_allauth/app/v1/auth/login", body, content_type="application/json"
        )
        codes.append(answer.json()["errors"][0]["code"])
    assert codes.count("email_password_mismatch") <= 5 and codes[-1] == "too_many_login_attempts"


ORIGINS = {
    "https://portal.example": True,
    "http://portal.example": False,
    "https://portal.example:8443": False,
    "https://portal.example.evil.example": False,
    "https://evil.example": False,
    "http://[": False,
    "null": False,
    "": False,
    "HTTPS://PORTAL.EXAMPLE": False,
}


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_page_opens_a_socket_only_of_its_own_site_by_scheme_name_and_port(cast: Cast, origin: str) -> None:
    cookies = _headers(cast, "owner", None)[1:]
    headers = [(b"host", b"portal.example"), (b"origin", origin.encode()), *cookies]
    assert (async_to_sync(_knock)(_path("ws-home", cast), headers) is not False) == ORIGINS[origin]


@pytest.mark.parametrize("host", NOT_OURS)
def test_a_socket_under_another_name_is_refused(cast: Cast, host: str) -> None:
    cookies = _headers(cast, "owner", None)[1:]
    for origin in (OURS, f"https://{host}"):
        headers = [(b"host", host.encode()), (b"origin", origin.encode()), *cookies]
        assert async_to_sync(_knock)(_path("ws-home", cast), headers) is False


def test_machines_ask_after_a_server_by_its_address(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    assert Client(HTTP_HOST="10.0.0.7:8000").get("/healthz").status_code == 200
