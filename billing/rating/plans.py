"""What rating a period on its tariffs comes down to, worked out once for all homes of a zone: index arrays and bounds.

A period has spans (one tariff each); a span has parts, within which kWh fill the same tiers; a bin is what of a part
lies in one calendar month and one time-of-use period.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np

from billing.money import divide_half_away
from billing.rating.calendar import Calendar, calendar_of, scheduled
from billing.rating.demand_plans import DemandPlan, demand_plan_of
from billing.rating.grouping import Grouping
from billing.rating.period import Ints, Period
from billing.rating.segments import TariffSpan
from billing.tariffs.document import EnergyPeriod, ExportRule, Netting, Proration, Tariff, TierBasis

NANO = 10**9
"""Tier bounds and the kWh in a tier are whole numbers of nano-watt-hours, so that shares of them can be exact."""


class UntiledPeriod(ValueError):
    """The tariff spans leave a gap in the period, overlap or go beyond it; or the period is not within its cycle."""


@dataclass(frozen=True, eq=False)
class EnergyBins:
    """The bins of one time-of-use period in one part."""

    number: int
    period: EnergyPeriod
    bins: tuple[int, ...]
    bounds: tuple[int, ...] | None
    """Upper bounds of all tiers but the last in nano-Wh; None where they depend on the demand."""
    labels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Part:
    """Quarter-hours [first, last) of a span that fill the same tiers."""

    first: int
    last: int
    days: int
    of_days: int
    """What a tier's bound is meant for, in days."""
    periods: tuple[EnergyBins, ...]
    by_period: Grouping | None
    """Of chronological tiers: the part's quarter-hours by position in `periods`."""


@dataclass(frozen=True, eq=False)
class Span:
    """A tariff's part of the period: quarter-hours [first, last)."""

    index: int
    tariff: Tariff
    first: int
    last: int
    days: int
    cycle_days: int
    is_last: bool
    days_of_month: tuple[int, ...]
    bins_of_month: tuple[tuple[int, tuple[int, ...]], ...]
    """(month 0-11, energy bins) for each month that the span touches."""
    bins_of_period: tuple[tuple[int, tuple[int, ...]], ...]
    """(time-of-use period, energy bins)."""
    parts: tuple[Part, ...]
    demand: DemandPlan | None


@dataclass(frozen=True, eq=False)
class Plan:
    period: Period
    spans: tuple[Span, ...]
    energy: Grouping
    billing_month: date
    """First of the month that the period's last day is in."""
    nets_hourly: bool
    buys_all: bool


@lru_cache(maxsize=1024)
def plan_of(
    period: Period, spans: tuple[TariffSpan, ...], cycle_start: date | None = None, cycle_end: date | None = None
) -> Plan:
    cycle = (cycle_start or period.start, cycle_end or period.end)
    _refuse_untiled(period, spans, cycle)
    calendar = calendar_of(period)
    bins = np.empty(period.interval_count, dtype=np.int64)
    made, bin_count = [], 0
    for index, span in enumerate(spans):
        builder = _SpanBuilder(period, calendar, span, index, (cycle[1] - cycle[0]).days)
        made.append(builder.build(bins, bin_count))
        bin_count = int(bins[builder.first : builder.last].max()) + 1
    exports = [span.tariff.export for span in spans]
    return Plan(
        period=period,
        spans=tuple(made),
        energy=Grouping.of(bins, bin_count),
        billing_month=date.fromordinal(period.end.toordinal() - 1).replace(day=1),
        nets_hourly=any(export.netting is Netting.HOURLY for export in exports),
        buys_all=any(export.rule is ExportRule.BUY_ALL_SELL_ALL for export in exports),
    )


def _refuse_untiled(period: Period, spans: Sequence[TariffSpan], cycle: tuple[date, date]) -> None:
    edges = [period.start]
    for span in spans:
        if span.start != edges[-1] or span.end <= span.start:
            raise UntiledPeriod(f"a tariff begins on {span.start}, expected {edges[-1]}, and ends on {span.end}")
        edges.append(span.end)
    if edges[-1] != period.end:
        raise UntiledPeriod(f"tariffs end on {edges[-1]}, the period on {period.end}")
    if not (cycle[0] <= period.start and period.end <= cycle[1]):
        raise UntiledPeriod(f"{period.start} to {period.end} is not within its cycle {cycle[0]} to {cycle[1]}")


class _SpanBuilder:
    def __init__(self, period: Period, calendar: Calendar, span: TariffSpan, index: int, cycle_days: int) -> None:
        self.index, self.span, self.tariff, self.cycle_days = index, span, span.tariff, cycle_days
        self.first, self.last = period.index_of(span.start), period.index_of(span.end)
        self.is_last = span.end == period.end
        self.days = (span.end - span.start).days
        within = slice(self.first, self.last)
        self.month, self.day = calendar.month[within], calendar.day[within]
        self.tou = scheduled(calendar, self.tariff.schedule, self.tariff.holidays)[within]
        demand = self.tariff.demand
        self.tou_of_demand: Ints | None = None
        if demand is not None and demand.tou_schedule is not None:
            self.tou_of_demand = scheduled(calendar, demand.tou_schedule, self.tariff.holidays)[within]

    def build(self, bins: Ints, bin_base: int) -> Span:
        """Fills the span's part of `bins`, numbered from `bin_base`."""
        part_of = runs([_tier_signature(self.tariff, month) for month in range(12)], self.month)
        keys = (part_of * 12 + self.month) * len(self.tariff.energy) + self.tou
        known, local = np.unique(keys, return_inverse=True)
        bins[self.first : self.last] = local + bin_base
        where = [(bin_base + number, *_unpacked(int(key), len(self.tariff.energy))) for number, key in enumerate(known)]
        return Span(
            index=self.index,
            tariff=self.tariff,
            first=self.first,
            last=self.last,
            days=self.days,
            cycle_days=self.cycle_days,
            is_last=self.is_last,
            days_of_month=tuple(self._day_count(self.month == month) for month in range(12)),
            bins_of_month=_gathered((month, number) for number, _, month, _ in where),
            bins_of_period=_gathered((tou, number) for number, _, _, tou in where),
            parts=tuple(self._part(part, part_of, where) for part in range(int(part_of[-1]) + 1)),
            demand=demand_plan_of(self.tariff, self.tou_of_demand, self.month, self.day, part_of, self.cycle_days),
        )

    def _day_count(self, mask: Ints) -> int:
        return len(np.unique(self.day[mask]))

    def _part(self, part: int, part_of: Ints, where: list[tuple[int, int, int, int]]) -> Part:
        places = np.flatnonzero(part_of == part)
        first, last = self.first + int(places[0]), self.first + int(places[-1]) + 1
        days = self._day_count(part_of == part)
        of_days = self.cycle_days if self.tariff.proration.tiers is Proration.DAYS else days
        gathered = _gathered((tou, number) for number, of_part, _, tou in where if of_part == part)
        periods = tuple(
            EnergyBins(
                number=tou,
                period=self.tariff.energy[tou],
                bins=numbers,
                bounds=bounds_of(self.tariff.energy[tou], days, of_days, None),
                labels=_labels(self.tariff, tou),
            )
            for tou, numbers in gathered
        )
        by_period = None
        if self.tariff.tier_basis is TierBasis.CHRONOLOGICAL:
            position = np.searchsorted([tou for tou, _ in gathered], self.tou[places])
            by_period = Grouping.of(position, len(gathered))
        return Part(first, last, days, of_days, periods, by_period)


def _labels(tariff: Tariff, number: int) -> tuple[str, ...]:
    period = f", period {number + 1}" if len(tariff.energy) > 1 else ""
    tiers = tariff.energy[number].tiers
    return tuple(f"Energy{period}" + (f", tier {tier + 1}" if len(tiers) > 1 else "") for tier in range(len(tiers)))


def _unpacked(key: int, period_count: int) -> tuple[int, int, int]:
    """(part, month, time-of-use period) of a bin's key."""
    rest, tou = divmod(key, period_count)
    part, month = divmod(rest, 12)
    return part, month, tou


def _gathered(pairs: Iterable[tuple[int, int]]) -> tuple[tuple[int, tuple[int, ...]], ...]:
    gathered: dict[int, list[int]] = {}
    for key, number in pairs:
        gathered.setdefault(key, []).append(number)
    return tuple((key, tuple(gathered[key])) for key in sorted(gathered))


def _tier_signature(tariff: Tariff, month: int) -> Hashable:
    """Months with equal signatures fill the same tiers; where it changes within a period, tiers begin anew."""
    if not any(period.uppers for period in tariff.energy):
        return None
    numbers = tariff.schedule.periods_of_month(month)
    if tariff.tier_basis is TierBasis.PER_PERIOD:
        return frozenset(numbers)
    first = tariff.energy[min(numbers)]
    return first.unit, first.uppers


def runs(signatures: Sequence[Hashable], month: Ints) -> Ints:
    """For each quarter-hour the number of its run: runs are of months one after the other with equal signatures."""
    known = {signature: number for number, signature in enumerate(dict.fromkeys(signatures))}
    numbers = np.array([known[signature] for signature in signatures])[month]
    return np.cumsum(np.diff(numbers, prepend=numbers[0]) != 0)


def bounds_of(period: EnergyPeriod, days: int, of_days: int, peak_watts: int | None) -> tuple[int, ...] | None:
    """The tiers' upper bounds in nano-Wh for `days` of a cycle; None where they need a peak that is not given."""
    if period.unit.is_per_kw and peak_watts is None:
        return None
    bounds = []
    for upper in period.uppers:
        pico_kwh = int(upper.scaleb(12))
        if period.unit.is_per_kw:
            pico_kwh = divide_half_away(pico_kwh * (peak_watts or 0), 1000)
        bounds.append(pico_kwh * days if period.unit.is_daily else divide_half_away(pico_kwh * days, of_days))
    return tuple(bounds)
