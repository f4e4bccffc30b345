"""Whole months by the local calendar: how long they are, what is fixed in them, and where the clock is changed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest

from billing.rating import TZDATA_VERSION, Component, Period, UnknownZone, rate
from billing.rating.period import zone_of
from tests.billing.documents import ALWAYS, hours, spans, tariff
from tests.billing.usages import month, none, usage

ANGELES, PHOENIX = "America/Los_Angeles", "America/Phoenix"


@pytest.mark.parametrize(
    ("year", "number", "zone", "quarters", "days"),
    [
        (2026, 3, ANGELES, 31 * 96 - 4, 31),
        (2026, 11, ANGELES, 30 * 96 + 4, 30),
        (2026, 3, PHOENIX, 31 * 96, 31),
        (2026, 11, PHOENIX, 30 * 96, 30),
        (2028, 2, ANGELES, 29 * 96, 29),
        (2028, 2, PHOENIX, 29 * 96, 29),
        (2026, 2, PHOENIX, 28 * 96, 28),
        (2026, 1, PHOENIX, 2976, 31),
    ],
)
def test_whole_months(year: int, number: int, zone: str, quarters: int, days: int) -> None:
    period = month(year, number, zone)
    assert (period.interval_count, period.day_count) == (quarters, days)
    assert len(period.starts()) == quarters
    assert (np.diff(period.starts()) == 900).all()
    rated = rate(
        usage(period, imported=np.full(quarters, 250)),
        spans(period, tariff(fixedchargefirstmeter=0.458, fixedchargeunits="$/day")),
    )
    assert rated.total(Component.FIXED) == days * Decimal("0.458")
    assert rated.total(Component.ENERGY) == quarters * Decimal("0.025")
    by_month = rate(
        usage(period, imported=none(period)),
        spans(period, tariff(fixedchargefirstmeter=18, fixedchargeunits="$/month")),
    )
    assert by_month.total() == 18
    by_year = rate(
        usage(period, imported=none(period)),
        spans(period, tariff(fixedchargefirstmeter=120, fixedchargeunits="$/year")),
    )
    assert by_year.total() == 10


def test_a_period_begins_and_ends_at_local_midnight() -> None:
    period = month(2026, 3, ANGELES)
    assert period.starts_at == datetime(2026, 3, 1, 8, tzinfo=UTC)
    assert period.ends_at == datetime(2026, 4, 1, 7, tzinfo=UTC)
    assert period.starts()[0] == period.starts_at.timestamp()
    assert period.index_of(date(2026, 3, 9)) == 8 * 96 - 4


@pytest.mark.parametrize(("day", "quarters"), [(date(2026, 3, 8), 92), (date(2026, 11, 1), 100)])
def test_a_day_on_which_the_clock_is_changed(day: date, quarters: int) -> None:
    assert Period(ANGELES, day, date.fromordinal(day.toordinal() + 1)).interval_count == quarters


def test_both_quarters_past_one_are_kept_and_their_demand_is_never_added() -> None:
    """On the autumn night 01:15 comes twice: energy counts both, demand is that of one."""
    day = Period(ANGELES, date(2026, 11, 1), date(2026, 11, 2))
    wh = none(day)
    first = (datetime(2026, 11, 1, 1, 15, tzinfo=zone_of(ANGELES)).astimezone(UTC) - day.starts_at).seconds // 900
    second = (
        datetime(2026, 11, 1, 1, 15, fold=1, tzinfo=zone_of(ANGELES)).astimezone(UTC) - day.starts_at
    ).seconds // 900
    assert second - first == 4
    wh[[first, second]] = 1500
    for minutes, kw in ((15, "6"), (30, "3"), (60, "1.5")):
        demanding = tariff(
            energyratestructure=[[{"rate": 0.1}], [{"rate": 0.2}]],
            energyweekdayschedule=ALWAYS,
            energyweekendschedule=hours((0, 0), (1, 1), (2, 0)),
            holidays={"treated_as": "weekday"},
            flatdemandstructure=[[{"rate": 1}]],
            flatdemandmonths=[0] * 12,
            demandwindow=minutes,
            demand_window="fixed",
            proration="whole",
        )
        rated = rate(usage(day, imported=wh), spans(day, demanding))
        assert rated.total(Component.DEMAND_FLAT) == Decimal(kw)
        [energy] = [segment for segment in rated.segments if segment.component is Component.ENERGY]
        assert (energy.period, energy.quantity) == (1, 3)


def test_the_hour_that_the_spring_skips_is_no_hour() -> None:
    """From 01:59 the clock goes to 03:00: a period from 2 to 3 has nothing on that day."""
    day = Period(ANGELES, date(2026, 3, 8), date(2026, 3, 9))
    night = tariff(
        energyratestructure=[[{"rate": 0.1}], [{"rate": 0.2}]],
        energyweekdayschedule=ALWAYS,
        energyweekendschedule=hours((0, 0), (2, 1), (3, 0)),
        holidays={"treated_as": "weekday"},
    )
    rated = rate(usage(day, imported=np.full(92, 100)), spans(day, night))
    assert {segment.period for segment in rated.segments} == {0}
    assert rated.total() == Decimal("0.92")


def test_holidays_follow_the_weekend() -> None:
    """Labor Day 2026 is 7 September, a Monday."""
    day = Period(PHOENIX, date(2026, 9, 7), date(2026, 9, 8))
    changes = {
        "energyratestructure": [[{"rate": 0.1}], [{"rate": 0.3}]],
        "energyweekdayschedule": [[1] * 24] * 12,
        "energyweekendschedule": ALWAYS,
    }
    used = usage(day, imported=np.full(96, 100))
    kept = tariff(**changes, holidays={"treated_as": "weekend", "days": ["labor_day"], "observed": "actual"})
    dated = tariff(**changes, holidays={"treated_as": "weekend", "dates": ["2026-09-07"]})
    ignored = tariff(**changes, holidays={"treated_as": "weekday"})
    assert rate(used, spans(day, kept)).total() == Decimal("0.96")
    assert rate(used, spans(day, dated)).total() == Decimal("0.96")
    assert rate(used, spans(day, ignored)).total() == Decimal("2.88")


def test_zones_are_of_the_pinned_package() -> None:
    assert TZDATA_VERSION[:2] == "20"
    for name in ("Mars/Olympus", "../etc/passwd", "", "America", "America/../America/Phoenix"):
        with pytest.raises(UnknownZone):
            Period(name, date(2026, 1, 1), date(2026, 2, 1))


def test_a_period_is_not_empty() -> None:
    with pytest.raises(ValueError, match="ends after"):
        Period(PHOENIX, date(2026, 1, 1), date(2026, 1, 1))
