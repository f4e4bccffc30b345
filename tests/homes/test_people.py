"""Letting people in and out by command: who they are, what they may do, and the mail to choose a password by."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from homes.access import acting_as_system
from homes.models import Membership, OperatorRole, User
from tests.cast import Cast, needs_database

pytestmark = needs_database
NEW = "new@person.example"


@pytest.fixture(autouse=True)
def system(db: None) -> Iterator[None]:
    with acting_as_system():
        yield


def person(*args: Any) -> str:
    out = io.StringIO()
    call_command("person", *map(str, args), stdout=out)
    return out.getvalue()


def place(cast: Cast, email: str) -> str | None:
    return Membership.objects.filter(home=cast.home, user__email=email).values_list("role", flat=True).first()


def test_somebody_new_chooses_a_password_by_the_mailed_link_and_signs_in(cast: Cast) -> None:
    said = person(
        NEW, "--name", "Nora New", "--home", cast.other_home.pk, "--as", "member", "--url", "http://localhost/"
    )
    assert f"member of {cast.other_home.pk}" in said and "mailed a link" in said
    (sent,) = mail.outbox
    assert sent.to == [NEW] and "Nora New" in sent.body
    (link,) = re.findall(r"http://localhost(/accounts/password/reset/\S+)", str(sent.body))
    browser = Client(HTTP_HOST="localhost")
    form = browser.get(link).headers["Location"]
    chosen = {"password1": "correct-horse-battery", "password2": "correct-horse-battery"}
    assert browser.post(form, chosen).status_code == 302
    signed_in = browser.post("/accounts/login/", {"login": NEW, "password": chosen["password1"]})
    assert signed_in.status_code == 302
    assert browser.get(f"/api/v1/homes/{cast.other_home.pk}").status_code == 200
    assert browser.get(f"/api/v1/homes/{cast.home.pk}").status_code == 404
    assert Client(HTTP_HOST="localhost").get(link).status_code == 200, "the link works once"


def test_said_twice_it_is_done_once(cast: Cast) -> None:
    said = [person(NEW, "--name", "Nora New", "--role", "operator") for _ in range(2)]
    assert said[0] == said[1]
    assert User.objects.filter(email=NEW).count() == OperatorRole.objects.filter(user__email=NEW).count() == 1


def test_whoever_has_a_password_gets_no_mail(cast: Cast) -> None:
    person("OWNER@cast.example", "--name", "Olivia Cast")
    user = User.objects.select_related("party").get(email="owner@cast.example")
    assert user.party.name == "Olivia Cast"
    assert place(cast, user.email) == "owner"
    assert mail.outbox == []
    person(user.email)
    assert User.objects.select_related("party").get(pk=user.pk).party.name == "Olivia Cast"


def test_a_role_is_given_changed_and_taken_away(cast: Cast) -> None:
    def role() -> list[str]:
        return list(OperatorRole.objects.filter(user__email=NEW).values_list("role", flat=True))

    assert "staff: viewer" in person(NEW, "--role", "viewer") and role() == ["viewer"]
    assert "staff: billing" in person(NEW, "--role", "billing") and role() == ["billing"]
    assert "staff" not in person(NEW, "--remove-role") and role() == []
    person(NEW, "--remove-role")


def test_a_home_changes_hands(cast: Cast) -> None:
    """One owner at a time: the command that makes room is in what it says."""
    with pytest.raises(CommandError, match=r"has an owner; first: manage\.py person owner@cast\.example --remove-home"):
        person(NEW, "--home", cast.home.pk, "--as", "owner")
    assert not User.objects.filter(email=NEW).exists(), "all of it or nothing"
    person("owner@cast.example", "--remove-home", cast.home.pk)
    person(NEW, "--home", cast.home.pk, "--as", "owner")
    assert (place(cast, NEW), place(cast, "owner@cast.example")) == ("owner", None)
    person("member@cast.example", "--home", cast.home.pk, "--as", "viewer")
    assert place(cast, "member@cast.example") == "viewer"


def test_a_mail_that_does_not_go_leaves_the_person(cast: Cast, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    with pytest.raises(CommandError, match="the mail with the link did not go"):
        person(NEW, "--role", "viewer")
    assert OperatorRole.objects.filter(user__email=NEW).exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("nobody",), "valid email"),
        ((NEW, "--remove-role"), "nobody is known as"),
        ((NEW, "--role", "king"), "invalid choice"),
        ((NEW, "--role", "viewer", "--remove-role"), "not allowed with"),
        ((NEW, "--home", "00000000-0000-4000-8000-000000000000"), "goes with --as"),
        ((NEW, "--as", "owner"), "goes with --as"),
        ((NEW, "--home", "00000000-0000-4000-8000-000000000000", "--as", "owner"), "there is no home 0000"),
        ((NEW, "--home", "7", "--as", "owner"), "invalid UUID"),
        ((NEW, "--name", "x" * 121), "too long"),
    ],
)
def test_mistakes_are_explained_and_nobody_is_made(cast: Cast, args: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        person(*args)
    assert not User.objects.filter(email=NEW).exists()
    assert mail.outbox == []


def test_djangos_own_command_makes_an_administrator(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct-horse-battery")
    call_command("createsuperuser", interactive=False, email=NEW, stdout=io.StringIO())
    user = User.objects.get(email=NEW)
    assert user.operator_role == "admin" and user.check_password("correct-horse-battery")
