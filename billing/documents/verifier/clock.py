"""The local calendar: which day, month and hour each quarter-hour is in, and which days are holidays.

The bundle says by how many seconds the home's clock differs from UTC from when on (clock.json), so that no time-zone
data is needed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

QUARTER_SECONDS: Final = 900
EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 -- the wall clock's own beginning, to count from


@dataclass(frozen=True)
class Quarter:
    """A quarter-hour by the clock on the home's wall."""

    starts_at: int
    on: date
    hour: int
    minute: int


def wall_clock(clock: Mapping[str, Any], count: int) -> list[Quarter]:
    """The period's quarter-hours, one after the other from `starts_at`."""
    return [quarter_at(clock, clock["starts_at"] + QUARTER_SECONDS * index) for index in range(count)]


def quarter_at(clock: Mapping[str, Any], second: int) -> Quarter:
    offset = [entry["seconds"] for entry in clock["offsets"] if entry["from"] <= second][-1]
    local = EPOCH + timedelta(seconds=second + offset)
    return Quarter(second, local.date(), local.hour, local.minute)


def days_of(start: date, end: date) -> list[date]:
    return [start + timedelta(days=count) for count in range((end - start).days)]


def instant(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()


def nth_weekday(month: int, weekday: int, nth: int) -> Callable[[int], date]:
    """The nth Monday (0) to Sunday (6) of a month, by year; the last for 0."""

    def of_year(year: int) -> date:
        of_month = [date(year, month, 1) + timedelta(days=count) for count in range(31)]
        found = [day for day in of_month if day.month == month and day.weekday() == weekday]
        return found[nth - 1]

    return of_year


def same_day(month: int, day: int) -> Callable[[int], date]:
    return lambda year: date(year, month, day)


HOLIDAYS: Final[Mapping[str, Callable[[int], date]]] = {
    "new_years_day": same_day(1, 1),
    "martin_luther_king_day": nth_weekday(1, 0, 3),
    "presidents_day": nth_weekday(2, 0, 3),
    "cesar_chavez_day": same_day(3, 31),
    "memorial_day": nth_weekday(5, 0, 0),
    "juneteenth": same_day(6, 19),
    "independence_day": same_day(7, 4),
    "labor_day": nth_weekday(9, 0, 1),
    "columbus_day": nth_weekday(10, 0, 2),
    "veterans_day": same_day(11, 11),
    "thanksgiving": nth_weekday(11, 3, 4),
    "day_after_thanksgiving": lambda year: nth_weekday(11, 3, 4)(year) + timedelta(days=1),
    "christmas_day": same_day(12, 25),
}


def holidays_of(stated: Mapping[str, Any] | None, years: Sequence[int]) -> set[date]:
    """The days that a tariff treats as weekend, as they are kept: moved off a weekend where it says so."""
    if not stated or stated["treated_as"] != "weekend":
        return set()
    kept = {date.fromisoformat(day) for day in stated.get("dates") or []}
    for name in stated.get("days") or []:
        for year in years:
            day = HOLIDAYS[name](year)
            if day.weekday() == 6 and stated["observed"] in ("sunday_to_monday", "nearest_weekday"):
                day += timedelta(days=1)
            elif day.weekday() == 5 and stated["observed"] == "nearest_weekday":
                day -= timedelta(days=1)
            kept.add(day)
    return kept
