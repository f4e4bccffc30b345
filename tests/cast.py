"""Everybody who might knock, by name, and two homes to knock at. `cast` is the fixture.

    def test_something(cast):
        client = cast.client("outsider")
        client.get(f"/api/v1/homes/{cast.home.pk}")

`owner`, `member` and `viewer` live at the first home (`cast.home`, `cast.node`); `outsider` owns the second one.
`technician` has an open work order at the first home, `idle_technician` a closed one. The database is asked on
behalf of whoever is signed in, as in production: row-level security is on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from django.utils import timezone

from homes.access import acting_as_system, signing_in
from homes.models import Home, HomeAddress, Membership, Node, OperatorRole, User, WorkOrder
from homes.provisioning import Plan, provision, register_gpus

PASSWORD: Final = "correct-horse-battery"
needs_database = pytest.mark.django_db(databases=["default", "owner"])
"""The owner makes the test database; `default`, the application, then works in it under row-level security."""

BACKEND: Final = "homes.sign_in.Backend"
ANONYMOUS: Final = "anonymous"
_HOUSEHOLD: Final = ("owner", "member", "viewer")
_STAFF: Final = {
    "operator_viewer": OperatorRole.Role.VIEWER,
    "operator": OperatorRole.Role.OPERATOR,
    "technician": OperatorRole.Role.TECHNICIAN,
    "idle_technician": OperatorRole.Role.TECHNICIAN,
    "billing": OperatorRole.Role.BILLING,
    "admin": OperatorRole.Role.ADMIN,
}
NAMES: Final = (*_HOUSEHOLD, "outsider", *_STAFF, ANONYMOUS)


@dataclass(frozen=True)
class Cast:
    """People by name, the first home with its node and the node's bearer token, and the outsider's home."""

    people: dict[str, User]
    home: Home
    node: Node
    node_token: str
    other_home: Home
    other_node: Node

    def person(self, name: str) -> User | AnonymousUser:
        return AnonymousUser() if name == ANONYMOUS else self.people[name]

    def client(self, name: str, **about: bool) -> Client:
        """A browser in which this person is signed in."""
        client = Client(HTTP_HOST="localhost", **about)
        if name != ANONYMOUS:
            with signing_in():
                client.force_login(self.people[name], backend=BACKEND)
        return client


def _person(name: str) -> User:
    user = User.objects.create_user(f"{name}@cast.example", name=f"{name.capitalize()} Cast")
    User.objects.filter(pk=user.pk).update(password=_hashed())
    user.refresh_from_db()
    return user


@cache
def _hashed() -> str:
    """Hashing is slow on purpose; eleven people per test share one password."""
    return make_password(PASSWORD)


def _home(hostname: str, zone: str) -> tuple[Home, Node, str]:
    node, token = provision(Plan(hostname, zone, "Cast Energy", "Cast Cable", site_group="Cast A", feeder="feeder 1"))
    uuids = [f"GPU-{hostname}-{slot:02d}" for slot in range(2)]
    register_gpus(node, uuids, "RTX PRO 6000", timezone.now())
    HomeAddress.objects.create(
        home=node.home, street=f"1 {hostname} Street", city="Mesa", state="AZ", postal_code="85201"
    )
    return node.home, node, token


def build() -> Cast:
    """Puts everybody and everything into the database."""
    with acting_as_system():
        people = {name: _person(name) for name in NAMES if name != ANONYMOUS}
        home, node, token = _home("cast-00001", "America/Phoenix")
        other_home, other_node, _ = _home("cast-00002", "America/New_York")
        for role in _HOUSEHOLD:
            Membership.objects.create(home=home, user=people[role], role=role)
        Membership.objects.create(home=other_home, user=people["outsider"], role=Membership.Role.OWNER)
        for name, staff_role in _STAFF.items():
            OperatorRole.objects.create(user=people[name], role=staff_role)
        WorkOrder.objects.create(node=node, technician=people["technician"], summary="filter change")
        done = WorkOrder.objects.create(node=node, technician=people["idle_technician"], summary="done last week")
        WorkOrder.objects.filter(pk=done.pk).update(closed_at=timezone.now())
    return Cast(people, home, node, token, other_home, other_node)


@pytest.fixture
def cast(db: None) -> Cast:
    """Gone with the test's transaction."""
    return build()
