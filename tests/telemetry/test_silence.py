"""Whose silence it is: what waits in the stream, doors that are shut and a Redis that is away are the portal's own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.utils import timezone

from homes.models import Node
from telemetry import dead_letters, ingest, listening, reads, room, states, storage, tasks
from telemetry.batch import Batch, encode
from telemetry.models import NodeStatusRow
from telemetry.node_state import Cause, State
from telemetry.stream import CONSUMER, GROUP, KEPT, Drain, Entry, Keys, shard_of
from tests.telemetry.conftest import MakeNode
from tests.telemetry.messages import batch, series

pytestmark = pytest.mark.usefixtures("system", "quick")
Ago = Callable[[float], datetime]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "LINGER_MS", 1)


@pytest.fixture
def ago() -> Ago:
    """Instants before the test began."""
    now = timezone.now().replace(microsecond=0)
    return lambda seconds: now - timedelta(seconds=seconds)


def ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


def reading(node: Node, instant: datetime) -> Batch:
    return batch(node.pk, series("xfra_panel_power_watts", [(ms(instant), 1000.0)], channel="home"))


def came(client: redis.Redis, node: Node, instant: datetime, of: datetime | None = None) -> None:
    """A body that has waited in the stream since an instant."""
    body = encode(reading(node, of or instant))
    client.xadd(Keys(shard_of(node.pk)).stream, {"b": body}, id=f"{ms(instant)}-*")


def listens_since(client: redis.Redis, instant: datetime) -> None:
    for shard in range(django_settings.INGEST_SHARDS):
        client.set(f"{Keys(shard).stream}:listening", ms(instant), ex=listening.GAP_SECONDS)


def row(node: Node) -> NodeStatusRow:
    return NodeStatusRow.objects.get(node=node)


@pytest.fixture
def heard(node: Node, ingest_redis: redis.Redis, ago: Ago) -> Node:
    """Heard and judged two minutes ago, by a portal that has been listening for longer."""
    storage.write([reading(node, ago(120))], shard_of(node.pk))
    states.judge([node.pk], ago(119))
    listens_since(ingest_redis, ago(300))
    return node


def test_a_node_of_which_nothing_comes_is_silent(heard: Node, ago: Ago) -> None:
    tasks.watch_silence()
    assert (row(heard).state, row(heard).cause, row(heard).since) == ("unknown", "silent", ago(119))
    assert row(heard).as_of >= ago(0)


def test_what_waits_to_be_stored_is_not_silence(heard: Node, ingest_redis: redis.Redis, ago: Ago) -> None:
    came(ingest_redis, heard, ago(100))
    tasks.watch_silence()
    assert (row(heard).state, row(heard).as_of) == ("working", ago(119))
    assert reads.statuses([heard.pk])[heard.pk].cause is Cause.NOT_JUDGED
    ingest.drain_shard(shard_of(heard.pk))
    known = row(heard)
    assert (known.state, known.as_of, known.delivered_at, known.newest_at) == ("working", *[ago(100)] * 3)
    tasks.watch_silence()
    assert row(heard).as_of == ago(100), "what came to a portal that was behind may have been sent away by it"
    listens_since(ingest_redis, ago(61))
    tasks.watch_silence()
    assert (row(heard).state, row(heard).cause, row(heard).since) == ("unknown", "silent", ago(61)), "since it listens"


def test_one_shard_waits_and_the_other_is_judged(
    heard: Node, make_node: MakeNode, ingest_redis: redis.Redis, ago: Ago
) -> None:
    other = next(node for node, _ in iter(make_node, None) if shard_of(node.pk) != shard_of(heard.pk))
    came(ingest_redis, other, ago(100))
    tasks.watch_silence()
    assert row(heard).cause == "silent"
    assert not NodeStatusRow.objects.filter(node=other).exists()


def test_a_backlog_of_ours_is_no_lag_of_theirs(heard: Node, ingest_redis: redis.Redis, ago: Ago) -> None:
    """Both are more than a minute old when they are stored; one of them was so when it came."""
    came(ingest_redis, heard, ago(90))
    ingest.drain_shard(shard_of(heard.pk))
    assert row(heard).state == "working"
    came(ingest_redis, heard, ago(10), of=ago(80))
    ingest.drain_shard(shard_of(heard.pk))
    found = reads.statuses([heard.pk])[heard.pk]
    assert (found.state, found.cause, found.since) == (State.UNKNOWN, Cause.LATE, ago(10))


def test_of_a_long_read_each_node_delivered_when_it_did(
    heard: Node, make_node: MakeNode, ingest_redis: redis.Redis, ago: Ago
) -> None:
    """A node that lost power a minute and a half before the read ends is silent then, and not late."""
    other = next(node for node, _ in iter(make_node, None) if shard_of(node.pk) == shard_of(heard.pk))
    came(ingest_redis, heard, ago(105))
    came(ingest_redis, other, ago(15))
    ingest.drain_shard(shard_of(heard.pk))
    known = row(heard)
    assert (known.cause, known.delivered_at, known.since) == ("silent", ago(105), ago(105))
    assert (row(other).state, row(other).delivered_at) == ("working", ago(15))


def test_while_nothing_is_taken_in_nobody_is_silent_nor_for_a_minute_afterwards(
    heard: Node, ingest_redis: redis.Redis, ago: Ago
) -> None:
    room.tell(ingest_redis, "disk", "the disk is full")
    tasks.watch_silence()
    room.tell(ingest_redis, "disk", "")
    tasks.watch_silence()
    assert row(heard).as_of == ago(119)
    assert listening.judgeable(ingest_redis, timezone.now() + timedelta(seconds=59)) == {}
    then = timezone.now() + timedelta(seconds=61)
    assert listening.judgeable(ingest_redis, then) == dict.fromkeys(range(django_settings.INGEST_SHARDS), then)


def test_a_look_now_and_then_is_no_listening(ingest_redis: redis.Redis) -> None:
    assert listening.judgeable(ingest_redis, timezone.now()) == {}
    for shard in range(django_settings.INGEST_SHARDS):
        key = f"{Keys(shard).stream}:listening"
        assert 0 < ingest_redis.ttl(key) <= listening.GAP_SECONDS
        ingest_redis.expire(key, 1)
    listening.judgeable(ingest_redis, timezone.now())
    assert ingest_redis.ttl(f"{Keys(0).stream}:listening") > 1, "who looks again in time goes on listening"


def test_without_redis_nobody_is_silent(heard: Node, settings: Any, caplog: Any, ago: Ago) -> None:
    settings.INGEST_REDIS_URL = "redis://127.0.0.1:1/0"
    tasks.watch_silence()
    assert row(heard).as_of == ago(119)
    assert "nobody can say who is silent" in caplog.text


def test_a_shard_that_cannot_be_judged_stops_no_other(
    heard: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    judge, seen = states.judge, []

    def fail_first(*arguments: Any) -> set[int]:
        seen.append(arguments)
        if len(seen) == 1:
            raise ZeroDivisionError("in a rule")
        return judge(*arguments)

    monkeypatch.setattr(states, "judge", fail_first)
    tasks.watch_silence()
    assert len(seen) == django_settings.INGEST_SHARDS and "in a rule" in caplog.text


def test_a_letter_that_is_retried_is_no_sign_of_life(node: Node, ingest_redis: redis.Redis, ago: Ago) -> None:
    drain = Drain(ingest_redis, shard_of(node.pk))
    drain.ensure_group()
    came(ingest_redis, node, ago(5), of=ago(300))
    (entry,) = drain.read(1, 1)
    assert drain.bury(entry, "a column that nobody knows")
    ((letter, _),) = ingest_redis.xrange("xfra:ingest:dead")
    assert dead_letters.retry(letter.decode(), "somebody")
    (again,) = drain.read(1, 1)
    assert again.came_at == Entry(letter, b"").came_at, "it came when it was buried"


def test_since_when_something_waits(node: Node, ingest_redis: redis.Redis, ago: Ago) -> None:
    drain = Drain(ingest_redis, shard_of(node.pk))
    assert drain.waits_since() is None
    came(ingest_redis, node, ago(50))
    assert drain.waits_since() == ago(50), "before anybody ever came to drain"
    drain.ensure_group()
    assert drain.waits_since() == ago(50)
    came(ingest_redis, node, ago(40))
    (first,) = drain.read(1, 1)
    assert drain.waits_since() == first.came_at == ago(50), "it is read and not yet stored"
    drain.remove([first])
    assert drain.waits_since() == ago(40)
    (second,) = drain.read(1, 1)
    ingest_redis.xclaim(Keys(shard_of(node.pk)).stream, GROUP, KEPT, 0, [second.id])
    assert drain.waits_since() is None, "it may wait for days, and nobody is the less heard for it"
    ingest_redis.xclaim(Keys(shard_of(node.pk)).stream, GROUP, CONSUMER, 0, [second.id])
    assert drain.waits_since() == ago(40)
