"""The arithmetic of agreements, as properties: whatever the bills are, who pays what adds up."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from billing.money import cents
from billing.posting_rules import difference, moves
from billing.settlement import (
    CREDIT_PER_KWH,
    ELECTRICITY,
    FLAT_HOST_FEE,
    HOLD_HARMLESS,
    HOST,
    OPERATOR,
    Item,
    Line,
    Settled,
    Terms,
    monthly,
    settle,
)

FIRST, AFTER = date(2026, 4, 1), date(2026, 5, 1)
amounts = st.integers(-50_000, 500_000)
bills = st.lists(
    st.builds(
        lambda with_node, without: Line(ELECTRICITY, "energy", "Energy", with_cents=with_node, without_cents=without),
        amounts,
        amounts,
    ),
    max_size=8,
)
payers = st.sampled_from([HOST, OPERATOR])
items = st.lists(st.builds(Item, st.just("Item"), st.integers(1, 20_000), payers), max_size=3).map(tuple)
terms = st.builds(
    Terms,
    payers,
    payers,
    st.sampled_from([HOLD_HARMLESS, FLAT_HOST_FEE, CREDIT_PER_KWH]),
    fee_cents=st.integers(0, 50_000),
    credit_per_kwh=st.decimals(0, 1, places=6),
    internet_cents=st.integers(0, 20_000),
    items=items,
)
kwh = st.decimals(0, 20_000, places=3)


def settled(bill: list[Line], agreed: Terms, node_kwh: Decimal) -> Settled:
    return settle(bill, agreed, FIRST, AFTER, node_kwh)


def fixed_to_operator(agreed: Terms) -> int:
    return sum(item.cents if item.to == OPERATOR else -item.cents for item in agreed.items)


@given(bills, terms, kwh)
def test_the_bills_are_paid_by_somebody(bill: list[Line], agreed: Terms, node_kwh: Decimal) -> None:
    found = settled(bill, agreed, node_kwh)
    assert found.you_pay_cents + found.we_pay_cents == found.bill_with_cents + found.internet_cents
    assert found.saved_cents == found.bill_without_cents + found.internet_cents - found.you_pay_cents
    assert found.total_cents == sum(line.amount_cents for line in found.lines)
    assert all(line.host_cash_cents + line.operator_cash_cents == line.with_cents for line in found.lines[: len(bill)])
    assert all(line.host_cash_cents == line.amount_cents for line in found.lines if line.section == "settlement")


@given(bills, terms, kwh)
def test_held_harmless_the_host_pays_the_bill_without_the_node(bill: list[Line], agreed: Terms, node: Decimal) -> None:
    found = settled(bill, replace(agreed, settlement=HOLD_HARMLESS, internet_cents=0, items=()), node)
    assert found.you_pay_cents == found.bill_without_cents


@given(bills, terms, kwh)
def test_with_a_flat_fee_the_host_pays_the_fee(bill: list[Line], agreed: Terms, node: Decimal) -> None:
    found = settled(bill, replace(agreed, settlement=FLAT_HOST_FEE, internet_payer=OPERATOR, items=()), node)
    assert found.you_pay_cents == agreed.fee_cents


@given(bills, terms, kwh)
def test_with_a_credit_the_host_pays_the_bill_less_the_credit(bill: list[Line], agreed: Terms, node: Decimal) -> None:
    found = settled(bill, replace(agreed, settlement=CREDIT_PER_KWH, internet_cents=0), node)
    credit = cents(node * agreed.credit_per_kwh)
    assert found.you_pay_cents == found.bill_with_cents - credit + fixed_to_operator(agreed)


@given(bills, terms, kwh)
def test_what_is_posted_sums_to_zero_and_owes_the_total(bill: list[Line], agreed: Terms, node_kwh: Decimal) -> None:
    found = settled(bill, agreed, node_kwh)
    posted = moves(found.lines)
    assert sum(posted.values()) == 0
    assert posted["host_receivable"] + posted["host_payable"] == found.total_cents
    assert posted["host_receivable"] >= 0
    assert posted["host_payable"] <= 0


@given(bills, bills, terms, kwh)
def test_correcting_and_correcting_back_posts_nothing_in_the_end(
    bill: list[Line], other: list[Line], agreed: Terms, node_kwh: Decimal
) -> None:
    first, second = (moves(settled(one, agreed, node_kwh).lines) for one in (bill, other))
    there, back = difference(second, first), difference(first, second)
    assert {code: there.get(code, 0) + back.get(code, 0) for code in {*there, *back}} == dict.fromkeys(
        {*there, *back}, 0
    )
    assert sum(there.values()) == 0


@given(st.integers(0, 1_000_000), st.integers(0, 700), st.lists(st.integers(1, 60), min_size=1, max_size=6))
def test_parts_of_months_sum_to_the_whole(amount: int, offset: int, lengths: list[int]) -> None:
    start = FIRST + timedelta(days=offset)
    edges = [start]
    for length in lengths:
        edges.append(edges[-1] + timedelta(days=length))
    parts = [monthly(amount, one, other) for one, other in pairwise(edges)]
    assert sum(parts) == monthly(amount, edges[0], edges[-1])


def test_a_month_is_the_whole_amount_however_long() -> None:
    for month in range(1, 13):
        first = date(2028, month, 1)
        assert monthly(15_001, first, (first + timedelta(days=32)).replace(day=1)) == 15_001


def test_eighteen_dollars_from_the_ninth_of_thirty_days() -> None:
    ninth = date(2026, 4, 9)
    assert (monthly(1_800, ninth, AFTER), monthly(1_800, FIRST, ninth)) == (1_320, 480)
