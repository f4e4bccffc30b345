"""Upkeep that belongs to no app."""

from __future__ import annotations

from celery import shared_task
from django.contrib.sessions.backends.db import SessionStore

from homes import app_sessions


@shared_task(name="xfra_portal.tasks.clear_sessions")
def clear_sessions() -> None:
    """Delete sessions that have ended by themselves; nobody else does."""
    SessionStore.clear_expired()
    app_sessions.clear()
