"""Who watches through this process, and whether they still may: asked of the database for many at a time.

A question a socket would be hundreds of round trips a second; together they are a few, however many watch.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Iterable
from typing import Final, Protocol
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db import DatabaseError
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from psycopg_pool import PoolTimeout

from homes.access import acting_as, acting_as_system
from homes.models import User

logger = logging.getLogger("telemetry.watchers")

SECONDS_BETWEEN_CHECKS: Final = 4.0
"""Of one watcher, at most, but for the eighth of it that passes between two rounds."""
ROUNDS: Final = 8
MOST_OF_A_PERSON: Final = 32
"""Sockets through one process: more tabs and devices than anybody has, and less than hold a process up."""


class Watcher(Protocol):
    """A socket that somebody watches through."""

    group: str
    user_id: int
    session: SessionBase | None
    session_key: str | None
    """None where no session stands behind it."""
    password_mark: str
    """The person's `get_session_auth_hash()` when this began: a session ends with the password that opened it."""

    def authorise(self, user: User) -> str | None:
        """The group that this person may join, None for none."""
        ...

    async def withdraw(self) -> None:
        """End it: what was allowed is not any more."""
        ...


def join(watcher: Watcher) -> bool:
    """Ask every few seconds until `leave`. Called within the event loop that serves the watcher. False where this
    person watches through as many as anybody may."""
    return _rounds.setdefault(asyncio.get_running_loop(), Rounds()).join(watcher)


def leave(watcher: Watcher) -> None:
    if found := _rounds.get(asyncio.get_running_loop()):
        found.leave(watcher)


class Rounds:
    """Those who watch through one event loop, each with the moment when it is asked about next."""

    def __init__(self) -> None:
        self._due: dict[Watcher, float] = {}
        self._task: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()

    def join(self, watcher: Watcher) -> bool:
        if sum(each.user_id == watcher.user_id for each in self._due) >= MOST_OF_A_PERSON:
            return False
        self._due[watcher] = _next()
        if self._task is None:
            self._task = asyncio.create_task(self._go_round())
        return True

    def leave(self, watcher: Watcher) -> None:
        self._due.pop(watcher, None)

    async def _go_round(self) -> None:
        try:
            while self._due:
                await asyncio.sleep(SECONDS_BETWEEN_CHECKS / ROUNDS)
                now = time.monotonic()
                await self._check([watcher for watcher, due in self._due.items() if due <= now])
        finally:
            self._task = None

    async def _check(self, some: list[Watcher]) -> None:
        for watcher in some:
            self._due[watcher] = _next()
        try:
            refused = await _refused(some) if some else []
        except (DatabaseError, PoolTimeout):
            return  # not being able to ask is no reason to throw anybody out
        except Exception:
            logger.exception("%s watchers could not be asked about", len(some))
            return  # the others have to be asked about all the same
        for watcher in refused:
            if self._due.pop(watcher, None) is None:
                continue  # has left meanwhile
            ending = asyncio.create_task(watcher.withdraw())  # whose client may be slow to listen
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)


_rounds: WeakKeyDictionary[asyncio.AbstractEventLoop, Rounds] = WeakKeyDictionary()


def _next() -> float:
    return time.monotonic() + SECONDS_BETWEEN_CHECKS * random.uniform(0.8, 1.0)  # noqa: S311


def _find_refused(some: Iterable[Watcher]) -> list[Watcher]:
    """Those who may not watch any more what they watch."""
    by_user: dict[int, list[Watcher]] = {}
    for watcher in some:
        by_user.setdefault(watcher.user_id, []).append(watcher)
    sessions = {watcher.session_key for watcher in some if watcher.session_key is not None}
    with acting_as_system():  # who somebody is; what they may see is asked as them
        people = User.objects.filter(is_active=True).in_bulk(by_user)
        lasting = Session.objects.filter(session_key__in=sessions, expire_date__gt=timezone.now())
        live = set(lasting.values_list("session_key", flat=True))
    refused = []
    for user_id, theirs in by_user.items():
        with acting_as(user_id):
            refused += [watcher for watcher in theirs if not _may_watch(watcher, people.get(user_id), live)]
    return refused


_refused = database_sync_to_async(_find_refused)


def _may_watch(watcher: Watcher, user: User | None, live: set[str]) -> bool:
    has_session = watcher.session_key is None or watcher.session_key in live
    if user is None or not has_session or not _has_same_password(watcher, user):
        return False
    user.session = watcher.session
    return watcher.authorise(user) == watcher.group


def _has_same_password(watcher: Watcher, user: User) -> bool:
    return constant_time_compare(watcher.password_mark, user.get_session_auth_hash())
