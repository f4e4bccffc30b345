"""The second wall: what Postgres itself refuses the application, even if Python forgot to ask `visible_to`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Model
from django.utils import timezone

from homes import access
from homes.access import acting_as, acting_as_system
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
    OperatorContact,
    Party,
    User,
    WorkOrder,
)
from telemetry.models import Circuit, GpuXid, NodeClock, NodeStateSpan, NodeStatusRow, OtherSeries
from telemetry.tables import FLEET_TABLE, GUARDED, SAMPLE_TABLES
from tests.access.full import fill
from tests.cast import NAMES, Cast, needs_database

pytestmark = needs_database

OF_A_HOME: dict[type[Model], str] = {
    Home: "pk",
    HomeAddress: "home",
    Membership: "home",
    Battery: "home",
    InternetLine: "home",
    Node: "home",
    NodeCredential: "node__home",
    Gpu: "node__home",
    InventoryEvent: "node__home",
    WorkOrder: "node__home",
    Circuit: "node__home",
    OtherSeries: "node__home",
    GpuXid: "node__home",
    NodeClock: "node__home",
    NodeStatusRow: "node__home",
    NodeStateSpan: "node__home",
}
"""Every model whose rows belong to a home, and how to get from a row to it."""

SEES_THE_ADDRESS = {"owner", "member", "technician", "admin"}


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """As in a request before anybody is known."""
    before = access.current()
    access.set_current(access.NOBODY)
    yield
    access.set_current(before)


@pytest.fixture
def full(cast: Cast) -> Cast:
    """The cast, with a row in every table for both homes."""
    fill(cast)
    return cast


def _keys(model: type[Model]) -> set[Any]:
    return set(model._default_manager.values_list("pk", flat=True))


def _keys_of(model: type[Model], home: Home) -> set[Any]:
    with acting_as_system():
        return set(model._default_manager.filter(**{OF_A_HOME[model]: home.pk}).values_list("pk", flat=True))


def _rows(table: str, where: str = "true") -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table} WHERE {where}")  # noqa: S608
        return int(cursor.fetchone()[0])


@contextmanager
def _refused(said: str) -> Iterator[None]:
    """Postgres refuses with these words; the test's transaction goes on from a savepoint of its own."""
    with pytest.raises((psycopg.Error, DatabaseError), match=said), connection.connection.transaction():
        yield
    transaction.set_rollback(False)


def test_every_table_that_belongs_to_a_home_is_guarded(db: None) -> None:
    """A new table with a home_id or node_id must not be forgotten: enabled, forced, and not the application's own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AND pg_get_userbyid(c.relowner) <> %s"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'"
            " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND (c.relname = 'homes_home' OR EXISTS ("
            "  SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname IN ('home_id', 'node_id')))",
            [settings.DATABASE_APP_ROLE],
        )
        guarded = dict(cursor.fetchall())
    assert {model._meta.db_table for model in OF_A_HOME} | set(GUARDED) <= guarded.keys()
    assert [table for table, is_guarded in guarded.items() if not is_guarded] == []


@pytest.mark.parametrize("model", OF_A_HOME, ids=lambda model: model.__name__)
def test_an_outsider_reads_nothing_of_another_home(full: Cast, model: type[Model]) -> None:
    theirs, own = _keys_of(model, full.home), _keys_of(model, full.other_home)
    assert theirs and own, "there is something to hide"
    with acting_as(full.people["outsider"].pk):
        assert _keys(model) == own


@pytest.mark.parametrize("model", OF_A_HOME, ids=lambda model: model.__name__)
def test_nobody_reads_nothing(full: Cast, as_nobody: None, model: type[Model]) -> None:
    assert _keys(model) == set()


@pytest.mark.parametrize("table", GUARDED)
def test_telemetry_is_guarded_like_its_home(full: Cast, as_nobody: None, table: str) -> None:
    mine = f"node_id = {full.node.pk}"
    assert _rows(table) == 0
    with acting_as(full.people["outsider"].pk):
        assert _rows(table, mine) == 0
    with acting_as(full.people["viewer"].pk):
        assert _rows(table, mine) == 1
    with acting_as(full.people["idle_technician"].pk):
        assert _rows(table, mine) == 0


@pytest.mark.parametrize("name", [name for name in NAMES if name != "anonymous"])
def test_what_is_about_many_homes_is_shown_to_those_who_see_every_home(full: Cast, name: str) -> None:
    with acting_as_system(), connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {FLEET_TABLE} VALUES (3600, 1, now(), 0, '{{}}', '{{0}}', '')")  # noqa: S608
    with acting_as(full.people[name].pk):
        assert bool(_rows(FLEET_TABLE)) == (name in ("operator_viewer", "operator", "billing", "admin"))
        with _refused("row-level security"), connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {FLEET_TABLE} VALUES (3600, 1, now(), 1, '{{}}', '{{0}}', '')")  # noqa: S608


@pytest.mark.parametrize("name", [name for name in NAMES if name != "anonymous"])
def test_the_address_has_fewer_eyes_than_the_home(full: Cast, name: str) -> None:
    with acting_as(full.people[name].pk):
        seen = HomeAddress.objects.filter(pk=full.home.pk).exists()
    assert seen == (name in SEES_THE_ADDRESS)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "anonymous"])
def test_whom_to_call_is_shown_to_those_with_a_home_in_the_group_and_set_by_none_of_them(full: Cast, name: str) -> None:
    said = {"name": "Ops", "phone": "(555) 555-0142", "hours": "day and night"}
    with acting_as_system():
        Home.objects.filter(pk=full.home.pk).update(site_group="Mesa A")
        OperatorContact.objects.bulk_create(OperatorContact(site_group=group, **said) for group in ("", "Mesa A"))
    with acting_as(full.people[name].pk):
        seen = set(OperatorContact.objects.values_list("site_group", flat=True))
        assert OperatorContact.objects.update(phone="(555) 555-0199") == 0
        with _refused("row-level security"):
            OperatorContact.objects.create(site_group="Mine", **said)
    assert seen == ({""} if name in ("outsider", "idle_technician") else {"", "Mesa A"})


def test_somebody_who_was_deactivated_reads_nothing(full: Cast) -> None:
    owner = full.people["owner"]
    with acting_as_system():
        User.objects.filter(pk=owner.pk).update(is_active=False)
    with acting_as(owner.pk):
        assert _keys(Home) == _keys(HomeAddress) == _keys(Node) == _keys(Party) == set()


def test_an_outsider_changes_nothing_of_another_home(full: Cast) -> None:
    outsider = full.people["outsider"]
    with acting_as(outsider.pk):
        assert Home.objects.filter(pk=full.home.pk).update(name="mine now") == 0
        assert NodeCredential.objects.filter(node=full.node).update(revoked_at=timezone.now()) == 0
        assert Membership.objects.filter(home=full.home).delete()[0] == 0
        with _refused("row-level security"):
            Membership.objects.create(home_id=full.home.pk, user=outsider, role=Membership.Role.OWNER)
        with _refused("row-level security"):
            NodeCredential.objects.create(node_id=full.node.pk, secret_sha256=bytes(32))
        assert Battery.objects.filter(home=full.other_home).update(home_id=full.home.pk) == 0


@pytest.mark.parametrize("setting", ["", "0", "-1", "system ", "SYSTEM", "1 OR 1=1", "99999999999999999999", "nobody"])
def test_a_setting_that_names_nobody_shows_nothing(full: Cast, setting: str) -> None:
    raw = connection.connection  # past Django, which would set it right again
    with raw.transaction(force_rollback=True):
        raw.execute("SELECT set_config('xfra.access', %s, true)", [setting])
        count = raw.execute("SELECT count(*) FROM homes_home").fetchone()
    assert count == (0,)


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE homes_inventoryevent",
        "TRUNCATE telemetry_node_sample",
        "ALTER TABLE homes_home DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE homes_home NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE homes_home ADD COLUMN x int",
        "DROP TABLE homes_homeaddress",
        "DROP POLICY application_reads ON homes_home",
        "CREATE POLICY mine ON homes_home USING (true)",
        "ALTER TABLE homes_inventoryevent DISABLE TRIGGER append_only",
        "CREATE OR REPLACE FUNCTION xfra_is_system() RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        "DROP FUNCTION xfra_is_system() CASCADE",
        "CREATE TABLE public.mine (x int)",
        "ALTER ROLE CURRENT_USER BYPASSRLS",
        "DELETE FROM django_migrations",
    ],
)
def test_the_application_cannot_take_the_wall_down(full: Cast, statement: str) -> None:
    with acting_as_system(), _refused("must be owner|permission denied"):
        connection.cursor().execute(statement)


def test_the_application_cannot_become_the_owner(full: Cast) -> None:
    owner = settings.DATABASES["owner"]["USER"]
    with _refused("permission denied"):
        connection.cursor().execute(f'SET ROLE "{owner}"')


def test_row_security_cannot_be_switched_off(full: Cast) -> None:
    with _refused("row-level security"):
        connection.cursor().execute("SET LOCAL row_security = off")
        _rows("homes_home")


@pytest.mark.parametrize("table", [*SAMPLE_TABLES.values(), "telemetry_rollup_1m"])
def test_a_partition_cannot_be_read_around_its_parents_policy(full: Cast, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [table])
        partitions = [name for (name,) in cursor.fetchall()]
    assert partitions
    for partition in partitions:
        with acting_as_system(), _refused("permission denied"):
            _rows(partition)


def test_recorded_inventory_is_never_rewritten(full: Cast) -> None:
    with acting_as_system():
        with _refused("append-only"):
            InventoryEvent.objects.update(kind=InventoryEvent.Kind.GONE)
        with _refused("append-only"):
            InventoryEvent.objects.all().delete()


def test_a_refused_statement_is_undone_to_its_savepoint(full: Cast) -> None:
    with acting_as_system():
        with pytest.raises(IntegrityError), transaction.atomic():
            Node.objects.create(home=full.home, hostname=full.node.hostname)
        assert Node.objects.filter(pk=full.node.pk).exists()


@pytest.mark.parametrize("before", ["", "17"])
def test_a_transaction_that_was_undone_leaves_the_connection_with_whom_it_believes(db: None, before: str) -> None:
    """The next statement on it is asked on the same behalf, not on that of whoever had the connection before."""
    query, said = "SELECT current_setting('xfra.access', true)", []

    def ask() -> None:
        with connection.cursor() as cursor:
            cursor.execute(query)
            said.append(cursor.fetchone()[0])

    def work() -> None:
        try:
            if before:
                with acting_as(int(before)):
                    ask()
            with acting_as(18):
                with suppress(KeyError), transaction.atomic():
                    ask()
                    raise KeyError
                ask()
        finally:
            connection.close()

    thread = Thread(target=work)
    thread.start()
    thread.join()
    assert said == [*filter(None, [before]), "18", "18"]


def test_the_web_server_starts_as_nobody() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "XFRA_ACCESS"}
    program = "import xfra_portal.asgi; from homes import access; print(access.current())"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == access.NOBODY
