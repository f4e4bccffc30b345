"""Whether beat is at work. It says so itself, not through a worker: busy workers are another matter."""

from __future__ import annotations

import logging
from typing import Any, Final

import redis
from django.conf import settings

logger = logging.getLogger("xfra.availability")

KEY: Final = "xfra:beat"
SECONDS: Final = 30
"""How long it is believed. Beat has something to send every five seconds."""


def tell(**kwargs: Any) -> None:
    """I have just sent a task, or begun. That nobody can be told is no reason to stop."""
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    try:
        client.set(KEY, 1, ex=SECONDS)
    except redis.RedisError as error:
        logger.warning("nobody can be told that beat is at work: %s", error)
    finally:
        client.close()


def is_heard(client: redis.Redis) -> bool:
    return bool(client.exists(KEY))
