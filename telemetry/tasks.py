"""Celery's part: it wakes work, the work's state lives in the stream and in Postgres."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final

from celery import shared_task
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connections
from django.utils import timezone
from kombu.exceptions import KombuError
from psycopg_pool import PoolTimeout
from redis import RedisError

from telemetry import ingest, listening, live, other_series, partitions, register_marks, rollups, room, sealing, states
from telemetry.stream import Drain, connect, shard_of

logger = logging.getLogger("telemetry.tasks")

PATIENCE_SECONDS: Final = 60.0
PAUSE_SECONDS: Final = 0.5
BACKGROUND_NICENESS: Final = 10
CONFIRMED_SECONDS: Final = 10.0
"""How long a state that was confirmed needs no second look; longer than it takes what came to be told."""


@shared_task(name="telemetry.tasks.drain")
def drain(shard: int) -> None:
    """Store what a shard's stream holds, unless somebody else does.

    While Postgres is away this stays and tries again, so that storing goes on at once when it is back.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    try:
        while not _drain(shard):
            if time.monotonic() >= until:
                return
            time.sleep(PAUSE_SECONDS)
            close_old_connections()
    except RedisError as error:
        logger.warning("shard %s waits, its entries stay in the stream: %s", shard, error)
    else:
        _call_where_needed(shard)


def _drain(shard: int) -> bool:
    """Whether there is nothing more to do here now."""
    try:
        ingest.drain_shard(shard)
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        logger.warning("shard %s cannot store, its entries stay in the stream: %s", shard, error)
        _note_failure(error)
        return False
    return True


def _note_failure(error: Exception) -> None:
    try:
        room.store_failed(connect(), error)
    except RedisError as redis_error:
        logger.warning("the doors cannot be told: %s", redis_error)


@shared_task(name="telemetry.tasks.watch_room")
def watch_room() -> None:
    """Measure disk and memory, and tell the doors."""
    try:
        room.watch(connect())
    except RedisError as error:
        logger.warning("the doors cannot be told whether there is room: %s", error)


@shared_task(name="telemetry.tasks.wake")
def wake() -> None:
    """The safety net: drain whatever has a backlog and nobody at work on it or called."""
    _call_where_needed(*range(settings.INGEST_SHARDS))


def _call_where_needed(*shards: int) -> None:
    """After a drain's time is up too: under load something waits, and nobody is called while the shard has an owner."""
    try:
        with connect() as client:
            for shard in shards:
                reader = Drain(client, shard)
                if reader.backlog() and not reader.is_attended():
                    drain.apply_async(args=[shard], expires=10)
    except (RedisError, OSError, KombuError) as error:
        logger.warning("nobody could be called to drain, beat tries again: %s", error)


@shared_task(name="telemetry.tasks.watch_silence")
def watch_silence() -> None:
    """Judge nodes that nobody has judged lately, which is what silence is, where it is not the portal's own."""
    now = timezone.now()
    due: dict[int, list[int]] = defaultdict(list)
    for node_id in states.unconfirmed(now - timedelta(seconds=CONFIRMED_SECONDS)):
        due[shard_of(node_id)].append(node_id)
    try:
        with connect(patience_seconds=2) as client:
            judgeable = listening.judgeable(client, now)
            since = {shard: listening.since(client, shard) for shard in judgeable}
    except RedisError as error:
        logger.warning("nobody can say who is silent: %s", error)
        return
    for shard, as_of in judgeable.items():
        try:
            if changed := states.judge(due[shard], as_of, None, since.get(shard)):
                live.publish(changed)
        except Exception:  # the other shards are not to wait for it
            logger.exception("%s silent nodes could not be judged or told of", len(due[shard]))


@shared_task(name="telemetry.tasks.roll_up")
def roll_up() -> None:
    """Recompute dirty rollups, a few seconds at a time so that a worker can stop between two turns."""
    _in_background(lambda: rollups.roll_up_dirty(seconds=3.0, rest_seconds=30.0))


@shared_task(name="telemetry.tasks.seal")
def seal() -> None:
    """Seal old raw samples, a few seconds at a time."""
    _in_background(lambda: sealing.seal(seconds=5.0))


def _in_background(work: Callable[[], object]) -> None:
    """Do what nobody waits for, and leave the processor to those who store and tell what has just been measured.

    In a thread of its own: on Linux that has its own priority, and since it ends nobody has to be root to get the old
    one back.
    """

    def run() -> None:
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BACKGROUND_NICENESS)
        try:
            work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="background") as pool:
        pool.submit(run).result()


@shared_task(name="telemetry.tasks.keep_partitions")
def keep_partitions() -> None:
    """Make partitions ahead, drop expired ones and what they were about, and what billing and pages no longer read."""
    partitions.ensure_partitions()
    partitions.drop_expired()
    other_series.drop_unheard()
    register_marks.forget(timezone.now() - timedelta(days=register_marks.KEPT_DAYS))
    states.forget(timezone.now() - timedelta(days=states.KEPT_DAYS))
