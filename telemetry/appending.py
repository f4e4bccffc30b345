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

from telemetry.stream import APPEND, SHUT, WAKE_SECONDS, Keys, StreamFull, capacity_bytes

MAX_BYTES_TOGETHER: Final = 8 << 20
"""One hand-over holds Redis up for everybody else meanwhile."""


@dataclass(slots=True)
class _Waiting:
    shard: int
    body: bytes
    answered: asyncio.Future[int]


class Appender:
    """One per process and event loop."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._script: str | None = None
        self._waiting: list[_Waiting] = []
        self._sending: asyncio.Task[None] | None = None

    async def append(self, shard: int, body: bytes) -> bool:
        """Hand a batch over; when this returns it is on disk. True when a worker has to be woken.

        Raises StreamFull, and redis.RedisError or OSError when Redis is away.
        """
        one = _Waiting(shard, body, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())
        answer = await one.answered
        if answer < 0:
            raise StreamFull("the ingest stream is full" if answer == -1 else "disk or memory runs short")
        return answer == 1

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
        try:
            answers = await self._evaluate(batch)
            lost = [i for i, answer in enumerate(answers) if isinstance(answer, redis.exceptions.NoScriptError)]
            if lost:  # Redis was started anew and has forgotten the script
                self._script = None
                again = await self._evaluate([batch[i] for i in lost])
                for i, answer in zip(lost, again, strict=True):
                    answers[i] = answer
        except (redis.RedisError, OSError) as error:
            answers = [error] * len(batch)
        for one, answer in zip(batch, answers, strict=True):
            if one.answered.done():  # its sender has gone away meanwhile
                continue
            if isinstance(answer, Exception):
                one.answered.set_exception(answer)
            else:
                one.answered.set_result(int(answer))

    async def _evaluate(self, batch: list[_Waiting]) -> list[Any]:
        if self._script is None:
            self._script = str(await self._client.script_load(APPEND))
        capacity = capacity_bytes()
        async with self._client.pipeline(transaction=False) as pipe:
            for one in batch:
                keys = Keys(one.shard)
                names = [keys.stream, keys.held, keys.awake, *SHUT.values()]
                pipe.evalsha(self._script, len(names), *names, one.body, capacity, WAKE_SECONDS)
            answers: list[Any] = await pipe.execute(raise_on_error=False)
        return answers
