"""Upkeep."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.utils import timezone

from homes.access import acting_as_system
from tests.cast import Cast, needs_database
from xfra_portal.celery import app
from xfra_portal.tasks import clear_sessions

pytestmark = needs_database


def test_sessions_that_have_ended_are_deleted_and_others_stay(cast: Cast) -> None:
    ended, lasting = (cast.client("owner").cookies["sessionid"].value for _ in range(2))
    with acting_as_system():
        Session.objects.filter(pk=ended).update(expire_date=timezone.now() - timedelta(seconds=1))
        clear_sessions()  # as workers do
        kept = set(Session.objects.values_list("pk", flat=True))
    assert lasting in kept and ended not in kept
    assert clear_sessions.name in {entry["task"] for entry in app.conf.beat_schedule.values()}
