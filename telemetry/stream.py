"""The ingest stream: batches that were acknowledged and are not stored yet, in Redis, fsynced on each append.

Admission is by bytes, atomically with the append: acknowledged data is never trimmed. A batch leaves
the stream only after the transaction that stored it has committed, or for the dead letters, where it waits
for an operator (telemetry.dead_letters). Those are bounded by bytes too: what finds no room there stays here.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

GROUP: Final = "writers"
CONSUMER: Final = "drain"  # one name per shard: whoever drains next also finds what its predecessor left
KEPT: Final = "kept"
"""In whose name entries wait that can never be stored and found no room in the dead letters."""
CALL_SECONDS: Final = 5
"""How long a drain that was called for may take to come before another one is called."""
LOOK_SECONDS: Final = 10.0
"""How often a reader looks for what was delivered to somebody who is gone: while it reads, a predecessor may still."""
ALONE_AFTER: Final = 2
MOST_TRIES: Final = 5
"""Delivered as often as this and stored none of the times: first an entry is tried alone, then not any more."""
LETTER: Final = b"letter"
"""The field of an entry that is retried, beside `b`: the id of the letter that it was."""
DEAD_LETTERS: Final = "xfra:ingest:dead"
DEAD_BYTES: Final = f"{DEAD_LETTERS}:bytes"
DEAD_FULL: Final = f"{DEAD_LETTERS}:full"
DEAD_FULL_SECONDS: Final = 600
SHUT: Final = {cause: f"xfra:ingest:shut:{cause}" for cause in ("disk", "memory", "store")}
"""While one of these keys exists nothing is taken in; telemetry.room sets them and says what they mean."""

APPEND: Final = """
if redis.call('EXISTS', KEYS[5], KEYS[6], KEYS[7]) > 0 then return -2 end
local room = tonumber(ARGV[1]) - tonumber(redis.call('GET', KEYS[2]) or '0')
local taken, answer = 0, {0}
for i = 3, #ARGV do
  if taken + #ARGV[i] > room then
    answer[#answer + 1] = i - 3
  else
    redis.call('XADD', KEYS[1], '*', 'b', ARGV[i])
    taken = taken + #ARGV[i]
  end
end
if taken > 0 then
  redis.call('INCRBY', KEYS[2], taken)
  if redis.call('EXISTS', KEYS[4]) == 0 and redis.call('SET', KEYS[3], '1', 'NX', 'EX', ARGV[2]) then answer[1] = 1 end
end
return answer
"""
"""Arguments: the most bytes the shard may hold, seconds for a drain to come, bodies. Answers whether to call a drain,
which is when nobody owns the shard or was called for it, then the positions of bodies that found no room; or -2 for all
of them while the doors are shut."""

_REMOVE: Final = """
local freed = 0
for i = 1, #ARGV, 2 do
  redis.call('XACK', KEYS[1], 'writers', ARGV[i])
  if redis.call('XDEL', KEYS[1], ARGV[i]) == 1 then freed = freed + tonumber(ARGV[i + 1]) end
end
if freed > 0 and redis.call('DECRBY', KEYS[2], freed) < 0 then redis.call('SET', KEYS[2], 0) end
return freed
"""

WAITING: Final = f"""
local function waiting(stream, full)
  local entries = redis.call('XLEN', stream)
  if entries == 0 or redis.call('EXISTS', full) == 0 then return entries end
  for _, consumer in ipairs(redis.pcall('XPENDING', stream, '{GROUP}')[4] or {{}}) do
    if consumer[1] == '{KEPT}' then entries = entries - tonumber(consumer[2]) end
  end
  return entries
end
"""
"""How many entries there is something to do about: what is kept can only wait while the dead letters are full."""

_BACKLOG: Final = f"{WAITING}\nreturn waiting(KEYS[1], KEYS[2])"

_BURY: Final = """
local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not entry then return 1 end
local body, size = entry[2][2], #entry[2][2]
if tonumber(redis.call('GET', KEYS[4]) or '0') + size > tonumber(ARGV[2]) then
  redis.call('SET', KEYS[5], '1', 'EX', ARGV[3])
  return 0
end
redis.call('XADD', KEYS[3], '*', 'b', body, unpack(ARGV, 4))
redis.call('INCRBY', KEYS[4], size)
redis.call('XACK', KEYS[1], 'writers', ARGV[1])
redis.call('XDEL', KEYS[1], ARGV[1])
if redis.call('DECRBY', KEYS[2], size) < 0 then redis.call('SET', KEYS[2], 0) end
return 1
"""


class StreamFull(Exception):
    """There is no room for more now, `str()` says where: the sender must try again later."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`tries` is how often it was delivered before and neither stored nor given back; `letter` as what it was among the
    dead letters, where it is retried."""

    id: bytes
    body: bytes
    tries: int = 0
    letter: bytes = b""

    @property
    def came_at(self) -> datetime:
        """When it came, by Redis' clock: of a letter, when it was buried."""
        return came_at(self.letter or self.id)


def came_at(entry_id: bytes) -> datetime:
    """An entry's id begins with the milliseconds of when it was appended."""
    return datetime.fromtimestamp(int(entry_id.partition(b"-")[0]) / 1000, UTC)


@dataclass(frozen=True, slots=True)
class Keys:
    """The Redis keys of one shard."""

    shard: int

    @property
    def stream(self) -> str:
        return f"xfra:ingest:{{{self.shard}}}"

    @property
    def held(self) -> str:
        return f"{self.stream}:bytes"

    @property
    def called(self) -> str:
        """Exists while a drain that was called for has not come yet."""
        return f"{self.stream}:called"

    @property
    def owner(self) -> str:
        """Whose the shard is, see telemetry.ownership."""
        return f"{self.stream}:owner"


def shard_of(node_id: int) -> int:
    """A node's bodies all go one way, so that they are stored in the order in which they came."""
    return node_id % int(settings.INGEST_SHARDS)


def capacity_bytes() -> int:
    return int(settings.INGEST_STREAM_BYTES) // int(settings.INGEST_SHARDS)


class Drain:
    """The worker's side of one shard, synchronous."""

    def __init__(self, client: redis.Redis, shard: int) -> None:
        self._client = client
        self._keys = Keys(shard)
        self._remove = client.register_script(_REMOVE)
        self._bury = client.register_script(_BURY)
        self._backlog = client.register_script(_BACKLOG)
        self._left_over: bytes | None = None
        """Up to where what was left unacknowledged has been looked through; None when all of it has."""
        self._look_at = 0.0

    def ensure_group(self) -> None:
        try:
            self._client.xgroup_create(self._keys.stream, GROUP, id="0", mkstream=True)
        except redis.exceptions.OutOfMemoryError:
            if not self._client.exists(self._keys.stream):  # a full Redis makes no group, but has one to be emptied by
                raise
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def read(self, count: int, wait_ms: int) -> list[Entry]:
        """Next entries: first those that were delivered but never acknowledged, each once, then new ones."""
        if time.monotonic() >= self._look_at:
            self._left_over, self._look_at = b"0-0", time.monotonic() + LOOK_SECONDS
        while self._left_over is not None:
            if found := self._read_left_over(self._left_over, count):
                return found
        return self._read(">", count, wait_ms)

    def _read_left_over(self, after: bytes, count: int) -> list[Entry]:
        """Some of what was left, of equal suspicion: who may have killed those who read it is read alone."""
        start = f"({after.decode()}"
        pending: Any = self._client.xpending_range(self._keys.stream, GROUP, start, "+", count, CONSUMER)
        tries = {one["message_id"]: int(one["times_delivered"]) for one in pending}
        some = list(itertools.takewhile(lambda entry_id: tries[entry_id] < ALONE_AFTER, tries)) or list(tries)[:1]
        self._left_over = some[-1] if some else None
        found = self._read(after, len(some), None) if some else []
        return [replace(entry, tries=tries.get(entry.id, 0)) for entry in found]

    def _read(self, start: str | bytes, count: int, wait_ms: int | None) -> list[Entry]:
        answer: Any = self._client.xreadgroup(GROUP, CONSUMER, {self._keys.stream: start}, count=count, block=wait_ms)
        entries = answer[0][1] if answer else []
        # A deleted entry is delivered again with nothing in it when its acknowledgement was lost.
        gone = [entry_id for entry_id, fields in entries if not fields]
        if gone:
            self._client.xack(self._keys.stream, GROUP, *gone)
        return [Entry(entry_id, fields[b"b"], letter=fields.get(LETTER, b"")) for entry_id, fields in entries if fields]

    def give_back(self, entries: Sequence[Entry]) -> None:
        """Say that it is not for anything in these entries that they were not stored."""
        self._claim(CONSUMER, [entry.id for entry in entries], tries=0)

    def take_back_kept(self) -> None:
        """What is kept may be tried again, unless it would only be kept again."""
        if self._client.exists(DEAD_FULL):
            return
        while kept := self._client.xpending_range(self._keys.stream, GROUP, "-", "+", 1000, KEPT):
            self._claim(CONSUMER, [one["message_id"] for one in kept])

    def _claim(self, consumer: str, ids: list[int | bytes | str | memoryview[int]], tries: int | None = None) -> None:
        self._client.xclaim(self._keys.stream, GROUP, consumer, 0, ids, retrycount=tries, justid=True)

    def remove(self, entries: list[Entry]) -> None:
        """Only after COMMIT of what they carry."""
        arguments = [part for entry in entries for part in (entry.id, len(entry.body))]
        self._remove(keys=[self._keys.stream, self._keys.held], args=arguments)

    def bury(self, entry: Entry, reason: str, about: Mapping[str, int] | None = None) -> bool:
        """Move an entry that can never be stored to the dead letters, where an operator can read it.

        `about` says what could be read of it, see telemetry.dead_letters. False when there is no room: it stays in the
        stream, counted in its bytes, and is tried again later.
        """
        keys = self._keys
        described: dict[str, str | int] = {"shard": keys.shard, "reason": reason[:500], **(about or {})}
        fields = [part for field in described.items() for part in field]
        try:
            answer: Any = self._bury(
                keys=[keys.stream, keys.held, DEAD_LETTERS, DEAD_BYTES, DEAD_FULL],
                args=[entry.id, int(settings.INGEST_DEAD_LETTER_BYTES), DEAD_FULL_SECONDS, *fields],
            )
        except redis.exceptions.OutOfMemoryError:  # what comes after it must not wait for it
            answer = 0
        if not answer:
            self._claim(KEPT, [entry.id])
        return bool(answer)

    def backlog(self) -> int:
        """How many entries there is something to do about."""
        answer: Any = self._backlog(keys=[self._keys.stream, DEAD_FULL])
        return int(answer)

    def waits_since(self) -> datetime | None:
        """When the oldest entry came that is still to be stored; None where there is none.

        What is kept for want of room in the dead letters is not: it may wait for days.
        """
        stream, last = self._keys.stream, b"-"
        found: list[bytes] = []
        if self._client.exists(stream):
            for group in self._client.xinfo_groups(stream):
                last = b"(" + group["last-delivered-id"]
                pending: Any = self._client.xpending_range(stream, GROUP, "-", "+", 1, CONSUMER)
                found += [one["message_id"] for one in pending]
            fresh: Any = self._client.xrange(stream, last, "+", count=1)
            found += [entry_id for entry_id, _ in fresh]
        return min(map(came_at, found), default=None)

    def is_attended(self) -> bool:
        """Whether somebody owns the shard or was called for it."""
        return bool(self._client.exists(self._keys.owner, self._keys.called))


def connect(patience_seconds: float = 10) -> redis.Redis:
    """A synchronous client: for workers and commands, or, with less patience, for pages."""
    client = redis.Redis.from_url(
        settings.INGEST_REDIS_URL, socket_timeout=patience_seconds, socket_connect_timeout=min(2, patience_seconds)
    )
    if patience_seconds < 10:
        client.set_retry(Retry(NoBackoff(), 1))
    return client
