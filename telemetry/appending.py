"""The door's side of the stream: bodies that arrive together are handed over together.

Redis makes a batch durable before it answers, which takes as long for forty as for one; so while one
hand-over is on its way, the bodies that come meanwhile gather for the next. Nobody waits for company.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import redis
import redis.asyncio

from telemetry.stream import APPEND, CALL_SECONDS, SHUT, Keys, StreamFull, capacity_bytes

MAX_BYTES_TOGETHER: Final = 8 << 20
"""One hand-over holds Redis up for everybody else meanwhile."""


@dataclass(slots=True)
class _Waiting:
    shard: int
    body: bytes
    answered: asyncio.Future[bool]


class Appender:
    """One per process and event loop."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._loop: asyncio.AbstractEventLoop | None = None
        self._script: str | None = None
        self._waiting: list[_Waiting] = []
        self._sending: asyncio.Task[None] | None = None

    async def append(self, shard: int, body: bytes) -> bool:
        """Hand a batch over; when this returns it is on disk. True when a worker has to be woken.

        Raises StreamFull, and redis.RedisError or OSError when Redis is away.
        """
        if self._loop is None:
            self._loop = asyncio.get_running_loop()  # which costs a system call
        one = _Waiting(shard, body, self._loop.create_future())
        self._waiting.append(one)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())
        return await one.answered

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                together, size = 0, 0
                while together < len(self._waiting) and (not together or size < MAX_BYTES_TOGETHER):
                    size += len(self._waiting[together].body)
                    together += 1
                batch, self._waiting = self._waiting[:together], self._waiting[together:]
                await self._send(batch)
        finally:
            self._sending = None
            for one in self._waiting:  # only when this task was cancelled, which is when the process ends
                one.answered.cancel()

    async def _send(self, batch: list[_Waiting]) -> None:
        shards: dict[int, list[_Waiting]] = {}
        for one in batch:
            shards.setdefault(one.shard, []).append(one)
        try:
            answers = await self._evaluate(shards)
            lost = {shard for shard, answer in answers.items() if isinstance(answer, redis.exceptions.NoScriptError)}
            if lost:  # Redis was started anew and has forgotten the script
                self._script = None
                answers |= await self._evaluate({shard: shards[shard] for shard in lost})
        except (redis.RedisError, OSError) as error:
            answers = dict.fromkeys(shards, error)
        for shard, waiting in shards.items():
            _tell(waiting, answers[shard])

    async def _evaluate(self, shards: dict[int, list[_Waiting]]) -> dict[int, Any]:
        """One call of the script for all bodies of a shard: each call costs Redis and us more than a body does."""
        if self._script is None:
            self._script = str(await self._client.script_load(APPEND))
        capacity = capacity_bytes()
        async with self._client.pipeline(transaction=False) as pipe:
            for shard, waiting in shards.items():
                keys = Keys(shard)
                names = [keys.stream, keys.held, keys.called, keys.owner, *SHUT.values()]
                bodies = [one.body for one in waiting]
                pipe.evalsha(self._script, len(names), *names, capacity, CALL_SECONDS, *bodies)
            answers: list[Any] = await pipe.execute(raise_on_error=False)
        return dict(zip(shards, answers, strict=True))


def _tell(waiting: list[_Waiting], answer: Any) -> None:
    """What APPEND answered, or what went wrong, to those who wait for it. One of them wakes the worker."""
    if answer == -2:
        answer = StreamFull("disk or memory runs short")
    wake, *full = [0] if isinstance(answer, Exception) else answer
    without_room = set(full)
    for place, one in enumerate(waiting):
        if one.answered.done():  # its sender has gone away meanwhile
            continue
        if isinstance(answer, Exception):
            one.answered.set_exception(answer)
        elif place in without_room:
            one.answered.set_exception(StreamFull("the ingest stream is full"))
        else:
            one.answered.set_result(bool(wake))
            wake = 0
