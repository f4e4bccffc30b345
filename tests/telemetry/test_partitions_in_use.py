"""Upkeep of a table that somebody else is using, in real transactions."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection, connections

from telemetry import partitions
from telemetry.tables import DAY
from tests.telemetry.test_partitions import bounds

pytestmark = pytest.mark.usefixtures("system")
NOW = time.time()
IN_USE, FREE = "telemetry_circuit_sample", "telemetry_gpu_sample"


@pytest.fixture
def other(system: None) -> Iterator[psycopg.Connection]:
    """Somebody else, as the owner, in a transaction of their own; without the partitions that other tests left."""
    partitions.drop_expired(NOW)
    owner = connections["owner"].settings_dict
    found = {"host": owner["HOST"], "port": owner["PORT"], "user": owner["USER"], "password": owner["PASSWORD"]}
    with psycopg.connect(**found, dbname=connection.settings_dict["NAME"]) as made:
        yield made
        made.rollback()


def oldest(table: str) -> float:
    return min(begin for begin, _ in bounds(table))


def test_it_keeps_its_own_and_nobody_waits(
    other: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(partitions, "TRIES_TO_DROP", 3)
    for table in (IN_USE, FREE):
        partitions.ensure_range(table, NOW - 10 * DAY, NOW - 10 * DAY)
    other.execute(f"SELECT 1 FROM {IN_USE} LIMIT 1")  # noqa: S608
    assert partitions.drop_expired(NOW, [IN_USE, FREE]) == 1
    assert f"{IN_USE} is in use" in caplog.text
    assert oldest(IN_USE) < NOW - 9 * DAY < oldest(FREE)
    other.rollback()
    assert partitions.drop_expired(NOW, [IN_USE]) == 1
    assert oldest(IN_USE) > NOW - 9 * DAY
