"""From a bill's segments to the statement: its lines in cents, who pays what, what is owed, and what is posted."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any, Final

from billing.documents.verifier.clock import days_of
from billing.documents.verifier.energy import Segment
from billing.documents.verifier.exact import cents, cents_of_lines, half_away, number

Line = dict[str, Any]
CENTS: Final = (
    "with_cents",
    "without_cents",
    "host_cash_cents",
    "operator_cash_cents",
    "in_kind_cents",
    "amount_cents",
)


def line(section: str, component: str, label: str, clause: str = "", **rest: Any) -> Line:
    empty = dict.fromkeys(("span", "tou_period", "tier", "quantity_with", "quantity_without", "rate"))
    named = {"section": section, "component": component, "label": label, "clause": clause, "unit": ""}
    return {**named, **empty, **dict.fromkeys(CENTS, 0), **rest}


def bill_lines(bill: Sequence[Segment], bill_without: Sequence[Segment], *, rounds_each: bool) -> list[Line]:
    """Segments that are alike are one line, with and without the node side by side."""
    sides = [summed(bill, rounds_each=rounds_each), summed(bill_without, rounds_each=rounds_each)]
    found = []
    for key in dict.fromkeys([*sides[0], *sides[1]]):
        span, component, period, tier, label, unit, rate = key
        (quantity, with_cents), (quantity_without, without_cents) = (side.get(key, (Fraction(0), 0)) for side in sides)
        found.append(
            line(
                "electricity",
                component,
                label,
                span=span,
                tou_period=period,
                tier=tier,
                unit=unit,
                rate=rate,
                quantity_with=quantity,
                quantity_without=quantity_without,
                with_cents=with_cents,
                without_cents=without_cents,
            )
        )
    return found


def summed(segments: Sequence[Segment], *, rounds_each: bool) -> dict[Any, tuple[Fraction, int]]:
    """Quantity and cents by what a line is of."""
    quantities: dict[Any, Fraction] = {}
    amounts: dict[Any, Fraction] = {}
    for s in segments:
        key = (s.span, s.component, s.period, s.tier, s.label, s.unit, s.rate)
        quantities[key] = quantities.get(key, Fraction(0)) + s.quantity
        amounts[key] = amounts.get(key, Fraction(0)) + s.exact
    rounded = cents_of_lines(list(amounts.values()), each_by_itself=rounds_each)
    return {key: (quantities[key], amount) for key, amount in zip(amounts, rounded, strict=True)}


def settle(bill: Sequence[Line], agreement: Mapping[str, Any], start: date, end: date, node_wh: int) -> list[Line]:
    """All lines of the statement: the utility's bill, the internet, and what the agreement makes of them."""
    found = [paid(each, agreement) for each in bill]
    internet = monthly(agreement["internet_cents"], start, end)
    if internet:
        cash = {"host_cash_cents": internet}
        if agreement["internet_payer"] == "operator":
            cash = {"operator_cash_cents": internet, "in_kind_cents": internet}
        found.append(line("internet", "internet", "Internet", "internet_payer", **cash))
    with_node, without = (sum(each[name] for each in bill) for name in ("with_cents", "without_cents"))
    found.append(settled(agreement, with_node, without, start, end, node_wh))
    for item in agreement["fixed_monthly"]:
        amount = monthly(item["cents"], start, end)
        component, sign = ("to_operator", 1) if item["to"] == "operator" else ("to_host", -1)
        found.append(owed(component, item["label"], sign * amount, clause="fixed_monthly"))
    return found


def paid(each: Line, agreement: Mapping[str, Any]) -> Line:
    """Who pays the utility this line. What the operator pays of the home's own is the host's in kind."""
    if agreement["utility_payer"] == "host":
        return {**each, "clause": "utility_payer", "host_cash_cents": each["with_cents"]}
    cash = {"operator_cash_cents": each["with_cents"], "in_kind_cents": each["without_cents"]}
    return {**each, "clause": "utility_payer", **cash}


def settled(agreement: Mapping[str, Any], with_node: int, without: int, start: date, end: date, node_wh: int) -> Line:
    """The host's cost of electricity by the agreement, less what the host pays the utility anyway."""
    host_pays = agreement["utility_payer"] == "host"
    pays_anyway = with_node if host_pays else 0
    kind = agreement["settlement"]
    if kind == "hold_harmless":
        if host_pays:
            return owed("node_refund", "Electricity of the node, refunded to you", without - pays_anyway)
        return owed("home_share", "Electricity of your home, as without the node", without)
    if kind == "flat_host_fee":
        label = "Your flat fee, less what you paid the utility" if host_pays else "Your flat fee"
        return owed("fee", label, monthly(agreement["fee_cents"], start, end) - pays_anyway)
    if kind != "credit_per_kwh":
        raise ValueError(f"{kind!r} is no way to settle")
    kwh, rate = Fraction(node_wh, 1000), number(agreement["credit_per_kwh"])
    label = "Credit for the node's electricity" if host_pays else "The utility's bill, less the credit for the node"
    amount = with_node - pays_anyway - cents(kwh * rate)
    return {**owed("credit", label, amount), "quantity_with": kwh, "unit": "kWh", "rate": rate}


def owed(component: str, label: str, amount: int, clause: str = "settlement") -> Line:
    """Cash that the host owes the operator; below zero the operator the host."""
    cash = {"host_cash_cents": amount, "operator_cash_cents": -amount, "amount_cents": amount}
    return line("settlement", component, label, clause, **cash)


def monthly(amount: int, start: date, end: date) -> int:
    """The days' part of an amount a month; what is due up to each day is rounded, so that parts of a month sum up."""
    total = 0
    for day in days_of(start, end):
        length = monthrange(day.year, day.month)[1]
        total += half_away(Fraction(amount * day.day, length)) - half_away(Fraction(amount * (day.day - 1), length))
    return total


def figures(lines: Sequence[Line]) -> dict[str, int]:
    total, bill, without, you, we = (
        sum(each[name] for each in lines)
        for name in ("amount_cents", "with_cents", "without_cents", "host_cash_cents", "operator_cash_cents")
    )
    internet = sum(
        each["host_cash_cents"] + each["operator_cash_cents"] for each in lines if each["section"] == "internet"
    )
    return {
        "total_cents": total,
        "bill_with_cents": bill,
        "bill_without_cents": without,
        "internet_cents": internet,
        "you_pay_cents": you,
        "we_pay_cents": we,
        "saved_cents": without + internet - you,
    }


EARNED_BY: Final = {
    "node_refund": "node_electricity",
    "home_share": "home_electricity",
    "fee": "host_fees",
    "credit": "host_credits",
    "to_host": "host_credits",
    "to_operator": "host_fees",
}


def postings(lines: Sequence[Line]) -> dict[str, int]:
    """Cents by account of the ledger, debits above zero."""
    found: dict[str, int] = {}

    def post(account: str, amount: int) -> None:
        found[account] = found.get(account, 0) + amount

    owes = 0
    for each in lines:
        if each["section"] == "electricity" and each["operator_cash_cents"]:
            post("utility_payable", -each["with_cents"])
            post("home_electricity", each["without_cents"])
            post("node_electricity", each["with_cents"] - each["without_cents"])
        elif each["section"] == "internet":
            post("internet", each["operator_cash_cents"])
            post("internet_payable", -each["operator_cash_cents"])
        elif each["section"] == "settlement":
            post(EARNED_BY[each["component"]], -each["amount_cents"])
            owes += each["amount_cents"]
    post("host_receivable" if owes > 0 else "host_payable", owes)
    return found
