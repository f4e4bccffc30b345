"""One drain a shard: two real ones, one that is killed, one that is stopped for a while, one whose time is up."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import redis
from django.conf import settings as django_settings
from django.db import connections

from homes.access import acting_as_system
from homes.models import Node
from telemetry import ingest, ownership, storage, tasks
from telemetry.ownership import Ownership
from telemetry.stream import Drain, Keys
from tests.stack import wait_for
from tests.telemetry.test_ingest import SHARD, append, assert_empty, entries, pending, seconds_stored, sound

pytestmark = pytest.mark.usefixtures("system", "ingest_redis")

OWNER = """
import sys, threading, redis
from telemetry import ownership
with redis.Redis.from_url(sys.argv[1]) as client, ownership.owned(client, 0) as mine:
    print("mine" if mine else "not mine", flush=True)
    threading.Event().wait()
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "LINGER_MS", 1)


@contextmanager
def other_process() -> Iterator[subprocess.Popen[bytes]]:
    """Another process that owns the shard until it is ended."""
    command = [sys.executable, "-c", OWNER, django_settings.INGEST_REDIS_URL]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline() == b"mine\n"
        yield process
    finally:
        process.kill()
        process.wait()


def in_thread(work: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        with acting_as_system():
            try:
                work()
            finally:
                connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_second_drain_leaves_the_shard_to_the_first(
    ingest_redis: redis.Redis, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a step of the first takes: it is renewed meanwhile, nobody is called, nothing is read twice."""
    monkeypatch.setattr(ownership, "OWNED_SECONDS", 0.5)
    monkeypatch.setattr(ownership, "RENEW_SECONDS", 0.05)
    real, begun, go_on, calls = storage._commit, threading.Event(), threading.Event(), []

    def slow(batches: list[object], shard: int) -> object:
        calls.append(len(batches))
        begun.set()
        assert go_on.wait(30)
        return real(batches, shard)  # type: ignore[arg-type]

    monkeypatch.setattr(storage, "_commit", slow)
    append(sound(node, 1))
    first = in_thread(lambda: ingest.drain_shard(SHARD))
    try:
        assert begun.wait(30)
        time.sleep(1)  # twice as long as an owner that says nothing keeps it
        assert append(sound(node, 2)) == [False]
        assert Drain(ingest_redis, SHARD).is_attended()
        assert ingest.drain_shard(SHARD) == 0
        assert calls == [1]
    finally:
        go_on.set()
        first.join()
    assert seconds_stored(node) == {1, 2}
    assert_empty(ingest_redis)
    assert not ingest_redis.exists(Keys(SHARD).owner)


def test_a_killed_owner_costs_a_few_seconds(ingest_redis: redis.Redis, node: Node) -> None:
    with other_process() as owner:
        assert append(sound(node, 1)) == [False]
        assert ingest.drain_shard(SHARD) == 0
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        assert 0 < ingest_redis.pttl(Keys(SHARD).owner) <= ownership.OWNED_SECONDS * 1000 < 5000
        wait_for(lambda: append(sound(node, 2)) == [True], 10, "an append to call a successor")
    assert ingest.drain_shard(SHARD) >= 2
    assert seconds_stored(node) == {1, 2}


def test_an_owner_that_was_stopped_knows_that_it_may_be_none(
    ingest_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "OWNED_SECONDS", 0.1)
    first, second = Ownership(ingest_redis, SHARD), Ownership(ingest_redis, SHARD)
    assert first.take() and first.is_sure()
    assert not second.take()
    wait_for(second.take, 5, "the first one's time to be up")
    assert not first.is_sure()
    first.release()
    assert first.rest()
    assert ingest_redis.exists(Keys(SHARD).owner), "what is not its own it does not give up"
    first.keep(threading.Event())
    assert not first.is_sure(), "and it does not get it back unasked"


def test_who_lost_the_shard_stores_nothing_of_what_it_reads(
    ingest_redis: redis.Redis, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads in the same name as its successor, who finds what it left, even in the midst of its own work."""
    append(sound(node, 1))
    real = Drain.read

    def read(drain: Drain, count: int, wait_ms: int) -> object:
        found = real(drain, count, wait_ms)
        ingest_redis.set(Keys(SHARD).owner, "another")
        time.sleep(0.3)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(ownership, "RENEW_SECONDS", 0.05)
        patch.setattr(Drain, "read", read)
        assert ingest.drain_shard(SHARD) == 0
    assert (entries(ingest_redis), pending(ingest_redis), seconds_stored(node)) == (1, 1, set())
    assert ingest_redis.get(Keys(SHARD).owner) == b"another"
    ingest_redis.delete(Keys(SHARD).owner)
    successor = Drain(ingest_redis, SHARD)
    assert len(successor.read(10, 1)) == 1
    assert successor.read(10, 1) == []
    successor._look_at = 0.0
    assert len(successor.read(10, 1)) == 1, "every few seconds it looks again"


def test_whose_time_is_up_calls_a_successor_at_once(
    ingest_redis: redis.Redis, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[int] = []
    monkeypatch.setattr(tasks.drain, "apply_async", lambda args, **options: called.extend(args))
    monkeypatch.setattr(ingest, "MAX_SECONDS", 0)
    append(sound(node, 1))
    tasks.drain(SHARD)
    assert called == [SHARD]
    assert not ingest_redis.exists(Keys(SHARD).owner)
    monkeypatch.setattr(ingest, "MAX_SECONDS", 20)
    tasks.drain(SHARD)
    assert called == [SHARD], "nothing waits any more"
    assert seconds_stored(node) == {1}


def test_two_drains_share_what_comes_without_storing_it_twice(
    ingest_redis: redis.Redis, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[int] = []
    real = storage._commit

    def counted(batches: list[object], shard: int) -> object:
        stored.append(len(batches))
        return real(batches, shard)  # type: ignore[arg-type]

    monkeypatch.setattr(storage, "_commit", counted)
    monkeypatch.setattr(ingest, "MAX_SECONDS", 0.3)
    done = threading.Event()

    def drain_again_and_again() -> None:
        while not done.is_set():
            ingest.drain_shard(SHARD)
            time.sleep(0.01)

    drains = [in_thread(drain_again_and_again) for _ in range(2)]
    try:
        for second in range(40):
            append(sound(node, second))
            time.sleep(0.03)
        wait_for(lambda: entries(ingest_redis) == 0, 20, "the stream to be empty")
    finally:
        done.set()
        for drain in drains:
            drain.join()
    assert seconds_stored(node) == set(range(40))
    assert sum(stored) == 40
    assert_empty(ingest_redis)
