"""The dead letters: batches that were acknowledged and could not be stored, kept until an operator decides.

They are a Redis stream like the one they come from, with the bytes of their bodies counted beside it. Nothing leaves
it by itself. Retrying moves a batch back onto its shard's stream, discarding deletes it; both are atomic, so that
doing it twice does it once. Who decided what is written to the log `telemetry.dead_letters`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import redis
from django.conf import settings

from telemetry.batch import Batch
from telemetry.stream import DEAD_BYTES, DEAD_FULL, DEAD_LETTERS, SHUT, Keys, capacity_bytes, connect, shard_of

logger = logging.getLogger("telemetry.dead_letters")

PAGE: Final = 50
_ID: Final = re.compile(r"(\d{1,20})-(\d{1,20})", re.ASCII)
_LARGEST: Final = 1 << 64

# Without the bodies: a page of them could be many megabytes.
_LIST: Final = """
local found = {}
for i, entry in ipairs(redis.call('XREVRANGE', KEYS[1], ARGV[1], ARGV[2], 'COUNT', ARGV[3])) do
  local fields = entry[2]
  fields[2] = tostring(#fields[2])
  found[i] = {entry[1], fields}
end
return found
"""

_IDS: Final = """
local found = {}
for i, entry in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[2], 'COUNT', ARGV[3])) do found[i] = entry[1] end
return found
"""

_RETRY: Final = """
local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not entry then return 0 end
local body, size = entry[2][2], #entry[2][2]
local held = tonumber(redis.call('GET', KEYS[4]) or '0')
if held + size > tonumber(ARGV[2]) or redis.call('EXISTS', KEYS[6], KEYS[7], KEYS[8]) > 0 then return -1 end
redis.call('XADD', KEYS[3], '*', 'b', body, 'letter', ARGV[1])
redis.call('INCRBY', KEYS[4], size)
redis.call('XDEL', KEYS[1], ARGV[1])
if redis.call('DECRBY', KEYS[2], size) < 0 then redis.call('SET', KEYS[2], 0) end
redis.call('DEL', KEYS[5])
return 1
"""

_DISCARD: Final = """
local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not entry then return 0 end
redis.call('XDEL', KEYS[1], ARGV[1])
if redis.call('DECRBY', KEYS[2], #entry[2][2]) < 0 then redis.call('SET', KEYS[2], 0) end
redis.call('DEL', KEYS[3])
return 1
"""


class NoRoomToRetry(Exception):
    """The stream takes nothing in now: it is full, or disk or memory runs short. The letters stay where they are."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One batch that could not be stored. What could not be read of it is None."""

    id: str
    at: datetime
    shard: int
    reason: str
    size_bytes: int
    node_id: int | None
    samples: int | None
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Count:
    """How many letters wait, the bytes of their bodies, and whether one had to stay in the stream for want of room."""

    letters: int
    held_bytes: int
    is_full: bool


def about(batch: Batch) -> dict[str, int]:
    """What of a batch is worth telling: its node, how many samples, and the span of their instants in milliseconds."""
    found = {"node": int(batch.node_id), "samples": len(batch)}
    if len(batch):
        found |= {"from": int(batch.at_ms.min()), "to": int(batch.at_ms.max())}
    return found


@cache
def _client() -> redis.Redis:
    return connect(patience_seconds=1)


def count(client: redis.Redis | None = None) -> Count:
    asked: Any = (client or _client()).pipeline(transaction=False)
    letters, held, full = asked.xlen(DEAD_LETTERS).get(DEAD_BYTES).exists(DEAD_FULL).execute()
    return Count(int(letters), int(held or 0), bool(full))


def is_id(text: str) -> bool:
    found = _ID.fullmatch(text)
    return found is not None and all(int(part) < _LARGEST for part in found.groups())


def page(before: str = "", size: int = PAGE) -> list[Letter]:
    """The newest letters first, those before `before` where that is a letter's id."""
    start = f"({before}" if is_id(before) and before != "0-0" else "+"
    answer: Any = _client().eval(_LIST, 1, DEAD_LETTERS, start, "-", size)
    return [_letter(entry_id.decode(), fields) for entry_id, fields in answer]


def newest() -> str:
    """The id of the newest letter; empty when there is none."""
    found = page(size=1)
    return found[0].id if found else ""


def _letter(letter_id: str, raw: list[bytes]) -> Letter:
    fields = {name.decode(): text for name, text in zip(raw[::2], raw[1::2], strict=True)}
    numbers = {name: int(fields[name]) for name in ("shard", "node", "samples", "from", "to") if name in fields}
    return Letter(
        id=letter_id,
        at=datetime.fromtimestamp(int(letter_id.partition("-")[0]) / 1000, UTC),
        shard=numbers.get("shard", 0),
        reason=fields.get("reason", b"").decode(errors="replace"),
        size_bytes=int(fields["b"]),
        node_id=numbers.get("node"),
        samples=numbers.get("samples"),
        first_at=_instant(numbers.get("from")),
        last_at=_instant(numbers.get("to")),
    )


def _instant(at_ms: int | None) -> datetime | None:
    """None too for what no calendar holds: a letter may well be here because of that."""
    try:
        return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def retry(letter_id: str, by: str) -> bool:
    """Put a letter back on its stream, where a worker finds it within seconds. False when it is not there (any more).

    Raises NoRoomToRetry.
    """
    letter = _one(letter_id)
    if letter is None:
        return False
    keys = Keys(_shard(letter))
    answer: Any = _client().eval(
        _RETRY,
        5 + len(SHUT),
        *(DEAD_LETTERS, DEAD_BYTES, keys.stream, keys.held, DEAD_FULL, *SHUT.values()),
        *(letter_id, capacity_bytes()),
    )
    if int(answer) < 0:
        raise NoRoomToRetry
    if answer:
        logger.info("%s retried %s", by, _described(letter))
    return bool(answer)


def discard(letter_id: str, by: str, reason: str) -> bool:
    """Delete a letter for good. False when it is not there (any more)."""
    letter = _one(letter_id)
    if letter is None:
        return False
    answer: Any = _client().eval(_DISCARD, 3, DEAD_LETTERS, DEAD_BYTES, DEAD_FULL, letter_id)
    if answer:
        logger.warning("%s discarded %s: %r", by, _described(letter), reason)
    return bool(answer)


def each(act: Callable[[str], bool], until: str) -> int:
    """Do something to every letter up to the one with the id `until`, oldest first; to how many it was done.

    What comes back meanwhile has a newer id, so this ends.
    """
    return sum(act(letter_id) for letter_id in list(_ids(until)))


def _ids(until: str) -> Iterator[str]:
    start = "-"
    while is_id(until):
        answer: Any = _client().eval(_IDS, 1, DEAD_LETTERS, start, until, 1000)
        yield from (letter_id.decode() for letter_id in answer)
        if len(answer) < 1000:
            return
        start = f"({answer[-1].decode()}"


def _one(letter_id: str) -> Letter | None:
    if not is_id(letter_id):
        return None
    answer: Any = _client().eval(_LIST, 1, DEAD_LETTERS, letter_id, letter_id, 1)
    return _letter(answer[0][0].decode(), answer[0][1]) if answer else None


def _shard(letter: Letter) -> int:
    """Where it came from, unless the number of shards has changed since."""
    if letter.shard < int(settings.INGEST_SHARDS):
        return letter.shard
    return shard_of(letter.node_id or letter.shard)


def _described(letter: Letter) -> str:
    return (
        f"dead letter {letter.id} of node {letter.node_id} ({letter.samples} samples, {letter.size_bytes} bytes,"
        f" {letter.first_at} to {letter.last_at}), which was there because: {letter.reason!r}"
    )
