"""Questions to other parts that many may want answered at once, such as whether they are there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

Answer = TypeVar("Answer")

HOLDS_SECONDS: Final = 1.0


class Probe(Generic[Answer]):
    """Asks once for all who want to know, within one event loop: who comes while it asks, or within the second after,
    gets that answer. So asking costs no more when a part is slow and everybody begins to wonder.
    """

    def __init__(self, ask: Callable[[], Awaitable[Answer]]) -> None:
        """`ask` has to end by itself, and soon."""
        self._ask = ask
        self._task: asyncio.Task[Answer] | None = None
        self._holds_until = 0.0

    async def answer(self) -> Answer:
        """What `ask` returns; raises what it raises."""
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.get_loop() is not loop or self._is_old(self._task):
            self._task = loop.create_task(self._ask_now())
            self._task.add_done_callback(_hear)
        return await asyncio.shield(self._task)  # others wait for it too

    async def _ask_now(self) -> Answer:
        try:
            return await self._ask()
        finally:
            self._holds_until = time.monotonic() + HOLDS_SECONDS

    def _is_old(self, task: asyncio.Task[Answer]) -> bool:
        return task.done() and time.monotonic() >= self._holds_until


def _hear(task: asyncio.Task[Answer]) -> None:
    """Whoever wanted to know may be gone."""
    if not task.cancelled():
        task.exception()
