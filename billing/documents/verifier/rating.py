"""The bill of a period: what the readings cost by the tariffs, with the node and without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from itertools import groupby
from typing import Any

from billing.documents.verifier.clock import Quarter
from billing.documents.verifier.energy import EnergyOfSpan, Flows, Segment, Span, days_in
from billing.documents.verifier.exact import number, part_of_days
from billing.documents.verifier.tariff import Charge, Tariff

Channels = Mapping[str, list[int]]
"""Wh of each quarter-hour by channel: site_import, site_export, node, and solar where the home has panels."""


def spans_of(
    tariffs: Sequence[tuple[Tariff, date, date]], quarters: Sequence[Quarter], cycle: tuple[date, date]
) -> list[Span]:
    found = []
    for index, (tariff, start, end) in enumerate(tariffs):
        at = [place for place, quarter in enumerate(quarters) if start <= quarter.on < end]
        is_last = index == len(tariffs) - 1
        found.append(Span(index, tariff, start, end, at, (cycle[1] - cycle[0]).days, is_last))
    return found


def flows_of(channels: Channels, *, with_node: bool) -> tuple[list[int], list[int]]:
    """Bought and sold. Without the node the home imports less by what the node used, and beyond that exports more."""
    bought, sold = channels["site_import"], channels["site_export"]
    if with_node:
        return list(bought), list(sold)
    less = [wh - node for wh, node in zip(bought, channels["node"], strict=True)]
    return [max(wh, 0) for wh in less], [wh + max(-rest, 0) for wh, rest in zip(sold, less, strict=True)]


class Bill:
    """Segments of one scenario, in order. `history` is what it needs to know of the months before."""

    def __init__(
        self,
        spans: Sequence[Span],
        quarters: list[Quarter],
        channels: Channels,
        history: Mapping[str, Any],
        *,
        with_node: bool,
    ) -> None:
        self.spans, self.quarters, self.history = spans, quarters, history
        self.bought, self.sold = flows_of(channels, with_node=with_node)
        self.last_day = max(quarter.on for quarter in quarters)
        self.segments: list[Segment] = []
        self._buy_and_sell_all(channels)
        netted = self._netted_hourly()
        energies = []
        carried: list[int] = list(history["carried_wh"])
        for span in spans:
            energy = EnergyOfSpan(span, netted, carried, lambda part, span=span: self._peak(span, part))  # type: ignore[misc]
            carried = energy.carried
            energies.append(energy)
            self.segments += [*energy.segments, *self._demand(span), *self._fixed(span)]
            self.segments += self._fuel(span, energy)
            self.segments += self._added(span, energy, "rider", "riders")
        self.segments += self._minimum()
        for span, energy in zip(spans, energies, strict=True):
            self.segments += self._added(span, energy, "tax", "taxes")
            self.segments += self._added(span, energy, "credit", "credits")

    @property
    def total(self) -> Fraction:
        return sum((segment.exact for segment in self.segments), Fraction(0))

    def _buy_and_sell_all(self, channels: Channels) -> None:
        """For such a tariff what the panels made is sold, and what the home used of it is bought."""
        for span in self.spans:
            if span.tariff.export_rule == "buy_all_sell_all":
                for at in span.at:
                    made = channels["solar"][at]
                    used = self.bought[at] - self.sold[at] + made
                    self.bought[at], self.sold[at] = max(used, 0), made + max(-used, 0)

    def _netted_hourly(self) -> Flows:
        bought, sold = list(self.bought), list(self.sold)
        for span in self.spans:
            for first in span.at[::4] if span.tariff.nets_hourly else ():
                net = sum(self.bought[first : first + 4]) - sum(self.sold[first : first + 4])
                bought[first : first + 4] = [max(net, 0), 0, 0, 0]
                sold[first : first + 4] = [max(-net, 0), 0, 0, 0]
        return Flows(self.quarters, bought, sold)

    def _peak(self, span: Span, places: list[int]) -> int:
        """The highest demand within these quarter-hours, in watts."""
        size = span.tariff.demand_quarters
        first, last = span.at[0], span.at[-1] + 1 - size
        wanted = set(places)
        starts = range(first, last + 1, 1 if span.tariff.demand_slides else size)
        sums = (
            sum(self.bought[start : start + size]) for start in starts if start in wanted and start + size - 1 in wanted
        )
        return max(sums, default=0) * 4 // size

    def _demand(self, span: Span) -> list[Segment]:
        tariff, found = span.tariff, []
        if not tariff.is_divided("demand") and not span.is_last:
            return []
        if tariff.get("flatdemandstructure"):
            for period, run in groupby(
                span.at, lambda at: tariff.get("flatdemandmonths")[self.quarters[at].on.month - 1]
            ):
                places = list(run)
                kw, label = self._ratcheted(tariff, places, Fraction(self._peak(span, places), 1000))
                found += self._demand_tiers(span, "flat", period, places, kw, label)
        if tariff.get("demandratestructure"):
            period_of = {at: tariff.period_at("demand", self.quarters[at]) for at in span.at}
            for period in sorted(set(period_of.values())):
                kw = Fraction(self._peak(span, [at for at in span.at if period_of[at] == period]), 1000)
                found += self._demand_tiers(span, "tou", period, span.at, kw, f"Demand, period {period + 1}")
        return found

    def _demand_tiers(
        self, span: Span, kind: str, period: int, places: list[int], kw: Fraction, label: str
    ) -> list[Segment]:
        tiers = span.tariff.tiers("flatdemandstructure" if kind == "flat" else "demandratestructure", period)
        days, of_days = days_in(self.quarters[at] for at in places), span.cycle_days
        if not span.tariff.is_divided("demand"):
            days, of_days = 1, 1
        found, below = [], Fraction(0)
        for index, (bound, rate) in enumerate(tiers):
            reached = kw if bound is None else min(kw, bound)
            if reached > below:
                quantity = reached - below
                exact = part_of_days(quantity * rate, days, of_days)
                text = label if len(tiers) == 1 else f"{label}, tier {index + 1}"
                component = f"demand_{kind}"
                found.append(
                    Segment(component, span.index, period, index, quantity, "kW", rate, exact, text, days, of_days)
                )
                below = reached
        return found

    def _ratcheted(self, tariff: Tariff, places: list[int], kw: Fraction) -> tuple[Fraction, str]:
        share = tariff.ratchet(self.quarters[places[-1]].on.month)
        if not share:
            return kw, "Demand"
        peaks, since = dict(self.history["peaks_watts"]), self.history["since"]
        months = tariff.looks_back_upon(self.last_day.year, self.last_day.month)
        known = [Fraction(peaks[month], 1000) for month in months if since is None or month >= since]
        remembered = share * max(known, default=Fraction(0))
        return (remembered, "Demand, by ratchet") if remembered > kw else (kw, "Demand")

    def _fixed(self, span: Span) -> list[Segment]:
        charge = span.tariff.fixed
        return [] if charge is None else self._of_cycle(span, charge, "fixed", "fixed", "Fixed charge")

    def _of_cycle(self, span: Span, charge: Charge, what: str, component: str, label: str) -> list[Segment]:
        """A charge by the day, month or year. Where it is not divided the period's last day pays all of it."""
        one, amount = Fraction(1), charge.amount
        if charge.unit == "$/day":
            return product(span, component, Fraction((span.end - span.start).days), "day", amount, label)
        if not span.tariff.is_divided(what) and not span.is_last:
            return []
        days, of_days = 1, 1
        if span.tariff.is_divided(what):
            days, of_days = (span.end - span.start).days, span.cycle_days
        unit = "year" if charge.unit == "$/year" else "month"
        of_days *= 12 if unit == "year" else 1
        exact = part_of_days(amount, days, of_days)
        return [Segment(component, span.index, None, None, one, unit, amount, exact, label, days, of_days)]

    def _fuel(self, span: Span, energy: EnergyOfSpan) -> list[Segment]:
        found = []
        for month in sorted({self.quarters[at].on.month for at in span.at}):
            rate = span.tariff.fuel(month)
            if rate:
                found += product(
                    span, "rider", Fraction(energy.wh_of_months([month]), 1000), "kWh", rate, "Fuel adjustment"
                )
        return found

    def _added(self, span: Span, energy: EnergyOfSpan, component: str, name: str) -> list[Segment]:
        """Riders, taxes or credits: by the kWh, day or month, or a share of what has been charged so far."""
        found = []
        for entry in span.tariff.get(name) or ():
            months, sign = entry.get("months") or range(1, 13), -1 if component == "credit" else 1
            is_due = self.last_day.month in months
            label = entry["name"]
            if entry.get("per_month") is not None:
                charge = Charge(sign * number(entry["per_month"]), "$/month")
                found += self._of_cycle(span, charge, "fixed", component, label) if is_due else []
            elif entry.get("rate") is not None:
                of = [s.exact for s in self.segments if s.span == span.index and s.component in entry["on"]]
                base = max(sum(of, Fraction(0)), Fraction(0)) if is_due else Fraction(0)
                found += product(span, component, base, "USD", number(entry["rate"]), label)
            elif entry.get("per_day") is not None:
                days = len({self.quarters[at].on for at in span.at if self.quarters[at].on.month in months})
                found += product(span, component, Fraction(days), "day", sign * number(entry["per_day"]), label)
            else:
                kwh = Fraction(energy.wh_of_months(months), 1000)
                found += product(span, component, kwh, "kWh", sign * number(entry["per_kwh"]), label)
        return found

    def _minimum(self) -> list[Segment]:
        """What lifts the charges so far to the minimum of the period, and of the year where it ends."""
        least = Fraction(0)
        for span in self.spans:
            if span.tariff.minimum is not None:
                least += sum(s.exact for s in self._of_cycle(span, span.tariff.minimum, "minimum", "minimum", ""))
        last, found = self.spans[-1], []
        if any(span.tariff.minimum is not None for span in self.spans) and least > self.total:
            found += product(last, "minimum", least - self.total, "USD", Fraction(1), "Minimum charge")
        annual = last.tariff.annual_minimum
        if annual is not None and self.quarters[0].on.year < last.end.year:
            charged = number(self.history["year_charges"]) + self.total + sum(s.exact for s in found)
            if annual > charged:
                found += product(last, "minimum", annual - charged, "USD", Fraction(1), "Annual minimum charge")
        return found


def product(span: Span, component: str, quantity: Fraction, unit: str, rate: Fraction, label: str) -> list[Segment]:
    if not quantity:
        return []
    return [Segment(component, span.index, None, None, quantity, unit, rate, quantity * rate, label)]
