"""Two walls, one rule: what `visible_to` shows is what Postgres shows, for everybody and every model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.db.models import Model
from django.utils import timezone

from homes.access import NOBODY, acting_as, acting_as_system, current
from homes.models import (
    Battery,
    Gpu,
    Home,
    HomeAddress,
    InternetLine,
    InventoryEvent,
    Membership,
    Node,
    NodeCredential,
    OperatorRole,
    User,
    WorkOrder,
)
from tests.cast import ANONYMOUS, NAMES, Cast, needs_database

pytestmark = needs_database

TO_HOME: dict[type[Model], str] = {
    Home: "pk__in",
    Node: "home__in",
    Battery: "home__in",
    InternetLine: "home__in",
    Membership: "home__in",
    Gpu: "node__home__in",
    InventoryEvent: "node__home__in",
    WorkOrder: "node__home__in",
    NodeCredential: "node__home__in",
}
BOTH, FIRST, SECOND, NONE = {1, 2}, {1}, {2}, set[int]()
SEES: dict[str, set[int]] = {
    "owner": FIRST,
    "member": FIRST,
    "viewer": FIRST,
    "outsider": SECOND,
    "operator_viewer": BOTH,
    "operator": BOTH,
    "billing": BOTH,
    "admin": BOTH,
    "technician": FIRST,
    "idle_technician": NONE,
    ANONYMOUS: NONE,
}
SEES_ADDRESS = {"owner": FIRST, "member": FIRST, "outsider": SECOND, "technician": FIRST, "admin": BOTH}


def as_person(user: User | AnonymousUser) -> Any:
    return acting_as(user.pk if isinstance(user, User) else 0)


def homes(cast: Cast, numbers: set[int]) -> set[Any]:
    return {home.pk for number, home in ((1, cast.home), (2, cast.other_home)) if number in numbers}


def keys(query: Any) -> set[Any]:
    return set(query.values_list("pk", flat=True))


def test_the_table_names_everybody() -> None:
    assert set(SEES) == set(NAMES)


@pytest.mark.parametrize("person", NAMES)
def test_which_homes(cast: Cast, person: str) -> None:
    user = cast.person(person)
    expected = homes(cast, SEES[person])
    with acting_as_system():
        assert keys(Home.objects.visible_to(user)) == expected, "the query set alone"
        assert keys(Node.objects.visible_to(user)) == {Node.objects.get(home=pk).pk for pk in expected}
    with as_person(user):
        assert keys(Home.objects.all()) == expected, "Postgres alone"
        assert keys(Home.objects.visible_to(user)) == expected, "both"


@pytest.mark.parametrize("model", TO_HOME, ids=lambda model: model.__name__)
@pytest.mark.parametrize("person", NAMES)
def test_both_walls_agree(cast: Cast, person: str, model: type[Model]) -> None:
    user = cast.person(person)
    with acting_as_system():
        allowed = list(Home.objects.visible_to(user))
        expected = keys(model._default_manager.filter(**{TO_HOME[model]: [home.pk for home in allowed]}))
        assert model._default_manager.exists()
    with as_person(user):
        assert keys(model._default_manager.all()) == expected


@pytest.mark.parametrize("person", NAMES)
def test_who_knows_the_address(cast: Cast, person: str) -> None:
    with as_person(cast.person(person)):
        assert keys(HomeAddress.objects.all()) == homes(cast, SEES_ADDRESS.get(person, NONE))


def _deactivate(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)
    user.is_active = False


def _dismiss(user: User) -> None:
    OperatorRole.objects.filter(user=user).delete()


def _leave(user: User) -> None:
    Membership.objects.filter(user=user).delete()


def _close(user: User) -> None:
    WorkOrder.objects.filter(technician=user).update(closed_at=timezone.now())


CHANGES = [
    *((person, _deactivate) for person in NAMES if person != ANONYMOUS),
    ("operator", _dismiss),
    ("admin", _dismiss),
    ("technician", _dismiss),
    ("technician", _close),
    ("owner", _leave),
]


@pytest.mark.parametrize(("person", "change"), CHANGES)
def test_what_is_withdrawn_is_gone_behind_both_walls(cast: Cast, person: str, change: Callable[[User], None]) -> None:
    user = cast.people[person]
    with acting_as_system():
        change(user)
        assert keys(Home.objects.visible_to(user)) == set()
    with acting_as(user.pk):
        assert keys(Home.objects.all()) == keys(Node.objects.all()) == keys(HomeAddress.objects.all()) == set()


def test_a_technician_who_lives_somewhere_sees_that_too(cast: Cast) -> None:
    technician = cast.people["technician"]
    with acting_as_system():
        Membership.objects.create(home=cast.other_home, user=technician, role=Membership.Role.VIEWER)
        assert keys(Home.objects.visible_to(technician)) == homes(cast, BOTH)
        assert Home.objects.visible_to(technician).count() == 2, "each once"
    with acting_as(technician.pk):
        assert keys(Home.objects.all()) == homes(cast, BOTH)
        assert keys(HomeAddress.objects.all()) == homes(cast, FIRST)


def test_two_open_orders_show_a_home_once(cast: Cast) -> None:
    technician = cast.people["technician"]
    with acting_as_system():
        WorkOrder.objects.create(node=cast.node, technician=technician, summary="again")
        assert Home.objects.visible_to(technician).count() == 1


@pytest.mark.parametrize("access", ["", "nobody", "systems", "SYSTEM", "1 OR true", "-1", "9" * 30, "1;", "٣"])
def test_no_other_word_opens_the_database(cast: Cast, access: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('xfra.access', %s, true), count(*) FROM homes_home", [access])
        cursor.execute("SELECT count(*) FROM homes_home")
    assert current() == NOBODY
    connection.connection.execute("SELECT set_config('xfra.access', %s, false)", [access])
    (found,) = connection.connection.execute("SELECT count(*) FROM homes_home").fetchone()
    assert found == 0


def test_a_person_may_not_write_into_another_home(cast: Cast) -> None:
    outsider = cast.people["outsider"].pk
    with acting_as(outsider):
        assert Home.objects.filter(pk=cast.home.pk).update(name="mine") == 0
        assert Node.objects.filter(pk=cast.node.pk).delete()[0] == 0
    with acting_as_system():
        assert Home.objects.get(pk=cast.home.pk).name != "mine"


def test_acting_for_somebody_ends_with_the_block(cast: Cast) -> None:
    def count() -> int:
        return Home.objects.count()

    assert count() == 0
    with acting_as_system():
        assert count() == 2
        with acting_as(cast.people["owner"].pk):
            assert count() == 1
        assert count() == 2
    assert count() == 0


@pytest.mark.parametrize("person", NAMES)
def test_roles_in_the_household(cast: Cast, person: str) -> None:
    if person == ANONYMOUS:
        return
    with acting_as_system():
        role = cast.home.role_of(cast.people[person])
    assert role == (person if person in ("owner", "member", "viewer") else None)
