"""Is the portal alive, and can it reach every part it needs? For supervisors and load balancers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import redis
from celery.exceptions import CeleryError
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from kombu.exceptions import KombuError

from xfra_portal.celery import app

_WORKER_SECONDS = 30.0
_worker_seen: list[float] = []


def healthz(request: HttpRequest) -> HttpResponse:
    """Alive: this process answers. Asks nobody else."""
    return HttpResponse("alive\n", content_type="text/plain")


def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every part is reachable, else 503; `parts` says which one is not, and why."""
    parts = {
        "postgres": _try(_postgres),
        "redis": _try(lambda: _redis(settings.REDIS_URL)),
        "ingest_redis": _try(lambda: _redis(settings.INGEST_REDIS_URL)),
        "worker": _try(_worker),
    }
    ready = all(problem is None for problem in parts.values())
    body = {"ready": ready, "parts": {name: problem or "ok" for name, problem in parts.items()}}
    return JsonResponse(body, status=200 if ready else 503)


def _try(check: Callable[[], Any]) -> str | None:
    try:
        check()
    except Exception as error:  # whatever is wrong with a part is the answer here
        return type(error).__name__
    return None


def _postgres() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM django_migrations LIMIT 1")


def _redis(url: str) -> None:
    client = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
    try:
        client.ping()
    finally:
        client.close()


def _worker() -> None:
    """A worker answered within the last moments; asking takes a second, so the answer is remembered."""
    if _worker_seen and time.monotonic() - _worker_seen[0] < _WORKER_SECONDS:
        return
    _worker_seen.clear()
    try:
        answers = app.control.ping(timeout=1.0)
    except (KombuError, CeleryError, OSError) as error:
        raise ConnectionError("no broker") from error
    if not answers:
        raise TimeoutError("no worker answered")
    _worker_seen.append(time.monotonic())
