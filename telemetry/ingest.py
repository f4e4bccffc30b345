"""Draining the stream: read in large batches, store, judge, acknowledge, tell."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final

from django.db import InterfaceError, OperationalError
from psycopg.errors import CheckViolation
from psycopg_pool import PoolTimeout
from redis import RedisError

from telemetry import dead_letters, listening, live, partitions, states, storage
from telemetry.batch import Batch, CorruptBatch, decode
from telemetry.evidence import Delivery
from telemetry.ownership import Ownership, owned
from telemetry.presence import instant
from telemetry.store import raw_store
from telemetry.store.client import EngineAway
from telemetry.stream import MOST_TRIES, Drain, Entry, connect

logger = logging.getLogger("telemetry.ingest")

ENTRIES_PER_READ: Final = 600
GATHER_SECONDS: Final = 0.1
"""After a batch, what comes meanwhile gathers for the next: a transaction costs the same for one as for forty."""
MUCH_BYTES: Final = 256 * 1024
GATHER_MUCH_SECONDS: Final = 0.25
"""After a batch of so many bytes, which is thousands of nodes at once: latest values cost by the node and batch."""
LINGER_MS: Final = 1500
MAX_SECONDS: Final = 20
"""Under load a drain would never end, and a worker that is told to stop waits for it: so it hands over now and then."""
TELL_SECONDS: Final = 0.2
REST_FOR_TELLING: Final = 4
"""Storing comes first: while more waits than one read takes, telling takes a fifth of a worker's time at most."""

_AWAY = (OperationalError, InterfaceError, PoolTimeout)
_OF_THE_BATCH: Final = ("40", "54", "57014")
"""SQLSTATEs by which a Postgres that is well ends this transaction: a deadlock, a limit of its own, a timeout."""


def drain_shard(shard: int) -> int:
    """Store what the shard's stream holds until it stays empty for a moment. Returns the entries stored.

    At once where somebody else is at it. When Postgres or the samples' engine is away this ends and leaves everything
    in the stream; the next append or beat calls it again.
    """
    with connect() as client, owned(client, shard) as ownership:
        if ownership is None:
            return 0
        drain = Drain(client, shard)
        drain.ensure_group()
        drain.take_back_kept()
        return _drain(drain, ownership, Told(lambda: listening.since(client, shard)), shard)


def _drain(drain: Drain, ownership: Ownership, told: Told, shard: int) -> int:
    stored, until = 0, time.monotonic() + MAX_SECONDS
    while time.monotonic() < until:
        entries = drain.read(ENTRIES_PER_READ, told.due_ms(LINGER_MS))
        if not ownership.is_sure():  # whose the shard is now finds these entries where they are
            logger.warning("shard %s is left to another drain", shard)
            break
        if not entries:
            if not told.flush() and ownership.rest():
                break
            continue
        told.add(_store(drain, entries, shard), is_behind=len(entries) == ENTRIES_PER_READ)
        stored += len(entries)
        if len(entries) < ENTRIES_PER_READ:
            much = sum(len(entry.body) for entry in entries) >= MUCH_BYTES
            time.sleep(GATHER_MUCH_SECONDS if much else GATHER_SECONDS)
    told.flush()
    return stored


class Told:
    """Judges and publishes touched nodes a few times a second at most, however small the reads are.

    Nor much later than that: the second half of a scrape does not wait for the next scrape to be told. They are judged
    as of when what was stored last had come, so that no backlog of the portal's is taken for silence of theirs.
    """

    def __init__(self, listens_since: Callable[[], datetime | None]) -> None:
        self._listens_since = listens_since
        self._touched: dict[int, Delivery] = {}
        self._due = self._due_behind = 0.0

    def add(self, delivered: Mapping[int, Delivery], is_behind: bool) -> None:
        self._touched.update(delivered)
        if time.monotonic() >= (self._due_behind if is_behind else self._due):
            self.flush()

    def due_ms(self, otherwise: int) -> int:
        """How long may be waited for more before what is known has to be told."""
        if not self._touched:
            return otherwise
        return max(1, int((self._due - time.monotonic()) * 1000))

    def flush(self) -> bool:
        """Whether there was something to tell."""
        if not self._touched:
            return False
        touched, self._touched = self._touched, {}
        began = time.monotonic()
        try:
            as_of = max(delivery.came_at for delivery in touched.values())
            states.judge(touched, as_of, touched, self._listens_since() or as_of)
            live.publish(touched)
        except _AWAY:
            raise
        except Exception:  # they are stored, and what comes after them is to be stored too
            logger.exception("%s nodes could not be judged or told of", len(touched))
        ended = time.monotonic()
        self._due = ended + TELL_SECONDS
        self._due_behind = ended + max(TELL_SECONDS, (ended - began) * REST_FOR_TELLING)
        return True


def _store(drain: Drain, entries: list[Entry], shard: int) -> dict[int, Delivery]:
    """What was stored, by node."""
    readable = _decode(drain, entries)
    if not readable:
        return {}
    try:
        _write(readable, shard)
    except RedisError:
        raise
    except _AWAY as error:
        if not _is_of_the_batch(error):
            with suppress(RedisError):  # then it counts as a try
                drain.give_back(entries)
        raise
    except Exception as error:  # whatever it is, it is one of them, and the others are not to wait for it
        logger.warning("a batch of %s entries was refused, storing one by one: %s", len(readable), error)
        if isinstance(error.__cause__, CheckViolation):  # the door took it, so it is owed a partition
            partitions.ensure_partitions()
        return _one_by_one(drain, readable, shard)
    drain.remove([entry for entry, _ in readable])
    return _deliveries(readable)


def _deliveries(stored: list[tuple[Entry, Batch]]) -> dict[int, Delivery]:
    """Of each node its last, and the newest of all that came, which is not of later than it came."""
    last: dict[int, int] = {}
    newest_ms: dict[int, int] = {}
    for _, batch in stored:
        last[batch.node_id] = batch.arrived_ms
        newest_ms[batch.node_id] = max(newest_ms.get(batch.node_id, 0), batch.newest_ms)
    return {
        node_id: Delivery(instant(came_ms), instant(min(came_ms, newest_ms[node_id])))
        for node_id, came_ms in last.items()
    }


def _is_of_the_batch(error: BaseException) -> bool:
    state: str = getattr(error.__cause__, "sqlstate", None) or ""
    return state.startswith(_OF_THE_BATCH)


_unsent: dict[int, tuple[list[bytes], storage.Written]] = {}
"""By shard: the entries that Postgres has and the raw store did not take, and what of them is left to hand over."""


def _write(readable: list[tuple[Entry, Batch]], shard: int) -> None:
    """As storage.write; while an engine is away, what Postgres has already is not written there again and again."""
    ids = [entry.id for entry, _ in readable]
    known, left = _unsent.pop(shard, ([], None))
    written = left if left and known == ids else storage.commit([batch for _, batch in readable], shard)
    try:
        raw_store().take(written.wide, written.other)
    except EngineAway:
        _unsent[shard] = ids, written
        raise


def _decode(drain: Drain, entries: list[Entry]) -> list[tuple[Entry, Batch]]:
    readable = []
    for entry in entries:
        if entry.tries >= MOST_TRIES:
            _bury(drain, entry, f"whoever stored it died or gave up, {entry.tries} times")
            continue
        try:
            readable.append((entry, replace(decode(entry.body), came_ms=_ms(entry))))
        except CorruptBatch as error:
            _bury(drain, entry, str(error))
    return readable


def _ms(entry: Entry) -> int:
    """When it came; nobody has to believe a Redis whose clock is ahead."""
    return min(round(entry.came_at.timestamp() * 1000), int(time.time() * 1000))


def _one_by_one(drain: Drain, readable: list[tuple[Entry, Batch]], shard: int) -> dict[int, Delivery]:
    stored = []
    for entry, batch in readable:
        try:
            storage.write([batch], shard)
        except (RedisError, *_AWAY):
            raise
        except Exception as error:  # as above: it is told, and waits for an operator
            _bury(drain, entry, str(error) or type(error).__name__, dead_letters.about(batch))
        else:
            drain.remove([entry])
            stored.append((entry, batch))
    return _deliveries(stored)


def _bury(drain: Drain, entry: Entry, reason: str, about: dict[str, int] | None = None) -> None:
    if drain.bury(entry, reason, about):
        logger.error("entry %s cannot be stored and went to the dead letters: %s", entry.id, reason)
    else:
        logger.critical("the dead letters are full: entry %s cannot be stored and stays: %s", entry.id, reason)
