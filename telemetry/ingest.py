"""Draining the stream: read in large batches, store, judge, acknowledge, tell."""

from __future__ import annotations

import logging
import time
from functools import cache
from typing import Final

from django.db import DatabaseError, InterfaceError, OperationalError
from psycopg.errors import CheckViolation
from psycopg_pool import PoolTimeout

from telemetry import dead_letters, live, partitions, states, storage
from telemetry.batch import Batch, CorruptBatch, decode
from telemetry.store import raw_store
from telemetry.store.client import EngineAway
from telemetry.stream import Drain, Entry, connect

logger = logging.getLogger("telemetry.ingest")

ENTRIES_PER_READ: Final = 600
GATHER_SECONDS: Final = 0.1
"""After a batch, what comes meanwhile gathers for the next: a transaction costs the same for one as for forty."""
MUCH_BYTES: Final = 256 * 1024
GATHER_MUCH_SECONDS: Final = 0.25
"""After a batch of so many bytes, which is thousands of nodes at once: latest values cost by the node and batch."""
LINGER_MS: Final = 1500
MAX_SECONDS: Final = 300
TELL_SECONDS: Final = 0.2
REST_FOR_TELLING: Final = 4
"""Storing comes first: while more waits than one read takes, telling takes a fifth of a worker's time at most."""

_AWAY = (OperationalError, InterfaceError, PoolTimeout)


@cache
def drain_of(shard: int) -> Drain:
    drain = Drain(connect(), shard)
    drain.ensure_group()
    return drain


def drain_shard(shard: int) -> int:
    """Store what the shard's stream holds until it stays empty for a moment. Returns the entries stored.

    When Postgres or the samples' engine is away this ends and leaves everything in the stream; beat wakes it again.
    """
    drain_of.cache_clear()  # a fresh reader looks at what a dead predecessor left unacknowledged
    drain, stored, until = drain_of(shard), 0, time.monotonic() + MAX_SECONDS
    told = Told()
    while time.monotonic() < until:
        entries = drain.read(ENTRIES_PER_READ, told.due_ms(LINGER_MS))
        if not entries:
            if not told.flush() and drain.rest():
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

    Nor much later than that: the second half of a scrape does not wait for the next scrape to be told.
    """

    def __init__(self) -> None:
        self._touched: set[int] = set()
        self._due = self._due_behind = 0.0

    def add(self, node_ids: set[int], is_behind: bool) -> None:
        self._touched |= node_ids
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
        touched, self._touched = self._touched, set()
        began = time.monotonic()
        states.judge(touched)
        live.publish(touched)
        ended = time.monotonic()
        self._due = ended + TELL_SECONDS
        self._due_behind = ended + max(TELL_SECONDS, (ended - began) * REST_FOR_TELLING)
        return True


def _store(drain: Drain, entries: list[Entry], shard: int) -> set[int]:
    readable = _decode(drain, entries)
    if not readable:
        return set()
    try:
        touched = _write(readable, shard)
    except _AWAY:
        raise
    except (DatabaseError, ValueError, IndexError, KeyError) as error:
        logger.warning("a batch of %s entries was refused, storing one by one: %s", len(readable), error)
        if isinstance(error.__cause__, CheckViolation):  # the door took it, so it is owed a partition
            partitions.ensure_partitions()
        return _one_by_one(drain, readable, shard)
    drain.remove([entry for entry, _ in readable])
    return touched


_unsent: dict[int, tuple[list[bytes], storage.Written]] = {}
"""By shard: the entries that Postgres has and the raw store did not take, and what of them is left to hand over."""


def _write(readable: list[tuple[Entry, Batch]], shard: int) -> set[int]:
    """As storage.write; while an engine is away, what Postgres has already is not written there again and again."""
    ids = [entry.id for entry, _ in readable]
    known, left = _unsent.pop(shard, ([], None))
    written = left if left and known == ids else storage.commit([batch for _, batch in readable], shard)
    try:
        raw_store().take(written.wide, written.other)
    except EngineAway:
        _unsent[shard] = ids, written
        raise
    return written.touched


def _decode(drain: Drain, entries: list[Entry]) -> list[tuple[Entry, Batch]]:
    readable = []
    for entry in entries:
        try:
            readable.append((entry, decode(entry.body)))
        except CorruptBatch as error:
            _bury(drain, entry, str(error))
    return readable


def _one_by_one(drain: Drain, readable: list[tuple[Entry, Batch]], shard: int) -> set[int]:
    touched: set[int] = set()
    for entry, batch in readable:
        try:
            touched |= storage.write([batch], shard)
        except _AWAY:
            raise
        except (DatabaseError, ValueError, IndexError, KeyError) as error:
            _bury(drain, entry, str(error), dead_letters.about(batch))
        else:
            drain.remove([entry])
    return touched


def _bury(drain: Drain, entry: Entry, reason: str, about: dict[str, int] | None = None) -> None:
    if drain.bury(entry, reason, about):
        logger.error("entry %s cannot be stored and went to the dead letters: %s", entry.id, reason)
    else:
        logger.critical("the dead letters are full: entry %s cannot be stored and stays: %s", entry.id, reason)
