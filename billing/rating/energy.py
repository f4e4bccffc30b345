"""Energy: kWh in time-of-use periods and tiers, and what exports earn."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

from billing.money import allocate
from billing.rating.plans import NANO, EnergyBins, Part, Span, bounds_of
from billing.rating.segments import Segment
from billing.rating.tallies import Tally
from billing.tariffs.document import Component, ExportRule, Surplus, TierBasis

ZERO = Decimal(0)


def kwh(nano_wh: int) -> Decimal:
    """With three decimals where whole watt-hours allow it, otherwise twelve."""
    whole, rest = divmod(nano_wh, NANO)
    return Decimal(nano_wh).scaleb(-12) if rest else Decimal(whole).scaleb(-3)


class EnergyOfSpan:
    """Makes the energy and export segments of a span, and knows the kWh that riders are charged on."""

    def __init__(self, span: Span, tally: Tally, carried_wh: Sequence[int]) -> None:
        self.span, self.tally, self.carried = span, tally, list(carried_wh)
        self.segments: list[Segment] = []
        self._nets = span.tariff.export.rule is ExportRule.NET_METERING
        self._carries = self._nets and span.tariff.export.surplus is Surplus.CARRY
        self._parts = [self._billed(part) for part in span.parts]

    def add_energy(self) -> None:
        for number, part in enumerate(self.span.parts):
            used = self._parts[number]
            if not any(used):
                continue
            bounds = [self._bounds(number, part, each) for each in part.periods]
            for index, tiers in enumerate(_in_tiers(self.span, part, self.tally, used, bounds)):
                self._add(part.periods[index], tiers)

    def _add(self, bins: EnergyBins, tiers: Sequence[int]) -> None:
        for number, nano_wh in enumerate(tiers):
            if nano_wh:
                quantity, rate = kwh(nano_wh), bins.period.tiers[number].rate
                self.segments.append(
                    Segment(
                        Component.ENERGY,
                        self.span.index,
                        bins.number,
                        number,
                        quantity,
                        "kWh",
                        rate,
                        quantity * rate,
                        bins.labels[number],
                    )
                )

    def _bounds(self, number: int, part: Part, bins: EnergyBins) -> tuple[int, ...]:
        if bins.bounds is not None:
            return bins.bounds
        peaks = self.tally.peaks[self.span.index]
        peak_watts = peaks.parts[number] if peaks is not None else 0
        return bounds_of(bins.period, part.days, part.of_days, peak_watts) or ()

    def _billed(self, part: Part) -> list[int]:
        """Wh of each of the part's periods to be bought; under net metering what remains after export and surplus."""
        bought, sold = self.tally.bought, self.tally.sold
        used = [sum(bought[number] for number in bins.bins) for bins in part.periods]
        if self._nets:
            used = [
                self._netted(bins, wh - sum(sold[number] for number in bins.bins) if sold else wh)
                for bins, wh in zip(part.periods, used, strict=True)
            ]
        return used

    def _netted(self, bins: EnergyBins, net_wh: int) -> int:
        number = bins.number
        if self._carries and number < len(self.carried):
            spent = min(max(net_wh, 0), self.carried[number])
            if spent:
                self.carried[number] -= spent
                self._export(number, -spent, ZERO, "Surplus of earlier periods")
            net_wh -= spent
        if net_wh < 0:
            self._surplus(bins, -net_wh)
        return max(net_wh, 0)

    def _surplus(self, bins: EnergyBins, surplus_wh: int) -> None:
        surplus = self.span.tariff.export.surplus
        if surplus is Surplus.CREDIT:
            self._export(bins.number, surplus_wh, bins.period.sell or ZERO, "Surplus sold")
            return
        if surplus is Surplus.CARRY:
            self.carried += [0] * (bins.number + 1 - len(self.carried))
            self.carried[bins.number] += surplus_wh
        self._export(bins.number, surplus_wh, ZERO, "Surplus carried forward" if self._carries else "Surplus forfeited")

    def add_exports(self) -> None:
        """What was sold in each period; under net metering the surplus has been dealt with."""
        if self._nets or self.tally.sold is None:
            return
        is_paid = self.span.tariff.export.rule is not ExportRule.NONE
        for number, bins in self.span.bins_of_period:
            sell = self.span.tariff.energy[number].sell if is_paid else None
            wh = sum(self.tally.sold[each] for each in bins)
            if wh:
                self._export(number, wh, sell or ZERO, "Exported energy")

    def _export(self, number: int, wh: int, sell: Decimal, label: str) -> None:
        quantity, rate = Decimal(wh).scaleb(-3), -sell
        label = f"{label}, period {number + 1}" if len(self.span.tariff.energy) > 1 else label
        self.segments.append(
            Segment(Component.EXPORT, self.span.index, number, None, quantity, "kWh", rate, quantity * rate, label)
        )

    def wh_of_months(self, months: Sequence[int]) -> int:
        """Billed Wh in these calendar months (0-11); what was netted is shared out over the months by import."""
        by_month = [
            (month, sum(self.tally.bought[number] for number in bins)) for month, bins in self.span.bins_of_month
        ]
        if self._nets:
            shares = allocate(sum(map(sum, self._parts)), [wh for _, wh in by_month])
            by_month = [(month, share) for (month, _), share in zip(by_month, shares, strict=True)]
        return sum(wh for month, wh in by_month if month in months)


def _in_tiers(
    span: Span, part: Part, tally: Tally, used_wh: Sequence[int], bounds: Sequence[tuple[int, ...]]
) -> list[list[int]]:
    """[period][tier] -> nano-Wh; each row sums to the period's use."""
    used = [wh * NANO for wh in used_wh]
    basis = span.tariff.tier_basis
    if basis is TierBasis.PER_PERIOD:
        return [_filled(nano_wh, each) for nano_wh, each in zip(used, bounds, strict=True)]
    whole = _filled(sum(used), bounds[0])
    if basis is TierBasis.PROPORTIONAL:
        return _shared(used, whole)
    below = [[0] * len(used), *(tally.wh_below(part, bound) for bound in bounds[0]), used]
    return [[above[index] - under[index] for under, above in pairwise(below)] for index in range(len(used))]


def _filled(nano_wh: int, bounds: Sequence[int]) -> list[int]:
    tiers, below = [], 0
    for bound in bounds:
        reached = min(nano_wh, bound)
        tiers.append(reached - below)
        below = reached
    tiers.append(nano_wh - below)
    return tiers


def _shared(used: Sequence[int], whole: Sequence[int]) -> list[list[int]]:
    """Each tier shared out in proportion to use, from what earlier tiers have left: rows and columns sum exactly."""
    left, columns = list(used), []
    for tier in whole[:-1]:
        shares = allocate(tier, left) if tier else [0] * len(left)
        left = [rest - share for rest, share in zip(left, shares, strict=True)]
        columns.append(shares)
    return [list(row) for row in zip(*columns, left, strict=True)]
