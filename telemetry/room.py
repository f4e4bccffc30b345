"""Is there room for what senders bring? Measured every few seconds, told to every door through Redis.

While there is not, the doors answer 503 with Retry-After, and senders keep what they have. Each cause is a key of its
own that expires soon after it was last said, so that a part that died cannot keep the doors shut.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import redis
from django.conf import settings
from psycopg.errors import DiskFull

from telemetry.stream import SHUT

logger = logging.getLogger("telemetry.room")

SHUT_SECONDS: Final = 15
"""Longer than beat's turn, and than a drain takes to try again."""
WATCHED: Final = "xfra:ingest:watched"
WATCHED_SECONDS: Final = 60
"""After so long without a look nobody can say that disk and memory suffice: beat or the workers do not get to it."""
STORE_FULL: Final = "Postgres' disk is full"


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why nothing is taken in: the cause is a key of stream.SHUT, the sentence is for operators."""

    cause: str
    sentence: str


def measure(client: redis.Redis) -> dict[str, str]:
    """What runs short, as sentences by cause."""
    found = {"disk": _disk(), "memory": _memory(client)}
    return {cause: sentence for cause, sentence in found.items() if sentence}


def _disk() -> str:
    return "; ".join(filter(None, map(_shortage_of, settings.DISK_FOLDERS)))


def _shortage_of(folder: str) -> str:
    try:
        total, _, free = shutil.disk_usage(folder)
    except OSError as error:
        logger.warning("the free space of %s is not known, see XFRA_DISK_FOLDERS: %s", folder, error)
        return ""
    least = max(int(settings.DISK_FREE_BYTES), int(total * float(settings.DISK_FREE_RATIO)))
    return f"{free / 2**30:.1f} GiB free at {folder}, {least / 2**30:.1f} needed" if free < least else ""


def _memory(client: redis.Redis) -> str:
    info: dict[str, Any] = client.info("memory")
    used, most = int(info["used_memory"]), int(info["maxmemory"])
    if not most or used < most * float(settings.REDIS_MEMORY_RATIO):
        return ""
    return f"the ingest Redis uses {used / 2**20:.0f} of {most / 2**20:.0f} MiB"


def risks(client: redis.Redis) -> list[str]:
    """How the ingest Redis, as it is set up, could lose what was acknowledged: sentences. Whether it syncs with each
    append cannot be asked of a Redis that keeps its CONFIG to itself."""
    memory: dict[str, Any] = client.info("memory")
    persistence: dict[str, Any] = client.info("persistence")
    found = []
    if not int(persistence["aof_enabled"]):
        found.append("The ingest Redis keeps nothing on disk (appendonly no)")
    if (policy := memory["maxmemory_policy"]) != "noeviction":
        found.append(f"The ingest Redis may throw away what was taken in (maxmemory-policy {policy})")
    return found


def watch(client: redis.Redis) -> None:
    """Measure and tell: the work of beat."""
    short = measure(client)
    for cause in ("disk", "memory"):
        tell(client, cause, short.get(cause, ""))
    with suppress(redis.exceptions.OutOfMemoryError):  # which has been told
        client.set(WATCHED, "1", ex=WATCHED_SECONDS)


def is_watched(client: redis.Redis) -> bool:
    """Whether somebody has measured within the last minute."""
    return bool(client.exists(WATCHED))


def tell(client: redis.Redis, cause: str, sentence: str) -> None:
    """Shut the doors for a few seconds because of something, or (an empty sentence) not any more because of that."""
    if not sentence:
        if client.delete(SHUT[cause]):
            logger.warning("taking in again: %s", cause)
        return
    if not client.exists(SHUT[cause]):
        logger.critical("nothing is taken in, senders are told to come again: %s", sentence)
    try:
        client.set(SHUT[cause], sentence, ex=SHUT_SECONDS)
    except redis.exceptions.OutOfMemoryError:
        logger.critical("the ingest Redis has no memory left and refuses by itself")


def store_failed(client: redis.Redis, error: BaseException) -> None:
    """After a failure to store: if that was for want of disk, shut the doors. Nobody says when it is over: it expires,
    and the next attempt to store shows."""
    if any(isinstance(cause, DiskFull) for cause in _causes(error)):
        tell(client, "store", STORE_FULL)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def shortages(client: redis.Redis) -> list[Shortage]:
    """Why the doors are shut now."""
    answers: Any = client.mget(list(SHUT.values()))
    return [Shortage(cause, text.decode()) for cause, text in zip(SHUT, answers, strict=True) if text is not None]
