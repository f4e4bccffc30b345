"""From quarter-hours to a handful of integers: the only place where rating touches arrays, for many bills at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from billing.rating.period import Ints
from billing.rating.plans import NANO, Part, Plan
from billing.rating.usage import UnusableUsage, Usage
from billing.tariffs.document import ExportRule, Netting


@dataclass(frozen=True, eq=False)
class SpanPeaks:
    """Highest demands in watts, by bin of the span's demand plan."""

    flat: list[int]
    tou: list[int]
    parts: list[int]


@dataclass(frozen=True, eq=False)
class Tally:
    """One bill's integers: Wh by energy bin, watts by demand bin."""

    bought: list[int]
    sold: list[int] | None
    """None where nothing was exported."""
    peaks: tuple[SpanPeaks | None, ...]
    """By span."""
    peak_watts: int
    row: int
    bought_wh: Ints
    """All rows by quarter-hour; chronological tiers look at them again."""

    def wh_below(self, part: Part, bound: int) -> list[int]:
        """Nano-Wh by position in the part's periods that were used before its cumulated use reached `bound`."""
        cumulated = np.cumsum(self.bought_wh[self.row, part.first : part.last]) * NANO
        below = np.diff(np.minimum(cumulated, bound), prepend=0)
        assert part.by_period is not None  # noqa: S101 -- plans give it to every part of a chronological tariff
        sums: list[int] = part.by_period.sums(below[np.newaxis])[0].tolist()
        return sums


def pair_rows(usages: Sequence[Usage]) -> tuple[Ints, Ints]:
    """(import, export), two rows for each usage: with the node, and as Usage.without_node has it."""
    count = usages[0].period.interval_count
    bought = np.empty((2 * len(usages), count), dtype=np.int64)
    sold = np.empty_like(bought)
    for index, usage in enumerate(usages):
        bought[2 * index] = usage.site_import_wh
        sold[2 * index] = usage.site_export_wh
        np.subtract(usage.site_import_wh, usage.node_wh, out=bought[2 * index + 1])
        np.minimum(bought[2 * index + 1], 0, out=sold[2 * index + 1])
        np.subtract(usage.site_export_wh, sold[2 * index + 1], out=sold[2 * index + 1])
    np.maximum(bought, 0, out=bought)
    return bought, sold


def tally(plan: Plan, bought: Ints, sold: Ints, solar: Ints | None) -> list[Tally]:
    """One tally a row. The matrices are (rows, quarter-hours of the period) and belong to the caller no longer."""
    if plan.buys_all:
        _buy_all(plan, bought, sold, solar)
    peaks, peak_watts = _peaks(plan, bought)
    if plan.nets_hourly:
        bought, sold = _net_hourly(plan, bought, sold)
    bought_bins = plan.energy.sums(bought).tolist()
    sold_bins = plan.energy.sums(sold).tolist() if sold.any() else [None] * len(bought)
    return [
        Tally(bought_bins[row], sold_bins[row], peaks[row], peak_watts[row], row, bought) for row in range(len(bought))
    ]


def _buy_all(plan: Plan, bought: Ints, sold: Ints, solar: Ints | None) -> None:
    """What the panels made and the home used at once was, for such a tariff, sold and bought."""
    if solar is None:
        raise UnusableUsage("the tariff buys and sells all: it needs what the panels made, solar_wh")
    for span in plan.spans:
        if span.tariff.export.rule is ExportRule.BUY_ALL_SELL_ALL:
            within = (slice(None), slice(span.first, span.last))
            gross = bought[within] - sold[within] + solar[within]
            bought[within] = np.maximum(gross, 0)
            sold[within] = solar[within] + np.maximum(-gross, 0)


def _net_hourly(plan: Plan, bought: Ints, sold: Ints) -> tuple[Ints, Ints]:
    """Import less export of each hour, put at its first quarter-hour."""
    bought, sold = bought.copy(), sold.copy()
    for span in plan.spans:
        if span.tariff.export.netting is Netting.HOURLY:
            within = (slice(None), slice(span.first, span.last))
            net = (bought[within] - sold[within]).reshape(len(bought), -1, 4).sum(axis=2)
            bought[within], sold[within] = 0, 0
            bought[:, span.first : span.last : 4] = np.maximum(net, 0)
            sold[:, span.first : span.last : 4] = np.maximum(-net, 0)
    return bought, sold


def _peaks(plan: Plan, bought: Ints) -> tuple[list[tuple[SpanPeaks | None, ...]], list[int]]:
    by_span: list[list[SpanPeaks | None]] = []
    highest = None
    for span in plan.spans:
        demand = span.demand
        if demand is None:
            by_span.append([None] * len(bought))
            continue
        windows, watts = demand.windows(bought[:, span.first : span.last]), demand.watts_per_wh
        flat, tou, parts = (
            (grouping.maxima(windows) * watts).tolist() if grouping else [[]] * len(bought)
            for grouping in (demand.flat, demand.tou, demand.parts)
        )
        by_span.append([SpanPeaks(*row) for row in zip(flat, tou, parts, strict=True)])
        of_span = windows.max(axis=1) * watts
        highest = of_span if highest is None else np.maximum(highest, of_span)
    if highest is None:
        highest = bought.max(axis=1) * 4
    return list(zip(*by_span, strict=True)), highest.tolist()
