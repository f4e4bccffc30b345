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

REMEMBER_SECONDS: Final = 2.0
TRUST_WHILE_AWAY_SECONDS: Final = 900.0
RETRY_WHILE_AWAY_SECONDS: Final = 2.0
LOOK_UP_SECONDS: Final = 3.0
LAST_USED_SECONDS: Final = 60.0
MAX_REMEMBERED: Final = 200_000


class CallerUnknown(Exception):
    """No live credential has this token."""


class CallersUnavailable(Exception):
    """The token store cannot be asked and does not remember this caller."""


@dataclass(slots=True)
class _Known:
    credential_id: int
    node_id: int | None
    checked_at: float
    """When the database last said so (monotonic seconds)."""
    noted_at: float
    """When the database was last told that it is in use."""


class Callers:
    """The token cache of one process. One query in REMEMBER_SECONDS confirms all tokens in use, not one each."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Known] = {}
        self._confirmed_at = 0.0
        self._confirming: asyncio.Task[None] | None = None
        self._away_until = 0.0

    async def identify(self, token: str) -> int:
        """The node id behind a token. Raises CallerUnknown or CallersUnavailable."""
        key = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known, now = self._known.get(key), time.monotonic()
        if known is not None and known.node_id is not None and now - self._confirmed_at >= REMEMBER_SECONDS:
            await self._confirm()
            known = self._known.get(key)
        if known is None or (known.node_id is None and now - known.checked_at >= REMEMBER_SECONDS):
            known = await self._ask(key, token)
        if known.node_id is None:
            raise CallerUnknown
        if self._away_until and now - known.checked_at > TRUST_WHILE_AWAY_SECONDS:
            raise CallersUnavailable
        return known.node_id

    async def _ask(self, key: bytes, token: str) -> _Known:
        """Look a token up. While the store is away, one caller in a while finds out whether it is back."""
        if time.monotonic() < self._away_until:
            raise CallersUnavailable
        credential_id, node_id = await self._in_store(_look_up, token)
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        now = time.monotonic()
        fresh = self._known[key] = _Known(credential_id, node_id, now, now)
        return fresh

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
        held = {key: known for key, known in self._known.items() if known.node_id is not None}
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
            raise CallersUnavailable from None
        self._away_until = 0.0
        return answer


def _find(token: str) -> tuple[int, int | None]:
    """(credential id, node id); the node is None for a token that is not good."""
    parsed = parse_token(token)
    if parsed is None:
        return 0, None
    credential_id, secret = parsed
    with acting_as_system():
        credential = NodeCredential.objects.live().filter(pk=credential_id).first()
        if credential is None or not credential.matches(secret):
            return credential_id, None
        _note_use([credential_id])
        return credential_id, credential.node_id


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
