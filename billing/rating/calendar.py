"""The local calendar of a period's quarter-hours, and which time-of-use period of a tariff each is in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from billing.rating.period import Ints, Period, zone_of
from billing.tariffs.document import Holidays, Schedule
from billing.tariffs.holidays import SATURDAY, days_between

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Calendar:
    """For each quarter-hour: local month (0-11) and hour (0-23), and which day of the period it is in, from 0."""

    month: Ints
    hour: Ints
    day: Ints
    days: tuple[date, ...]


@lru_cache(maxsize=256)
def calendar_of(period: Period) -> Calendar:
    zone = zone_of(period.zone)
    local = [datetime.fromtimestamp(second, zone) for second in period.starts().tolist()]
    first = period.start.toordinal()
    return Calendar(
        month=np.array([moment.month - 1 for moment in local], dtype=np.int64),
        hour=np.array([moment.hour for moment in local], dtype=np.int64),
        day=np.array([moment.toordinal() - first for moment in local], dtype=np.int64),
        days=tuple(period.days()),
    )


def scheduled(calendar: Calendar, schedule: Schedule, holidays: Holidays) -> Ints:
    """The schedule's period for each quarter-hour, by the local clock; holidays follow the weekend."""
    kept = days_between(holidays, calendar.days[0], date.fromordinal(calendar.days[-1].toordinal() + 1))
    is_weekend = np.array([day.weekday() >= SATURDAY or day in kept for day in calendar.days])[calendar.day]
    weekday, weekend = np.array(schedule.weekday), np.array(schedule.weekend)
    place = (calendar.month, calendar.hour)
    return np.where(is_weekend, weekend[place], weekday[place]).astype(np.int64)
