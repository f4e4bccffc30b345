"""From a line back to the quarter-hours and the tariff's row: sums, hours in words, and the versions that were used."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from billing import used_readings
from billing.models import Channel, Segment, Statement
from billing.priced_intervals import hours_of
from billing.tariffs.document import Schedule
from tests.billing.months import APRIL, MAY, issue, read, settle_in, tariff, usual, write
from tests.cast import Cast, needs_database

pytestmark = [needs_database, pytest.mark.usefixtures("as_system")]
EVENING = [1 if 14 <= hour < 20 else 0 for hour in range(24)]


def two_periods(cast: Cast) -> Statement:
    """Weekday evenings are dearer."""
    line = tariff(
        energyratestructure=[
            [{"rate": 0.1, "max": 500, "unit": "kWh"}, {"rate": 0.12}],
            [{"rate": 0.3, "unit": "kWh"}],
        ],
        energyweekdayschedule=[EVENING] * 12,
        energyweekendschedule=[[0] * 24] * 12,
        tier_basis="per_period",
        holidays={"treated_as": "weekday"},
    )
    settle_in(cast.home, line=line)
    usual(cast.home)
    return issue(cast.home)


def test_a_lines_days_sum_to_its_kwh(cast: Cast) -> None:
    statement = two_periods(cast)
    found = used_readings.priced(statement.run)
    lines = list(statement.lines.filter(component="energy"))
    assert {(line.tou_period, line.tier) for line in lines} == {(0, 0), (0, 1), (1, 0)}
    for tou in (0, 1):
        days = found.days_of("energy", 0, tou)
        of_row = [line for line in lines if line.tou_period == tou]
        assert sum(day.with_wh for day in days) == 1000 * sum(line.quantity_with for line in of_row)
        assert sum(day.without_wh for day in days) == 1000 * sum(line.quantity_without for line in of_row)
    assert len(found.days_of("energy", 0, 1)) == 22
    assert {day.quarters for day in found.days_of("energy", 0, 1)} == {24}


def test_quarter_hours_price_the_segments(cast: Cast) -> None:
    """A stranger's way: each quarter-hour's Wh at its row's rate."""
    statement = two_periods(cast)
    found = used_readings.priced(statement.run)
    evening = [each for each in found.intervals_of(APRIL, MAY) if each.tou_period == 1]
    assert evening[0].rates == (Decimal("0.3"),)
    exact = sum(each.site_import_wh for each in evening) * Decimal("0.0003")
    segment = Segment.objects.get(run=statement.run, side="with", tou_period=1)
    assert segment.exact == exact


def test_intervals_of_a_day_say_which_are_the_lines(cast: Cast) -> None:
    found = used_readings.priced(two_periods(cast).run)
    wednesday = date(2026, 4, 1)
    marks = found.is_of("energy", 0, 1, wednesday)
    assert [place for place, is_here in enumerate(marks) if is_here] == list(range(56, 80))
    assert len(found.intervals_of(wednesday, wednesday + timedelta(days=1))) == 96
    assert found.intervals_of(wednesday, wednesday + timedelta(days=1))[0].without_import_wh == 100


def test_later_versions_do_not_change_what_was_used(cast: Cast) -> None:
    settle_in(cast.home)
    usual(cast.home)
    statement = issue(cast.home)
    write(cast.home, Channel.NODE, APRIL, [7] * 96)
    read(cast.home, {Channel.SOLAR: 9}, APRIL, APRIL + timedelta(days=1))
    found = used_readings.priced(Statement.objects.select_related("run__period").get(pk=statement.pk).run)
    assert int(found.usage.node_wh.sum()) == statement.run.node_wh
    assert found.usage.solar_wh is None


def _schedule(weekday: list[int], weekend: list[int]) -> Schedule:
    return Schedule((tuple(weekday),) * 12, (tuple(weekend),) * 12)


@pytest.mark.parametrize(
    ("weekday", "weekend", "expected"),
    [
        (EVENING, [0] * 24, ("weekdays 2 pm to 8 pm",)),
        ([1] * 24, [1] * 24, ("every day, all day",)),
        ([1] * 8 + [0] * 14 + [1] * 2, [1] * 24, ("weekdays 10 pm to 8 am", "weekends and holidays, all day")),
        ([0] * 6 + [1] * 3 + [0] * 9 + [1] * 6, [0] * 24, ("weekdays 6 am to 9 am and 6 pm to midnight",)),
        ([0] * 12 + [1] * 1 + [0] * 11, [0] * 12 + [1] * 1 + [0] * 11, ("every day noon to 1 pm",)),
        ([0] * 24, [0] * 24, ()),
    ],
)
def test_hours_in_words(weekday: list[int], weekend: list[int], expected: tuple[str, ...]) -> None:
    assert hours_of(_schedule(weekday, weekend), 1, [4]) == expected
