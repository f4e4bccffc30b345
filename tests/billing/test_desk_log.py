"""The desk's log holds what workers and commands do, beside what people do (tests/desk and tests/api)."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from billing import closing, corrections, desk_log, payouts
from billing.models import Channel, DeskAction
from tests.billing import months, providers
from tests.cast import Cast, needs_database

pytestmark = [needs_database, pytest.mark.usefixtures("as_system")]


def lines() -> list[tuple[str, str, str]]:
    """Way, kind and sentence, the oldest first."""
    return [(one.way, one.kind, one.what) for one in DeskAction.objects.order_by("pk")]


def settled(cast: Cast) -> None:
    months.settle_in(cast.home)
    months.usual(cast.home)


def test_a_worker_rates_issues_and_pays(cast: Cast) -> None:
    settled(cast)
    close = closing.begin(months.APRIL)
    closing.advance(close)
    closing.review(close)
    closing.start_issuing(close, cast.people["billing"].party)
    closing.advance(close)
    payouts.create_due([cast.home.pk])
    payouts.pursue(providers.Prompt())
    payouts.pursue(providers.Prompt())
    number = cast.home.statements.get().number
    assert lines() == [
        ("worker", "rated", "1 home of April 2026 rated: 1 drafted, 0 held."),
        ("worker", "statements_issued", f"Issued for April 2026: statement {number}."),
        ("worker", "payout_paid", "Payout of $103.68 arrived, says the provider."),
    ]
    issued = DeskAction.objects.get(kind="statements_issued")
    assert issued.by == cast.people["billing"].party
    assert issued.who.startswith("The portal's worker, for ")


def test_a_late_reading_drafts_a_correction(cast: Cast) -> None:
    settled(cast)
    statement = months.issue(cast.home)
    months.read(cast.home, {Channel.NODE: 301})
    corrections.draft_revisions(months.APRIL)
    assert lines() == [
        (
            "worker",
            "correction_drafted",
            f"A correction of statement {statement.number} is drafted: it waits to be looked at and issued.",
        )
    ]


def test_a_command_says_that_it_was_one(cast: Cast, capsys: pytest.CaptureFixture[Any]) -> None:
    settled(cast)
    call_command("close_month", "2026-04", "--issue")
    assert {(way, kind) for way, kind, _ in lines()} == {
        ("command", "close_begun"),
        ("command", "rated"),
        ("command", "statements_issued"),
    }
    assert DeskAction.objects.first().who == "A command on the server"
    assert desk_log._way.get() == desk_log.Way.WORKER


def test_nobody_acts_on_a_page_without_a_name(cast: Cast) -> None:
    with desk_log.by_way(desk_log.Way.PAGE), pytest.raises(IntegrityError), transaction.atomic():
        desk_log.record("rated", "Somebody did something.")
