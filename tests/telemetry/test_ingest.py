"""From the stream into the tables: nothing trimmed, nothing stored twice, nothing acknowledged before its COMMIT."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import redis
import redis.asyncio
from django.conf import settings as django_settings
from django.db import OperationalError, connection, connections

from homes.models import Gpu, Node
from telemetry import ingest, live, partitions, storage, tasks
from telemetry.appending import Appender
from telemetry.batch import Batch, encode
from telemetry.catalogue import COLUMNS, Kind
from telemetry.models import NodeStatusRow
from telemetry.ownership import owned
from telemetry.stream import DEAD_LETTERS, GROUP, Drain, Keys, StreamFull, shard_of
from telemetry.tables import PARTITION_SECONDS
from tests.telemetry import stored
from tests.telemetry.conftest import MakeNode
from tests.telemetry.messages import admitted, batch, gpu, series

pytestmark = pytest.mark.usefixtures("system", "quick")
AT = int(time.time()) * 1000 - 60_000
SHARD = 0


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "LINGER_MS", 1)


def append(*bodies: bytes, shard: int = SHARD) -> list[bool]:
    async def run() -> list[bool]:
        async with redis.asyncio.Redis.from_url(django_settings.INGEST_REDIS_URL) as client:
            return [await Appender(client).append(shard, body) for body in bodies]

    return asyncio.run(run())


def sound(node: Node, second: int, value: float = 40.0) -> bytes:
    return encode(batch(node.pk, series("xfra_sound_decibels", [(AT + second * 1000, value)])))


def seconds_stored(node: Node) -> set[int]:
    return {(at - AT) // 1000 for at in stored.column(Kind.NODE, node.pk, "sound_decibels")}


def entries(client: redis.Redis, shard: int = SHARD) -> int:
    return int(client.xlen(Keys(shard).stream))


def held(client: redis.Redis, shard: int = SHARD) -> int:
    return int(client.get(Keys(shard).held) or 0)


def pending(client: redis.Redis, shard: int = SHARD) -> int:
    return int(client.xpending(Keys(shard).stream, GROUP)["pending"])


def assert_empty(client: redis.Redis, shard: int = SHARD) -> None:
    assert (entries(client, shard), held(client, shard), pending(client, shard)) == (0, 0, 0)


# The stream


def test_capacity_is_counted_in_bytes_exactly(ingest_redis: redis.Redis, settings: Any) -> None:
    settings.INGEST_STREAM_BYTES = 1000 * settings.INGEST_SHARDS
    append(b"x" * 400, b"y" * 600)
    assert held(ingest_redis) == 1000
    with pytest.raises(StreamFull):
        append(b"z")
    assert (entries(ingest_redis), held(ingest_redis)) == (2, 1000)
    append(b"another shard has room of its own", shard=1)
    drain = Drain(ingest_redis, SHARD)
    drain.ensure_group()
    first, second = drain.read(10, 1)
    drain.remove([first])
    assert held(ingest_redis) == 600
    append(b"z" * 400)
    with pytest.raises(StreamFull):
        append(b"z")
    drain.remove([first])  # telling twice frees nothing twice
    assert held(ingest_redis) == 1000
    drain.remove([second, *drain.read(10, 1)])
    assert_empty(ingest_redis)


def test_nothing_is_trimmed_and_order_is_kept(ingest_redis: redis.Redis) -> None:
    bodies = [str(i).encode() for i in range(500)]
    append(*bodies)
    drain = Drain(ingest_redis, SHARD)
    drain.ensure_group()
    read = []
    while found := drain.read(64, 1):
        read += [entry.body for entry in found]
        drain.remove(found)
    assert read == bodies
    assert_empty(ingest_redis)


def test_only_the_first_body_calls_a_drain(ingest_redis: redis.Redis) -> None:
    assert append(b"1", b"2", b"3") == [True, False, False]
    drain = Drain(ingest_redis, SHARD)
    drain.ensure_group()
    assert drain.is_attended()
    with owned(ingest_redis, SHARD) as mine:
        assert mine is not None
        assert append(b"4") == [False], "its owner finds it"
        assert not mine.rest(), "something waits"
        drain.remove(drain.read(10, 1))
        assert mine.rest()
        assert append(b"5") == [True], "there is no owner any more"


def test_a_group_that_exists_is_no_error(ingest_redis: redis.Redis) -> None:
    for _ in range(2):
        Drain(ingest_redis, SHARD).ensure_group()


def test_entries_deleted_under_a_reader_are_skipped(ingest_redis: redis.Redis) -> None:
    append(b"1", b"2")
    first = Drain(ingest_redis, SHARD)
    first.ensure_group()
    one, two = first.read(10, 1)
    ingest_redis.xdel(Keys(SHARD).stream, one.id)
    assert [entry.id for entry in Drain(ingest_redis, SHARD).read(1, 1)] == [two.id]
    assert pending(ingest_redis) == 1
    ingest_redis.xdel(Keys(SHARD).stream, two.id)
    assert Drain(ingest_redis, SHARD).read(10, 1) == []
    assert pending(ingest_redis) == 0


# Draining


def test_everything_is_stored_judged_and_acknowledged(ingest_redis: redis.Redis, make_node: MakeNode) -> None:
    nodes = [node for node in (make_node()[0] for _ in range(4)) if shard_of(node.pk) == SHARD]
    append(*(sound(node, second) for second in range(5) for node in nodes))
    assert ingest.drain_shard(SHARD) == 5 * len(nodes)
    assert_empty(ingest_redis)
    for node in nodes:
        assert seconds_stored(node) == set(range(5))
        assert NodeStatusRow.objects.get(node=node).state
    assert ingest.drain_shard(SHARD) == 0


def test_what_a_dead_worker_left_is_done_first_and_once(ingest_redis: redis.Redis, node: Node) -> None:
    append(sound(node, 1), sound(node, 2))
    dead = Drain(ingest_redis, SHARD)
    dead.ensure_group()
    assert len(dead.read(10, 1)) == 2
    append(sound(node, 3))
    assert pending(ingest_redis) == 2
    assert ingest.drain_shard(SHARD) == 3
    assert seconds_stored(node) == {1, 2, 3}
    assert_empty(ingest_redis)


def test_a_worker_killed_between_commit_and_acknowledgement_repeats_without_effect(
    ingest_redis: redis.Redis, node: Node
) -> None:
    append(sound(node, 1), sound(node, 2))
    dead = Drain(ingest_redis, SHARD)
    dead.ensure_group()
    storage.write([ingest.decode(entry.body) for entry in dead.read(10, 1)], SHARD)
    assert seconds_stored(node) == {1, 2}
    assert ingest.drain_shard(SHARD) == 2
    assert seconds_stored(node) == {1, 2}
    assert stored.rows(Kind.NODE, node.pk) == 2
    assert_empty(ingest_redis)


def test_a_failed_commit_acknowledges_nothing(
    ingest_redis: redis.Redis, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(encode(batch(node.pk, gpu(0, "DCGM_FI_DEV_GPU_TEMP", [(AT, 50.0)], node.hostname))), sound(node, 2))

    with monkeypatch.context() as patch:
        patch.setattr(storage, "_commit", _then_fail(storage._commit, OperationalError("connection lost")))
        with pytest.raises(OperationalError):
            ingest.drain_shard(SHARD)
    assert (entries(ingest_redis), pending(ingest_redis)) == (2, 2)
    assert held(ingest_redis) > 0
    assert not Gpu.objects.filter(node=node).exists()
    assert ingest.drain_shard(SHARD) == 2
    assert seconds_stored(node) == {2}
    assert {subject for subject, _, _ in stored.cells(Kind.GPU, node.pk)} == {Gpu.objects.get(node=node).pk}
    assert_empty(ingest_redis)


def _then_fail(function: Callable[..., object], error: Exception) -> Callable[..., object]:
    """Everything happens, and the transaction ends in an error instead of its COMMIT."""

    def run(*args: object) -> object:
        with storage.transaction.atomic():
            function(*args)
            raise error

    return run


def test_a_backend_that_dies_under_the_worker(ingest_redis: redis.Redis, node: Node) -> None:
    """Postgres itself ends the transaction: the entries stay, and the next turn stores them."""
    append(sound(node, 1))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (mine,) = cursor.fetchone()
    blocker = threading.Event()

    def kill() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [mine])
        connection.close()
        blocker.set()

    threading.Thread(target=kill).start()
    assert blocker.wait(10)
    with pytest.raises(OperationalError):
        ingest.drain_shard(SHARD)
    assert entries(ingest_redis) == 1
    connection.close()
    assert ingest.drain_shard(SHARD) == 1
    assert seconds_stored(node) == {1}


def test_the_task_waits_for_a_database_that_comes_back(
    ingest_redis: redis.Redis, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(sound(node, 1))
    monkeypatch.setattr(tasks, "PAUSE_SECONDS", 0.01)
    real, failures = storage._commit, iter([OperationalError("away"), OperationalError("still away")])

    def write(*args: object) -> object:
        if error := next(failures, None):
            raise error
        return real(*args)

    monkeypatch.setattr(storage, "_commit", write)
    tasks.drain(SHARD)
    assert seconds_stored(node) == {1}
    assert_empty(ingest_redis)


def corrupt(node: Node) -> bytes:
    """Well formed, with a column that does not exist."""
    found = batch(node.pk, series("xfra_sound_decibels", [(AT, 1.0)]))
    broken = replace(found.layout, codes=found.layout.codes + len(COLUMNS[Kind.NODE]))
    return encode(replace(found, layout=broken))


def test_what_can_never_be_stored_goes_to_the_dead_letters_and_the_rest_is_stored(
    ingest_redis: redis.Redis, node: Node
) -> None:
    nobody = encode(batch(2_000_000_000, gpu(0, "DCGM_FI_DEV_GPU_TEMP", [(AT, 50.0)], "nobody")))
    poison = [b"not a batch", corrupt(node), nobody, b""]
    append(sound(node, 1), poison[0], sound(node, 2), poison[1], poison[2], sound(node, 3), poison[3])
    ingest.drain_shard(SHARD)
    assert seconds_stored(node) == {1, 2, 3}
    assert_empty(ingest_redis)
    letters = [fields for _, fields in ingest_redis.xrange(DEAD_LETTERS)]
    assert sorted(letter[b"b"] for letter in letters) == sorted(poison)
    assert all(letter[b"reason"] and letter[b"shard"] == b"0" for letter in letters)


def test_a_missing_partition_is_made_and_nothing_is_buried(ingest_redis: redis.Redis, node: Node) -> None:
    """The door took it, so there has to be a place for it, even if upkeep has not run."""
    late = int((time.time() - 71 * 3600) * 1000)
    drop_partition("telemetry_node_sample", late // 1000)
    try:
        append(sound(node, 1), encode(admitted(node.pk, [series("xfra_sound_decibels", [(late, 40.0)])]).batch))
        ingest.drain_shard(SHARD)
    finally:
        partitions.ensure_partitions()
    assert len(stored.column(Kind.NODE, node.pk, "sound_decibels")) == 2
    assert not ingest_redis.exists(DEAD_LETTERS)
    assert_empty(ingest_redis)


def drop_partition(table: str, second: int) -> None:
    begin = second // PARTITION_SECONDS[table] * PARTITION_SECONDS[table]
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"DROP TABLE {table}_{time.strftime('%Y%m%d%H', time.gmtime(begin))}")


def test_beat_wakes_a_shard_that_nobody_drains(ingest_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    woken = []
    monkeypatch.setattr(tasks.drain, "apply_async", lambda args, **options: woken.extend(args))
    tasks.wake()
    assert woken == []
    append(b"1")
    tasks.wake()
    assert woken == [], "it was woken a moment ago"
    with owned(ingest_redis, SHARD):
        tasks.wake()
        assert woken == [], "somebody is at it"
    tasks.wake()
    assert woken == [SHARD]


def test_what_cannot_be_told_is_stored_all_the_same(
    ingest_redis: redis.Redis, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object) -> None:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(live, "_publish", away)
    append(sound(node, 1))
    assert ingest.drain_shard(SHARD) == 1
    assert seconds_stored(node) == {1}


def test_a_thousand_small_bodies_cost_a_few_transactions(
    ingest_redis: redis.Redis, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real = storage._commit

    def counted(batches: Sequence[Batch], shard: int) -> storage.Written:
        calls.append(len(batches))
        return real(batches, shard)

    monkeypatch.setattr(storage, "_commit", counted)
    append(*(sound(node, second) for second in range(-500, 500)))
    assert ingest.drain_shard(SHARD) == 1000
    assert len(calls) <= 3
    assert len(seconds_stored(node)) == 1000
