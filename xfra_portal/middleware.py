"""Around every answer: when a part is away, say so quickly and plainly; the headers that all have; compression."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.middleware.gzip import GZipMiddleware
from django.template.loader import render_to_string
from psycopg_pool import PoolTimeout
from redis import ConnectionError as RedisConnectionError
from redis import TimeoutError as RedisTimeoutError

from xfra_portal.api.problems import bad_request
from xfra_portal.unreadable import IS_INPUTS_FAULT, SIGN_IN, told

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


_POLICIES: Final = {
    "Permissions-Policy": "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(),"
    " microphone=(), midi=(), payment=(), serial=(), usb=(), xr-spatial-tracking=(),"
    " publickey-credentials-get=(self), publickey-credentials-create=(self)",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_OF_ACCOUNTS: Final = ("/accounts/", SIGN_IN)


class HeadersMiddleware:
    """What a page may use, who may embed an answer, and that nobody on the way keeps what is a person's own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in _POLICIES.items():
            response.setdefault(name, value)
        if request.path.startswith(_OF_ACCOUNTS):
            response["Cache-Control"] = "no-store"
        else:
            response.setdefault("Cache-Control", "private, no-cache")
        return response


class CompressMiddleware(GZipMiddleware):
    """Pages, tables and documents; a PDF or an archive is as small as it gets.

    Length tells a guess of what stands in a compressed page beside what a visitor put there (BREACH). What would be
    worth guessing is the CSRF token: Django masks it anew in each answer, so it is never the same twice, and the
    parent adds a random length besides. No other secret is in any page.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        is_text = kind.startswith("text/") or kind.endswith(("json", "xml", "javascript"))
        return super().process_response(request, response) if is_text else response


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
    if isinstance(error, IS_INPUTS_FAULT):  # what a middleware raised; that of views is seen to before
        return bad_request(request, told(error, request.path))
    if request.path.startswith("/api/"):
        detail = "This is our fault, not yours. Try again in a minute."
        problem = {"type": "about:blank", "title": "Internal Server Error", "status": 500, "detail": detail}
        return JsonResponse(problem, status=500, content_type="application/problem+json")
    return HttpResponse(render_to_string("500.html"), status=500)
