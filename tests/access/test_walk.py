"""Every address of the site against every member of the cast, driven by the URL resolver: nothing can be forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver

from billing.models import TariffVersion
from homes.access import acting_as_system
from tests.access.table import DOORS, OF_THE_DESK, OF_THE_STATEMENT, PLACEHOLDERS, SIGN_IN_NAMESPACES, WRITES
from tests.api.heard import mention
from tests.cast import NAMES, Cast, build, needs_database
from tests.portal.money import begun, billed

pytestmark = needs_database
_MADE = ("number", "month", "statement_id", "version_id", "series_id")
_FIXED = {"api-not-found": "/api/v1/no/such/thing", "api-elsewhere": "/api/v0/me"}


@dataclass(frozen=True)
class BilledCast(Cast):
    number: int | None = None
    month: str = ""
    statement_id: int = 0
    version_id: int = 0
    series_id: int = 0


@pytest.fixture
def cast(db: None) -> BilledCast:
    """The first home has statements, and this month's days."""
    made = build()
    statement = billed(made.home)[1]
    month = begun(made.home)
    with acting_as_system():
        version = TariffVersion.objects.get()
    return BilledCast(
        **vars(made),
        number=statement.number,
        month=f"{month:%Y-%m}",
        statement_id=statement.pk,
        version_id=version.pk,
        series_id=mention(made.node),
    )


def _doors(resolver: URLResolver, address: str = "/", spaces: str = "") -> Iterator[tuple[str, str]]:
    """(name with its namespaces, address with placeholders) of every pattern."""
    for found in resolver.url_patterns:
        here = address + str(found.pattern)
        if isinstance(found, URLResolver):
            yield from _doors(found, here, spaces + (f"{found.namespace}:" if found.namespace else ""))
        else:
            yield spaces + (found.name or f"unnamed {here}"), here


EVERY_DOOR = dict(_doors(get_resolver()))
OURS = {name: address for name, address in EVERY_DOOR.items() if not name.startswith(SIGN_IN_NAMESPACES)}
ALLAUTHS = {name: address for name, address in EVERY_DOOR.items() if name.startswith(SIGN_IN_NAMESPACES)}


def test_every_door_is_declared() -> None:
    undeclared, gone = OURS.keys() - DOORS.keys(), DOORS.keys() - OURS.keys()
    assert not undeclared, f"say in tests/access/table.py who gets what at {sorted(undeclared)}"
    assert not gone, f"tests/access/table.py lists doors that are gone: {sorted(gone)}"


def _address(name: str, template: str, cast: Cast) -> str:
    values = {name: str(attrgetter(path)(cast)) for name, path in PLACEHOLDERS.items()}
    values |= OF_THE_STATEMENT | OF_THE_DESK
    values |= {name: str(getattr(cast, name, 1)) for name in _MADE}
    return _FIXED.get(name) or re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values[found[1]], template)


def _letter(answer: Any) -> str:
    if answer.status_code == 302:
        return "L" if answer["Location"].startswith("/accounts/login/") else ">"
    return {200: ".", 404: "-", 401: "U", 403: "x", 405: "m"}.get(answer.status_code, str(answer.status_code))


@pytest.mark.parametrize("person", NAMES)
def test_everybody_gets_what_the_table_says(cast: Cast, person: str) -> None:
    client = cast.client(person)
    client.raise_request_exception = False  # a door that breaks is named below, as a 500
    expected = {name: DOORS[name][person] for name in OURS if name in DOORS}
    found = {name: _letter(client.get(_address(name, OURS[name], cast))) for name in expected}
    allowed = {name: (".", "503") if letter == "~" else (letter,) for name, letter in expected.items()}
    wrong = {n: f"got {found[n]}, the table says {expected[n]}" for n in found if found[n] not in allowed[n]}
    assert not wrong, f"{person}: {wrong}"


@pytest.mark.parametrize("person", NAMES)
def test_refused_doors_give_nothing_away(cast: Cast, person: str) -> None:
    """The answer to somebody else's home is the answer to a home that does not exist, to the byte.

    Of their own home people are told what is not shared with them (tests/portal/test_money_pages.py).
    """
    client = cast.client(person)
    made_up = {"home_id": "00000000-0000-4000-8000-000000000000", "node_id": "2147483000", "hostname": "no-such-node"}
    made_up |= OF_THE_STATEMENT | OF_THE_DESK | {"number": "999999999", "month": "2021-02"}
    made_up |= {"statement_id": "999999999", "version_id": "999999999", "series_id": "999999999"}
    for name, template in OURS.items():
        if "<" in template and name in DOORS and DOORS[name][person] == "-" and name not in _FIXED:
            real = client.get(_address(name, template, cast))
            invented = client.get(re.sub(r"<(?:\w+:)?(\w+)>", lambda found: made_up[found[1]], template))
            if b"Not shared with you" in real.content:
                assert person in ("member", "viewer") and real.status_code == invented.status_code == 404, name
            else:
                assert _plain(real) == _plain(invented), name


def _plain(answer: Any) -> tuple[int, bytes]:
    return answer.status_code, re.sub(rb'csrfmiddlewaretoken" value="\w+', b"", answer.content)


@pytest.mark.parametrize("person", ["outsider", "anonymous"])
def test_sign_in_doors_tell_nothing_of_anybody_else(cast: Cast, person: str) -> None:
    client: Client = cast.client(person)
    for name, template in ALLAUTHS.items():
        address = re.sub(r"<int:pk>", "1", template)
        address = re.sub(r"\^|\$", "", re.sub(r"\(\?P<(\w+)>[^)]*\)", "none", address))
        answer = client.get(address)
        assert answer.status_code < 500, name
        said = b"".join(answer) if answer.streaming else answer.content
        assert b"owner@cast.example" not in said and str(cast.home.pk).encode() not in said, name


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_of_the_api_is_written_to_by_surprise(cast: Cast, method: str) -> None:
    """But for the doors that the table names, a changing method is answered 405 for the owner, and changes nothing."""
    client = cast.client("owner")
    for name, template in OURS.items():
        if name.startswith("api-") and "<uuid:home_id>" in template and WRITES.get(name) != method:
            refused = 404 if DOORS[name]["owner"] == "-" else 405
            assert getattr(client, method)(_address(name, template, cast)).status_code == refused, name
