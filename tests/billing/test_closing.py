"""Closing in one process: what is held and why, who moves in between, and that it costs few queries."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing import agreements, closing, tariff_book, tasks
from billing.models import Channel, Close, CloseItem, Statement, TariffVersion
from homes.provisioning import Plan, provision
from tests.billing import months
from tests.billing.checks import commit
from tests.billing.months import APRIL, FLAT, HOLD, MAY
from tests.cast import Cast, needs_database

pytestmark = [needs_database, pytest.mark.usefixtures("as_system")]


def stages(close: Close) -> dict[str, int]:
    return closing.progress(close).stages


def test_a_home_without_readings_is_on_the_desks_list_and_the_others_are_issued(cast: Cast) -> None:
    months.settle_in(cast.home)
    months.settle_in(cast.other_home)
    months.usual(cast.home)
    close = months.close()
    commit()
    assert stages(close) == {"issued": 1, "held": 1}
    held = close.items.get(stage="held")
    assert (held.home_id, held.code, held.remedy) == (
        cast.other_home.pk, "no_readings", "see whether the home's panel reports",
    )  # fmt: skip
    assert Statement.objects.count() == 1
    months.usual(cast.other_home)
    months.close()
    assert stages(close) == {"issued": 2}
    assert Close.objects.get().finished_at is not None


def test_who_moves_in_on_the_ninth_gets_a_statement_of_their_own(cast: Cast) -> None:
    months.settle_in(cast.home, HOLD)
    agreements.conclude(cast.home, FLAT, date(2026, 4, 9))
    months.usual(cast.home)
    close = months.close()
    commit()
    days = [(i.start.day, i.end) for i in close.items.filter(home=cast.home).order_by("start")]
    assert days == [(1, date(2026, 4, 9)), (9, MAY)]
    first, second = Statement.objects.order_by("number")
    assert (first.total_cents < 0, second.total_cents) == (True, 11_000)


def test_without_an_agreement_it_is_held_until_there_is_one(cast: Cast) -> None:
    for home in (cast.home, cast.other_home):
        type(home).objects.filter(pk=home.pk).update(created_at=datetime(2026, 1, 1, tzinfo=UTC))
    months.settle_in(cast.other_home)
    months.usual(cast.other_home)
    months.usual(cast.home)
    close = closing.begin(APRIL)
    assert {item.home_id: item.code for item in close.items.all()} == {
        cast.home.pk: "no_agreement",
        cast.other_home.pk: "",
    }
    tariff_book.assign(cast.home, months.tariff("T"), date(2026, 4, 9))
    agreements.conclude(cast.home, HOLD, date(2026, 4, 9))
    months.close()
    assert close.items.get(home=cast.home).start == date(2026, 4, 9)
    assert stages(close) == {"issued": 2}


def test_a_month_that_is_not_over_is_not_closed(cast: Cast) -> None:
    with pytest.raises(closing.MonthNotOver, match="April 2026 is not over in America/Phoenix"):
        closing.begin(APRIL, now=datetime(2026, 5, 1, 6, 59, tzinfo=UTC))
    assert closing.begin(APRIL, now=datetime(2026, 5, 1, 7, 1, tzinfo=UTC)).month == APRIL


def test_drafts_wait_for_review(cast: Cast) -> None:
    months.settle_in(cast.home)
    months.usual(cast.home)
    close = closing.begin(APRIL)
    assert closing.run(close).stages == {"drafted": 1}
    assert closing.issue_batch(close) == 0
    clerk = cast.people["billing"].party
    assert closing.review(close, clerk, [close.items.get().pk]) == 1
    assert closing.advance(close).stages == {"reviewed": 1}, "approved is not issued: somebody must say so"
    assert closing.start_issuing(close, clerk) == 1
    assert closing.advance(close).stages == {"issued": 1}
    assert not closing.progress(close).is_issuing
    statement = Statement.objects.get()
    assert (statement.issued_by, close.items.get().reviewed_by) == (clerk, clerk)


def test_a_draft_that_is_out_of_date_is_drafted_and_reviewed_anew(cast: Cast) -> None:
    months.settle_in(cast.home)
    months.usual(cast.home)
    close = closing.begin(APRIL)
    closing.run(close)
    closing.review(close)
    closing.start_issuing(close, cast.people["billing"].party)
    before = Statement.objects.get().bill_with_cents
    line = TariffVersion.objects.get().tariff
    later = tariff_book.add_version(line.utility, line.name, months.document(rate=0.13), date(2026, 4, 21))
    tariff_book.publish(later)
    assert closing.advance(close).stages == {"drafted": 1}
    after = Statement.objects.get()
    assert after.number is None
    assert after.bill_with_cents == before + 384  # ten days of 38.4 kWh at a cent more


def test_the_task_goes_on_until_nothing_is_left(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    months.settle_in(cast.home)
    months.usual(cast.home)
    close = closing.begin(APRIL)
    woken: list[Any] = []
    monkeypatch.setattr(tasks.continue_close, "apply_async", lambda **said: woken.append(said["args"]))
    tasks.continue_closes()
    assert woken == [[close.pk]]
    tasks.continue_close(close.pk)
    assert stages(close) == {"drafted": 1}
    assert woken == [[close.pk]]


def test_a_batch_costs_as_many_queries_for_five_homes_as_for_two(cast: Cast) -> None:
    line, counts = months.tariff("One"), []
    for number in range(8):
        home = provision(Plan(f"many-{number:05d}", "America/Phoenix", "Cast Energy", "Cast Cable"))[0].home
        months.settle_in(home, HOLD, line=line)
        months.read(home, {Channel.SITE_IMPORT: 400, Channel.NODE: 300})
    close = closing.begin(APRIL)
    close.items.exclude(home__node__hostname__startswith="many").delete()
    for size in (1, 2, 5):
        with CaptureQueriesContext(connection) as drafting:
            closing.draft_batch(close, size)
        closing.review(close)
        with CaptureQueriesContext(connection) as issuing:
            closing.issue_batch(close, size=size)
        counts.append((len(drafting), len(issuing)))
    assert stages(close) == {"issued": 8}
    assert counts[1] == counts[2]
    assert counts[2][0] <= 25
    assert counts[2][1] <= 30


def test_the_command_says_what_is_held(cast: Cast, capsys: pytest.CaptureFixture[str]) -> None:
    months.settle_in(cast.home)
    call_command("close_month", "2026-04", "--issue")
    assert "held: Home of cast-00001 from 2026-04-01: there are no readings at all" in capsys.readouterr().out
    for wrong, said in (("2026-4x", "is not a month"), ("2199-01", "is not over")):
        with pytest.raises(CommandError, match=said):
            call_command("close_month", wrong)
    assert CloseItem.objects.filter(stage="held").count() == 1
