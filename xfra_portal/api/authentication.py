"""An app's access token, and with it on whose behalf the database is asked."""

from __future__ import annotations

from typing import Any

from allauth.headless.contrib.rest_framework.authentication import JWTTokenAuthentication
from allauth.headless.tokens.strategies.jwt.internal import session_key_from_sid
from django.contrib.sessions.backends.db import SessionStore
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.request import Request

from homes import access


def session_of(payload: dict[str, Any]) -> SessionStore:
    """The session that a valid access token belongs to; read when it is first asked."""
    return SessionStore(session_key_from_sid(payload["sid"]))


class AccessTokenAuthentication(JWTTokenAuthentication):
    """Middleware saw no session, so row-level security still says `nobody`: it learns the person here."""

    def authenticate(self, request: Request) -> Any:
        found = super().authenticate(request)
        if found is not None:
            user, payload = found
            user.session = session_of(payload)
            access.set_current(str(user.pk))
        return found

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class AccessTokenScheme(OpenApiAuthenticationExtension):
    target_class = "xfra_portal.api.authentication.AccessTokenAuthentication"
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
