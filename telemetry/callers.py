"""Which node is calling: tokens checked against the database, remembered for moments.

A revoked token is refused within REMEMBER_SECONDS. When Postgres is away, callers that were known a
short while ago still are (the stream has room for them); nobody is ever told 401 for want of a database.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from channels.db import database_sync_to_async
from django.db import DatabaseError
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
    node_id: int | None
    checked_at: float
    ask_again_at: float


class Callers:
    """The token cache of one process."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Known] = {}
        self._away_until = 0.0

    async def identify(self, token: str) -> int:
        """The node id behind a token. Raises CallerUnknown or CallersUnavailable."""
        key = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known, now = self._known.get(key), time.monotonic()
        if known is None or now >= known.ask_again_at:
            known = await self._ask(key, token, known, now)
        if known.node_id is None:
            raise CallerUnknown
        return known.node_id

    async def _ask(self, key: bytes, token: str, known: _Known | None, now: float) -> _Known:
        """One caller at a time finds out whether a store that was away is back; the others are not kept waiting."""
        if now < self._away_until:
            return _trusted(known, now)
        if self._away_until:
            self._away_until = now + LOOK_UP_SECONDS
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                node_id = await _look_up(token)
        except (DatabaseError, PoolTimeout, TimeoutError):
            self._away_until = time.monotonic() + RETRY_WHILE_AWAY_SECONDS
            return _trusted(known, now)
        self._away_until = 0.0
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        fresh = self._known[key] = _Known(node_id, now, now + REMEMBER_SECONDS)
        return fresh


def _trusted(known: _Known | None, now: float) -> _Known:
    """What is remembered, if it may be trusted without asking. Raises CallersUnavailable."""
    if known is None or known.node_id is None or now - known.checked_at > TRUST_WHILE_AWAY_SECONDS:
        raise CallersUnavailable
    return known


def _find(token: str) -> int | None:
    parsed = parse_token(token)
    if parsed is None:
        return None
    credential_id, secret = parsed
    with acting_as_system():
        credential = NodeCredential.objects.live().filter(pk=credential_id).first()
        if credential is None or not credential.matches(secret):
            return None
        _note_use(credential)
        return credential.node_id


# In threads of its own: in the one that everything thread-sensitive shares, sockets would hold up the door.
_look_up = database_sync_to_async(_find, thread_sensitive=False)


def _note_use(credential: NodeCredential) -> None:
    now = timezone.now()
    if credential.last_used_at is None or now - credential.last_used_at > timedelta(seconds=LAST_USED_SECONDS):
        NodeCredential.objects.filter(pk=credential.pk).update(last_used_at=now)
