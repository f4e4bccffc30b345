"""The last days continued: which days, which quarter-hours, and what a clock change does to them."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from billing.forecast import basis_before, continued, part_of
from billing.rating import Period, Usage

PHOENIX, LOS_ANGELES = "America/Phoenix", "America/Los_Angeles"


def usage(zone: str, start: date, end: date, first: int = 0) -> Usage:
    """Each quarter-hour has a number of its own."""
    period = Period(zone, start, end)
    numbers = np.arange(first, first + period.interval_count)
    return Usage(period, numbers * 3, numbers, numbers * 2)


@pytest.mark.parametrize(
    ("known_days", "basis_days"), [(0, None), (2, None), (3, 3), (6, 6), (7, 7), (13, 7), (14, 14), (90, 14)]
)
def test_the_basis_is_two_weeks_one_or_the_days_there_are(known_days: int, basis_days: int | None) -> None:
    end = date(2026, 11, 24)
    found = basis_before(end, date.fromordinal(end.toordinal() - known_days))
    assert (found and found.days) == basis_days
    assert found is None or found.end == end


def test_the_month_so_far_stays_and_a_saturday_is_continued_by_a_saturday() -> None:
    known = usage(PHOENIX, date(2026, 10, 18), date(2026, 11, 15))
    so_far, basis = (
        part_of(known, date(2026, 11, 1), date(2026, 11, 15)),
        part_of(known, date(2026, 11, 1), date(2026, 11, 15)),
    )
    month = continued(so_far, basis, date(2026, 11, 1), date(2026, 12, 1))
    assert month.period.day_count == 30
    assert (month.node_wh[: 14 * 96] == so_far.node_wh).all()
    for day in range(14, 30):
        again = slice((day - 14) * 96, (day - 13) * 96)
        assert (month.node_wh[day * 96 : (day + 1) * 96] == month.node_wh[again]).all()
    assert (month.site_export_wh * 2 == month.node_wh).all()
    assert month.solar_wh is None


def test_on_the_first_of_the_month_all_of_it_is_the_days_before() -> None:
    basis = usage(PHOENIX, date(2026, 10, 18), date(2026, 11, 1))
    month = continued(None, basis, date(2026, 11, 1), date(2026, 12, 1))
    assert (month.node_wh[: 14 * 96] == basis.node_wh).all()
    assert month.period.interval_count == len(month.node_wh)


def test_a_day_of_25_hours_repeats_the_hour_that_the_clock_repeats() -> None:
    basis = usage(LOS_ANGELES, date(2026, 10, 25), date(2026, 11, 1))
    month = continued(None, basis, date(2026, 11, 1), date(2026, 11, 8))
    sunday = month.site_export_wh[:100]
    assert (sunday[:8] == basis.site_export_wh[:8]).all()
    assert (sunday[8:12] == sunday[4:8]).all()
    assert (sunday[12:] == basis.site_export_wh[8:96]).all()


def test_a_day_of_23_hours_leaves_out_the_hour_that_the_clock_leaves_out() -> None:
    basis = usage(LOS_ANGELES, date(2026, 3, 1), date(2026, 3, 8))
    sunday = continued(None, basis, date(2026, 3, 8), date(2026, 3, 9)).site_export_wh
    assert sunday.tolist() == [*range(8), *range(12, 96)]


def test_days_after_a_day_of_23_hours_take_the_hour_before_for_what_it_had_not() -> None:
    known = usage(LOS_ANGELES, date(2026, 3, 8), date(2026, 3, 15))
    monday_week = continued(known, known, date(2026, 3, 8), date(2026, 3, 16)).site_export_wh[-96:]
    assert monday_week.tolist() == [*range(8), 7, 7, 7, 7, *range(8, 92)]
