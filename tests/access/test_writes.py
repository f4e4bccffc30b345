"""To see a row is not to write it: of homes, people and telemetry, people and nobody may write next to nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.urls import reverse
from psycopg.errors import InsufficientPrivilege, UniqueViolation

from homes import access
from homes.access import acting_as_system
from homes.models import Home, OperatorContact, OperatorRole, Party, User
from telemetry.tables import FLEET_TABLE
from tests.access.full import fill
from tests.cast import ANONYMOUS, NAMES, PASSWORD, Cast, needs_database

pytestmark = needs_database

OF_ITSELF = "homes_user"
"""Of this table a person may write one row, and nobody what signing in writes: below."""

_READ = {OF_ITSELF: "SELECT id, email, party_id, is_active, is_superuser, created_at, '' AS password FROM homes_user"}
"""The application reads no column of hashes."""

LOCKED = {"homes_home", "homes_party"}
"""What the desk may lock, and Postgres therefore refuses with an error where else it finds nothing to change."""


@pytest.fixture
def full(cast: Cast) -> Cast:
    """A row in every table of homes and telemetry."""
    fill(cast)
    with acting_as_system(), connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {FLEET_TABLE} VALUES (3600, 1, now(), 0, '{{}}', '{{0}}', '')")  # noqa: S608
        cursor.execute("INSERT INTO telemetry_register_mark (node_id, hour) VALUES (%s, now())", [cast.node.pk])
        OperatorContact.objects.create(site_group="", name="The operator", phone="(555) 555-0100")
        user = cast.people["owner"].pk
        cursor.execute("INSERT INTO auth_group (name) VALUES ('anybody') RETURNING id")
        cursor.execute("INSERT INTO homes_user_groups (user_id, group_id) VALUES (%s, %s)", [user, *cursor.fetchone()])
        cursor.execute("SELECT id FROM auth_permission LIMIT 1")
        permission = cursor.fetchone()
        cursor.execute(
            "INSERT INTO homes_user_user_permissions (user_id, permission_id) VALUES (%s, %s)", [user, *permission]
        )
    return cast


@contextmanager
def acting(cast: Cast, name: str, as_nobody: str = access.NOBODY) -> Iterator[None]:
    """As in a request of this person."""
    before = access.current()
    access.set_current(as_nobody if name == ANONYMOUS else str(cast.people[name].pk))
    try:
        yield
    finally:
        access.set_current(before)


def _tables() -> dict[str, str]:
    """Every table of homes and telemetry, with one of its columns."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = 1)"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'"
            " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname ~ '^(homes|telemetry)_'"
        )
        return dict(cursor.fetchall())


def _rows() -> dict[str, dict[str, Any]]:
    """A row of each table, as the system sees it."""
    found = {}
    with acting_as_system(), connection.cursor() as cursor:
        for table in _tables():
            cursor.execute(f"SELECT to_jsonb(t) FROM ({_READ.get(table, f'SELECT * FROM {table}')} LIMIT 1) t")  # noqa: S608
            ((row,),) = cursor.fetchall() or [(None,)]
            found[table] = json.loads(row) if isinstance(row, str) else row
    return found


def _outcome(sql: str, *values: Any) -> str:
    """What came of a statement: how many rows it wrote, or the error that Postgres refused it with."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, values)
            written = cursor.rowcount
            transaction.set_rollback(True)
    except DatabaseError as error:
        return type(error.__cause__).__name__
    return str(written)


def _write(table: str, column: str, row: dict[str, Any]) -> tuple[str, str, str]:
    """What comes of adding this row once more, of changing every row, of removing every row."""
    again = f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, %s::jsonb)"  # noqa: S608
    return (
        _outcome(again, json.dumps(row)),
        _outcome(f"UPDATE {table} SET {column} = {column}"),  # noqa: S608
        _outcome(f"DELETE FROM {table}"),  # noqa: S608
    )


def test_there_is_something_to_write_in_every_table(full: Cast) -> None:
    """Only then do the tests below say anything: the system's statements are not refused as theirs are."""
    rows = _rows()
    assert [table for table, row in rows.items() if row is None] == []
    with acting_as_system():
        for table, column in _tables().items():
            added, changed, _ = _write(table, column, rows[table])
            assert added == UniqueViolation.__name__, table
            assert table == "homes_inventoryevent" or int(changed) > 0, table


@pytest.mark.parametrize("name", NAMES)
def test_nobody_writes_homes_people_or_telemetry(full: Cast, name: str) -> None:
    refused = InsufficientPrivilege.__name__
    rows, columns = _rows(), _tables()
    with acting(full, name):
        found = {table: _write(table, columns[table], rows[table]) for table in rows}
    desk = name in ("billing", "admin")
    expected = {table: (refused, refused if desk and table in LOCKED else "0", "0") for table in rows}
    expected[OF_ITSELF] = (refused, "0" if name == ANONYMOUS else "1", "0")
    assert found == expected


@pytest.mark.parametrize("name", NAMES)
def test_of_a_person_only_what_signing_in_writes(cast: Cast, name: str) -> None:
    """Not even of oneself: whose party somebody is, whether active, or at what address, is not for a page to say."""
    with acting(cast, name, as_nobody=access.SIGNING_IN):
        for change in (
            "is_superuser = true",
            "is_active = false",
            "party_id = party_id + 1",
            "id = 0",
            "email = 'x' || email",
        ):
            assert _outcome(f"UPDATE homes_user SET {change}") == "RestrictViolation", change  # noqa: S608
        last_login = _outcome("UPDATE homes_user SET last_login = now()")
    assert last_login == (str(len(NAMES) - 1) if name == ANONYMOUS else "1")


@pytest.mark.parametrize("name", NAMES)
def test_whose_name_somebody_may_know(cast: Cast, name: str) -> None:
    """One's own, that of whom one lives with, and the desk's everybody's: operators work without names."""
    household = {"owner", "member", "viewer"}
    seen = set(NAMES) - {ANONYMOUS} if name in ("billing", "admin") else household if name in household else {name}
    expected = {cast.people[each].party_id for each in seen - {ANONYMOUS}}
    with acting(cast, name):
        assert set(Party.objects.values_list("pk", flat=True)) == expected
        roles = set(OperatorRole.objects.values_list("user_id", flat=True))
    is_staff = name not in (*household, "outsider", ANONYMOUS)
    assert roles == ({cast.people[name].pk} if is_staff else set())


@pytest.mark.parametrize("name", NAMES)
def test_the_desk_locks_what_it_does_not_change(cast: Cast, name: str) -> None:
    """Versions of an agreement, and payouts of a host, are counted by one at a time."""
    with acting(cast, name), transaction.atomic():
        homes = len(Home.objects.select_for_update(no_key=True))
        parties = len(Party.objects.select_for_update(no_key=True))
    assert bool(homes) == bool(parties) == (name in ("billing", "admin"))


def test_signing_in_is_noted(cast: Cast) -> None:
    with acting_as_system():
        person = cast.people["viewer"]
        person.set_password(PASSWORD)
        person.save(update_fields=["password"])
    answer = cast.client(ANONYMOUS).post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    assert answer.status_code == 302
    with acting_as_system():
        assert User.objects.get(pk=person.pk).last_login is not None


def test_a_password_is_changed_by_its_person(cast: Cast) -> None:
    client = cast.client("viewer")
    person = cast.people["viewer"]
    typed = {"oldpassword": PASSWORD, "password1": "another-battery-staple", "password2": "another-battery-staple"}
    assert client.post(reverse("account_change_password"), typed).status_code == 302
    with acting_as_system():
        person.refresh_from_db()
    assert person.check_password("another-battery-staple")
