"""allauth's pages are ours in form and words: each that is offered has a template of our own."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any, Final

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.conf import settings
from django.core import mail
from django.core.cache import cache
from django.test import Client

from homes.access import acting_as_system
from tests.access.test_walk import ALLAUTHS
from tests.cast import PASSWORD, Cast, needs_database
from tests.homes.soft_key import SoftKey
from xfra_portal.account.doors import OFFERED, OURS

pytestmark = needs_database
OWN: Final = Path(settings.BASE_DIR) / "templates"
KEY: Final = "/accounts/2fa/webauthn/keys/{key}"
SIGNED_OUT: Final = {  # with what there is to see there as somebody who is not signed in
    "account_login": "/accounts/login/",
    "account_inactive": "/accounts/inactive/",
    "account_reset_password": "/accounts/password/reset/",
    "account_reset_password_done": "/accounts/password/reset/done/",
    "account_reset_password_from_key": "/accounts/password/reset/key/1-set-password/",
    "account_reset_password_from_key_done": "/accounts/password/reset/key/done/",
    "account_confirm_login_code": "/accounts/login/code/confirm/",
    "mfa_authenticate": "/accounts/2fa/authenticate/",
}
SIGNED_IN: Final = {
    "account_logout": "/accounts/logout/",
    "account_change_password": "/accounts/password/change/",
    "account_reauthenticate": "/accounts/reauthenticate/",
    "account_email": "/accounts/email/",
    "account_confirm_email": "/accounts/confirm-email/x/",
    "mfa_index": "/accounts/2fa/",
    "mfa_reauthenticate": "/accounts/2fa/reauthenticate/",
    "mfa_deactivate_totp": "/accounts/2fa/totp/deactivate/",
    "mfa_view_recovery_codes": "/accounts/2fa/recovery-codes/",
    "mfa_generate_recovery_codes": "/accounts/2fa/recovery-codes/generate/",
    "mfa_download_recovery_codes": "/accounts/2fa/recovery-codes/download/",
    "mfa_list_webauthn": "/accounts/2fa/webauthn/",
    "mfa_add_webauthn": "/accounts/2fa/webauthn/add/",
    "mfa_edit_webauthn": f"{KEY}/edit/",
    "mfa_remove_webauthn": f"{KEY}/remove/",
    "mfa_reauthenticate_webauthn": "/accounts/2fa/webauthn/reauthenticate/",
    "usersessions_list": "/accounts/sessions/",
}
WITHOUT_FACTOR: Final = {"mfa_activate_totp": "/accounts/2fa/totp/activate/"}
NO_PAGE: Final = {"mfa_login_webauthn", "account_set_password"}
"""They send elsewhere whoever only looks."""
WORDS_OF_ALLAUTH: Final = (
    r"[Cc]ontact us|E-mail|e-mail|Two-Factor|Bad Token|Reset My|Security [Kk]ey|Sign Out|Log [Ii]n"
)


@pytest.fixture(autouse=True)
def _unlimited() -> None:
    cache.clear()


def _check(answer: Any, address: str) -> None:
    assert answer.status_code in (200, 400), (address, answer.status_code, answer.get("Location"))
    for template in answer.templates:
        origin = Path(template.origin.name)
        assert origin.is_relative_to(OWN) or "forms" in origin.parts, f"{address}: {origin}"
    page = answer.content.decode()
    assert not re.search(WORDS_OF_ALLAUTH, page), address
    if answer["Content-Type"].startswith("text/html"):
        (heading,) = re.findall(r"<h1>(.*?)</h1>", page, re.S)
        assert not re.search(r" [A-Z]", heading), f"{address}: {heading!r} is not in sentence case"
        main = page[page.index("<main") : page.index("</main>")]
        for field in re.findall(r"<input[^>]*>", main):
            is_bare = not re.search(r'type="(hidden|checkbox)"', field) and '<div class="field">' not in main
            assert not is_bare and "placeholder" not in field, f"{address}: {field}"
        assert not re.search(r"<button(?![^>]*class=)", main), address


def test_every_offered_page_is_looked_at() -> None:
    pages = {name for name in OFFERED | OURS.keys() if name in ALLAUTHS and not name.startswith("headless:")}
    looked_at = {*SIGNED_OUT, *SIGNED_IN, *WITHOUT_FACTOR, *NO_PAGE}
    assert pages == looked_at, "say above how to look at a page that is new here"


def test_pages_before_signing_in(cast: Cast, settings: Any) -> None:
    settings.REQUIRE_OPERATOR_MFA = True
    with acting_as_system():
        TOTP.activate(cast.people["owner"], generate_totp_secret())
    for name, address in SIGNED_OUT.items():
        client = Client(HTTP_HOST="localhost")
        person = {"account_confirm_login_code": "operator", "mfa_authenticate": "owner"}.get(name)
        if person:
            client.post("/accounts/login/", {"login": f"{person}@cast.example", "password": PASSWORD})
        _check(client.get(address), address)
    (code,) = mail.outbox
    assert code.subject == "Your sign-in code" and "contact us" not in code.body


def _with_factors(cast: Cast) -> Client:
    """A browser of somebody with an authenticator, recovery codes and a passkey, who has just proved who it is."""
    person, client, key = cast.people["owner"], cast.client("owner"), SoftKey()
    app, sends = Client(HTTP_HOST="localhost"), {"content_type": "application/json"}
    given = {"email": person.email, "password": PASSWORD}
    token = app.post("/_allauth/app/v1/auth/login", given, **sends).json()["meta"]["access_token"]
    app.defaults["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    app.post("/_allauth/app/v1/auth/reauthenticate", {"password": PASSWORD}, **sends)
    door = "/_allauth/app/v1/account/authenticators/webauthn"
    options = app.get(f"{door}?passwordless").json()["data"]["creation_options"]
    app.post(door, {"name": "Phone", "credential": key.register(options, "http://localhost")}, **sends)
    with acting_as_system():
        TOTP.activate(person, generate_totp_secret())
        if not Authenticator.objects.filter(user=person, type="recovery_codes").exists():
            RecoveryCodes.activate(person)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


def test_pages_of_ones_own_account(cast: Cast) -> None:
    client = _with_factors(cast)
    with acting_as_system():
        key = Authenticator.objects.get(type="webauthn").pk
    for address in SIGNED_IN.values():
        _check(client.get(address.format(key=key)), address)


def test_without_a_factor_one_can_be_set_up_and_what_happened_is_said(cast: Cast) -> None:
    """Also by somebody who once forgot a password: allauth then took the address for unproven, and refused."""
    Client(HTTP_HOST="localhost").post("/accounts/password/reset/", {"email": "owner@cast.example"})
    client = cast.client("owner")
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    for address in (*WITHOUT_FACTOR.values(), SIGNED_IN["mfa_add_webauthn"]):
        _check(client.get(address), address)
    typed = {"oldpassword": PASSWORD, "password1": "another-battery-staple", "password2": "another-battery-staple"}
    page = client.post(SIGNED_IN["account_change_password"], typed, follow=True).content.decode()
    assert "Your password was changed." in page


@pytest.mark.parametrize(
    ("address", "typed", "said"),
    [
        ("/accounts/login/", {"login": "owner@cast.example", "password": "wrong"}, "do not belong together"),
        ("/accounts/reauthenticate/", {"password": "wrong"}, "That is not your password."),
        (
            "/accounts/password/change/",
            {"oldpassword": "wrong", "password1": "x", "password2": "x"},
            "your present",
        ),
        ("/accounts/password/reset/", {"email": "nobody"}, "valid email"),
        ("/accounts/email/", {"email": "nobody"}, "such as name@example.com"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(cast: Cast, address: str, typed: dict[str, str], said: str) -> None:
    client = cast.client("anonymous" if "login" in address else "owner")
    if "email" in address:
        client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    answer = client.post(address, typed)
    page = answer.content.decode()
    assert answer.status_code == 200 and said in page and 'aria-invalid="true"' in page
    (described,) = set(re.findall(r'aria-describedby="([\w-]+)"', page)) - {"id_password1_error"}
    assert f'id="{described}"' in page


def test_a_link_that_is_no_longer_good_offers_another(cast: Cast) -> None:
    page = Client(HTTP_HOST="localhost").get(SIGNED_OUT["account_reset_password_from_key"]).content.decode()
    assert "That link is no longer good" in page and 'href="/accounts/password/reset/"' in page


def test_too_many_attempts_get_a_page(cast: Cast) -> None:
    client = cast.client("owner")
    answers = [client.post("/accounts/reauthenticate/", {"password": f"wrong{time.time()}"}) for _ in range(12)]
    assert answers[-1].status_code == 429 and "Too many attempts" in answers[-1].content.decode()
