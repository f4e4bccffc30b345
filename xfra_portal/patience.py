"""Nobody is kept waiting for a database that says nothing.

A server that was killed refuses at once, and Django's own 503 is quick. One that froze, or whose machine is gone,
leaves a query waiting for ever, and no driver notices. So when a request takes long, the database is asked something
trivial on a connection of its own; only if that is not answered either is the request, which may simply be slow,
given up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import psycopg
from django.db import connections
from django.http import HttpRequest

from xfra_portal.middleware import unavailable
from xfra_portal.probes import Probe

logger = logging.getLogger("xfra.availability")

LOOK_AFTER_SECONDS: Final = 1.0
PROBE_SECONDS: Final = 1.0
_DJANGOS: Final = {"cursor_factory", "context"}
_FULL: Final = ("too many clients", "too many connections", "remaining connection slots")
"""What Postgres says then. A connection that could not be made has no SQLSTATE."""

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


async def _ask_database() -> None:
    known = connections["default"].get_connection_params()
    address = {name: value for name, value in known.items() if name not in _DJANGOS}
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            async with await psycopg.AsyncConnection.connect(**address, autocommit=True) as connection:
                await connection.execute("SELECT 1 FROM django_migrations LIMIT 1")
    except psycopg.OperationalError as error:
        if not any(words in str(error) for words in _FULL):
            raise
        logger.warning("Postgres gives no further connection, so nobody is given up: %s", error)


_database = Probe(_ask_database)


async def ask_database() -> None:
    """Raises TimeoutError or psycopg.Error when Postgres does not answer the application's role within a second.

    On one connection of its own, however many ask. A Postgres that has no connection left has answered.
    """
    await _database.answer()


class Patience:
    """Wraps an ASGI application that answers HTTP."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner
        self._given_up: set[asyncio.Future[None]] = set()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        answering, task = _Answering(send), None
        try:
            task = asyncio.ensure_future(self._inner(scope, receive, answering.send))
            while await _is_silent(task, answering):
                if not await _database_answers() and answering.take_over():
                    self._let_go(task)
                    task = None
                    return await _say_unavailable(scope["path"], send)
            await task
        finally:
            if task is not None and not task.done():
                task.cancel()

    def _let_go(self, task: asyncio.Future[None]) -> None:
        """It cannot be stopped, a thread waits for the database; what it says when it wakes up is not heard."""
        self._given_up.add(task)
        task.add_done_callback(self._given_up.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())


class _Answering:
    """Either the application answers or Patience does, never both."""

    def __init__(self, send: Any) -> None:
        self._send = send
        self.has_begun = False
        self._is_over = False

    async def send(self, message: dict[str, Any]) -> None:
        if not self._is_over:
            self.has_begun = True
            await self._send(message)

    def take_over(self) -> bool:
        self._is_over = not self.has_begun
        return self._is_over


async def _is_silent(task: asyncio.Future[None], answering: _Answering) -> bool:
    await asyncio.wait([task], timeout=LOOK_AFTER_SECONDS)
    return not task.done() and not answering.has_begun


async def _database_answers() -> bool:
    try:
        await ask_database()
    except (TimeoutError, psycopg.Error, OSError):
        return False
    return True


async def _say_unavailable(path: str, send: Any) -> None:
    request = HttpRequest()
    request.path = path
    answer = unavailable(request)
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.items()]
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": answer.content})
