"""Where sessions are kept: in Postgres, whose rows nobody may list. Who knows a session's key may read that session, so
each is read and written by the system on behalf of whoever brought the key."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends.db import SessionStore as Base

from homes.access import acting_as_system


class SessionStore(Base):
    """Django's SESSION_ENGINE asks this module for a class of this name."""

    def load(self) -> dict[str, Any]:
        with acting_as_system():
            return super().load()

    def exists(self, session_key: str) -> bool:
        with acting_as_system():
            return super().exists(session_key)

    def save(self, must_create: bool = False) -> None:
        with acting_as_system():
            super().save(must_create)

    def delete(self, session_key: str | None = None) -> None:
        with acting_as_system():
            super().delete(session_key)
