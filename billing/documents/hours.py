"""When a tariff's time-of-use periods are, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Any, Final

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def energy_hours(document: Mapping[str, Any], start: date, end: date) -> tuple[str, ...]:
    """For each energy period of a tariff document that the days [start, end) can have; none where there is only one."""
    if len(document["energyratestructure"]) < 2:
        return ()
    months = _months(start, end)
    tables = (document["energyweekdayschedule"], document["energyweekendschedule"])
    periods = sorted({period for table in tables for month in months for period in table[month]})
    return tuple(f"Period {period + 1}: {_when(tables, months, period)}." for period in periods)


def _months(start: date, end: date) -> list[int]:
    """0-11, in the order in which the days touch them."""
    return list(dict.fromkeys((start + timedelta(days=count)).month - 1 for count in range((end - start).days)))


def _when(tables: Sequence[Sequence[Sequence[int]]], months: Sequence[int], period: int) -> str:
    said = []
    for texts, group in groupby(months, key=lambda month: _days(tables, month, period)):
        names = [_MONTHS[month] for month in group]
        where = f" ({', '.join(names)})" if len(names) < len(months) else ""
        if texts:
            said.append(f"{texts}{where}")
    return "; ".join(said)


def _days(tables: Sequence[Sequence[Sequence[int]]], month: int, period: int) -> str:
    weekday, weekend = (_hours(table[month], period) for table in tables)
    if weekday == weekend:
        return f"every day {weekday}" if weekday else ""
    parts = [f"{name} {hours}" for name, hours in (("weekdays", weekday), ("weekends", weekend)) if hours]
    return ", ".join(parts)


def _hours(row: Sequence[int], period: int) -> str:
    spans = [list(group) for found, group in groupby(range(24), key=lambda hour: row[hour] == period) if found]
    if spans == [list(range(24))]:
        return "all day"
    if len(spans) > 1 and spans[0][0] == 0 and spans[-1][-1] == 23:  # past midnight it is one stretch
        spans = [*spans[1:-1], [*spans[-1], *spans[0]]]
    return _joined(f"{_clock(hours[0])} to {_clock(hours[-1] + 1)}" for hours in spans)


def _joined(texts: Iterable[str]) -> str:
    *first, last = [*texts] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _clock(hour: int) -> str:
    names = {0: "midnight", 12: "noon", 24: "midnight"}
    return names.get(hour) or f"{(hour - 1) % 12 + 1} {'am' if hour < 12 else 'pm'}"
