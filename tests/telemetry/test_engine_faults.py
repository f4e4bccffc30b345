"""The engine of raw samples goes away, fills the stream, refuses, or was never there: nothing acknowledged is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import OperationalError, connection

from homes.models import Node
from telemetry import dead_letters, ingest, storage
from telemetry.batch import encode
from telemetry.catalogue import Kind
from telemetry.reads import history
from telemetry.store.client import EngineAway
from telemetry.stream import Keys, StreamFull, shard_of
from tests.engines import Engine, Prometheus, VictoriaMetrics
from tests.telemetry import stored
from tests.telemetry.messages import batch, series
from tests.telemetry.test_ingest import append, entries, held, pending

pytestmark = [pytest.mark.usefixtures("system"), pytest.mark.prometheus]
AT = int(time.time()) * 1000 - 600_000


class Strict(Prometheus):
    """As it comes: nothing older than what it has."""

    late_hours = 0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "LINGER_MS", 1)


@pytest.fixture
def engine(tmp_path: Path, settings: Any) -> Iterator[Engine]:
    made = VictoriaMetrics(tmp_path)
    made.start()
    settings.SAMPLES_URL = made.url
    yield made
    made.stop()


def body(node: Node, *seconds: int) -> bytes:
    return encode(
        batch(node.pk, *(series("xfra_sound_decibels", [(AT + s * 1000, 40.0 + s % 64 / 8)]) for s in seconds))
    )


def put(node: Node, *seconds: int) -> None:
    append(*(body(node, second) for second in seconds), shard=shard_of(node.pk))


def sounds(node: Node) -> str:
    return f'xfra_node_sound_decibels{{node="{node.pk}"}}'


def row_versions(node: Node) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT ctid::text FROM telemetry_node_sample WHERE node_id = %s", [node.pk])
        return {ctid for (ctid,) in cursor.fetchall()}


def chart(node: Node, hours_ago: float = 0) -> list[float | None]:
    start = datetime.fromtimestamp(AT / 1000, UTC) - timedelta(hours=hours_ago)
    (found,) = history(node.pk, Kind.NODE, ["sound_decibels"], start, start + timedelta(minutes=1), 0).series
    return found.last


def test_what_came_while_it_was_away_is_there_when_it_is_back(
    engine: Engine, ingest_redis: redis.Redis, node: Node
) -> None:
    shard = shard_of(node.pk)
    put(node, 0, 1, 2)
    assert ingest.drain_shard(shard) == 3
    assert engine.count(sounds(node)) == 3
    engine.stop()
    put(node, 3, 4)
    waiting = entries(ingest_redis, shard), held(ingest_redis, shard)
    assert waiting[0] == 2
    versions = set()
    for _ in range(3):
        with pytest.raises(EngineAway):
            ingest.drain_shard(shard)
        versions.add(frozenset(row_versions(node)))
        assert (entries(ingest_redis, shard), held(ingest_redis, shard)) == waiting, "nothing is acknowledged"
    assert len(versions) == 1, "and nothing is written to Postgres over and over"
    put(node, 5)
    engine.start()
    assert ingest.drain_shard(shard) == 3
    assert (entries(ingest_redis, shard), held(ingest_redis, shard), pending(ingest_redis, shard)) == (0, 0, 0)
    assert engine.count(sounds(node)) == 6
    assert chart(node) == [40.0 + second / 8 for second in range(6)]
    assert not dead_letters.count(ingest_redis).letters


def test_another_worker_goes_on_where_one_died_waiting(engine: Engine, ingest_redis: redis.Redis, node: Node) -> None:
    """It knows nothing of what its predecessor had committed, and does it again: the same samples, once."""
    shard = shard_of(node.pk)
    engine.stop()
    put(node, 0, 1)
    with pytest.raises(EngineAway):
        ingest.drain_shard(shard)
    ingest._unsent.clear()
    engine.start()
    assert ingest.drain_shard(shard) == 2
    assert engine.count(sounds(node)) == 2
    assert len(stored.column(Kind.NODE, node.pk, "sound_decibels")) == 2


def test_a_full_stream_shuts_the_door(engine: Engine, ingest_redis: redis.Redis, node: Node, settings: Any) -> None:
    engine.stop()
    one = body(node, 0)
    settings.INGEST_STREAM_BYTES = 2 * len(one) * settings.INGEST_SHARDS
    put(node, 0, 1)
    with pytest.raises(EngineAway):
        ingest.drain_shard(shard_of(node.pk))
    with pytest.raises(StreamFull):
        put(node, 2)
    engine.start()
    ingest.drain_shard(shard_of(node.pk))
    put(node, 2)
    ingest.drain_shard(shard_of(node.pk))
    assert engine.count(sounds(node)) == 3


def test_pages_read_from_postgres_while_it_is_away(engine: Engine, node: Node) -> None:
    storage.write([batch(node.pk, series("xfra_sound_decibels", [(AT, 41.5)]))], shard_of(node.pk))
    engine.stop()
    assert chart(node) == [41.5]
    with pytest.raises(OperationalError):  # which pages and the API answer with 503
        chart(node, hours_ago=100)


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1"])
def test_a_wrong_address_is_no_fault_of_the_samples(
    path: str, engine: Engine, ingest_redis: redis.Redis, node: Node, settings: Any
) -> None:
    shard = shard_of(node.pk)
    settings.SAMPLES_URL = f"{engine.url}{path} {engine.url}"
    put(node, 0)
    with pytest.raises(EngineAway):
        ingest.drain_shard(shard)
    assert (entries(ingest_redis, shard), dead_letters.count(ingest_redis).letters) == (1, 0)
    settings.SAMPLES_URL = engine.url
    assert ingest.drain_shard(shard) == 1


def test_what_it_will_never_take_waits_for_an_operator(
    tmp_path: Path, ingest_redis: redis.Redis, node: Node, settings: Any
) -> None:
    """An engine that was not told to take late samples: they go to the dead letters and can be sent again."""
    engine: Engine = Strict(tmp_path)
    engine.start()
    try:
        settings.SAMPLES_URL, shard = engine.url, shard_of(node.pk)
        put(node, 60)
        ingest.drain_shard(shard)
        put(node, -3600, 61)
        ingest.drain_shard(shard)
        assert engine.count(sounds(node)) == 2, "the others are taken"
        (letter,) = dead_letters.page()
        assert letter.reason.startswith("the engine answered 400: out of ")
        assert entries(ingest_redis, shard) == 0
        engine.stop()
        engine = Prometheus(tmp_path)
        engine.start()
        settings.SAMPLES_URL = engine.url
        assert dead_letters.retry(letter.id, "somebody")
        ingest.drain_shard(shard)
        assert engine.count(sounds(node)) == 3
        assert (dead_letters.count(ingest_redis).letters, ingest_redis.xlen(Keys(shard).stream)) == (0, 0)
    finally:
        engine.stop()
