"""Charges that are neither energy nor demand: fixed, riders, minimum, taxes, credits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from billing.rating.days import share_of_days
from billing.rating.energy import EnergyOfSpan
from billing.rating.facts import History, MissingFacts
from billing.rating.plans import Plan, Span
from billing.rating.segments import Segment
from billing.tariffs.document import Adder, Charge, ChargeUnit, Component, Proration

ZERO, ONE = Decimal(0), Decimal(1)


def fixed_segments(span: Span) -> list[Segment]:
    if span.tariff.fixed is None:
        return []
    made = _of_cycle(span, span.tariff.fixed, span.tariff.proration.fixed, Component.FIXED, "Fixed charge")
    return [made] if made is not None else []


def _of_cycle(span: Span, charge: Charge, proration: Proration, component: Component, label: str) -> Segment | None:
    """A charge by the day, month or year; undivided, the period's last day pays all of it. A year is twelve cycles."""
    if charge.unit is ChargeUnit.DAY:
        quantity = Decimal(span.days)
        return Segment(
            component, span.index, None, None, quantity, "day", charge.amount, quantity * charge.amount, label
        )
    days, of_days = (span.days, span.cycle_days) if proration is Proration.DAYS else (1, 1)
    if proration is Proration.WHOLE and not span.is_last:
        return None
    unit = "month"
    if charge.unit is ChargeUnit.YEAR:
        unit, of_days = "year", of_days * 12
    exact = share_of_days(charge.amount, days, of_days)
    return Segment(component, span.index, None, None, ONE, unit, charge.amount, exact, label, days, of_days)


def fuel_segments(span: Span, energy: EnergyOfSpan) -> list[Segment]:
    """The standard's fuel adjustment, by calendar month."""
    segments = []
    for month, _ in span.bins_of_month if span.tariff.fuel_by_month else ():
        rate, quantity = span.tariff.fuel_by_month[month], Decimal(energy.wh_of_months([month])).scaleb(-3)
        if rate and quantity:
            segments.append(
                Segment(
                    Component.RIDER, span.index, None, None, quantity, "kWh", rate, quantity * rate, "Fuel adjustment"
                )
            )
    return segments


def adder_segments(
    plan: Plan,
    span: Span,
    component: Component,
    adders: Iterable[Adder],
    energy: EnergyOfSpan,
    before: Sequence[Segment],
) -> list[Segment]:
    """Riders, taxes or credits of a span; a share is of what `before` has of the span."""
    made = (_added(plan, span, component, adder, energy, before) for adder in adders)
    return [segment for segment in made if segment is not None]


def _added(
    plan: Plan, span: Span, component: Component, adder: Adder, energy: EnergyOfSpan, before: Sequence[Segment]
) -> Segment | None:
    sign = -1 if component is Component.CREDIT else 1
    if adder.per_month is not None:
        if plan.billing_month.month not in adder.months:
            return None
        charge = Charge(sign * adder.per_month, ChargeUnit.MONTH)
        return _of_cycle(span, charge, span.tariff.proration.fixed, component, adder.name)
    if adder.share is not None:
        base = _share_base(plan, span, adder, before)
        return _product(component, span, base, "USD", adder.share, adder.name)
    if adder.per_day is not None:
        days = sum(span.days_of_month[month - 1] for month in adder.months)
        return _product(component, span, Decimal(days), "day", sign * adder.per_day, adder.name)
    wh = energy.wh_of_months([month - 1 for month in adder.months])
    return _product(component, span, Decimal(wh).scaleb(-3), "kWh", sign * (adder.per_kwh or ZERO), adder.name)


def _share_base(plan: Plan, span: Span, adder: Adder, before: Sequence[Segment]) -> Decimal:
    """What the share is of; never less than nothing, since no utility pays a tax on a credit."""
    if plan.billing_month.month not in adder.months:
        return ZERO
    on = set(adder.on)
    base = sum((each.exact for each in before if each.span == span.index and each.component in on), ZERO)
    return max(base, ZERO)


def _product(
    component: Component, span: Span, quantity: Decimal, unit: str, rate: Decimal, label: str
) -> Segment | None:
    if not quantity:
        return None
    return Segment(component, span.index, None, None, quantity, unit, rate, quantity * rate, label)


def minimum_segments(plan: Plan, before: Sequence[Segment], history: History) -> tuple[list[Segment], Decimal]:
    """What lifts the charges so far, exports included, to the minimum; and the charges with that."""
    charged = sum((each.exact for each in before), ZERO)
    last = plan.spans[-1]
    segments = []
    least = sum(
        (
            each.exact
            for span in plan.spans
            if span.tariff.minimum is not None
            and (each := _of_cycle(span, span.tariff.minimum, span.tariff.proration.minimum, Component.MINIMUM, ""))
        ),
        ZERO,
    )
    if least > charged and any(span.tariff.minimum is not None for span in plan.spans):
        segments.append(_top_up(last, least - charged, "Minimum charge"))
        charged = least
    annual = last.tariff.annual_minimum
    if annual is not None and _holds_new_years_eve(plan):
        if history.year_charges is None:
            raise MissingFacts("the annual minimum needs what was charged earlier in the year")
        if annual > history.year_charges + charged:
            missing = annual - history.year_charges - charged
            segments.append(_top_up(last, missing, "Annual minimum charge"))
            charged += missing
    return segments, charged


def _top_up(span: Span, missing: Decimal, label: str) -> Segment:
    return Segment(Component.MINIMUM, span.index, None, None, missing, "USD", ONE, missing, label)


def _holds_new_years_eve(plan: Plan) -> bool:
    return plan.period.start.year < plan.period.end.year
