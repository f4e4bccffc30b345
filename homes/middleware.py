"""Ties a request to the person it acts for, down to the database's row-level security."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

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


_SIGN_IN_DOORS: Final = ("/accounts/", "/_allauth/")
_WITH_A_LINK: Final = "/accounts/password/reset/"
"""Whose password is set anew is for the mailed link to say, in any browser."""


class AccessMiddleware:
    """Once the session names a person, the database is asked on that person's behalf; at the doors of signing in, for
    whoever is nobody yet, as somebody who signs in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            request.user.session = request.session
            access.set_current(str(request.user.pk))
        elif request.path.startswith(_SIGN_IN_DOORS):
            access.set_current(access.SIGNING_IN)
        if request.path.startswith(_WITH_A_LINK):
            access.set_current(access.SIGNING_IN)
        return self.get_response(request)
