"""What a statement's figures mean, in sentences to the host. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from billing.agreements import how_paid_words, money
from billing.money import half_away
from billing.settlement import CREDIT_PER_KWH, FLAT_HOST_FEE, OPERATOR


@dataclass(frozen=True, slots=True)
class Due:
    """When and how the host pays. `on` is None for a statement that is not issued yet, and then it is `days` after."""

    on: date | None
    days: int
    how_paid: str


def node_cost(node_cents: int, saved_cents: int, *, is_over: bool = True) -> str:
    """What the node added to the utility's bill and how much of that was the host's: whatever the host pays more than
    the same home without node and operator (`saved_cents` below zero). `is_over` is False for a month that goes on."""
    if node_cents <= 0:
        less = f"lowered the bill by {money(-node_cents)}" if node_cents else "cost nothing"
        return f"The node {less}." if is_over else f"The node has {less} so far."
    said = f"The node cost {money(node_cents)}." if is_over else f"The node has cost {money(node_cents)} so far."
    pays = "paid" if is_over else "pay"
    if saved_cents >= 0:
        return f"{said} You {pays} none of it."
    return f"{said} You {pays} {money(-saved_cents)} more than the same home would have paid without us."


def outcome(total_cents: int, due: Due) -> str:
    """What is owed by whom, by when and how."""
    if total_cents > 0:
        when = f"by {day(due.on)}" if due.on else f"{due.days} days after this is issued"
        return f"You owe us {money(total_cents)} {when}. {how_paid_words(due.how_paid)}"
    if total_cents < 0:
        return f"We owe you {money(-total_cents)}. It goes out with the next payout."
    return "Neither of us owes the other anything for this period."


def explanation(
    figures: Mapping[str, int], terms: Mapping[str, Any] | None, estimated: int, intervals: int
) -> list[str]:
    """From the meters to what is owed, in the order in which it is computed; of the terms only if they may be told."""
    bill, without = figures["bill_with_cents"], figures["bill_without_cents"]
    return [
        _read(estimated, intervals),
        f"We worked out the utility's bill twice by the same tariff: as it was, {money(bill)}, and as it would have"
        f" been without the node, {money(without)}. The difference, {money(bill - without)}, is what the node added.",
        *([_settled(terms["settlement"], terms["utility_payer"])] if terms else []),
        _saved(figures),
        "Every amount is exact until the end. It is rounded to cents once, halves away from zero.",
    ]


def _read(estimated: int, intervals: int) -> str:
    said = f"The meters were read every 15 minutes, {intervals:,} times."
    if not estimated:
        return f"{said} All of them were measured."
    return f"{said} About {percent(estimated, intervals)} of the readings, {estimated:,}, are estimates."


def percent(part: int, whole: int) -> str:
    """Of something that is there: never rounded to nothing."""
    share = half_away(Decimal(100 * part) / whole, 1)
    return f"{share} %" if share else "less than 0.1 %"


def _settled(settlement: str, utility_payer: str) -> str:
    if settlement == FLAT_HOST_FEE:
        return "By your agreement electricity costs you a flat fee, whatever the utility's bill is."
    if settlement == CREDIT_PER_KWH:
        return "By your agreement we credit you an amount for each kWh that the node used."
    if utility_payer == OPERATOR:
        return "By your agreement electricity costs you what it would have cost without the node."
    return "By your agreement the node costs you nothing: what it added to the utility's bill is ours."


def _saved(figures: Mapping[str, int]) -> str:
    saved = figures["saved_cents"]
    alone = figures["bill_without_cents"] + figures["internet_cents"]
    what = "electricity and internet" if figures["internet_cents"] else "electricity"
    said = f"Without us {what} would have cost you {money(alone)}; you pay {money(figures['you_pay_cents'])}"
    if saved < 0:
        return f"{said}, which is {money(-saved)} more."
    return f"{said}, which saves you {money(saved)}."


def year(number: int, paid_cents: int, threshold_cents: int, *, is_reported: bool) -> list[str]:
    """Of a host's payments in a calendar year. No tax advice."""
    said = (
        f"In {number} we paid you {money(paid_cents)}. Payments of {money(threshold_cents)} or more a year are reported"
    )
    last = "Yours are: you will get a form 1099-MISC." if is_reported else "Yours are less, and are not."
    return [
        f"{said} to the tax authority.",
        last,
        "What you got in kind, such as electricity that we paid for, stands beside it and is not part of it.",
        "This is a summary of our books and no tax advice.",
    ]


def day(on: date) -> str:
    return f"{on:%B} {on.day}, {on.year}"


def days(start: date, end: date) -> str:
    """The days [start, end): a month by its name, otherwise from the first to the last."""
    last = end - timedelta(days=1)
    if start.day == 1 and end.day == 1 and (start.year, start.month) == (last.year, last.month):
        return f"{start:%B} {start.year}"
    if start.year == last.year:
        return f"{start:%B} {start.day} to {day(last)}"
    return f"{day(start)} to {day(last)}"


def from_to(start: date, end: date) -> str:
    """The days [start, end) by their dates, short."""
    last = end - timedelta(days=1)
    first = f"{start:%b} {start.day}" + (f", {start.year}" if start.year != last.year else "")
    return f"{first} to {last:%b} {last.day}, {last.year}"
