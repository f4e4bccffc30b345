"""When a part is away, say so quickly and plainly."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from psycopg_pool import PoolTimeout
from redis import ConnectionError as RedisConnectionError
from redis import TimeoutError as RedisTimeoutError

logger = logging.getLogger("xfra.availability")

_AWAY = (OperationalError, InterfaceError, PoolTimeout, RedisConnectionError, RedisTimeoutError)


class UnavailableMiddleware:
    """Outermost: answers 503 when the database or Redis cannot be reached."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return unavailable(request) if isinstance(error, _AWAY) else None


def unavailable(request: HttpRequest) -> HttpResponse:
    """A page or a problem document that needs neither database nor session."""
    logger.warning("503 for %s: a part is away", request.path)
    headers = {"Retry-After": "5"}
    if request.path.startswith("/api/"):
        problem = {"type": "about:blank", "title": "Service unavailable", "status": 503,
                   "detail": "The portal cannot reach its database right now. Try again in a few seconds."}  # fmt: skip
        return JsonResponse(problem, status=503, headers=headers, content_type="application/problem+json")
    return HttpResponse(render_to_string("503.html"), status=503, headers=headers)


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500: a part that is away (noticed in middleware) is a 503; anything else is our own fault."""
    error = sys.exc_info()[1]
    if isinstance(error, _AWAY):
        return unavailable(request)
    if request.path.startswith("/api/"):
        detail = "This is our fault, not yours. Try again in a minute."
        problem = {"type": "about:blank", "title": "Internal Server Error", "status": 500, "detail": detail}
        return JsonResponse(problem, status=500, content_type="application/problem+json")
    return HttpResponse(render_to_string("500.html"), status=500)
