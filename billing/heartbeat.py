"""Whether workers get to billing's work: each of them says so in the cache, some times a minute."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import redis
from django.core.cache import cache
from django.utils import timezone

ALIVE_WITHIN: Final = timedelta(seconds=45)
"""Longer than a turn of a close plus what beat waits between two."""
_KEY: Final = "billing-worker-seen"
_KEPT_SECONDS: Final = 30 * 86_400


def beat() -> None:
    """I am at work. That nobody can be told is no reason to stop."""
    try:
        cache.set(_KEY, timezone.now(), _KEPT_SECONDS)
    except redis.RedisError:
        return


def seen_at() -> datetime | None:
    """When a worker was last at work on billing; None if nobody knows."""
    try:
        found: datetime | None = cache.get(_KEY)
    except redis.RedisError:
        return None
    return found


def is_alive(now: datetime | None = None) -> bool:
    at = seen_at()
    return at is not None and (now or timezone.now()) - at < ALIVE_WITHIN
