"""Ties a request to the person it acts for, down to the database's row-level security."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from homes import access


class NobodyMiddleware:
    """Until a person is known, a request sees no home. Sits just before authentication."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        before = access.current()
        access.set_current(access.NOBODY)
        try:
            return self.get_response(request)
        finally:
            access.set_current(before)


class AccessMiddleware:
    """Once the session names a person, the database is asked on that person's behalf."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            request.user.session = request.session
            access.set_current(str(request.user.pk))
        return self.get_response(request)
