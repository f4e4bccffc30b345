"""Which node is calling: tokens checked against the database, remembered for moments.

A revoked token is refused within REMEMBER_SECONDS. When Postgres is away, callers that were known a
short while ago still are (the stream has room for them); nobody is ever told 401 for want of a database.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from channels.db import database_sync_to_async
from django.db import DatabaseError
from django.db.models import Q
from django.utils import timezone
from psycopg_pool import PoolTimeout

from homes.access import acting_as_system
from homes.models import NodeCredential
from homes.models.credentials import parse_token
from telemetry.strangers import Strangers

REMEMBER_SECONDS: Final = 2.0
TRUST_WHILE_AWAY_SECONDS: Final = 900.0
RETRY_WHILE_AWAY_SECONDS: Final = 2.0
LOOK_UP_SECONDS: Final = 3.0
LAST_USED_SECONDS: Final = 60.0
MAX_REMEMBERED: Final = 200_000
REMEMBER_BAD_SECONDS: Final = 30.0
"""A token that is not good does not become so: only a store that was restored could say otherwise."""
MAX_BAD_REMEMBERED: Final = 10_000


class CallerUnknown(Exception):
    """No live credential has this token. `node_id` says whose it was, where it is a revoked one."""

    def __init__(self, node_id: int | None = None) -> None:
        super().__init__("unknown or revoked token")
        self.node_id = node_id


class CallersUnavailable(Exception):
    """The token store cannot be asked, or not for this address now, and this caller is not remembered."""


@dataclass(slots=True)
class _Known:
    """A token that is good."""

    credential_id: int
    node_id: int
    checked_at: float
    """When the database last said so (monotonic seconds)."""
    noted_at: float
    """When the database was last told that it is in use."""


class Callers:
    """The token cache of one process. One query in REMEMBER_SECONDS confirms all tokens in use, not one each."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Known] = {}
        self._bad: dict[bytes, tuple[float, int | None]] = {}
        """Until when a token is remembered as not good, and whose it was; the oldest first."""
        self._strangers = Strangers()
        self._confirmed_at = 0.0
        self._confirming: asyncio.Task[None] | None = None
        self._away_until = 0.0

    async def identify(self, token: str, address: str) -> int:
        """The node id behind a token that comes from an address. Raises CallerUnknown or CallersUnavailable."""
        key = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known, now = self._known.get(key), time.monotonic()
        if known is not None and now - self._confirmed_at >= REMEMBER_SECONDS:
            await self._confirm()
            known = self._known.get(key)
        if known is None:
            known = await self._ask(key, token, address)
        if self._away_until and now - known.checked_at > TRUST_WHILE_AWAY_SECONDS:
            raise CallersUnavailable("the token store is away")
        return known.node_id

    async def _ask(self, key: bytes, token: str, address: str) -> _Known:
        """Look a token up. While the store is away, one caller in a while finds out whether it is back."""
        until, whose = self._bad.get(key, (0.0, None))
        parsed = parse_token(token)
        if parsed is None or time.monotonic() < until:
            raise CallerUnknown(whose)
        if time.monotonic() < self._away_until:
            raise CallersUnavailable("the token store is away")
        if self._strangers.are_many(address):
            raise CallersUnavailable("too many unknown tokens from your address")
        credential_id, whose, is_live = await self._in_store(_look_up, *parsed)
        now = time.monotonic()
        if not is_live or whose is None:
            self._strangers.count(address)
            self._remember_bad(key, now + REMEMBER_BAD_SECONDS, whose)
            raise CallerUnknown(whose)
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        fresh = self._known[key] = _Known(credential_id, whose, now, now)
        return fresh

    def _remember_bad(self, key: bytes, until: float, whose: int | None) -> None:
        self._bad.pop(key, None)
        if len(self._bad) >= MAX_BAD_REMEMBERED:
            del self._bad[next(iter(self._bad))]
        self._bad[key] = until, whose

    async def _confirm(self) -> None:
        """Everybody who comes meanwhile waits for the same answer."""
        if time.monotonic() < self._away_until:
            return
        if self._confirming is None:
            self._confirming = asyncio.create_task(self._confirm_all())
            self._confirming.add_done_callback(self._forget_task)
        with suppress(CallersUnavailable):
            await asyncio.shield(self._confirming)

    def _forget_task(self, task: asyncio.Task[None]) -> None:
        self._confirming = None
        if not task.cancelled():
            task.exception()  # those who waited have it

    async def _confirm_all(self) -> None:
        began = time.monotonic()
        held = dict(self._known)
        unnoted = [k.credential_id for k in held.values() if began - k.noted_at >= LAST_USED_SECONDS]
        live: set[int] = await self._in_store(_confirm, [known.credential_id for known in held.values()], unnoted)
        for key, known in held.items():
            if known.credential_id in live:
                known.checked_at = began
            else:
                self._known.pop(key, None)
        for known in held.values():
            if began - known.noted_at >= LAST_USED_SECONDS:
                known.noted_at = began
        self._confirmed_at = began

    async def _in_store(self, question: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        """Raises CallersUnavailable, and for a moment nobody else asks."""
        if self._away_until:
            self._away_until = time.monotonic() + LOOK_UP_SECONDS
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                answer = await question(*arguments)
        except (DatabaseError, PoolTimeout, TimeoutError):
            self._away_until = time.monotonic() + RETRY_WHILE_AWAY_SECONDS
            raise CallersUnavailable("the token store is away") from None
        self._away_until = 0.0
        return answer


def _find(credential_id: int, secret: str) -> tuple[int, int | None, bool]:
    """(credential id, whose it is, whether it is good); the node is None for a token that never was."""
    with acting_as_system():
        credential = NodeCredential.objects.filter(pk=credential_id).first()
        if credential is None or not credential.matches(secret):
            return credential_id, None, False
        if credential.revoked_at is not None:
            return credential_id, credential.node_id, False
        _note_use([credential_id])
        return credential_id, credential.node_id, True


def _still_live(credential_ids: list[int], in_use: list[int]) -> set[int]:
    with acting_as_system():
        _note_use(in_use)
        return set(NodeCredential.objects.live().filter(pk__in=credential_ids).values_list("pk", flat=True))


# In threads of their own: in the one that everything thread-sensitive shares, sockets would hold up the door.
_look_up = database_sync_to_async(_find, thread_sensitive=False)
_confirm = database_sync_to_async(_still_live, thread_sensitive=False)


def _note_use(credential_ids: list[int]) -> None:
    """Roughly: a token that was noted within the last minute is not noted again."""
    now = timezone.now()
    long_ago = Q(last_used_at=None) | Q(last_used_at__lt=now - timedelta(seconds=LAST_USED_SECONDS))
    NodeCredential.objects.filter(long_ago, pk__in=credential_ids).update(last_used_at=now)
