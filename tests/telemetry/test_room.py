"""Before disk or memory is at risk the doors shut, nothing acknowledged is lost, and it ends by itself."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import connections
from django.test import Client

from homes.models import Node
from telemetry import alarms, ingest, latest, room, tasks
from telemetry import stream as streams
from telemetry.batch import encode
from telemetry.catalogue import BY_NAME, Kind
from telemetry.door import RemoteWriteDoor
from telemetry.stream import DEAD_LETTERS, SHUT, Drain, Keys, StreamFull, shard_of
from tests.stack import wait_for
from tests.telemetry import stored
from tests.telemetry.agents import Agent, answer, waiting
from tests.telemetry.messages import batch, body, series
from tests.telemetry.test_ingest import append, assert_empty, entries, held, seconds_stored, sound
from xfra_portal.local.redis import program
from xfra_portal.local.state import free_port

NOW = int(time.time() * 1000)
SHARD = 0
pytestmark = pytest.mark.usefixtures("ingest_redis")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "LINGER_MS", 1)
    monkeypatch.setattr(tasks, "PAUSE_SECONDS", 0.01)


def one() -> bytes:
    return body(series("xfra_sound_decibels", [(NOW, 40.0)]))


# Disk


@pytest.mark.parametrize(
    ("least_bytes", "least_ratio", "is_short"),
    [(0, 0.0, False), (1 << 60, 0.0, True), (0, 1.0, True), (1 << 60, 1.0, True)],
)
def test_a_disk_is_short_by_bytes_or_by_ratio(
    ingest_redis: redis.Redis, settings: Any, tmp_path: Path, least_bytes: int, least_ratio: float, is_short: bool
) -> None:
    settings.DISK_FOLDERS = [str(tmp_path)]
    settings.DISK_FREE_BYTES, settings.DISK_FREE_RATIO = least_bytes, least_ratio
    found = room.measure(ingest_redis)
    assert (list(found) == ["disk"]) is is_short
    assert not is_short or str(tmp_path) in found["disk"]
    assert shutil.disk_usage(tmp_path).free > 0


def test_a_folder_that_cannot_be_looked_at_is_no_shortage(
    ingest_redis: redis.Redis, settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DISK_FOLDERS = [str(tmp_path / "gone")]
    assert room.measure(ingest_redis) == {}
    assert "XFRA_DISK_FOLDERS" in caplog.text


@pytest.mark.usefixtures("system")
def test_while_disk_is_short_the_door_says_503_and_then_takes_in_again(
    ingest_redis: redis.Redis, make_node: Callable[[], tuple[Node, str]], settings: Any, tmp_path: Path
) -> None:
    node, token = make_node()
    settings.DISK_FOLDERS, settings.DISK_FREE_RATIO = [str(tmp_path)], 1.0
    tasks.watch_room()
    found = answer(token, one())
    assert found.status_code == 503
    assert 1 <= int(found.headers["retry-after"]) <= 5
    assert waiting(ingest_redis, node.pk) == 0
    assert 0 < ingest_redis.ttl(SHUT["disk"]) <= room.SHUT_SECONDS
    assert [alarm.sentence.partition(":")[0] for alarm in alarms.ringing()] == ["Nothing is taken in"]
    settings.DISK_FREE_BYTES, settings.DISK_FREE_RATIO = 0, 0.0
    tasks.watch_room()
    assert answer(token, one()).status_code == 204
    assert waiting(ingest_redis, node.pk) == 1
    assert alarms.ringing() == []


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("cause", SHUT)
def test_every_cause_shuts_and_says_so_to_whoever_asks(ingest_redis: redis.Redis, node: Node, cause: str) -> None:
    room.tell(ingest_redis, cause, "a sentence with /a/path")
    with pytest.raises(StreamFull):
        append(sound(node, 1))
    ready = json.loads(Client(HTTP_HOST="localhost").get("/readyz").content)
    assert ready["taking_in"] == f"no: {cause}"
    room.tell(ingest_redis, cause, "")
    assert json.loads(Client(HTTP_HOST="localhost").get("/readyz").content)["taking_in"] == "yes"
    append(sound(node, 1))


@pytest.mark.usefixtures("system")
def test_that_nobody_measures_is_said(ingest_redis: redis.Redis) -> None:
    assert [alarm.sentence for alarm in alarms.ringing()] == [alarms.UNWATCHED]
    tasks.watch_room()
    assert alarms.ringing() == []
    assert 0 < ingest_redis.ttl(room.WATCHED) <= room.WATCHED_SECONDS


# A Postgres whose disk is full: it says so itself, with SQLSTATE 53100


@pytest.fixture
def full_postgres(system: None) -> Iterator[Callable[[bool], None]]:
    """full_postgres(True): every write of a node's samples raises what a full disk raises; False: no more."""
    table = "telemetry_node_sample"

    def switch(is_full: bool) -> None:
        with connections["owner"].cursor() as cursor:
            cursor.execute(f"DROP TRIGGER IF EXISTS disk_is_full ON {table}")
            if is_full:
                cursor.execute(
                    "CREATE OR REPLACE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                    " RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';"
                    " END $$"
                )
                cursor.execute(f"CREATE TRIGGER disk_is_full BEFORE INSERT ON {table} EXECUTE FUNCTION disk_is_full()")

    yield switch
    switch(False)
    with connections["owner"].cursor() as cursor:
        cursor.execute("DROP FUNCTION IF EXISTS disk_is_full()")


def test_while_postgres_has_no_disk_everything_stays_in_the_stream(
    ingest_redis: redis.Redis,
    make_node: Callable[[], tuple[Node, str]],
    full_postgres: Callable[[bool], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node, token = make_node()
    shard = shard_of(node.pk)
    append(sound(node, 1), sound(node, 2), shard=shard)
    full_postgres(True)
    monkeypatch.setattr(tasks, "PATIENCE_SECONDS", 0.2)
    tasks.drain(shard)
    assert seconds_stored(node) == set()
    assert (entries(ingest_redis, shard), ingest_redis.exists(DEAD_LETTERS)) == (2, 0)
    assert held(ingest_redis, shard) == len(sound(node, 1)) + len(sound(node, 2))
    assert answer(token, one()).status_code == 503
    assert room.STORE_FULL in alarms.ringing()[0].sentence
    full_postgres(False)
    ingest_redis.pexpire(SHUT["store"], 1)  # as it does a few seconds after the last attempt failed
    wait_for(lambda: not ingest_redis.exists(SHUT["store"]), 5)
    assert answer(token, one()).status_code == 204
    tasks.drain(shard)
    assert seconds_stored(node) >= {1, 2}
    assert stored.rows(Kind.NODE, node.pk) == 3
    assert_empty(ingest_redis, shard)


# A Redis that has no memory left, or may not write


@pytest.fixture
def small_redis(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    """An ingest Redis of its own, which never evicts; tests make it small."""
    port = free_port()
    command = [str(program()), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path)]
    command += ["--maxmemory-policy", "noeviction", "--save", "", "--dbfilename", "snapshot"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    settings.INGEST_REDIS_URL = f"redis://127.0.0.1:{port}/0"
    try:
        with redis.Redis(port=port) as client:
            wait_for(lambda: _answers(client), 10, "a small Redis")
            yield client
    finally:
        process.kill()
        process.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def _fill(client: redis.Redis) -> None:
    """Let it have no memory left, as when something else uses it up."""
    client.config_set("maxmemory", int(client.info("memory")["used_memory"]) - 1)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        client.set("anything", "x" * 1000)


@pytest.mark.usefixtures("system")
def test_memory_is_guarded_before_it_is_used_up(small_redis: redis.Redis, node: Node) -> None:
    room.watch(small_redis)
    append(sound(node, 1))
    used = int(small_redis.info("memory")["used_memory"])
    small_redis.config_set("maxmemory", int(used / 0.95))
    room.watch(small_redis)
    assert [short.cause for short in room.shortages(small_redis)] == ["memory"]
    with pytest.raises(StreamFull):
        append(sound(node, 2))
    small_redis.config_set("maxmemory", used * 10)
    room.watch(small_redis)
    append(sound(node, 2))
    ingest.drain_shard(SHARD)
    assert seconds_stored(node) == {1, 2}


@pytest.mark.usefixtures("system")
def test_a_redis_without_memory_is_emptied_all_the_same(
    small_redis: redis.Redis, make_node: Callable[[], tuple[Node, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    node, token = make_node()
    shard = shard_of(node.pk)
    append(sound(node, 1), b"poison", sound(node, 2), shard=shard)
    Drain(small_redis, shard).ensure_group()
    _fill(small_redis)
    assert answer(token, one()).status_code == 503
    room.tell(small_redis, "memory", "cannot even be written down")
    monkeypatch.setattr(ingest, "MAX_SECONDS", 0.2)
    ingest.drain_shard(shard)
    assert seconds_stored(node) == {1, 2}
    assert entries(small_redis, shard) == 1, "the dead letters have no room, so it stays"
    small_redis.config_set("maxmemory", 0)
    assert answer(token, one()).status_code == 204
    ingest.drain_shard(shard)
    assert stored.rows(Kind.NODE, node.pk) == 3
    assert small_redis.xlen(DEAD_LETTERS) == 1
    assert (entries(small_redis, shard), held(small_redis, shard)) == (0, 0)


@pytest.mark.usefixtures("system")
def test_a_redis_that_may_not_write_loses_nothing(
    small_redis: redis.Redis, make_node: Callable[[], tuple[Node, str]], tmp_path: Path
) -> None:
    """MISCONF: it cannot save, so it refuses every write, as with a full disk."""
    node, token = make_node()
    shard = shard_of(node.pk)
    append(sound(node, 1), shard=shard)
    Drain(small_redis, shard).ensure_group()
    small_redis.config_set("save", "1 1")
    (tmp_path / "snapshot").mkdir()  # a file cannot be renamed onto a folder, whoever tries
    small_redis.bgsave()
    wait_for(lambda: small_redis.info("persistence")["rdb_last_bgsave_status"] == "err", 10, "MISCONF")
    with pytest.raises(redis.ResponseError, match="MISCONF"):
        small_redis.set("anything", "x")

    assert answer(token, one()).status_code == 503
    tasks.drain(shard)  # says that it waits, and ends
    tasks.watch_room()
    assert entries(small_redis, shard) == 1

    (tmp_path / "snapshot").rmdir()
    small_redis.bgsave()
    wait_for(lambda: small_redis.info("persistence")["rdb_last_bgsave_status"] == "ok", 10, "its recovery")
    assert answer(token, one()).status_code == 204
    tasks.drain(shard)
    assert seconds_stored(node) >= {1}
    assert stored.rows(Kind.NODE, node.pk) == 2
    assert_empty(small_redis, shard)


def test_without_redis_the_fleet_page_has_its_alarm(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.INGEST_REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    monkeypatch.setattr(alarms, "_client", lambda: streams.connect(patience_seconds=1))
    assert [alarm.sentence for alarm in alarms.ringing()] == [alarms.AWAY]


# Clocks


MINUTE_MS = 60_000


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize(
    ("ahead_ms", "status"),
    [(9 * MINUTE_MS, 204), (11 * MINUTE_MS, 400), (-48 * 60 * MINUTE_MS, 204)],
    ids=["9 minutes ahead", "11 minutes ahead", "48 hours behind"],
)
def test_a_clock_that_is_wrong(
    ingest_redis: redis.Redis, make_node: Callable[[], tuple[Node, str]], ahead_ms: int, status: int
) -> None:
    """All of a scrape has its node's clock. What is told to be refused is not stored, the rest is."""
    node, token = make_node()
    at_ms = int(time.time() * 1000) + ahead_ms
    parts = [
        series("xfra_sound_decibels", [(at_ms, 40.0), (at_ms + 1000, 41.0)]),
        series("node_load1", [(at_ms, 0.5)]),
    ]
    found = asyncio.run(Agent(RemoteWriteDoor(), token).post(body(*parts)))
    assert found.status_code == status, found.text
    if status == 400:
        assert "3 of 3 refused" in found.text and "3 more than 10 minutes in the future" in found.text
        assert waiting(ingest_redis, node.pk) == 0
    ingest.drain_shard(shard_of(node.pk))
    expected = {at_ms: 40.0, at_ms + 1000: 41.0} if status == 204 else {}
    assert stored.column(Kind.NODE, node.pk, "sound_decibels") == expected
    assert len(stored.others(node.pk)) == (status == 204)


@pytest.mark.usefixtures("system")
def test_late_and_twice_is_stored_once_and_the_latest_stays(ingest_redis: redis.Redis, node: Node) -> None:
    shard, late = shard_of(node.pk), NOW - 48 * 60 * MINUTE_MS
    newest = encode(batch(node.pk, series("xfra_sound_decibels", [(NOW, 40.0)])))
    oldest = encode(batch(node.pk, series("xfra_sound_decibels", [(late, 50.0)])))
    append(newest, oldest, oldest, newest, oldest, shard=shard)
    ingest.drain_shard(shard)
    assert stored.column(Kind.NODE, node.pk, "sound_decibels") == {NOW: 40.0, late: 50.0}
    code = BY_NAME[Kind.NODE]["sound_decibels"].code
    assert latest.read([node.pk])[node.pk, Kind.NODE, 0].values[code] == 40.0
    assert int(ingest_redis.xlen(Keys(shard).stream)) == 0


# A Redis that is set up so that it could lose what was acknowledged


def test_a_redis_that_would_forget_rings_and_one_that_keeps_does_not(
    small_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "_client", lambda: small_redis)
    room.watch(small_redis)
    assert ["on disk" in alarm.sentence for alarm in alarms.ringing()] == [True]
    small_redis.config_set("appendonly", "yes")
    small_redis.config_set("maxmemory-policy", "allkeys-lru")
    assert ["allkeys-lru" in alarm.sentence for alarm in alarms.ringing()] == [True]
    small_redis.config_set("maxmemory-policy", "noeviction")
    assert alarms.ringing() == []
    assert room.shortages(small_redis) == [], "what it is set up as is no reason to take nothing in"
