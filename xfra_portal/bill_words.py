"""A bill's lines and causes in plain words. Pure: tariffs and lines in, sentences out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from billing.priced_intervals import ENERGY, hours_of
from billing.rating import Component, TariffSpan
from billing.settlement import ELECTRICITY
from billing.tariffs import Tariff
from billing.tariffs.document import Schedule, TierBasis
from billing.waterfall import Bill, Cause, Figure, Line, Step
from xfra_portal import formats

FIGURES: Final = {Figure.YOU_PAY: "You pay", Figure.WE_PAY: "We pay", Figure.SAVED: "You save"}
_CAUSES: Final = {
    Cause.DAYS: "Days",
    Cause.HOME_USE: "Your home's use",
    Cause.NODE_USE: "The node's use",
    Cause.TIME_OF_USE: "When it was used",
    Cause.SEASON: "The tariff's other season",
    Cause.PRICE: "Prices",
    Cause.DEMAND: "Highest demand",
    Cause.EXPORT: "Sold to the grid",
    Cause.FIXED: "Fixed charges",
    Cause.EXTRAS: "Taxes, riders, credits",
    Cause.INTERNET: "Internet",
    Cause.AGREEMENT: "The agreement",
}
_BASES: Final = {
    TierBasis.PROPORTIONAL: "All kWh of the month fill the steps together, each time of use with its share.",
    TierBasis.CHRONOLOGICAL: "All kWh of the month fill the steps together, in the order in which they were used.",
    TierBasis.PER_PERIOD: "Each time of use fills steps of its own.",
}


def month_name(start: date, end: date) -> str:
    """Of local days [start, end): `October 2026`, or the days where they are no whole month."""
    last = end - timedelta(days=1)
    if start.day == 1 and end.day == 1 and (start.year, start.month) == (last.year, last.month):
        return f"{start:%B %Y}"
    return f"{day(start)} to {day(last)} {last.year}"


def day(on: date) -> str:
    return f"{on.day} {on:%B}"


def short_day(on: date) -> str:
    return f"{on.day} {on:%b}"


def line_words(line: Line, label: str, spans: Sequence[TariffSpan], span: int | None) -> str:
    """What a line is for, as the household knows it: the hours for a time-of-use period, and which price step."""
    if line.section != ELECTRICITY or span is None or line.tou_period is None:
        return label
    tariff, months = spans[span].tariff, months_of(spans[span].start, spans[span].end)
    if line.component in ENERGY and len(tariff.energy) > 1:
        name = "Sold" if line.component == Component.EXPORT else "Energy"
        hours = band_words(tariff.schedule, line.tou_period, months)
        return f"{name}, {hours}{_step_words(tariff, line)}"
    if line.component in ENERGY:
        return f"{label.split(',')[0]}{_step_words(tariff, line)}"
    if line.component == Component.DEMAND_TOU and tariff.demand is not None and tariff.demand.tou_schedule is not None:
        return f"Highest demand, {band_words(tariff.demand.tou_schedule, line.tou_period, months)}"
    return label


def band_words(schedule: Schedule, tou_period: int, months: Sequence[int]) -> str:
    return "; ".join(hours_of(schedule, tou_period, months)) or f"period {tou_period + 1}"


def _step_words(tariff: Tariff, line: Line) -> str:
    tiers = tariff.energy[line.tou_period or 0].tiers
    return f", step {(line.tier or 0) + 1} of {len(tiers)}" if len(tiers) > 1 else ""


def months_of(start: date, end: date) -> list[int]:
    """Calendar months, 1 to 12, that local days [start, end) touch."""
    days = (start + timedelta(days=number) for number in range((end - start).days))
    return list(dict.fromkeys(on.month for on in days))


def basis_words(tariff: Tariff, tou_period: int) -> str:
    """How kWh come to a price step; empty where there is but one."""
    return _BASES[tariff.tier_basis] if len(tariff.energy[tou_period].tiers) > 1 else ""


@dataclass(frozen=True, slots=True)
class Told:
    """A step of a waterfall: its name and why."""

    name: str
    why: str


def told(step: Step, was: Bill, now: Bill) -> Told:
    """A cause with the figures behind it."""
    return Told(_CAUSES[step.cause], _why(step.cause, was, now, step.cents > 0))


def _why(cause: Cause, was: Bill, now: Bill, is_more: bool) -> str:
    if cause is Cause.DAYS:
        return f"{formats.count(now.days, 'day')} instead of {was.days}"
    if cause in (Cause.HOME_USE, Cause.NODE_USE):
        which = 0 if cause is Cause.HOME_USE else 1
        before, after = _daily_kwh(was)[which], _daily_kwh(now)[which]
        return f"{after:,.1f} kWh a day instead of {before:,.1f}"
    return {
        Cause.TIME_OF_USE: f"{'more' if is_more else 'less'} of it in dearer hours and price steps",
        Cause.SEASON: "the tariff has other hours and prices in these months",
        Cause.PRICE: f"the same hours cost {'more' if is_more else 'less'} than before",
        Cause.DEMAND: "charged on the highest quarter-hours",
        Cause.EXPORT: "what solar power earned",
        Cause.FIXED: "charged whatever is used",
        Cause.EXTRAS: "they follow the other charges",
        Cause.INTERNET: "the provider's price",
        Cause.AGREEMENT: "other terms between you and us",
    }[cause]


def _daily_kwh(bill: Bill) -> tuple[float, float]:
    """Of the home and of the node."""
    energy = [line for line in bill.lines if line.section == ELECTRICITY and line.component == Component.ENERGY]
    home = sum(float(line.quantity_without or 0) for line in energy)
    whole = sum(float(line.quantity_with or 0) for line in energy)
    return home / bill.days, (whole - home) / bill.days
