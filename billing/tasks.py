"""Celery's part of billing: it wakes work, whose state is in Postgres."""

from __future__ import annotations

from celery import shared_task

from billing import meter_feed


@shared_task(name="billing.tasks.follow_meters")
def follow_meters() -> None:
    """Bring readings up to what telemetry knows, a minute at a time."""
    meter_feed.follow(seconds=60.0)
