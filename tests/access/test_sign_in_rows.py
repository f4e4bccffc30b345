"""What signing in goes by (sessions, factors, devices, hashes) is out of reach of whoever is somebody else."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection, transaction

from homes import access
from homes.access import acting_as_system
from homes.models import User
from tests.access.test_writes import acting
from tests.cast import ANONYMOUS, NAMES, Cast, needs_database

pytestmark = needs_database
OWN = (Authenticator, UserSession, EmailAddress)
PEOPLE = [name for name in NAMES if name != ANONYMOUS]
HOUSEHOLD = {"owner", "member", "viewer"}


@pytest.fixture
def full(cast: Cast) -> Cast:
    """Of everybody a row of each table, and a session."""
    for name in PEOPLE:
        user = cast.people[name]
        cast.client(name)
        with acting_as_system():
            Authenticator.objects.create(user=user, type="totp", data={"secret": "x"})
            UserSession.objects.get_or_create(user=user, session_key=f"key-of-{name}", defaults={"ip": "127.0.0.1"})
            EmailAddress.objects.create(user=user, email=user.email)
    return cast


def _owners(model: Any) -> set[int]:
    return set(model.objects.values_list("user_id", flat=True))


@pytest.mark.parametrize("name", NAMES)
def test_people_have_their_own_rows_and_nobody_has_any(full: Cast, name: str) -> None:
    own = set() if name == ANONYMOUS else {full.people[name].pk}
    with acting(full, name):
        assert [_owners(model) for model in OWN] == [own] * len(OWN)
        assert Session.objects.count() == 0 and Session.objects.all().delete()[0] == 0
        for model in OWN:
            assert model.objects.exclude(user__in=own).delete()[0] == 0
            assert model.objects.exclude(user__in=own).update(user=min(own, default=1)) == 0


@pytest.mark.parametrize("name", PEOPLE)
def test_nobody_gives_somebody_else_a_factor_or_a_device(full: Cast, name: str) -> None:
    other = full.people["outsider" if name == "owner" else "owner"].pk
    with acting(full, name):
        for row in (
            Authenticator(user_id=other, type="recovery_codes", data={}),
            UserSession(user_id=other, session_key="made-up", ip="127.0.0.1"),
            EmailAddress(user_id=other, email="mine@evil.example"),
        ):
            with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
                row.save()


@pytest.mark.parametrize("name", NAMES)
def test_hashes_are_shown_to_their_person_alone(full: Cast, name: str) -> None:
    """Not even where the person is: a household knows its names, the desk everybody's."""
    with acting(full, name):
        shown = {user.pk for user in User.objects.all() if user.password is not None}
        known = set(User.objects.values_list("pk", flat=True))
        with (
            pytest.raises(DatabaseError, match="permission denied"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT password FROM homes_user")
        with connection.cursor() as cursor:
            everybody = [user.pk for user in full.people.values()]
            cursor.execute("SELECT count(xfra_password_of(id)) FROM unnest(%s::bigint[]) AS id", [everybody])
            assert cursor.fetchone() == (0 if name == ANONYMOUS else 1,)
    own = set() if name == ANONYMOUS else {full.people[name].pk}
    seen = PEOPLE if name in ("billing", "admin") else HOUSEHOLD if name in HOUSEHOLD else set()
    assert shown == own
    assert known == own | {full.people[each].pk for each in seen}


def test_signing_in_compares_with_everybody_and_shows_no_home(full: Cast) -> None:
    with access.signing_in(), connection.cursor() as cursor:
        assert len(_owners(Authenticator)) == len(PEOPLE)
        assert all(user.password for user in User.objects.all())
        for table in ("homes_home", "homes_membership", "homes_party", "homes_operatorrole", "django_session"):
            cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608
            assert cursor.fetchone() == (0,), table


def test_whatever_belongs_to_a_person_is_guarded(db: None) -> None:
    """A table that comes, ours or a library's, is listed here until somebody says whose rows are whose."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f'"
            " WHERE k.confrelid = 'homes_user'::regclass AND NOT c.relrowsecurity"
        )
        assert [name for (name,) in cursor.fetchall()] == []
