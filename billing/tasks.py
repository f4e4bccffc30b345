"""Celery's part of billing: it wakes work, whose state is in Postgres."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.db.models import Q
from django.utils import timezone

from billing import closing, corrections, heartbeat, meter_feed, notices, payout_provider, payouts, self_checks
from billing.models import Close, CloseItem

CORRECTED_FOR = timedelta(days=120)
"""How far back a night's look for late readings goes; what is older is revised when somebody asks."""


@shared_task(name="billing.tasks.follow_meters")
def follow_meters() -> None:
    """Bring readings up to what telemetry knows, a minute at a time."""
    meter_feed.follow(seconds=60.0)


@shared_task(name="billing.tasks.continue_close")
def continue_close(close_id: int) -> None:
    """Some seconds of a close; wakes itself while there is more to do, so that a worker can stop in between."""
    heartbeat.beat()
    found = closing.advance(Close.objects.get(pk=close_id))
    if not found.is_done:
        continue_close.apply_async(args=[close_id], expires=600)


@shared_task(name="billing.tasks.continue_closes")
def continue_closes() -> None:
    """The safety net: a close whose worker died is taken up again."""
    heartbeat.beat()
    waits = Q(stage=CloseItem.Stage.WAITING)
    is_issued = Q(stage=CloseItem.Stage.REVIEWED, close__issuing_by__isnull=False)
    for close_id in CloseItem.objects.filter(waits | is_issued).values_list("close", flat=True).order_by().distinct():
        continue_close.apply_async(args=[close_id], expires=60)


@shared_task(name="billing.tasks.send_notices")
def send_notices() -> None:
    """Send what is in the outbox."""
    notices.send_some()


@shared_task(name="billing.tasks.pursue_payouts")
def pursue_payouts() -> None:
    """Send payouts and ask what became of them; without a provider they go by file."""
    provider = payout_provider.configured()
    if provider is not None:
        payouts.pursue(provider)


@shared_task(name="billing.tasks.find_corrections")
def find_corrections() -> None:
    """Draft revisions of statements whose readings or tariff became known differently."""
    corrections.draft_revisions((timezone.now() - CORRECTED_FOR).date())


@shared_task(name="billing.tasks.check_books")
def check_books() -> None:
    """Does everything add up? What does not rings on the desk."""
    self_checks.check_and_keep()
