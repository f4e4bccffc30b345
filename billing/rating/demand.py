"""Demand charges: the highest average power of the period, in tiers of kW, never below what a ratchet remembers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from billing.rating.days import share_of_days
from billing.rating.demand_plans import DemandBin, prorated
from billing.rating.facts import History, MissingFacts
from billing.rating.plans import Plan, Span
from billing.rating.segments import Segment
from billing.rating.tallies import SpanPeaks
from billing.tariffs.document import Component, Ratchet, Tier


def demand_segments(plan: Plan, span: Span, peaks: SpanPeaks | None, history: History) -> list[Segment]:
    demand = span.tariff.demand
    if demand is None or span.demand is None or peaks is None:
        return []
    segments: list[Segment] = []
    for number, each, days, of_days in prorated(span.tariff, span.demand.flat_bins, is_last=span.is_last):
        kw = Decimal(peaks.flat[number]).scaleb(-3)
        label = "Demand"
        if demand.ratchet is not None:
            kw, label = _ratcheted(kw, demand.ratchet, each, plan.billing_month, history)
        segments += _charged(Component.DEMAND_FLAT, span, each, demand.flat[each.period], kw, days, of_days, label)
    for number, each, days, of_days in prorated(span.tariff, span.demand.tou_bins, is_last=span.is_last):
        kw = Decimal(peaks.tou[number]).scaleb(-3)
        label = f"Demand, period {each.period + 1}"
        segments += _charged(Component.DEMAND_TOU, span, each, demand.tou[each.period], kw, days, of_days, label)
    return segments


def _charged(
    component: Component,
    span: Span,
    each: DemandBin,
    tiers: tuple[Tier, ...],
    kw: Decimal,
    days: int,
    of_days: int,
    label: str,
) -> list[Segment]:
    segments: list[Segment] = []
    below = Decimal(0)
    for number, tier in enumerate(tiers):
        reached = kw if tier.upper is None else min(kw, tier.upper)
        if reached > below:
            quantity = reached - below
            segments.append(
                Segment(
                    component,
                    span.index,
                    each.period,
                    number,
                    quantity,
                    "kW",
                    tier.rate,
                    share_of_days(quantity * tier.rate, days, of_days),
                    label if len(tiers) == 1 else f"{label}, tier {number + 1}",
                    days,
                    of_days,
                )
            )
            below = reached
    return segments


def _ratcheted(
    kw: Decimal, ratchet: Ratchet, each: DemandBin, billing_month: date, history: History
) -> tuple[Decimal, str]:
    share = ratchet.shares[each.month]
    if not share:
        return kw, "Demand"
    known = dict(history.peaks_watts)
    remembered = Decimal(0)
    for month in _looked_back_upon(ratchet, billing_month):
        if history.since is not None and month < history.since:
            continue
        if month not in known:
            raise MissingFacts(f"the ratchet looks back upon {month}, and its highest demand was not given")
        remembered = max(remembered, share * Decimal(known[month]).scaleb(-3))
    return (remembered, "Demand, by ratchet") if remembered > kw else (kw, "Demand")


def _looked_back_upon(ratchet: Ratchet, billing_month: date) -> list[str]:
    months = []
    number = billing_month.year * 12 + billing_month.month - 1
    for back in range(1, (ratchet.months_back or 11) + 1):
        year, month = divmod(number - back, 12)
        if ratchet.months_back or ratchet.months[month]:
            months.append(f"{year:04}-{month + 1:02}")
    return months
