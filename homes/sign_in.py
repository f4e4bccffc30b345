"""Who somebody is: found out by the system, before anybody acts here. The database shows people only their own rows of
what this reads (sessions, passwords), so it is asked as the system, and in these two places alone."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.http import HttpRequest

from homes.access import acting_as_system
from homes.models import User


class Backend(AuthenticationBackend):
    """allauth's: whose password it is, and whom a session names."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        with acting_as_system():
            found: User | None = super().authenticate(request, **credentials)
            return found

    def get_user(self, user_id: int) -> User | None:
        with acting_as_system():
            found: User | None = super().get_user(user_id)
            return found
