"""What billing itself needs somebody for: shown on the desk, the most urgent first."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from billing import notices, payouts, reconciliation
from billing.models import BooksCheck
from telemetry.alarms import Alarm
from telemetry.attention import Severity

CHECKED_WITHIN: Final = timedelta(hours=3)


def ringing(now: datetime | None = None) -> list[Alarm]:
    at = now or timezone.now()
    found = [*_books(at), *_payouts(at), *_notices(), *_differences()]
    return sorted(found, key=lambda alarm: alarm.severity)


def _books(at: datetime) -> list[Alarm]:
    latest = BooksCheck.objects.order_by("-checked_at").first()
    if latest is None or latest.checked_at < at - CHECKED_WITHIN:
        return [Alarm(Severity.MAJOR, "The books have not been checked for hours", "see whether beat and workers run")]
    return [
        Alarm(
            Severity.CRITICAL,
            f"The books do not add up: {finding['sentence']} ({', '.join(finding['examples'])})",
            "close and pay nothing; find out who wrote past the rules",
        )
        for finding in latest.findings
    ]


def _payouts(at: datetime) -> list[Alarm]:
    lost = payouts.unknown(at)
    if not lost:
        return []
    words = "1 payout" if len(lost) == 1 else f"{len(lost)} payouts"
    return [Alarm(Severity.MAJOR, f"{words} sent more than a day ago, without an answer", "ask the bank, then say so")]


def _notices() -> list[Alarm]:
    count = notices.unsendable()
    if not count:
        return []
    return [Alarm(Severity.MINOR, f"{count} notices could not be sent", "look at the mail server")]


def _differences() -> list[Alarm]:
    count = len(reconciliation.open_differences())
    if not count:
        return []
    return [Alarm(Severity.MAJOR, f"{count} utility bills differ from what was computed", "find out why, and say so")]
