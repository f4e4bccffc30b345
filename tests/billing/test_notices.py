"""The outbox: sent once, tried again later and later, given up on in the end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.utils import timezone

from billing import alarms, notices, self_checks
from billing.models import Notice
from billing.notices import Telling
from homes.models import Membership
from tests.billing.checks import refused
from tests.cast import Cast, needs_database

pytestmark = [needs_database, pytest.mark.usefixtures("as_system")]


def paid(cast: Cast, key: str = "payout:1:paid", kind: Notice.Kind = Notice.Kind.PAID) -> None:
    notices.put_many([Telling(cast.home.pk, kind, key, {"cents": 12_345, "problem": "account closed"})])


def test_only_the_owner_hears_of_payouts(cast: Cast, mailoutbox: list[EmailMessage]) -> None:
    for _ in range(2):
        paid(cast)
    paid(cast, "payout:2:failed", Notice.Kind.FAILED)
    assert notices.send_some() == 2
    assert [(mail.subject, mail.bcc) for mail in mailoutbox] == [
        ("We paid you $123.45", ["owner@cast.example"]),
        ("A payment of $123.45 did not reach you", ["owner@cast.example"]),
    ]


def test_it_is_tried_again_and_given_up_on_after_eight_times(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    paid(cast)
    self_checks.check_and_keep()

    def refuse(*arguments: Any, **options: Any) -> None:
        raise ConnectionRefusedError("no mail server")

    monkeypatch.setattr(EmailMessage, "send", refuse)
    now = timezone.now()
    assert notices.send_some(now=now) == 1
    assert notices.send_some(now=now + timedelta(seconds=59)) == 0
    for attempt in range(1, 8):
        now += timedelta(minutes=2**attempt)
        assert notices.send_some(now=now) == 1
    assert notices.send_some(now=now + timedelta(days=9)) == 0
    notice = Notice.objects.get()
    assert (notice.attempts, notice.problem) == (8, "ConnectionRefusedError: no mail server")
    assert [alarm.sentence for alarm in alarms.ringing()] == ["1 notices could not be sent"]


def test_a_home_where_nobody_lives_has_nobody_to_tell(cast: Cast, mailoutbox: list[EmailMessage]) -> None:
    Membership.objects.all().delete()
    paid(cast)
    assert notices.send_some() == 1
    assert mailoutbox == []


def test_what_was_sent_stays_sent(cast: Cast, mailoutbox: list[EmailMessage]) -> None:
    paid(cast)
    notices.send_some()
    with refused("what was said"):
        Notice.objects.update(sent_at=None)
