"""What kills whoever stores it is tried a few times, then alone, then not any more; what is not its fault is no try."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pytest
import redis
from django.db import OperationalError, connection
from psycopg import errors

from homes.models import Node
from telemetry import dead_letters, ingest, room, states, storage, tasks
from telemetry.batch import Batch, encode
from telemetry.stream import ALONE_AFTER, CONSUMER, GROUP, MOST_TRIES, SHUT, Drain, Keys
from tests.telemetry.messages import batch, series
from tests.telemetry.test_ingest import AT, SHARD, append, assert_empty, entries, seconds_stored, sound

pytestmark = pytest.mark.usefixtures("system", "ingest_redis")


class Killed(BaseException):
    """The process ends here, whatever it would have caught."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "LINGER_MS", 1)
    monkeypatch.setattr(tasks, "PAUSE_SECONDS", 0.01)


def tries(client: redis.Redis) -> list[int]:
    found: Any = client.xpending_range(Keys(SHARD).stream, GROUP, "-", "+", 100, CONSUMER)
    return [one["times_delivered"] for one in found]


def hurt(monkeypatch: pytest.MonkeyPatch, value: float, error: BaseException) -> list[int]:
    """Storing a batch with this value raises. Returns how many bodies each attempt had, as a list that grows."""
    real: Callable[[Sequence[Batch], int], storage.Written] = storage._commit
    attempts: list[int] = []

    def commit(batches: Sequence[Batch], shard: int) -> storage.Written:
        attempts.append(len(batches))
        if any((one.values == value).any() for one in batches):
            raise error
        return real(batches, shard)

    monkeypatch.setattr(storage, "_commit", commit)
    return attempts


def test_what_kills_every_worker_is_buried_and_the_rest_is_stored(
    ingest_redis: redis.Redis, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = hurt(monkeypatch, 99.0, Killed())
    append(sound(node, 1), sound(node, 2, 99.0), sound(node, 3))
    for _ in range(MOST_TRIES):
        with pytest.raises(Killed):
            ingest.drain_shard(SHARD)
    assert attempts == [3] * ALONE_AFTER + [1, 1, 1, 1], "the first is stored on the way, those behind are not touched"
    assert seconds_stored(node) == {1}
    ingest.drain_shard(SHARD)
    assert seconds_stored(node) == {1, 3}
    (letter,) = dead_letters.page()
    assert letter.reason == f"whoever stored it died or gave up, {MOST_TRIES} times"
    assert_empty(ingest_redis)


@pytest.mark.parametrize("error", [TypeError("of all things"), MemoryError(), AssertionError()])
def test_whatever_is_raised_is_bounded(
    ingest_redis: redis.Redis, node: Node, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    attempts = hurt(monkeypatch, 99.0, error)
    append(sound(node, 1), sound(node, 2, 99.0), sound(node, 3))
    ingest.drain_shard(SHARD)
    assert attempts == [3, 1, 1, 1]
    assert seconds_stored(node) == {1, 3}
    (letter,) = dead_letters.page()
    assert letter.reason in ("of all things", "MemoryError", "AssertionError")
    assert_empty(ingest_redis)


def away() -> OperationalError:
    return OperationalError("connection lost")


def deadlock() -> OperationalError:
    error = OperationalError("deadlock detected")
    error.__cause__ = errors.DeadlockDetected()
    return error


def test_an_outage_is_nobodys_fault(ingest_redis: redis.Redis, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        hurt(patch, 40.0, away())
        append(sound(node, 1), sound(node, 2))
        for _ in range(3 * MOST_TRIES):
            with pytest.raises(OperationalError):
                ingest.drain_shard(SHARD)
    assert tries(ingest_redis) == [0, 0]
    ingest.drain_shard(SHARD)
    assert seconds_stored(node) == {1, 2}
    assert not dead_letters.count(ingest_redis).letters


def test_what_postgres_refuses_again_and_again_is_bounded(
    ingest_redis: redis.Redis, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurt(monkeypatch, 99.0, deadlock())
    append(sound(node, 1), sound(node, 2, 99.0), sound(node, 3))
    tasks.drain(SHARD)
    assert seconds_stored(node) == {1, 3}
    assert dead_letters.count(ingest_redis).letters == 1
    assert_empty(ingest_redis)


def test_a_node_that_cannot_be_judged_stops_nobody(
    ingest_redis: redis.Redis, node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def judge(*_: object, **__: object) -> set[int]:
        raise ZeroDivisionError("in a rule")

    monkeypatch.setattr(states, "judge", judge)
    append(sound(node, 1))
    assert ingest.drain_shard(SHARD) == 1
    assert "in a rule" in caplog.text
    assert_empty(ingest_redis)


@pytest.fixture
def in_copy(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Have something happen in the midst of the next COPY, and not again."""

    def once(happen: Callable[[], None]) -> None:
        real, left = psycopg.Copy.write, [happen]

        def write(copy: psycopg.Copy, body: bytes) -> None:
            if left:
                left.pop()()
            real(copy, body)

        monkeypatch.setattr(psycopg.Copy, "write", write)

    return once


def test_a_postgres_that_ends_during_copy_is_away(
    ingest_redis: redis.Redis, node: Node, in_copy: Callable[[Callable[[], None]], None]
) -> None:
    append(sound(node, 1))
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (mine,) = cursor.fetchone()

    def end() -> None:
        options = connection.get_connection_params()
        reached = {name: options[name] for name in ("host", "port", "dbname", "user", "password") if name in options}
        with psycopg.connect(**reached, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [mine])

    in_copy(end)
    tasks.drain(SHARD)
    assert seconds_stored(node) == {1}
    assert not dead_letters.count(ingest_redis).letters
    assert_empty(ingest_redis)


def test_a_disk_that_is_full_during_copy_shuts_the_doors(
    ingest_redis: redis.Redis, node: Node, in_copy: Callable[[Callable[[], None]], None]
) -> None:
    append(sound(node, 1))

    def fill() -> None:
        raise errors.DiskFull("could not extend file")

    in_copy(fill)
    tasks.drain(SHARD)
    assert ingest_redis.get(SHUT["store"]) == room.STORE_FULL.encode()
    assert seconds_stored(node) == {1}


def test_what_found_no_room_among_the_dead_letters_waits_apart(
    ingest_redis: redis.Redis, node: Node, settings: Any
) -> None:
    """It keeps nobody busy, and is tried again when there is room."""
    settings.INGEST_DEAD_LETTER_BYTES = 0
    append(b"poison", sound(node, 1))
    ingest.drain_shard(SHARD)
    reader = Drain(ingest_redis, SHARD)
    assert (entries(ingest_redis), reader.backlog()) == (1, 0)
    assert not ingest_redis.exists(Keys(SHARD).owner), "the drain has ended"
    settings.INGEST_DEAD_LETTER_BYTES = 100
    assert dead_letters.count(ingest_redis).is_full
    ingest_redis.delete(dead_letters.DEAD_FULL)  # as a decision about a letter does, or time
    assert reader.backlog() == 1
    ingest.drain_shard(SHARD)
    assert dead_letters.count(ingest_redis).letters == 1
    assert_empty(ingest_redis)


def test_a_body_of_very_many_instants(ingest_redis: redis.Redis, node: Node) -> None:
    instants = [(AT - 60_000_000 + 500 * number, float(number % 100)) for number in range(100_000)]
    append(encode(batch(node.pk, series("xfra_sound_decibels", instants))))
    ingest.drain_shard(SHARD)
    assert_empty(ingest_redis)
    assert len(seconds_stored(node)) >= 50_000
