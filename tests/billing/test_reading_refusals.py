"""What Postgres refuses about readings, by direct SQL as the application's role, and whom it shows them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from billing.models import Channel, DeviceEpoch, DueDay, Quarantine, RawMessage, Reading, Source
from homes.access import acting_as, acting_as_system
from tests.cast import Cast, needs_database

pytestmark = needs_database
ON = date(2026, 6, 10)
AT = datetime(2026, 6, 10, 12, tzinfo=UTC)
OF_A_HOME = (RawMessage, Reading, Quarantine, DeviceEpoch, DueDay)


@contextmanager
def refused(said: str) -> Iterator[None]:
    """Postgres refuses with these words; the test's transaction goes on from a savepoint of its own."""
    with pytest.raises((psycopg.Error, DatabaseError), match=said), connection.connection.transaction():
        yield
    transaction.set_rollback(False)


@pytest.fixture
def full(cast: Cast) -> Cast:
    """A row of each kind for both homes."""
    with acting_as_system():
        for home in (cast.home, cast.other_home):
            message = RawMessage.objects.create(
                home=home, source=Source.UTILITY, key=f"key of {home.pk}"[:64], body=b"as sent"
            )
            Reading.objects.create(
                home=home,
                channel=Channel.NODE,
                source=Source.PANEL,
                on=ON,
                version=1,
                wh=[1_000] * 96,
                qualities="m" * 48 + "e" * 24 + "r" * 23 + "q",
                message=message,
            )
            Quarantine.objects.create(
                home=home,
                channel=Channel.NODE,
                source=Source.PANEL,
                started_at=AT,
                ended_at=AT + timedelta(minutes=15),
                wh=[5_000],
                problem="too_large",
                detail="too much",
            )
            DeviceEpoch.objects.create(home=home, channel=Channel.NODE, started_at=AT)
            DueDay.objects.create(home=home, on=ON, ended_at=AT, noted_at=AT)
    return cast


NEXT = (
    'INSERT INTO billing_reading (home_id, channel, source, "on", version, wh, qualities, known_at)'
    ' SELECT home_id, channel, source, "on", {version}, {wh}, {qualities}, now()'
    " FROM billing_reading WHERE home_id = '{home}'"
)


def version(
    home: object, number: int = 2, wh: str = "array_fill(7, ARRAY[96])", qualities: str = "repeat('m', 96)"
) -> str:
    return NEXT.format(version=number, wh=wh, qualities=qualities, home=home)


REFUSED: list[tuple[str, str]] = [
    ("UPDATE billing_reading SET wh = array_fill(0, ARRAY[96])", "append-only"),
    ("DELETE FROM billing_reading", "append-only"),
    ("TRUNCATE billing_reading", "permission denied|must be owner"),
    ("ALTER TABLE billing_reading DISABLE TRIGGER append_only", "must be owner"),
    ("ALTER TABLE billing_reading DISABLE TRIGGER follows", "must be owner"),
    ("SET session_replication_role = replica", "permission denied"),
    ("UPDATE billing_rawmessage SET body = 'something else'", "append-only"),
    ("UPDATE billing_rawmessage SET key = 'another'", "append-only"),
    ("UPDATE billing_rawmessage SET body = NULL, erased_at = now(), key = 'another'", "append-only"),
    ("UPDATE billing_rawmessage SET body = NULL", "append-only"),
    ("DELETE FROM billing_rawmessage", "append-only"),
    ("UPDATE billing_deviceepoch SET modulus_wh = 5", "append-only"),
    ("DELETE FROM billing_deviceepoch", "append-only"),
    ("DELETE FROM billing_quarantine", "answered once"),
    ("UPDATE billing_quarantine SET wh = '{1}'", "answered once"),
    ("UPDATE billing_quarantine SET state = 'accepted'", "with_a_reason"),
    (
        "UPDATE billing_quarantine SET state = 'accepted', wh = '{1}', reason = 'x', resolved_at = now()",
        "answered once",
    ),
]


@pytest.mark.parametrize(("statement", "said"), REFUSED, ids=[statement for statement, _ in REFUSED])
def test_facts_stay(full: Cast, statement: str, said: str) -> None:
    with acting_as_system(), refused(said):
        connection.cursor().execute(statement)


BAD_VERSIONS: list[tuple[str, dict[str, Any], str]] = [
    ("a gap", {"number": 3}, "a gap in the versions"),
    ("the same version again", {"number": 1}, "reading_version_once"),
    ("version 0", {"number": 0}, "a gap in the versions|violates"),
    ("an estimate over a measured value", {"qualities": "repeat('e', 48) || repeat('m', 48)"}, "estimate over"),
    ("nothing over a measured value", {"qualities": "repeat('-', 48) || repeat('m', 48)"}, "estimate over"),
    (
        "an estimate over a quarter-hour's register",
        {"qualities": "repeat('m', 72) || repeat('e', 24)"},
        "estimate over",
    ),
    ("a rolled-up one over a measured value", {"qualities": "repeat('r', 96)"}, "estimate over"),
    (
        "another length of day",
        {"wh": "array_fill(7, ARRAY[92])", "qualities": "repeat('m', 92)"},
        "quarter-hours before",
    ),
    ("no day", {"wh": "array_fill(7, ARRAY[95])", "qualities": "repeat('m', 95)"}, "reading_is_a_day|quarter-hours"),
    ("too few qualities", {"qualities": "repeat('m', 95)"}, "reading_has_qualities"),
    ("an unknown quality", {"qualities": "repeat('x', 96)"}, "reading_has_qualities"),
    ("a negative number", {"wh": "array_fill(-1, ARRAY[96])"}, "reading_has_numbers"),
    ("no number", {"wh": "array_append(array_fill(7, ARRAY[95]), NULL)"}, "reading_has_numbers"),
    ("nothing new", {"wh": "wh", "qualities": "qualities"}, "nothing new"),
]


@pytest.mark.parametrize(("name", "given", "said"), BAD_VERSIONS, ids=[name for name, _, _ in BAD_VERSIONS])
def test_what_is_no_next_version(full: Cast, name: str, given: dict[str, Any], said: str) -> None:
    with acting_as_system(), refused(said):
        connection.cursor().execute(version(full.home.pk, **given))


def test_a_next_version_is_taken(full: Cast) -> None:
    with acting_as_system():
        connection.cursor().execute(version(full.home.pk))
        assert Reading.objects.filter(home=full.home).count() == 2


def test_the_same_message_twice_is_refused(full: Cast) -> None:
    with acting_as_system(), refused("duplicate key"):
        RawMessage.objects.create(home=full.home, source=Source.UTILITY, key=f"key of {full.home.pk}"[:64], body=b"x")


def test_a_message_may_be_erased_and_stays_known(full: Cast) -> None:
    with acting_as_system():
        assert RawMessage.objects.filter(home=full.home).update(body=None, erased_at=timezone.now()) == 1
        with refused("append-only"):
            RawMessage.objects.filter(home=full.home).update(body=b"x", erased_at=None)


@pytest.mark.parametrize("model", OF_A_HOME, ids=lambda model: model.__name__)
def test_a_home_sees_its_own_and_writes_nothing(full: Cast, model: Any) -> None:
    with acting_as_system():
        assert model.objects.count() == 2
    with acting_as(full.people["outsider"].pk):
        assert set(model.objects.values_list("home_id", flat=True)) == {full.other_home.pk}
        with refused("row-level security"):
            connection.cursor().execute(
                'INSERT INTO billing_dueday (home_id, "on", ended_at, noted_at) VALUES (%s, %s, now(), now())',
                [full.other_home.pk, ON + timedelta(days=1)],
            )
        with refused("row-level security"):
            connection.cursor().execute(version(full.other_home.pk))
        assert Quarantine.objects.update(state="accepted", reason="mine", resolved_at=timezone.now()) == 0
