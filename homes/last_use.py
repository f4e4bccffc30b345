"""When and from where each session was last used, as its owner reads it under Devices.

allauth's middleware writes a row at each request; here it is written when it says something new, once a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from allauth.account.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from homes.models import User

NOTED_EVERY: Final = timedelta(minutes=1)
_AGENT_LENGTH: Final = UserSession._meta.get_field("user_agent").max_length


class LastUseMiddleware:
    """Of browsers. Apps show their token to the API, which notes it by itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.session.session_key and request.user.is_authenticated:
            note(request, request.user, request.session.session_key)
        return self.get_response(request)


def note(request: HttpRequest, user: User, session_key: str) -> None:
    """That this session is in use now, from the address and by the program that ask. On behalf of its person."""
    now = timezone.now()
    try:
        address = get_adapter().get_client_ip(request)
    except PermissionDenied:  # a server behind a socket that hands on no address: nothing can be said of where
        return
    seen = {"ip": address, "user_agent": _agent(request)}
    noted = UserSession.objects.filter(session_key=session_key).first()
    if noted is None:
        first = UserSession(session_key=session_key, user=user, **seen)
        UserSession.objects.bulk_create([first], ignore_conflicts=True)  # one statement, also where two come at once
    elif noted.last_seen_at < now - NOTED_EVERY or (noted.ip, noted.user_agent) != (seen["ip"], seen["user_agent"]):
        UserSession.objects.filter(pk=noted.pk).update(last_seen_at=now, **seen)


def _agent(request: HttpRequest) -> str:
    return str(request.META.get("HTTP_USER_AGENT", ""))[:_AGENT_LENGTH].replace("\0", "")
