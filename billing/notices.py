"""The outbox: told once what became true, in the transaction that made it so; a task sends, and tries again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPException
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import timezone

from billing import bulk
from billing.agreements import money
from billing.models import Notice
from homes.models import Membership, User

_ATTEMPTS: Final = 8
_FIRST_WAIT: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Telling:
    """A notice before it is in the outbox."""

    home_id: UUID
    kind: Notice.Kind
    key: str
    facts: Mapping[str, Any]


def put_many(tellings: Sequence[Telling]) -> None:
    """Into the outbox; a key that is there is not told again."""
    columns: bulk.Columns = {
        "home_id": ("uuid", [telling.home_id for telling in tellings]),
        "kind": ("text", [str(telling.kind) for telling in tellings]),
        "key": ("text", [telling.key for telling in tellings]),
        "facts": ("jsonb", [json.dumps(telling.facts) for telling in tellings]),
        "created_at": ("timestamptz", [timezone.now() for _ in tellings]),
        "attempts": ("int", [0 for _ in tellings]),
        "problem": ("text", ["" for _ in tellings]),
    }
    bulk.insert("billing_notice", columns, skip_existing=True)


def send_some(limit: int = 50, now: datetime | None = None) -> int:
    """Send what is due, each in a transaction of its own. Returns how many are dealt with.

    A mail may go out twice if this dies between sending and noting it, and never not at all.
    """
    count = 0
    while count < limit and _send_one(now or timezone.now()):
        count += 1
    return count


@transaction.atomic
def _send_one(now: datetime) -> bool:
    due = Notice.objects.filter(sent_at__isnull=True, attempts__lt=_ATTEMPTS).exclude(not_before__gt=now)
    notice = due.select_for_update(skip_locked=True).first()
    if notice is None:
        return False
    try:
        _mail(notice)
    except (SMTPException, OSError) as error:
        notice.problem = f"{type(error).__name__}: {error}"[:300]
        notice.not_before = now + _FIRST_WAIT * 2**notice.attempts
    else:
        notice.sent_at, notice.problem = now, ""
    notice.attempts += 1
    notice.save(update_fields=["sent_at", "attempts", "problem", "not_before"])
    return True


def unsendable() -> int:
    """How many notices have been given up on."""
    return Notice.objects.filter(sent_at__isnull=True, attempts__gte=_ATTEMPTS).count()


def _mail(notice: Notice) -> None:
    """To those of the household who may see money. A home where nobody lives yet has nobody to tell."""
    roles = [Membership.Role.OWNER]
    if notice.kind in (Notice.Kind.ISSUED, Notice.Kind.REVISED):
        roles.append(Membership.Role.MEMBER)
    people = User.objects.filter(is_active=True, memberships__home=notice.home_id, memberships__role__in=roles)
    recipients = list(people.values_list("email", flat=True))
    if not recipients:
        return
    subject, text = _words(notice)
    EmailMessage(subject, text, settings.DEFAULT_FROM_EMAIL, bcc=recipients).send()


def _words(notice: Notice) -> tuple[str, str]:
    facts = notice.facts
    if notice.kind in (Notice.Kind.PAID, Notice.Kind.FAILED):
        amount = money(facts["cents"])
        if notice.kind == Notice.Kind.PAID:
            return f"We paid you {amount}", f"{amount} is on your account.\n"
        return f"A payment of {amount} did not reach you", f"{facts['problem']}\nWe are looking into it.\n"
    days = f"{facts['start']} to {facts['last']}"
    figures = (
        f"You pay {money(facts['you_pay_cents'])}, we pay {money(facts['we_pay_cents'])},"
        f" you saved {money(facts['saved_cents'])}."
    )
    if notice.kind == Notice.Kind.REVISED:
        return f"Statement {facts['number']} corrects an earlier one", f"{days}: {facts['why']}\n{figures}\n"
    return f"Statement {facts['number']}", f"{days}\n{figures}\n"
