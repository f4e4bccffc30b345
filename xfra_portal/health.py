"""Is the portal alive, and can it reach every part it needs? For supervisors and load balancers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import redis
from asgiref.sync import sync_to_async
from celery.exceptions import CeleryError
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from kombu.exceptions import KombuError
from redis.backoff import NoBackoff
from redis.retry import Retry

from telemetry import room
from telemetry.standstills import TELLER
from telemetry.stream import connect
from xfra_portal import pulse
from xfra_portal.celery import app
from xfra_portal.patience import ask_database
from xfra_portal.probes import Probe

_WORKER_SECONDS = 5.0
_PART_SECONDS = 2.0
_QUEUES = ("ingest", settings.CELERY_TASK_DEFAULT_QUEUE)
_IMPATIENT = {"socket_timeout": 2, "socket_connect_timeout": 1}
_worker_seen: list[float] = []
_threads = ThreadPoolExecutor(5, "health")


def healthz(request: HttpRequest) -> HttpResponse:
    """Alive: this process answers. Asks nobody else."""
    return HttpResponse("alive\n", content_type="text/plain")


async def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every part is reachable, else 503; `parts` says which one is not, and why.

    `taking_in` says whether nodes' samples are taken in now: without room they are not, while the pages go on.
    `stood_still_seconds` is how long the process that answers last stood still for everybody within 15 minutes, or 0.
    """
    body = await _everything.answer()
    return JsonResponse(body, status=200 if body["ready"] else 503)


async def _look_at_everything() -> dict[str, Any]:
    checks = {
        "postgres": ask_database(),
        "redis": _in_thread(_redis, settings.REDIS_URL),
        "ingest_redis": _in_thread(_redis, settings.INGEST_REDIS_URL),
        "worker": _in_thread(_worker),
        "beat": _in_thread(_beat),
    }
    taking_in, *problems = await asyncio.gather(_taking_in(), *map(_try, checks.values()))
    parts = dict(zip(checks, problems, strict=True))
    ready = all(problem is None for problem in parts.values())
    said = {name: problem or "ok" for name, problem in parts.items()}
    return {"ready": ready, "parts": said, "taking_in": taking_in, "stood_still_seconds": TELLER.lately}


_everything = Probe(_look_at_everything)


def _in_thread(check: Callable[..., None], *arguments: str) -> Awaitable[None]:
    """Not in the loop's own threads: when all those wait for something that froze, this must still answer."""
    return sync_to_async(check, thread_sensitive=False, executor=_threads)(*arguments)


async def _try(check: Awaitable[None]) -> str | None:
    try:
        async with asyncio.timeout(_PART_SECONDS):
            await check
    except Exception as error:  # whatever is wrong with a part is the answer here
        return type(error).__name__
    return None


async def _taking_in() -> str:
    """What runs short, by name only: anybody may ask."""
    try:
        async with asyncio.timeout(_PART_SECONDS):
            return await sync_to_async(_shortages, thread_sensitive=False, executor=_threads)() or "yes"
    except (redis.RedisError, TimeoutError, OSError):
        return "no: ingest_redis"


def _shortages() -> str:
    client = connect(patience_seconds=1)
    try:
        causes = ", ".join(short.cause for short in room.shortages(client))
    finally:
        client.close()
    return f"no: {causes}" if causes else ""


def _redis(url: str) -> None:
    with _client(url) as client:
        client.ping()


def _beat() -> None:
    with _client(settings.REDIS_URL) as client:
        if not pulse.is_heard(client):
            raise TimeoutError("beat has sent nothing lately")


def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))


def _worker() -> None:
    """For each queue a worker answered lately; all of them hear the question, so it is not asked more often."""
    if _worker_seen and time.monotonic() - _worker_seen[0] < _WORKER_SECONDS:
        return
    _worker_seen.clear()
    try:
        with app.connection_for_write(transport_options=_IMPATIENT) as connection:
            answers = app.control.inspect(timeout=1.0, connection=connection).active_queues()
    except (KombuError, CeleryError, OSError) as error:
        raise ConnectionError("no broker") from error
    served = {queue["name"] for queues in (answers or {}).values() for queue in queues}
    if not served.issuperset(_QUEUES):
        raise TimeoutError("no worker answered for a queue")
    _worker_seen.append(time.monotonic())
