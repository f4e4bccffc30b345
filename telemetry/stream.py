"""The ingest stream: batches that were acknowledged and are not stored yet, in Redis, fsynced on each append.

Admission is by bytes, atomically with the append: acknowledged data is never trimmed. A batch leaves
the stream only after the transaction that stored it has committed, or for the dead letters, where it waits
for an operator (telemetry.dead_letters). Those are bounded by bytes too: what finds no room there stays here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

GROUP: Final = "writers"
CONSUMER: Final = "drain"  # one name per shard: whoever drains next also finds what its predecessor left
WAKE_SECONDS: Final = 5
DEAD_LETTERS: Final = "xfra:ingest:dead"
DEAD_BYTES: Final = f"{DEAD_LETTERS}:bytes"
DEAD_FULL: Final = f"{DEAD_LETTERS}:full"
DEAD_FULL_SECONDS: Final = 600
SHUT: Final = {cause: f"xfra:ingest:shut:{cause}" for cause in ("disk", "memory", "store")}
"""While one of these keys exists nothing is taken in; telemetry.room sets them and says what they mean."""

APPEND: Final = """
if redis.call('EXISTS', KEYS[4], KEYS[5], KEYS[6]) > 0 then return -2 end
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
  if redis.call('SET', KEYS[3], '1', 'NX', 'EX', ARGV[2]) then answer[1] = 1 end
end
return answer
"""
"""Arguments: the most bytes the shard may hold, seconds of being awake, bodies. Answers whether to wake a worker, then
the positions of bodies that found no room; or -2 for all of them while the doors are shut."""

_REMOVE: Final = """
local freed = 0
for i = 1, #ARGV, 2 do
  redis.call('XACK', KEYS[1], 'writers', ARGV[i])
  if redis.call('XDEL', KEYS[1], ARGV[i]) == 1 then freed = freed + tonumber(ARGV[i + 1]) end
end
if freed > 0 and redis.call('DECRBY', KEYS[2], freed) < 0 then redis.call('SET', KEYS[2], 0) end
return freed
"""

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
    id: bytes
    body: bytes


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
    def awake(self) -> str:
        return f"{self.stream}:awake"


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
        self._left_over: str | None = "0"
        self.kept = 0
        """How many entries this reader has to leave in the stream, for want of room in the dead letters."""

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
        with suppress(redis.exceptions.OutOfMemoryError):  # reading on is what makes room
            self._client.set(self._keys.awake, "1", ex=WAKE_SECONDS)
        if self._left_over is not None:
            found = self._read(self._left_over, count, None)
            if found:
                self._left_over = found[-1].id.decode()
                return found
            self._left_over = None
        return self._read(">", count, wait_ms)

    def _read(self, start: str, count: int, wait_ms: int | None) -> list[Entry]:
        answer: Any = self._client.xreadgroup(GROUP, CONSUMER, {self._keys.stream: start}, count=count, block=wait_ms)
        entries = answer[0][1] if answer else []
        # A deleted entry is delivered again with nothing in it when its acknowledgement was lost.
        gone = [entry_id for entry_id, fields in entries if not fields]
        if gone:
            self._client.xack(self._keys.stream, GROUP, *gone)
            if len(gone) == len(entries):
                return self._read(start, count, wait_ms)
        return [Entry(entry_id, fields[b"b"]) for entry_id, fields in entries if fields]

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
        is_buried = bool(answer)
        self.kept += not is_buried
        return is_buried

    def rest(self) -> bool:
        """Say that nobody drains this shard any more. False when something arrived meanwhile: go on.

        A reader that kept something does not rest: its successor would at once try all of that again.
        """
        if self.kept:
            return False
        self._client.delete(self._keys.awake)
        return self.backlog() == 0

    def backlog(self) -> int:
        return int(self._client.xlen(self._keys.stream))

    def is_awake(self) -> bool:
        return bool(self._client.exists(self._keys.awake))


def connect(patience_seconds: float = 10) -> redis.Redis:
    """A synchronous client: for workers and commands, or, with less patience, for pages."""
    client = redis.Redis.from_url(
        settings.INGEST_REDIS_URL, socket_timeout=patience_seconds, socket_connect_timeout=min(2, patience_seconds)
    )
    if patience_seconds < 10:
        client.set_retry(Retry(NoBackoff(), 1))
    return client
