"""From a line back to its quarter-hours: which ones its tariff row priced, and what was used in each. Pure."""

from __future__ import annotations

from calendar import month_abbr
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Final

import numpy as np

from billing.rating import Component, Period, TariffSpan, Usage
from billing.rating.calendar import Bools, calendar_of, scheduled
from billing.rating.period import Ints
from billing.tariffs import Tariff
from billing.tariffs.document import Schedule, Tier

ENERGY: Final = frozenset({Component.ENERGY, Component.EXPORT})
_TIMED: Final = ENERGY | {Component.DEMAND_TOU}


@dataclass(frozen=True, slots=True)
class Interval:
    """A quarter-hour from `at`, in Wh; `rates` are dollars a kWh of its period's tiers, the lowest tier first."""

    at: datetime
    site_import_wh: int
    site_export_wh: int
    node_wh: int
    without_import_wh: int
    without_export_wh: int
    tou_period: int
    rates: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """What of a local day belongs to a line. Wh, and the highest quarter-hour's average watts."""

    on: date
    quarters: int
    with_wh: int
    without_wh: int
    peak_watts: int
    peak_without_watts: int

    @property
    def node_wh(self) -> int:
        return self.with_wh - self.without_wh


@dataclass(frozen=True)
class Priced:
    """Usage beside the tariffs that priced it."""

    usage: Usage
    spans: tuple[TariffSpan, ...]

    @property
    def period(self) -> Period:
        return self.usage.period

    @cached_property
    def without(self) -> Usage:
        return self.usage.without_node()

    @cached_property
    def tou(self) -> Ints:
        """The energy period of each quarter-hour."""
        found = np.zeros(self.period.interval_count, np.int64)
        for span in self.spans:
            within = self._within(span)
            tariff = span.tariff
            found[within] = scheduled(calendar_of(self.period), tariff.schedule, tariff.holidays)[within]
        return found

    def days_of(self, component: str, span: int, tou_period: int | None) -> list[Day]:
        """The days on which a line's row of the tariff applied."""
        chosen = self._chosen(component, span, tou_period)
        if component == Component.EXPORT:
            bought, home = self.usage.site_export_wh, self.without.site_export_wh
        else:
            bought, home = self.usage.site_import_wh, self.without.site_import_wh
        days = []
        for on in self.period.days():
            first, last = self.period.index_of(on), self.period.index_of(on + timedelta(days=1))
            here = chosen[first:last]
            if here.any():
                with_wh, without_wh = bought[first:last][here], home[first:last][here]
                sums = int(with_wh.sum()), int(without_wh.sum())
                days.append(Day(on, int(here.sum()), *sums, int(with_wh.max()) * 4, int(without_wh.max()) * 4))
        return days

    def intervals_of(self, start: date, end: date) -> list[Interval]:
        """Every quarter-hour of local days [start, end)."""
        starts, rates = self.period.starts(), self._rates()
        site, home, tou = self.usage, self.without, self.tou
        return [
            Interval(
                at=datetime.fromtimestamp(int(starts[place]), UTC),
                site_import_wh=int(site.site_import_wh[place]),
                site_export_wh=int(site.site_export_wh[place]),
                node_wh=int(site.node_wh[place]),
                without_import_wh=int(home.site_import_wh[place]),
                without_export_wh=int(home.site_export_wh[place]),
                tou_period=int(tou[place]),
                rates=rates[int(self.span_index[place])][int(tou[place])],
            )
            for place in range(self.period.index_of(start), self.period.index_of(end))
        ]

    def is_of(self, component: str, span: int, tou_period: int | None, on: date) -> list[bool]:
        """For each quarter-hour of a day, whether the line's row applied."""
        first, last = self.period.index_of(on), self.period.index_of(on + timedelta(days=1))
        return [bool(each) for each in self._chosen(component, span, tou_period)[first:last]]

    @cached_property
    def span_index(self) -> Ints:
        found = np.zeros(self.period.interval_count, np.int64)
        for index, span in enumerate(self.spans):
            found[self._within(span)] = index
        return found

    def _rates(self) -> list[list[tuple[Decimal, ...]]]:
        return [[tuple(tier.rate for tier in each.tiers) for each in span.tariff.energy] for span in self.spans]

    def _within(self, span: TariffSpan) -> slice:
        return slice(self.period.index_of(span.start), self.period.index_of(span.end))

    def _chosen(self, component: str, span: int, tou_period: int | None) -> Bools:
        tariff, tou = self.spans[span].tariff, self.tou
        chosen: Bools = self.span_index == span
        if tou_period is None or component not in _TIMED:
            return chosen
        if component == Component.DEMAND_TOU and tariff.demand is not None and tariff.demand.tou_schedule is not None:
            tou = scheduled(calendar_of(self.period), tariff.demand.tou_schedule, tariff.holidays)
        here: Bools = tou == tou_period
        return chosen & here


@dataclass(frozen=True, slots=True)
class Row:
    """The row of a tariff that priced a line: its tiers, and when it applies in the months of the days."""

    tiers: tuple[Tier, ...]
    unit: str
    hours: tuple[str, ...]


def row_of(tariff: Tariff, component: str, tou_period: int | None, months: Sequence[int]) -> Row | None:
    """None for a line that no time-of-use row priced. `months` are 1 to 12."""
    if tou_period is None:
        return None
    if component in ENERGY:
        period = tariff.energy[tou_period]
        return Row(period.tiers, str(period.unit), hours_of(tariff.schedule, tou_period, months))
    demand = tariff.demand
    if component == Component.DEMAND_TOU and demand is not None and demand.tou_schedule is not None:
        return Row(demand.tou[tou_period], "kW", hours_of(demand.tou_schedule, tou_period, months))
    return None


def hours_of(schedule: Schedule, tou_period: int, months: Sequence[int]) -> tuple[str, ...]:
    """When a period applies in these months, in words: `weekdays 2 pm to 8 pm`; of hours that only some of the months
    have, with the names of those: `every day, all day (May)`."""
    found: dict[str, list[str]] = {}
    for month in months:
        weekday, weekend = schedule.weekday[month - 1], schedule.weekend[month - 1]
        if weekday == weekend:
            said = [_spoken("every day", weekday, tou_period)]
        else:
            said = [_spoken("weekdays", weekday, tou_period), _spoken("weekends and holidays", weekend, tou_period)]
        for phrase in filter(None, said):
            found.setdefault(phrase, []).append(month_abbr[month])
    return tuple(
        phrase if len(names) == len(months) else f"{phrase} ({', '.join(names)})" for phrase, names in found.items()
    )


def _spoken(days: str, hours: Sequence[int], tou_period: int) -> str:
    stretches = _stretches([hour == tou_period for hour in hours])
    if not stretches:
        return ""
    if stretches == [(0, 24)]:
        return f"{days}, all day"
    return f"{days} " + " and ".join(f"{_hour(begin)} to {_hour(end)}" for begin, end in stretches)


def _stretches(chosen: Sequence[bool]) -> list[tuple[int, int]]:
    """Runs of hours [begin, end); one that goes over midnight is told as one, from the evening to the morning."""
    found: list[tuple[int, int]] = []
    for hour, is_chosen in enumerate(chosen):
        if is_chosen and found and found[-1][1] == hour:
            found[-1] = (found[-1][0], hour + 1)
        elif is_chosen:
            found.append((hour, hour + 1))
    if len(found) > 1 and found[0][0] == 0 and found[-1][1] == len(chosen):
        return [*found[1:-1], (found[-1][0], found[0][1])]
    return found


def _hour(hour: int) -> str:
    if hour in (0, 24):
        return "midnight"
    return "noon" if hour == 12 else f"{(hour - 1) % 12 + 1} {'am' if hour < 12 else 'pm'}"
