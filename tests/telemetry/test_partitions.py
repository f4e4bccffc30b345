"""Partition upkeep: made ahead, dropped by retention, and only by way of the owner's two functions."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import Error, connection, transaction

from homes.access import acting_as_system
from telemetry import partitions
from telemetry.tables import DAY, OTHER_TABLE, PARTITION_SECONDS, ROLLUP_TABLES, SAMPLE_TABLES
from tests.cast import needs_database

pytestmark = needs_database
NOW = time.time()
RAW = [*SAMPLE_TABLES.values(), OTHER_TABLE]


@pytest.fixture(autouse=True)
def _system(db: None) -> Iterator[None]:
    """Without the partitions of long ago that tests which commit may have left."""
    with acting_as_system():
        partitions.drop_expired(NOW)
        yield


def bounds(table: str) -> list[tuple[int, int]]:
    """Unix seconds of each partition, in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = %s::regclass",
            [table],
        )
        found = [expression.split("'") for (expression,) in cursor.fetchall()]
    return sorted((_second(parts[1]), _second(parts[3])) for parts in found)


def _second(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def test_making_them_twice_makes_them_once() -> None:
    partitions.ensure_partitions(NOW)
    before = {table: bounds(table) for table in PARTITION_SECONDS}
    assert partitions.ensure_partitions(NOW) == 0
    assert {table: bounds(table) for table in PARTITION_SECONDS} == before
    assert partitions.ensure_partitions(NOW + DAY) == sum(
        int((NOW + 3 * DAY) // span - (NOW + 2 * DAY) // span) for span in PARTITION_SECONDS.values()
    )


@pytest.mark.parametrize("table", PARTITION_SECONDS)
def test_they_cover_everything_that_may_arrive_without_a_hole(table: str) -> None:
    partitions.ensure_partitions(NOW)
    # Other tests may have left partitions of another time.
    found = [part for part in bounds(table) if part[1] > NOW - 72 * 3600 and part[0] <= NOW + 2 * DAY]
    assert found[0][0] <= NOW - 72 * 3600
    assert found[-1][1] >= NOW + 2 * DAY
    assert all(before[1] == after[0] for before, after in itertools.pairwise(found))
    assert {end - start for start, end in found} == {PARTITION_SECONDS[table]}
    assert all(start % PARTITION_SECONDS[table] == 0 for start, _ in found)


@pytest.mark.parametrize("resolution", ROLLUP_TABLES)
def test_a_chunk_lies_in_one_partition(resolution: int) -> None:
    from telemetry.chunks import span_seconds

    assert PARTITION_SECONDS[ROLLUP_TABLES[resolution]] % span_seconds(resolution) == 0


def test_expired_ones_go_and_nothing_else() -> None:
    partitions.ensure_partitions(NOW)
    kept = bounds("telemetry_gpu_sample")
    for days in (10, 11, 40):
        partitions.ensure_range("telemetry_gpu_sample", NOW - days * DAY, NOW - days * DAY)
    assert partitions.drop_expired(NOW) >= 3
    assert bounds("telemetry_gpu_sample") == kept
    assert partitions.drop_expired(NOW) == 0


def test_what_is_partly_within_retention_stays() -> None:
    midnight = int(NOW // DAY * DAY)
    partitions.ensure_partitions(midnight)
    before = bounds("telemetry_gpu_sample")
    span = PARTITION_SECONDS["telemetry_gpu_sample"]
    assert before[0] == (midnight - 3 * DAY, midnight - 3 * DAY + span)
    assert partitions.drop_expired(midnight + span - 1, ["telemetry_gpu_sample"]) == 0
    with pytest.raises(Error, match="never dropped"), transaction.atomic():
        partitions.drop_expired(midnight + 3 * DAY, ["telemetry_gpu_sample"])
    assert bounds("telemetry_gpu_sample") == before


def test_at_the_least_retention_postgres_says_what_time_it_is(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker's clock that is a little ahead must not ask for samples of the last 48 hours."""
    settings.RAW_RETENTION_HOURS = 48
    partitions.ensure_partitions()
    partitions.ensure_range("telemetry_gpu_sample", NOW - 10 * DAY, NOW - 10 * DAY)
    monkeypatch.setattr(time, "time", lambda: NOW + 600)
    assert partitions.drop_expired() >= 1
    before = bounds("telemetry_gpu_sample")
    assert all(end > NOW - 2 * DAY - 60 for _, end in before)
    assert before[0][0] <= NOW - 2 * DAY


def test_retention_by_table() -> None:
    assert {partitions.retention_seconds(table) for table in RAW} == {72 * 3600}
    rollups = [partitions.retention_seconds(table) for table in ROLLUP_TABLES.values()]
    assert rollups == sorted(rollups)
    assert rollups[0] >= 2 * DAY
    assert rollups[1] >= 35 * DAY


@pytest.mark.parametrize("hours", [-24, 0, 1, 47.9])
def test_the_last_48_hours_cannot_be_dropped(hours: float) -> None:
    """Whoever takes over the web process cannot make it forget yesterday."""
    partitions.ensure_partitions(NOW)
    before = bounds("telemetry_gpu_sample")
    moment = datetime.now(UTC) - timedelta(hours=hours)  # Postgres looks at its own clock, however long ago NOW is
    with pytest.raises(Error, match="48 hours are never dropped"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT telemetry_drop_partitions(%s, %s)", ["telemetry_gpu_sample", moment])
    assert bounds("telemetry_gpu_sample") == before


FORBIDDEN = [
    "DROP TABLE telemetry_gpu_sample",
    "TRUNCATE telemetry_gpu_sample",
    "ALTER TABLE telemetry_gpu_sample DISABLE ROW LEVEL SECURITY",
    "CREATE TABLE telemetry_mine (LIKE telemetry_gpu_sample)",
    "SELECT telemetry_ensure_partition('homes_home', now(), now() + interval '1 day')",
    "SELECT telemetry_ensure_partition('pg_class', now(), now() + interval '1 day')",
    "SELECT telemetry_ensure_partition('telemetry_latest', now(), now() + interval '1 day')",
    "SELECT telemetry_ensure_partition('telemetry_gpu_sample; DROP TABLE homes_home', now(), now())",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_application_has_no_other_way(statement: str) -> None:
    partitions.ensure_partitions(NOW)
    with pytest.raises(Error), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_partition_cannot_be_read_round_its_parent() -> None:
    partitions.ensure_partitions(NOW)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'telemetry_gpu_sample'::regclass"
        )
        (child, *_) = (name for (name,) in cursor.fetchall())
    with pytest.raises(Error, match="permission denied"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {child}")  # noqa: S608


def test_dropping_what_is_no_table_of_ours_drops_nothing() -> None:
    long_ago = datetime.fromtimestamp(NOW, UTC) - timedelta(days=3650)
    with connection.cursor() as cursor:
        for name in ("homes_home", "pg_class", "nothing"):
            cursor.execute("SELECT telemetry_drop_partitions(%s, %s)", [name, long_ago])
            assert cursor.fetchone()[0] == 0
