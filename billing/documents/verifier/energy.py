"""Energy: kWh by time-of-use period and tier, and what exports earn.

Amounts of energy within tiers are whole nano-watt-hours, so that shares of a tier are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import groupby, pairwise
from typing import Final

from billing.documents.verifier.clock import Quarter
from billing.documents.verifier.exact import half_away, share_out
from billing.documents.verifier.tariff import Tariff

NANO_WH_OF_A_KWH: Final = 10**12
NANO_WH: Final = 10**9


@dataclass(frozen=True)
class Segment:
    """A part of a bill: exact = quantity x rate, times days / of_days for what is meant for a whole cycle."""

    component: str
    span: int
    period: int | None
    tier: int | None
    quantity: Fraction
    unit: str
    rate: Fraction
    exact: Fraction
    label: str
    days: int = 1
    of_days: int = 1


@dataclass(frozen=True)
class Span:
    """A tariff's days [start, end) of the period, and `at`: its quarter-hours by their place in the period."""

    index: int
    tariff: Tariff
    start: date
    end: date
    at: list[int]
    cycle_days: int
    is_last: bool


@dataclass(frozen=True)
class Flows:
    """What was bought and sold in each quarter-hour of the period, Wh, as the tariffs count it."""

    quarters: list[Quarter]
    bought: list[int]
    sold: list[int]


def days_in(quarters: Iterable[Quarter]) -> int:
    return len({quarter.on for quarter in quarters})


class EnergyOfSpan:
    """The energy and export segments of a span. `carried` is surplus by period, from the months before and onwards."""

    def __init__(self, span: Span, flows: Flows, carried: Sequence[int], peak: Callable[[list[int]], int]) -> None:
        self.span, self.tariff, self.flows, self.peak = span, span.tariff, flows, peak
        self.carried = list(carried)
        self.segments: list[Segment] = []
        self.nets = self.tariff.export_rule == "net_metering"
        self.period_of = {at: self.tariff.period_at("energy", flows.quarters[at]) for at in span.at}
        fills = {month: self.tariff.fills(month) for month in range(1, 13)}
        self.parts = [list(part) for _, part in groupby(span.at, lambda at: fills[flows.quarters[at].on.month])]
        billed = [self._billed(part) for part in self.parts]
        self.billed_wh = sum(sum(wh.values()) for wh in billed)
        for part, wh in zip(self.parts, billed, strict=True):
            if any(wh.values()):
                self._charge(part, wh)
        if not self.nets:
            self._sell()

    def _billed(self, part: list[int]) -> dict[int, int]:
        """Wh to be charged by time-of-use period; with net metering less what was sold in the same period."""
        found = dict.fromkeys(sorted({self.period_of[at] for at in part}), 0)
        for at in part:
            found[self.period_of[at]] += self.flows.bought[at] - (self.flows.sold[at] if self.nets else 0)
        if self.nets:
            return {period: self._netted(period, wh) for period, wh in found.items()}
        return found

    def _netted(self, period: int, wh: int) -> int:
        carries = self.tariff.get("export_surplus") == "carry"
        if carries and period < len(self.carried) and wh > 0:
            spent = min(wh, self.carried[period])
            self.carried[period] -= spent
            wh -= spent
            self._export(period, -spent, Fraction(0), "Surplus of earlier periods")
        if wh < 0:
            if self.tariff.get("export_surplus") == "credit":
                self._export(period, -wh, self.tariff.sells_at(period), "Surplus sold")
            elif carries:
                self.carried += [0] * (period + 1 - len(self.carried))
                self.carried[period] -= wh
                self._export(period, -wh, Fraction(0), "Surplus carried forward")
            else:
                self._export(period, -wh, Fraction(0), "Surplus forfeited")
        return max(wh, 0)

    def _sell(self) -> None:
        for period in sorted(set(self.period_of.values())):
            wh = sum(self.flows.sold[at] for at in self.span.at if self.period_of[at] == period)
            self._export(period, wh, self.tariff.sells_at(period), "Exported energy")

    def _export(self, period: int, wh: int, earns: Fraction, label: str) -> None:
        if wh:
            label += f", period {period + 1}" if len(self.tariff.energy) > 1 else ""
            kwh = Fraction(wh, 1000)
            self.segments.append(
                Segment("export", self.span.index, period, None, kwh, "kWh", -earns, -earns * kwh, label)
            )

    def _charge(self, part: list[int], wh: dict[int, int]) -> None:
        for period, tiers in self._in_tiers(part, wh).items():
            for tier, nano_wh in enumerate(tiers):
                if nano_wh:
                    kwh, rate = Fraction(nano_wh, NANO_WH_OF_A_KWH), self.tariff.energy[period][tier][1]
                    label = "Energy" + (f", period {period + 1}" if len(self.tariff.energy) > 1 else "")
                    label += f", tier {tier + 1}" if len(self.tariff.energy[period]) > 1 else ""
                    self.segments.append(
                        Segment("energy", self.span.index, period, tier, kwh, "kWh", rate, kwh * rate, label)
                    )

    def _in_tiers(self, part: list[int], wh: dict[int, int]) -> dict[int, list[int]]:
        """Nano-Wh of each period by tier."""
        used = {period: each * NANO_WH for period, each in wh.items()}
        if self.tariff.tier_basis == "per_period":
            return {period: split_at(self._bounds(period, part), each) for period, each in used.items()}
        bounds = self._bounds(min(used), part)
        if self.tariff.tier_basis == "chronological":
            return self._by_order(part, bounds)
        left, found = list(used.values()), []
        for tier in split_at(bounds, sum(left)):
            shares = share_out(tier, left)
            left = [rest - share for rest, share in zip(left, shares, strict=True)]
            found.append(shares)
        return dict(zip(used, map(list, zip(*found, strict=True)), strict=True))

    def _by_order(self, part: list[int], bounds: list[int]) -> dict[int, list[int]]:
        """Each quarter-hour's energy into the tiers that are being filled at its time."""
        found = {period: [0] * (len(bounds) + 1) for period in sorted({self.period_of[at] for at in part})}
        before = [0] * (len(bounds) + 1)
        total = 0
        for at in part:
            total += self.flows.bought[at] * NANO_WH
            after = split_at(bounds, total)
            for tier, (was, now) in enumerate(zip(before, after, strict=True)):
                found[self.period_of[at]][tier] += now - was
            before = after
        return found

    def _bounds(self, period: int, part: list[int]) -> list[int]:
        """Where the tiers end for this part's days of a billing cycle, nano-Wh."""
        unit, days = self.tariff.energy_unit(period), days_in(self.flows.quarters[at] for at in part)
        of_days = self.span.cycle_days if self.tariff.is_divided("tiers") else days
        found = []
        for bound, _ in self.tariff.energy[period][:-1]:
            nano_wh = (bound or Fraction(0)) * NANO_WH_OF_A_KWH
            if "/kW" in unit:
                nano_wh = Fraction(half_away(nano_wh * self.peak(part) / 1000))
            found.append(half_away(nano_wh * days if unit.endswith("daily") else nano_wh * days / of_days))
        return found

    def wh_of_months(self, months: Iterable[int]) -> int:
        """Wh that were charged in these calendar months; what was netted is shared out over them by what was bought."""
        by_month: dict[int, int] = {}
        for at in self.span.at:
            month = self.flows.quarters[at].on.month
            by_month[month] = by_month.get(month, 0) + self.flows.bought[at]
        if self.nets:
            ordered = sorted(by_month)
            shares = share_out(self.billed_wh, [by_month[month] for month in ordered])
            by_month = dict(zip(ordered, shares, strict=True))
        return sum(wh for month, wh in by_month.items() if month in set(months))


def split_at(bounds: Sequence[int], amount: int) -> list[int]:
    """What of the amount lies below the first bound, between the first and the second, and so on."""
    edges = [0, *(min(bound, amount) for bound in bounds), amount]
    return [above - below for below, above in pairwise(edges)]
