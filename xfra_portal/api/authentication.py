"""An app's access token, and with it on whose behalf the database is asked."""

from __future__ import annotations

from typing import Any

from allauth.headless.contrib.rest_framework.authentication import JWTTokenAuthentication
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from homes import access, last_use
from homes.app_sessions import caller_of
from homes.models import User


class AccessTokenAuthentication(JWTTokenAuthentication):
    """Middleware saw no session, so row-level security still says `nobody`: it learns the person here."""

    def authenticate_credentials(self, key: str) -> tuple[User, str]:
        caller = caller_of(key)
        if caller is None:
            raise AuthenticationFailed("Invalid token.")
        caller.user.session = caller.session
        access.set_current(str(caller.user.pk))
        return caller.user, key

    def authenticate(self, request: Request) -> Any:
        found = super().authenticate(request)
        if found is not None and found[0].session is not None:
            last_use.note(request, found[0], found[0].session.session_key)
        return found


class AccessTokenScheme(OpenApiAuthenticationExtension):
    target_class = "xfra_portal.api.authentication.AccessTokenAuthentication"
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
