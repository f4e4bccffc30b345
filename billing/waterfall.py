"""Why a statement's money differs from another's: causes, in whole cents, that sum to the difference. Pure.

Each figure is taken apart exactly, as fractions of a cent, and rounded once by largest remainder. What a statement's
lines say is enough: they name the settlement, so that nobody needs to see the agreement to be told of a change in it.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from math import floor
from typing import Final, Protocol

from billing.settlement import CREDIT, ELECTRICITY, FEE, HOME_SHARE, INTERNET, NODE_REFUND, TO_HOST, TO_OPERATOR
from billing.tariffs.document import Component


class Cause(StrEnum):
    """In the order in which they are told."""

    DAYS = "days"
    HOME_USE = "home_use"
    NODE_USE = "node_use"
    TIME_OF_USE = "time_of_use"
    SEASON = "season"
    PRICE = "price"
    DEMAND = "demand"
    EXPORT = "export"
    FIXED = "fixed"
    EXTRAS = "extras"
    INTERNET = "internet"
    AGREEMENT = "agreement"


class Figure(StrEnum):
    YOU_PAY = "you_pay"
    WE_PAY = "we_pay"
    SAVED = "saved"


class Line(Protocol):
    """What of a statement's line is compared: `settlement.Line` and `StatementLine` both are one."""

    @property
    def section(self) -> str: ...
    @property
    def component(self) -> str: ...
    @property
    def tou_period(self) -> int | None: ...
    @property
    def tier(self) -> int | None: ...
    @property
    def quantity_with(self) -> Decimal | None: ...
    @property
    def quantity_without(self) -> Decimal | None: ...
    @property
    def unit(self) -> str: ...
    @property
    def rate(self) -> Decimal | None: ...
    @property
    def with_cents(self) -> int: ...
    @property
    def without_cents(self) -> int: ...
    @property
    def host_cash_cents(self) -> int: ...
    @property
    def operator_cash_cents(self) -> int: ...


@dataclass(frozen=True)
class Bill:
    """Lines for local days [start, end); `tariffs` are the names of the tariffs that priced them."""

    start: date
    end: date
    lines: Sequence[Line]
    tariffs: Collection[str] = ()

    @property
    def days(self) -> int:
        return (self.end - self.start).days


@dataclass(frozen=True, slots=True)
class Step:
    cause: Cause
    cents: int


@dataclass(frozen=True, slots=True)
class Waterfall:
    """`was` plus all steps is `now`, to the cent. Causes that come to nothing are left out."""

    figure: Figure
    was: int
    now: int
    steps: tuple[Step, ...]


_ZERO: Final = Fraction(0)
_ITEMS: Final = (TO_HOST, TO_OPERATOR)
_MAIN: Final = (NODE_REFUND, HOME_SHARE, FEE, CREDIT)
_REST: Final = {
    Component.DEMAND_FLAT: Cause.DEMAND,
    Component.DEMAND_TOU: Cause.DEMAND,
    Component.EXPORT: Cause.EXPORT,
    Component.RIDER: Cause.EXTRAS,
    Component.TAX: Cause.EXTRAS,
    Component.CREDIT: Cause.EXTRAS,
}


def waterfall(was: Bill, now: Bill, figure: Figure) -> Waterfall:
    """From `was` to `now`."""
    you = _you_pay(was, now)
    internet = _paid_internet(was, now)
    if figure is Figure.YOU_PAY:
        found = you
    elif figure is Figure.WE_PAY:
        found = _sum(_bill(was, now, WITH), internet, _negative(you))
    else:
        found = _sum(_bill(was, now, WITHOUT), internet, _negative(you))
    begin, end = figure_of(was, figure), figure_of(now, figure)
    return Waterfall(figure, begin, end, _rounded(found, end - begin))


def figure_of(bill: Bill, figure: Figure) -> int:
    """Cents, as the statement has them."""
    you = sum(line.host_cash_cents for line in bill.lines)
    if figure is Figure.YOU_PAY:
        return you
    if figure is Figure.WE_PAY:
        return sum(line.operator_cash_cents for line in bill.lines)
    return sum(line.without_cents for line in bill.lines) + _internet(bill) - you


@dataclass(frozen=True, slots=True)
class Side:
    """Which of a line's two bills is looked at."""

    is_with: bool

    def cents(self, line: Line) -> int:
        return line.with_cents if self.is_with else line.without_cents

    def quantity(self, line: Line) -> Fraction:
        return Fraction((line.quantity_with if self.is_with else line.quantity_without) or 0)


WITH, WITHOUT = Side(True), Side(False)


def _bill(was: Bill, now: Bill, side: Side) -> dict[Cause, Fraction]:
    """Of the utility's bill on one side."""
    found: dict[Cause, Fraction] = dict(_energy(was, now, side))
    for component, cause in _REST.items():
        _add(found, cause, _cents_of(now, side, (component,)) - _cents_of(was, side, (component,)))
    fixed = (Component.FIXED, Component.MINIMUM)
    change = Fraction(_cents_of(now, side, fixed) - _cents_of(was, side, fixed))
    by_days = _fixed_by_days(was, now, side)
    _add(found, Cause.DAYS, by_days)
    _add(found, Cause.FIXED, change - by_days)
    return found


def _energy(was: Bill, now: Bill, side: Side) -> dict[Cause, Fraction]:
    """Days, then use a day, then when it was used, then prices: each with what stands before it already changed."""
    before, after = Fraction(_cents_of(was, side, _ENERGY)), Fraction(_cents_of(now, side, _ENERGY))
    used, uses = _kwh(was, side), _kwh(now, side)
    home, home_now = _kwh(was, WITHOUT), _kwh(now, WITHOUT)
    if not used:
        return _shared(after - before, home_now, uses - home_now)
    average, ratio = before / used, Fraction(now.days, was.days)
    found = {
        Cause.DAYS: used * (ratio - 1) * average,
        Cause.HOME_USE: (home_now - home * ratio) * average,
    }
    found[Cause.NODE_USE] = (uses - used * ratio) * average - found[Cause.HOME_USE]
    if not side.is_with:
        _add(found, Cause.HOME_USE, found.pop(Cause.NODE_USE))
    rest = after - before - sum(found.values())
    price = _price(was, now, side)
    if price is None:
        found[Cause.PRICE] = rest
    else:
        found[Cause.PRICE] = price
        found[Cause.SEASON if _is_other_season(was, now) else Cause.TIME_OF_USE] = rest - price
    return found


_ENERGY: Final = (Component.ENERGY,)
_Key = tuple[int | None, int | None]


def _shared(cents: Fraction, home: Fraction, node: Fraction) -> dict[Cause, Fraction]:
    """Of what has no past to compare with."""
    whole = home + node
    if not whole:
        return {Cause.HOME_USE: cents}
    return {Cause.HOME_USE: cents * home / whole, Cause.NODE_USE: cents * node / whole}


def _price(was: Bill, now: Bill, side: Side) -> Fraction | None:
    """Cents by which each kWh of now cost more in its own period and tier; None where the tariff is another."""
    if was.tariffs and now.tariffs and not set(was.tariffs) & set(now.tariffs):
        return None
    old, new = _prices(was, side), _prices(now, side)
    return sum((kwh * (price - old[key][0]) for key, (price, kwh) in new.items() if key in old), _ZERO)


def _prices(bill: Bill, side: Side) -> dict[_Key, tuple[Fraction, Fraction]]:
    """By period and tier: the average price in cents, and the kWh."""
    amounts: dict[_Key, list[tuple[Fraction, Fraction]]] = {}
    for line in _lines(bill, _ENERGY):
        amounts.setdefault((line.tou_period, line.tier), []).append(
            (side.quantity(line), Fraction(line.rate or 0) * 100)
        )
    found = {}
    for key, parts in amounts.items():
        kwh = sum((quantity for quantity, _ in parts), _ZERO)
        paid = sum((quantity * rate for quantity, rate in parts), _ZERO)
        found[key] = (paid / kwh if kwh else parts[0][1], kwh)
    return found


def _is_other_season(was: Bill, now: Bill) -> bool:
    """No time-of-use period of the one month is one of the other."""
    old, new = ({line.tou_period for line in _lines(bill, _ENERGY)} for bill in (was, now))
    return bool(old) and bool(new) and not old & new


def _fixed_by_days(was: Bill, now: Bill, side: Side) -> Fraction:
    """Charges by the day follow the days; those by the month the part of a month."""
    by_day, by_month = _ZERO, _ZERO
    for line in _lines(was, (Component.FIXED,)):
        if line.unit == "day":
            by_day += side.cents(line)
        else:
            by_month += side.cents(line)
    return by_day * (Fraction(now.days, was.days) - 1) + by_month * (_months(now) / _months(was) - 1)


def _you_pay(was: Bill, now: Bill) -> dict[Cause, Fraction]:
    """By the settlement that held before; whatever that does not explain is a change of the agreement."""
    settled = _kind(was)
    if settled == FEE:
        fee = sum(line.host_cash_cents for line in was.lines if line.section == ELECTRICITY or line.component == FEE)
        found = {Cause.DAYS: fee * (_months(now) / _months(was) - 1)}
    elif settled == CREDIT:
        found = _sum(_bill(was, now, WITH), _credit(was, now))
    elif settled is None:
        found = _bill(was, now, WITH) if _host_pays_utility(was) else {}
    else:
        found = _bill(was, now, WITHOUT)
    _add(found, Cause.DAYS, _items(was) * (_months(now) / _months(was) - 1))
    found = _sum(found, _host_internet(was, now))
    change = figure_of(now, Figure.YOU_PAY) - figure_of(was, Figure.YOU_PAY)
    rest = change - sum(found.values(), _ZERO)
    if abs(rest) < _DUST and any(found.values()):
        largest = max(found, key=lambda cause: abs(found[cause]))
        _add(found, largest, rest)
    else:
        _add(found, Cause.AGREEMENT, rest)
    return found


_DUST: Final = Fraction(3)
"""Cents that roundings of parts of months and of credits may leave: no reason to speak of a new agreement."""


def _kind(bill: Bill) -> str | None:
    return next(
        (line.component for line in bill.lines if line.component in _MAIN and line.section != ELECTRICITY), None
    )


def _host_pays_utility(bill: Bill) -> bool:
    return any(line.host_cash_cents for line in bill.lines if line.section == ELECTRICITY)


def _credit(was: Bill, now: Bill) -> dict[Cause, Fraction]:
    """The credit by the kWh, at the rate that held before."""
    (kwh, rate), (kwh_now, _) = _credited(was), _credited(now)
    ratio = Fraction(now.days, was.days)
    return {Cause.DAYS: -kwh * (ratio - 1) * rate, Cause.NODE_USE: -(kwh_now - kwh * ratio) * rate}


def _credited(bill: Bill) -> tuple[Fraction, Fraction]:
    for line in bill.lines:
        if line.component == CREDIT and line.section != ELECTRICITY:
            return Fraction(line.quantity_with or 0), Fraction(line.rate or 0) * 100
    return _kwh(bill, WITH) - _kwh(bill, WITHOUT), _ZERO


def _items(bill: Bill) -> int:
    return sum(line.host_cash_cents for line in bill.lines if line.component in _ITEMS)


def _internet(bill: Bill) -> int:
    return sum(line.host_cash_cents + line.operator_cash_cents for line in bill.lines if line.section == INTERNET)


def _host_internet(was: Bill, now: Bill) -> dict[Cause, Fraction]:
    """What the host would pay if whoever paid before still did."""
    paid = sum(line.host_cash_cents for line in was.lines if line.section == INTERNET)
    return _paid_internet(was, now) if paid else {}


def _paid_internet(was: Bill, now: Bill) -> dict[Cause, Fraction]:
    before, after = _internet(was), _internet(now)
    by_days = before * (_months(now) / _months(was) - 1)
    rest = after - before - by_days
    if abs(rest) < _DUST:
        return {Cause.DAYS: by_days + rest} if by_days else {Cause.INTERNET: rest}
    return {Cause.DAYS: by_days, Cause.INTERNET: rest}


def _lines(bill: Bill, components: Collection[str]) -> Iterable[Line]:
    return (line for line in bill.lines if line.section == ELECTRICITY and line.component in components)


def _cents_of(bill: Bill, side: Side, components: Collection[str]) -> int:
    return sum(side.cents(line) for line in _lines(bill, components))


def _kwh(bill: Bill, side: Side) -> Fraction:
    return sum((side.quantity(line) for line in _lines(bill, _ENERGY)), _ZERO)


def _months(bill: Bill) -> Fraction:
    """How many months the days are: a part of each calendar month that they touch."""
    found, day = _ZERO, bill.start
    while day < bill.end:
        length = monthrange(day.year, day.month)[1]
        after = min(bill.end, day.replace(day=1) + timedelta(days=length))
        found += Fraction((after - day).days, length)
        day = after
    return found


def _add(found: dict[Cause, Fraction], cause: Cause, cents: Fraction | int) -> None:
    found[cause] = found.get(cause, _ZERO) + cents


def _sum(*parts: Mapping[Cause, Fraction]) -> dict[Cause, Fraction]:
    found: dict[Cause, Fraction] = {}
    for part in parts:
        for cause, cents in part.items():
            _add(found, cause, cents)
    return found


def _negative(part: Mapping[Cause, Fraction]) -> dict[Cause, Fraction]:
    return {cause: -cents for cause, cents in part.items()}


def _rounded(exact: Mapping[Cause, Fraction], total: int) -> tuple[Step, ...]:
    """Whole cents by largest remainder; the exact causes sum to the total, and so do these."""
    causes = [cause for cause in Cause if exact.get(cause)]
    whole = {cause: floor(exact[cause]) for cause in causes}
    left = total - sum(whole.values())
    for cause in sorted(causes, key=lambda each: whole[each] - exact[each])[:left]:
        whole[cause] += 1
    return tuple(Step(cause, whole[cause]) for cause in causes if whole[cause])
