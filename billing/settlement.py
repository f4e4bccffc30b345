"""Who pays what, and what is owed: the arithmetic of an agreement. Pure; integer cents, local days.

The host's cost of the utility's bill under an agreement is fixed by its settlement: `hold_harmless` the bill without
the node, `flat_host_fee` the fee, `credit_per_kwh` the bill less a credit for each kWh of the node. What is owed is the
difference between that and what the host pays the utility anyway. Internet is cash of whoever pays it.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from billing.money import cents, divide_half_away

HOST, OPERATOR = "host", "operator"
HOLD_HARMLESS, FLAT_HOST_FEE, CREDIT_PER_KWH = "hold_harmless", "flat_host_fee", "credit_per_kwh"
ELECTRICITY, INTERNET, SETTLEMENT = "electricity", "internet", "settlement"

NODE_REFUND, HOME_SHARE, FEE, CREDIT, TO_HOST, TO_OPERATOR = (
    "node_refund",
    "home_share",
    "fee",
    "credit",
    "to_host",
    "to_operator",
)
"""Components of settlement lines: each is posted to an account of its own kind."""


@dataclass(frozen=True, slots=True)
class Item:
    """A fixed amount a month that goes `to` the host or the operator."""

    label: str
    cents: int
    to: str


@dataclass(frozen=True, slots=True)
class Terms:
    utility_payer: str
    internet_payer: str
    settlement: str
    fee_cents: int = 0
    credit_per_kwh: Decimal = Decimal(0)
    internet_cents: int = 0
    items: tuple[Item, ...] = ()
    due_days: int = 30
    """Within so many days of its issue the host pays what a statement says is owed."""
    how_paid: str = ""
    """A sentence to the host on how that is paid; empty where it was not agreed on."""


@dataclass(frozen=True, slots=True)
class Line:
    """As a statement's line. Cents; `host_cash` and `operator_cash` are below zero for who receives."""

    section: str
    component: str
    label: str
    clause: str = ""
    span: int | None = None
    tou_period: int | None = None
    tier: int | None = None
    quantity_with: Decimal | None = None
    quantity_without: Decimal | None = None
    unit: str = ""
    rate: Decimal | None = None
    with_cents: int = 0
    without_cents: int = 0
    host_cash_cents: int = 0
    operator_cash_cents: int = 0
    in_kind_cents: int = 0
    amount_cents: int = 0


@dataclass(frozen=True, slots=True)
class Settled:
    """A statement's lines and what they come to: `you_pay` + `we_pay` = `bill_with` + `internet`, always."""

    lines: tuple[Line, ...]
    total_cents: int
    bill_with_cents: int
    bill_without_cents: int
    internet_cents: int
    you_pay_cents: int
    we_pay_cents: int
    saved_cents: int

    @property
    def figures(self) -> Mapping[str, int]:
        """By the name of the statement's column."""
        names = ("total", "bill_with", "bill_without", "internet", "you_pay", "we_pay", "saved")
        return {f"{name}_cents": getattr(self, f"{name}_cents") for name in names}


def settle(bill: Sequence[Line], terms: Terms, start: date, end: date, node_kwh: Decimal) -> Settled:
    """A statement for local days [start, end). `bill` has the utility's lines, with and without the node."""
    electricity = [_paid(line, terms) for line in bill]
    with_cents = sum(line.with_cents for line in bill)
    without_cents = sum(line.without_cents for line in bill)
    internet = monthly(terms.internet_cents, start, end)
    lines = [
        *electricity,
        *_internet(terms, internet),
        _settled(terms, with_cents, without_cents, start, end, node_kwh),
        *_items(terms, start, end),
    ]
    you = sum(line.host_cash_cents for line in lines)
    return Settled(
        lines=tuple(lines),
        total_cents=sum(line.amount_cents for line in lines),
        bill_with_cents=with_cents,
        bill_without_cents=without_cents,
        internet_cents=internet,
        you_pay_cents=you,
        we_pay_cents=sum(line.operator_cash_cents for line in lines),
        saved_cents=without_cents + internet - you,
    )


def monthly(amount: int, start: date, end: date) -> int:
    """The days' [start, end) part of an amount a month. The parts of a month always sum to the whole."""
    total = 0
    for first, last, length in _months(start, end):
        total += divide_half_away(amount * last, length) - divide_half_away(amount * first, length)
    return total


def _months(start: date, end: date) -> Iterator[tuple[int, int, int]]:
    """For each calendar month touched: the first day (from 0), the day after the last, and the month's length."""
    day = start
    while day < end:
        length = monthrange(day.year, day.month)[1]
        after = min(end, day.replace(day=1) + timedelta(days=length))
        first = day.day - 1
        yield first, first + (after - day).days, length
        day = after


def _paid(line: Line, terms: Terms) -> Line:
    if terms.utility_payer == HOST:
        return replace(line, clause="utility_payer", host_cash_cents=line.with_cents)
    return replace(line, clause="utility_payer", operator_cash_cents=line.with_cents, in_kind_cents=line.without_cents)


def _internet(terms: Terms, amount: int) -> list[Line]:
    if not amount:
        return []
    line = Line(INTERNET, INTERNET, "Internet", clause="internet_payer")
    if terms.internet_payer == HOST:
        return [replace(line, host_cash_cents=amount)]
    return [replace(line, operator_cash_cents=amount, in_kind_cents=amount)]


def _settled(terms: Terms, bill: int, home: int, start: date, end: date, node_kwh: Decimal) -> Line:
    """One line: the host's cost under the agreement less what the host pays the utility anyway."""
    host_pays = terms.utility_payer == HOST
    paid = bill if host_pays else 0
    if terms.settlement == HOLD_HARMLESS:
        if host_pays:
            return _transfer(NODE_REFUND, "Electricity of the node, refunded to you", home - paid)
        return _transfer(HOME_SHARE, "Electricity of your home, as without the node", home)
    if terms.settlement == FLAT_HOST_FEE:
        fee = monthly(terms.fee_cents, start, end)
        label = "Your flat fee, less what you paid the utility" if host_pays else "Your flat fee"
        return _transfer(FEE, label, fee - paid)
    credit = cents(node_kwh * terms.credit_per_kwh)
    label = "Credit for the node's electricity" if host_pays else "The utility's bill, less the credit for the node"
    line = _transfer(CREDIT, label, bill - paid - credit)
    return replace(line, quantity_with=node_kwh, unit="kWh", rate=terms.credit_per_kwh)


def _items(terms: Terms, start: date, end: date) -> list[Line]:
    found = []
    for item in terms.items:
        amount = monthly(item.cents, start, end)
        is_ours = item.to == OPERATOR
        line = _transfer(TO_OPERATOR if is_ours else TO_HOST, item.label, amount if is_ours else -amount)
        found.append(replace(line, clause="fixed_monthly"))
    return found


def _transfer(component: str, label: str, amount: int) -> Line:
    """Cash from host to operator, or back where `amount` is below zero."""
    return Line(
        SETTLEMENT,
        component,
        label,
        clause="settlement",
        host_cash_cents=amount,
        operator_cash_cents=-amount,
        amount_cents=amount,
    )
