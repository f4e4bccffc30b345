"""Who stores a shard: one drain at a time, known by a token in Redis that it renews for as long as it lives.

This keeps workers apart, it does not keep samples whole: storing is idempotent, its writers take turns by an advisory
lock, and nothing leaves the stream before COMMIT. So where an owner is killed, or thawed after its time, the worst that
comes of it is that something is stored a second time, without effect.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import redis

from telemetry.stream import DEAD_FULL, WAITING, Keys

OWNED_SECONDS: Final = 4.0
"""How long a shard stays with an owner of whom nothing is heard: what a killed one costs."""
RENEW_SECONDS: Final = 1.0

# A Redis without any memory left is emptied by its owners, so there has to be room to say who it is.
_TAKE: Final = """#!lua flags=allow-oom
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end
redis.call('DEL', KEYS[2])
return 1
"""

_RENEW: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

_RELEASE: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 1 end
return redis.call('DEL', KEYS[1])
"""

_REST: Final = f"""{WAITING}
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 1 end
if waiting(KEYS[2], KEYS[3]) > 0 then return 0 end
return redis.call('DEL', KEYS[1])
"""


@contextmanager
def owned(client: redis.Redis, shard: int) -> Iterator[Ownership | None]:
    """The shard, until the block ends; None where somebody else has it. A thread renews it, however long a step takes.

    Raises redis.RedisError where it cannot be had.
    """
    mine = Ownership(client, shard)
    if not mine.take():
        yield None
        return
    ended = threading.Event()
    renewing = threading.Thread(target=mine.keep, args=[ended], name=f"owner of shard {shard}", daemon=True)
    renewing.start()
    try:
        yield mine
    finally:
        ended.set()
        renewing.join()
        with suppress(redis.RedisError):  # it expires by itself
            mine.release()


class Ownership:
    """One drain's claim to a shard."""

    def __init__(self, client: redis.Redis, shard: int) -> None:
        self._keys = Keys(shard)
        self._token = secrets.token_hex(8)
        self._until = 0.0
        self._take, self._renew, self._release, self._rest = map(
            client.register_script, (_TAKE, _RENEW, _RELEASE, _REST)
        )

    def take(self) -> bool:
        """False where it is somebody else's. From here on an append calls nobody until it is released."""
        asked_at, keys = time.monotonic(), [self._keys.owner, self._keys.called]
        taken: Any = self._take(keys=keys, args=[self._token, _ms(OWNED_SECONDS)])
        self._until = asked_at + OWNED_SECONDS if taken else 0.0
        return bool(taken)

    def is_sure(self) -> bool:
        """Whether nobody else can have it by now: false too for who was stopped for a while, or cut off from Redis."""
        return time.monotonic() < self._until

    def keep(self, ended: threading.Event) -> None:
        """Renew it until `ended` is set or it is lost."""
        while not ended.wait(RENEW_SECONDS):
            asked_at = time.monotonic()
            with suppress(redis.RedisError):  # it is not lost until its time is up
                kept: Any = self._renew(keys=[self._keys.owner], args=[self._token, _ms(OWNED_SECONDS)])
                self._until = asked_at + OWNED_SECONDS if kept else 0.0
                if not kept:
                    return

    def rest(self) -> bool:
        """Give it up, unless something waits: no append comes between that look and the next one's call."""
        keys = [self._keys.owner, self._keys.stream, DEAD_FULL]
        answer: Any = self._rest(keys=keys, args=[self._token])
        return bool(answer)

    def release(self) -> None:
        """Give it up whatever waits."""
        self._release(keys=[self._keys.owner], args=[self._token])


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
