"""The month before it is billed: what a statement would say, how far readings go, what is said without."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from billing import month_to_date
from billing.models import Channel
from homes.access import acting_as
from tests.billing.months import APRIL, FLAT, MAY, issue, settle_in, tariff, usual, write
from tests.cast import Cast, needs_database

pytestmark = [needs_database, pytest.mark.usefixtures("as_system")]


def at(on: date, hour: int = 12) -> datetime:
    """Phoenix is seven hours behind."""
    return datetime(on.year, on.month, on.day, hour + 7, tzinfo=UTC)


def test_a_month_that_is_over_comes_to_what_its_statement_says(cast: Cast) -> None:
    settle_in(cast.home)
    usual(cast.home)
    whole = month_to_date.of(cast.home, at(MAY - timedelta(days=1), 12))
    assert whole.end == MAY - timedelta(days=1)
    said = issue(cast.home)
    forecast = whole.forecast
    assert forecast is not None
    assert forecast.figures.you_pay == said.you_pay_cents
    assert forecast.figures.we_pay == said.we_pay_cents
    assert forecast.figures.saved == said.saved_cents


def test_figures_and_lines_agree(cast: Cast) -> None:
    settle_in(cast.home)
    usual(cast.home)
    found = month_to_date.of(cast.home, at(date(2026, 4, 16)))
    assert (found.start, found.end, found.month_end) == (APRIL, date(2026, 4, 16), MAY)
    assert found.problem is None
    assert sum(line.host_cash_cents for line in found.lines) == found.figures.you_pay
    assert sum(line.operator_cash_cents for line in found.lines) == found.figures.we_pay
    assert found.figures.you_pay + found.figures.we_pay == found.figures.bill_with + found.figures.internet
    assert found.forecast is not None
    assert found.forecast.basis.days == 14


def test_it_ends_where_the_readings_do_and_says_so(cast: Cast) -> None:
    settle_in(cast.home)
    usual(cast.home, APRIL, date(2026, 4, 10))
    write(cast.home, Channel.NODE, date(2026, 4, 10), [1000] * 96)
    found = month_to_date.of(cast.home, at(date(2026, 4, 16)))
    assert found.end == date(2026, 4, 10)
    assert found.problem is not None
    assert found.problem.code == "incomplete"
    assert "10 April" in found.problem.problem


@pytest.mark.parametrize(("days", "basis_days"), [(2, None), (3, 3), (9, 7)])
def test_a_forecast_needs_three_days(cast: Cast, days: int, basis_days: int | None) -> None:
    settle_in(cast.home)
    usual(cast.home, APRIL, APRIL + timedelta(days=days))
    forecast = month_to_date.of(cast.home, at(APRIL + timedelta(days=days))).forecast
    assert (forecast and forecast.basis.days) == basis_days


def test_an_agreement_that_began_in_the_month_begins_it_and_another_parts_it(cast: Cast) -> None:
    line = tariff()
    settle_in(cast.home, start=date(2026, 4, 9), line=line)
    settle_in(cast.home, FLAT, date(2026, 4, 12), line=line)
    usual(cast.home)
    found = month_to_date.of(cast.home, at(date(2026, 4, 16)))
    assert found.start == date(2026, 4, 9)
    assert [part.usage.period.day_count for part in found.parts] == [3, 4]
    assert [part.spans[0].start for part in found.parts] == [date(2026, 4, 9), date(2026, 4, 12)]


@pytest.mark.parametrize(
    ("agreed", "read", "on", "code"),
    [
        (False, True, date(2026, 4, 16), "no_agreement"),
        (True, True, APRIL, "first_day"),
        (True, False, date(2026, 4, 16), "no_readings"),
    ],
)
def test_where_there_is_nothing_it_says_why(cast: Cast, agreed: bool, read: bool, on: date, code: str) -> None:
    if agreed:
        settle_in(cast.home)
    if read:
        usual(cast.home)
    found = month_to_date.of(cast.home, at(on))
    assert not found.has_figures
    assert found.problem is not None
    assert found.problem.code == code


def test_a_member_is_shown_the_money_without_being_shown_the_agreement(cast: Cast) -> None:
    settle_in(cast.home)
    usual(cast.home)
    with acting_as(cast.people["member"].pk):
        assert month_to_date.of(cast.home, at(date(2026, 4, 16))).has_figures
