"""Passkeys of our pages and of our own apps, and of nobody else's: case M5 of the design, with real ceremonies."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from allauth.account.utils import user_pk_to_url_str
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from fido2.utils import websafe_encode

from homes.passkeys import may_use
from tests.cast import PASSWORD, Cast, needs_database
from tests.homes.soft_key import SoftKey
from xfra_portal.native_apps import AndroidApp, android_apps, ios_apps

APP: Final = "/_allauth/app/v1"
CERTIFICATE: Final = ":".join(["0F", "A5"] * 16)
OURS: Final = AndroidApp("com.example.portal", CERTIFICATE)
LISTED: Final = "android:apk-key-hash:D6UPpQ-lD6UPpQ-lD6UPpQ-lD6UPpQ-lD6UPpQ-lD6U"
OTHER: Final = "android:apk-key-hash:AAUPpQ-lD6UPpQ-lD6UPpQ-lD6UPpQ-lD6UPpQ-lD6U"
ORIGINS: Final = {  # a host, an origin: whether a passkey of the former may be used from the latter
    ("portal.example", "https://portal.example"): True,
    ("portal.example", LISTED): True,
    ("portal.example", OTHER): False,
    ("portal.example", LISTED.lower()): False,
    ("portal.example", LISTED + "="): False,
    ("portal.example", LISTED.removeprefix("android:")): False,
    ("portal.example", "https://evil.example"): False,
    ("portal.example", "https://evil.portal.example"): False,
    ("portal.example", "https://portal.example.evil.example"): False,
    ("portal.example", "https://portal.example@evil.example"): False,
    ("portal.example", "https://user@portal.example"): False,
    ("portal.example", "https://portal.example/path"): False,
    ("portal.example", "http://portal.example"): False,
    ("portal.example", "http://localhost"): False,
    ("portal.example", "http://["): False,
    ("portal.example", ""): False,
    ("localhost", "http://localhost"): True,
    ("localhost", "http://localhost:8000"): True,
    ("localhost", "https://evil.example"): False,
    ("", ""): False,
}
CEREMONIES: Final = {
    "http://localhost:8000": True,
    LISTED: True,
    OTHER: False,
    "https://evil.example": False,
    "https://localhost.evil.example": False,
}


@pytest.fixture(autouse=True)
def _an_app_of_ours(settings: Any) -> None:
    cache.clear()
    settings.MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = False
    settings.PASSKEY_APP_ORIGINS = [OURS.passkey_origin]
    settings.ORIGINS = ["http://localhost", "http://localhost:8000", "https://portal.example"]


def test_what_android_calls_the_app() -> None:
    assert OURS.passkey_origin == LISTED


@pytest.mark.parametrize(("host", "origin"), ORIGINS)
def test_from_where_a_passkey_may_be_used(host: str, origin: str) -> None:
    assert may_use(host, origin) == ORIGINS[host, origin]


class Phone:
    """An app of somebody who gave the password, and again just now."""

    def __init__(self) -> None:
        self._http = Client(HTTP_HOST="localhost")
        given = {"email": "owner@cast.example", "password": PASSWORD}
        token = self.call("post", "/auth/login", given).json()["meta"]["access_token"]
        self._http = Client(HTTP_HOST="localhost", HTTP_AUTHORIZATION=f"Bearer {token}")

    def call(self, method: str, path: str, body: Any = None, http: Client | None = None, **headers: str) -> Any:
        sent = {} if body is None else {"data": body, "content_type": "application/json"}
        return getattr(http or self._http, method)(APP + path, headers=headers, **sent)

    def add(self, key: SoftKey, origin: str) -> int:
        self.call("post", "/auth/reauthenticate", {"password": PASSWORD})
        answer = self.call("get", "/account/authenticators/webauthn?passwordless")
        credential = key.register(answer.json()["data"]["creation_options"], origin)
        given = {"name": "My phone", "credential": credential}
        return int(self.call("post", "/account/authenticators/webauthn", given).status_code)

    def sign_in(self, key: SoftKey, origin: str) -> int:
        stranger = Client(HTTP_HOST="localhost")
        asked = self.call("get", "/auth/webauthn/login", http=stranger).json()
        credential = key.use(asked["data"]["request_options"], origin)
        session = asked["meta"]["session_token"]
        given = {"credential": credential}
        answer = self.call("post", "/auth/webauthn/login", given, http=stranger, **{"X-Session-Token": session})
        return int(answer.status_code)


@needs_database
@pytest.mark.parametrize("origin", CEREMONIES)
def test_m5_both_ceremonies(cast: Cast, origin: str) -> None:
    phone, stranger, key = Phone(), SoftKey(), SoftKey()
    assert (phone.add(stranger, origin) == 200) == CEREMONIES[origin], "made from there"
    assert phone.add(key, "http://localhost:8000") == 200
    assert (phone.sign_in(key, origin) == 200) == CEREMONIES[origin], "used from there"


WELL_KNOWN: Final = ("/.well-known/assetlinks.json", "/.well-known/apple-app-site-association")


@pytest.mark.parametrize("is_production", [False, True])
def test_platforms_are_always_answered(settings: Any, is_production: bool) -> None:
    settings.SECURE_SSL_REDIRECT, settings.ANDROID_APPS, settings.IOS_APPS = is_production, [], []
    found = []
    for address in WELL_KNOWN:
        answer = Client(HTTP_HOST="localhost").get(address)
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/json"), address
        found.append(answer.json())
    assert found == [[], {"webcredentials": {"apps": []}, "applinks": {"details": []}}]
    assert Client(HTTP_HOST="localhost").get("/").status_code == (301 if is_production else 302)


def test_platforms_are_told_our_apps(settings: Any) -> None:
    settings.ANDROID_APPS, settings.IOS_APPS = [OURS], ["ABCDE12345.com.example.portal"]
    android, apple = (Client(HTTP_HOST="localhost").get(address).json() for address in WELL_KNOWN)
    assert android[0]["target"] == {
        "namespace": "android_app",
        "package_name": "com.example.portal",
        "sha256_cert_fingerprints": [CERTIFICATE],
    }
    assert "delegate_permission/common.get_login_creds" in android[0]["relation"]
    assert apple["webcredentials"]["apps"] == apple["applinks"]["details"][0]["appIDs"] == settings.IOS_APPS


NO_APPS: Final = ("", "com.example.portal", f"portal={CERTIFICATE}", f"a.b={CERTIFICATE[:-3]}", "a.b=zz")


@pytest.mark.parametrize("given", NO_APPS)
def test_an_app_that_is_none_stops_the_start(given: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"XFRA_ANDROID_APPS.*certificate"):
        android_apps([given])
    with pytest.raises(ImproperlyConfigured, match="XFRA_IOS_APPS"):
        ios_apps([given])
    assert android_apps([f"com.example.portal={CERTIFICATE.lower()}"]) == [OURS]


NO_CREDENTIALS: Final[list[Any]] = [
    1, "x", [], {}, [[1]], {"response": 1}, {"response": []}, {"response": {"userHandle": 5}}, {"id": 1},
    {"response": {"userHandle": None}}, {"response": {"userHandle": "MQ", "clientDataJSON": 1}},
    {"id": "AA", "rawId": "AA", "type": "public-key", "response": {"clientDataJSON": "e30", "attestationObject": "oA"}},
    {"id": "AA", "rawId": "AA", "type": "public-key", "response": {"userHandle": "USER", "clientDataJSON": "W10",
     "authenticatorData": "AA", "signature": "AA"}},
]  # fmt: skip


@needs_database
def test_what_is_no_credential_is_refused(cast: Cast) -> None:
    """By every door that takes one, once a ceremony has begun there."""
    phone = Phone()
    phone.add(SoftKey(), "http://localhost:8000")
    phone.call("post", "/auth/reauthenticate", {"password": PASSWORD})
    owner = websafe_encode(user_pk_to_url_str(cast.people["owner"]).encode())
    for given in NO_CREDENTIALS:
        credential = json.loads(json.dumps(given).replace("USER", owner))
        for door in ("/auth/webauthn/login", "/auth/webauthn/reauthenticate", "/account/authenticators/webauthn"):
            cache.clear()
            http = Client(HTTP_HOST="localhost") if door.endswith("login") else None
            asked = phone.call("get", door, http=http).json()
            session = {"X-Session-Token": asked["meta"]["session_token"]} if http else {}
            answer = phone.call("post", door, {"name": "x", "credential": credential}, http=http, **session)
            assert answer.status_code == 400, (door, given)


@needs_database
def test_a_forged_signature_is_refused(cast: Cast) -> None:
    phone, key = Phone(), SoftKey()
    phone.add(key, "http://localhost:8000")
    forged = SoftKey()
    forged.pretend_to_be(key)
    assert phone.sign_in(forged, "http://localhost:8000") == 400
    assert phone.sign_in(key, "http://localhost:8000") == 200
