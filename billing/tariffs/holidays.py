"""The holidays that United States tariffs name, by rule, so that a tariff need not be republished each year."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

from billing.tariffs.document import Holidays

MONDAY, THURSDAY, SATURDAY, SUNDAY = 0, 3, 5, 6


def _nth(month: int, weekday: int, nth: int) -> Callable[[int], date]:
    def of_year(year: int) -> date:
        first = date(year, month, 1)
        return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))

    return of_year


def _last_monday_of_may(year: int) -> date:
    last = date(year, 5, 31)
    return last - timedelta(days=last.weekday())


def _fixed(month: int, day: int) -> Callable[[int], date]:
    return lambda year: date(year, month, day)


def _day_after_thanksgiving(year: int) -> date:
    return RULES["thanksgiving"](year) + timedelta(days=1)


RULES: Final[dict[str, Callable[[int], date]]] = {
    "new_years_day": _fixed(1, 1),
    "martin_luther_king_day": _nth(1, MONDAY, 3),
    "presidents_day": _nth(2, MONDAY, 3),
    "cesar_chavez_day": _fixed(3, 31),
    "memorial_day": _last_monday_of_may,
    "juneteenth": _fixed(6, 19),
    "independence_day": _fixed(7, 4),
    "labor_day": _nth(9, MONDAY, 1),
    "columbus_day": _nth(10, MONDAY, 2),
    "veterans_day": _fixed(11, 11),
    "thanksgiving": _nth(11, THURSDAY, 4),
    "day_after_thanksgiving": _day_after_thanksgiving,
    "christmas_day": _fixed(12, 25),
}

OBSERVED: Final = {
    "actual": "the day itself",
    "sunday_to_monday": "a holiday on a Sunday is kept on the Monday",
    "nearest_weekday": "a holiday on a Saturday is kept on the Friday, on a Sunday on the Monday",
}


def days_between(holidays: Holidays, start: date, end: date) -> set[date]:
    """The holidays in [start, end) as they are kept."""
    days = {
        _kept(RULES[name](year), holidays.observed)
        for name in holidays.rules
        for year in range(start.year - 1, end.year + 2)  # New Year's Day may be kept on the last of December
    }
    return {day for day in days | holidays.dates if start <= day < end}


def _kept(day: date, observed: str) -> date:
    if day.weekday() == SUNDAY and observed != "actual":
        return day + timedelta(days=1)
    if day.weekday() == SATURDAY and observed == "nearest_weekday":
        return day - timedelta(days=1)
    return day
