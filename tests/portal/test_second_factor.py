"""In production an operator's role rests until the account has a second factor."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

from homes.access import acting_as_system
from tests.cast import Cast, needs_database

pytestmark = needs_database


@pytest.fixture(autouse=True)
def _required(settings: Any) -> None:
    settings.REQUIRE_OPERATOR_MFA = True


def test_without_one_the_console_does_not_exist(cast: Cast) -> None:
    client = cast.client("operator")
    for door in ("/fleet/", f"/fleet/nodes/{cast.node.hostname}/", "/api/v1/fleet", f"/homes/{cast.home.pk}/"):
        assert client.get(door).status_code == 404, door
    assert "second factor" in client.get("/").content.decode()


def test_with_one_it_does_and_the_seed_is_sealed(cast: Cast) -> None:
    with acting_as_system():
        secret = generate_totp_secret()
        TOTP.activate(cast.people["operator"], secret)
        stored = Authenticator.objects.get(user=cast.people["operator"]).data["secret"]
    assert secret not in stored
    assert cast.client("operator").get("/fleet/").status_code == 200


def test_a_household_is_not_forced(cast: Cast) -> None:
    assert cast.client("owner").get(f"/homes/{cast.home.pk}/").status_code == 200
