"""A bill's lines and causes in plain words. Pure: tariffs and lines in, sentences out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from billing.priced_intervals import hours_of
from billing.rating import Component
from billing.settlement import ELECTRICITY
from billing.tariffs import Tariff
from billing.tariffs.document import Schedule, TierBasis
from billing.waterfall import Bill, Cause, Figure, Step
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


def band_words(schedule: Schedule, tou_period: int, months: Sequence[int]) -> str:
    return "; ".join(hours_of(schedule, tou_period, months)) or f"period {tou_period + 1}"


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
