"""Sealed second factors outlive the secret key, as long as the key before it is known."""

from __future__ import annotations

import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core.cache import cache
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from homes.access import acting_as_system
from homes.accounts import SealedMFAAdapter
from tests.cast import PASSWORD, Cast, needs_database

FORMER, PRESENT = "former-" + "f" * 60, "present-" + "p" * 60


def test_what_a_former_key_sealed_is_opened_and_the_present_one_seals(settings: Any) -> None:
    settings.SECRET_KEY = FORMER
    sealed = SealedMFAAdapter().encrypt("a seed")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = PRESENT, [FORMER]
    assert SealedMFAAdapter().decrypt(sealed) == "a seed"
    sealed = SealedMFAAdapter().encrypt("a seed")
    settings.SECRET_KEY_FALLBACKS = []
    assert SealedMFAAdapter().decrypt(sealed) == "a seed"


@needs_database
def test_factors_sealed_anew_need_the_former_key_no_more(cast: Cast, settings: Any) -> None:
    settings.SECRET_KEY = "lost-" + "l" * 60
    with acting_as_system():
        TOTP.activate(cast.people["viewer"], generate_totp_secret())
        settings.SECRET_KEY = FORMER
        secret = generate_totp_secret()
        TOTP.activate(cast.people["owner"], secret)
        RecoveryCodes.activate(cast.people["owner"])
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = PRESENT, [FORMER]
        codes = RecoveryCodes(Authenticator.objects.get(type=Authenticator.Type.RECOVERY_CODES)).generate_codes()
        with pytest.raises(CommandError, match="1 cannot be opened"):
            call_command("reseal_factors")
        settings.SECRET_KEY_FALLBACKS = []
        kept = {authenticator.type: authenticator for authenticator in cast.people["owner"].authenticator_set.all()}
    assert SealedMFAAdapter().decrypt(kept["totp"].data["secret"]) == secret
    assert RecoveryCodes(kept["recovery_codes"]).generate_codes() == codes


@needs_database
def test_without_the_former_key_a_code_is_wrong_and_nothing_breaks(
    cast: Cast, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cache.clear()  # sign-ins are counted
    settings.SECRET_KEY = FORMER
    secret = generate_totp_secret()
    with acting_as_system():
        TOTP.activate(cast.people["owner"], secret)
    settings.SECRET_KEY = PRESENT
    client = Client(HTTP_HOST="localhost")
    client.post("/accounts/login/", {"login": "owner@cast.example", "password": PASSWORD})
    for seed in (secret, ""):  # neither the right one, nor one that anybody could guess
        code = format_hotp_value(hotp_value(seed, int(time.time()) // 30))
        assert client.post("/accounts/2fa/authenticate/", {"code": code}).status_code == 200
    assert client.get(f"/homes/{cast.home.pk}/").status_code == 302, "still not signed in"
    assert "SECRET_KEY_FALLBACKS" in caplog.text
