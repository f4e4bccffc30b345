"""Which quarter-hours make up an interval of demand, and over which intervals a highest one is looked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from billing.rating.grouping import Grouping
from billing.rating.period import Ints
from billing.tariffs.document import Proration, Tariff

QUARTER_MINUTES: Final = 15


class UnevenClock(ValueError):
    """A time-of-use period begins within an interval of demand: the zone's clock is not on whole hours."""


@dataclass(frozen=True, slots=True)
class DemandBin:
    """A demand to be charged for: the highest one within the bin, in proportion days / of_days."""

    period: int
    days: int
    of_days: int
    month: int
    """Of its last day, 0-11."""


@dataclass(frozen=True, eq=False)
class DemandPlan:
    """Groupings of a span's intervals of demand, each with what its bins are."""

    quarters: int
    is_sliding: bool
    flat: Grouping | None
    flat_bins: tuple[DemandBin, ...]
    tou: Grouping | None
    tou_bins: tuple[DemandBin, ...]
    parts: Grouping | None
    """By part of the span; only where tiers are per kW."""

    def windows(self, import_wh: Ints) -> Ints:
        """(rows, quarter-hours of the span) -> (rows, intervals), Wh. Multiplied by `watts_per_wh` they are watts."""
        if self.quarters == 1:
            return import_wh
        rows, count = import_wh.shape
        if self.is_sliding:
            summed = import_wh[:, : count - self.quarters + 1].copy()
            for shift in range(1, self.quarters):
                summed += import_wh[:, shift : count - self.quarters + 1 + shift]
            return summed
        blocks: Ints = import_wh.reshape(rows, count // self.quarters, self.quarters).sum(axis=2)
        return blocks

    @property
    def watts_per_wh(self) -> int:
        return 4 // self.quarters

    def of_windows(self, bins: Ints) -> Ints:
        """The bin of each interval, from those of its quarter-hours; -1 for a sliding one that is in two."""
        if self.is_sliding:
            first, last = bins[: len(bins) - self.quarters + 1], bins[self.quarters - 1 :]
            return np.where(first == last, first, -1)
        blocks = bins.reshape(-1, self.quarters)
        if (blocks != blocks[:, :1]).any():
            raise UnevenClock("a time-of-use period begins within an interval of demand")
        return blocks[:, 0]


def demand_plan_of(
    tariff: Tariff, tou: Ints | None, month: Ints, day: Ints, part_of: Ints, cycle_days: int
) -> DemandPlan | None:
    """None where the tariff asks for no demand. All arrays are of the span's quarter-hours."""
    demand, interval = tariff.demand, tariff.per_kw_interval
    if demand is not None:
        interval = (demand.minutes, demand.is_sliding)
    if interval is None:
        return None
    quarters = interval[0] // QUARTER_MINUTES
    shape = DemandPlan(quarters, interval[1] and quarters > 1, None, (), None, (), None)
    flat, flat_bins = _flat(tariff, shape, month, day, cycle_days)
    tou_grouping, tou_bins = _tou(tariff, shape, tou, month, day, cycle_days)
    parts = _grouping(shape, part_of) if tariff.per_kw_interval is not None else None
    return DemandPlan(quarters, shape.is_sliding, flat, flat_bins, tou_grouping, tou_bins, parts)


def _grouping(shape: DemandPlan, bins: Ints) -> Grouping:
    return Grouping.of(shape.of_windows(bins), int(bins.max()) + 1)


def _flat(
    tariff: Tariff, shape: DemandPlan, month: Ints, day: Ints, cycle_days: int
) -> tuple[Grouping | None, tuple[DemandBin, ...]]:
    if tariff.demand is None or not tariff.demand.flat:
        return None, ()
    numbers = np.array(tariff.demand.flat_months)[month]
    run = np.cumsum(np.diff(numbers, prepend=numbers[0]) != 0)
    bins = []
    for index in range(int(run[-1]) + 1):
        places = np.flatnonzero(run == index)
        days = len(np.unique(day[places]))
        last = places[-1]
        bins.append(DemandBin(int(numbers[last]), days, cycle_days, int(month[last])))
    return _grouping(shape, run), tuple(bins)


def _tou(
    tariff: Tariff, shape: DemandPlan, tou: Ints | None, month: Ints, day: Ints, cycle_days: int
) -> tuple[Grouping | None, tuple[DemandBin, ...]]:
    if tou is None:
        return None, ()
    known, bins = np.unique(tou, return_inverse=True)
    days, last_month = len(np.unique(day)), int(month[-1])
    return _grouping(shape, bins), tuple(DemandBin(int(number), days, cycle_days, last_month) for number in known)


def prorated(tariff: Tariff, bins: Sequence[DemandBin], *, is_last: bool) -> list[tuple[int, DemandBin, int, int]]:
    """(number, bin, days, of_days) of those to be charged. Undivided, the last pays whole and the others nothing."""
    if tariff.proration.demand is Proration.DAYS:
        return [(number, each, each.days, each.of_days) for number, each in enumerate(bins)]
    return [(number, each, 1, 1) for number, each in enumerate(bins) if is_last]
