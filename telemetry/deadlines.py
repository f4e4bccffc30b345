"""An end to waiting, with one timer for everybody: one for each body costs more than reading it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

LOOK_SECONDS: Final = 0.5
"""What is late is ended so much later at most."""


class Deadlines:
    """For waits that all may last equally long. One per process: of an event loop that ended, nothing is kept."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._is_looking = False

    async def keep(self, seconds: float, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns. Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("only a task can be late")
        if loop is not self._loop:
            self._loop, self._due, self._late, self._is_looking = loop, {}, set(), False
        self._due[task] = loop.time() + seconds
        if not self._is_looking:
            self._is_looking = True
            loop.call_later(LOOK_SECONDS, self._look, loop)
        try:
            return await work
        except asyncio.CancelledError:
            if task in self._late and not task.uncancel():
                raise TimeoutError from None
            raise
        finally:
            self._due.pop(task, None)
            self._late.discard(task)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for task, due in self._due.items():  # the first to come is the first to be late
            if due > now:
                break
            if task not in self._late:
                self._late.add(task)
                task.cancel()
        self._is_looking = bool(self._due)
        if self._is_looking:
            loop.call_later(LOOK_SECONDS, self._look, loop)
