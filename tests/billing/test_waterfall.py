"""Why a month differs from the one before: known answers, and sums that are exact whatever two statements say."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import settlement
from billing.settlement import Item, Line, Terms
from billing.waterfall import Bill, Cause, Figure, figure_of, waterfall

OCTOBER, NOVEMBER, DECEMBER = date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1)
HARMLESS = Terms("host", "host", settlement.HOLD_HARMLESS, internet_cents=7000)
FEE = Terms("operator", "operator", settlement.FLAT_HOST_FEE, fee_cents=15_000, internet_cents=7000)
CREDIT = Terms("host", "operator", settlement.CREDIT_PER_KWH, credit_per_kwh=Decimal("0.15"), internet_cents=7000)


def energy(tou: int, home: str, node: str, rate: str, tier: int = 0) -> Line:
    without, whole = Decimal(home), Decimal(home) + Decimal(node)
    price = Decimal(rate)
    return Line(
        settlement.ELECTRICITY, "energy", f"Energy, period {tou + 1}", tou_period=tou, tier=tier, unit="kWh",
        quantity_with=whole, quantity_without=without, rate=price,
        with_cents=round(whole * price * 100), without_cents=round(without * price * 100),
    )  # fmt: skip


def charge(component: str, cents: int, unit: str = "month") -> Line:
    one = Decimal(1)
    return Line(settlement.ELECTRICITY, component, component, unit=unit, rate=one, quantity_with=one,
                quantity_without=one, with_cents=cents, without_cents=cents)  # fmt: skip


def bill(start: date, end: date, lines: list[Line], terms: Terms = HARMLESS, tariffs: tuple[str, ...] = ("A",)) -> Bill:
    whole = sum((line.quantity_with or Decimal(0) for line in lines if line.component == "energy"), Decimal(0))
    home = sum((line.quantity_without or Decimal(0) for line in lines if line.component == "energy"), Decimal(0))
    return Bill(start, end, settlement.settle(lines, terms, start, end, whole - home).lines, tariffs)


def causes(was: Bill, now: Bill, figure: Figure = Figure.YOU_PAY) -> dict[Cause, int]:
    found = waterfall(was, now, figure)
    assert found.was + sum(step.cents for step in found.steps) == found.now
    return {step.cause: step.cents for step in found.steps}


BEFORE = bill(OCTOBER, NOVEMBER, [energy(0, "310", "9300", "0.10"), charge("fixed", 1800)])


@pytest.mark.parametrize(
    ("lines", "terms", "expected"),
    [
        # 30 days instead of 31, ten kWh a day as before: one day's dollar less.
        ([energy(0, "300", "9000", "0.10"), charge("fixed", 1800)], HARMLESS, {Cause.DAYS: -100}),
        # 12 kWh a day instead of ten.
        (
            [energy(0, "360", "9000", "0.10"), charge("fixed", 1800)],
            HARMLESS,
            {Cause.DAYS: -100, Cause.HOME_USE: 600},
        ),
        # Two cents more for each kWh.
        (
            [energy(0, "300", "9000", "0.12"), charge("fixed", 1800)],
            HARMLESS,
            {Cause.DAYS: -100, Cause.PRICE: 600},
        ),
        # A third of it at a dearer hour: 100 kWh at 13 cents more.
        (
            [energy(0, "200", "6000", "0.10"), energy(1, "100", "3000", "0.23"), charge("fixed", 1800)],
            HARMLESS,
            {Cause.DAYS: -100, Cause.TIME_OF_USE: 1300},
        ),
        # Another season: none of the periods is one of the month before.
        (
            [energy(1, "300", "9000", "0.15"), charge("fixed", 1800)],
            HARMLESS,
            {Cause.DAYS: -100, Cause.SEASON: 1500},
        ),
        ([energy(0, "300", "9000", "0.10"), charge("fixed", 2000)], HARMLESS, {Cause.DAYS: -100, Cause.FIXED: 200}),
        (
            [energy(0, "300", "9000", "0.10"), charge("fixed", 1800), charge("demand_flat", 925), charge("tax", 311)],
            HARMLESS,
            {Cause.DAYS: -100, Cause.DEMAND: 925, Cause.EXTRAS: 311},
        ),
        # Internet became dearer, and it is the host's.
        (
            [energy(0, "300", "9000", "0.10"), charge("fixed", 1800)],
            replace(HARMLESS, internet_cents=7500),
            {Cause.DAYS: -100, Cause.INTERNET: 500},
        ),
        # From "the node costs nothing" (48.00 + 70.00 at the old terms) to a fee of 150.00 with all paid.
        (
            [energy(0, "300", "9000", "0.10"), charge("fixed", 1800)],
            FEE,
            {Cause.DAYS: -100, Cause.AGREEMENT: 15_000 - 4800 - 7000},
        ),
    ],
)
def test_what_the_host_pays(lines: list[Line], terms: Terms, expected: dict[Cause, int]) -> None:
    assert causes(BEFORE, bill(NOVEMBER, DECEMBER, lines, terms)) == expected


def test_what_we_pay_is_the_nodes() -> None:
    now = bill(NOVEMBER, DECEMBER, [energy(0, "300", "9300", "0.10"), charge("fixed", 1800)])
    assert causes(BEFORE, now, Figure.WE_PAY) == {Cause.DAYS: -3000, Cause.NODE_USE: 3000}


def test_a_flat_fee_is_the_same_whatever_was_used() -> None:
    lines = [energy(0, "300", "1000", "0.10")], [energy(0, "900", "9000", "0.30")]
    assert causes(bill(OCTOBER, NOVEMBER, lines[0], FEE), bill(NOVEMBER, DECEMBER, lines[1], FEE)) == {}


def test_a_month_that_began_on_the_ninth_is_a_matter_of_days() -> None:
    was = bill(date(2026, 10, 9), NOVEMBER, [energy(0, "1", "1", "0.10")], FEE)
    assert causes(was, bill(NOVEMBER, DECEMBER, [energy(0, "1", "1", "0.10")], FEE)) == {Cause.DAYS: 15_000 - 11_129}


def test_a_credit_falls_with_what_the_node_used() -> None:
    was = bill(OCTOBER, NOVEMBER, [energy(0, "310", "9300", "0.10")], CREDIT)
    now = bill(NOVEMBER, DECEMBER, [energy(0, "300", "6000", "0.10")], CREDIT)
    # 3,000 kWh less at 10 cents bought and 15 credited: 150.00 more to pay. A day less: 1.00 and 30.00, less 45.00.
    assert causes(was, now) == {Cause.DAYS: 1400, Cause.NODE_USE: 15_000}


def test_another_tariff_is_another_price() -> None:
    now = bill(NOVEMBER, DECEMBER, [energy(3, "300", "9000", "0.20"), charge("fixed", 1800)], tariffs=("B",))
    assert causes(BEFORE, now) == {Cause.DAYS: -100, Cause.PRICE: 3000}


def test_after_a_month_without_any_use_all_is_use() -> None:
    was = bill(OCTOBER, NOVEMBER, [charge("fixed", 1800)])
    now = bill(NOVEMBER, DECEMBER, [energy(0, "100", "300", "0.10"), charge("fixed", 1800)])
    assert causes(was, now) == {Cause.HOME_USE: 1000}
    assert causes(was, now, Figure.WE_PAY) == {Cause.NODE_USE: 3000}


kwh = st.decimals(0, 5000, places=3)
rates = st.decimals("0.00001", "0.9", places=5)
energies = st.builds(energy, st.integers(0, 3), kwh.map(str), kwh.map(str), rates.map(str), st.integers(0, 2))
charges = st.builds(
    charge,
    st.sampled_from(["fixed", "minimum", "demand_flat", "demand_tou", "rider", "tax", "credit", "export"]),
    st.integers(-90_000, 90_000),
    st.sampled_from(["month", "day", "kWh"]),
)
terms = st.builds(
    Terms,
    st.sampled_from(["host", "operator"]),
    st.sampled_from(["host", "operator"]),
    st.sampled_from([settlement.HOLD_HARMLESS, settlement.FLAT_HOST_FEE, settlement.CREDIT_PER_KWH]),
    fee_cents=st.integers(0, 90_000),
    credit_per_kwh=st.decimals(0, 1, places=4),
    internet_cents=st.integers(0, 20_000),
    items=st.lists(st.builds(Item, st.just("thing"), st.integers(1, 9000), st.sampled_from(["host", "operator"])),
                   max_size=2).map(tuple),
)  # fmt: skip


@st.composite
def bills(draw: st.DrawFn) -> Bill:
    start = draw(st.dates(date(2025, 1, 1), date(2027, 1, 1)))
    end = start + timedelta(days=draw(st.integers(1, 40)))
    lines = draw(st.lists(st.one_of(energies, charges), max_size=8))
    return bill(start, end, lines, draw(terms), draw(st.sampled_from([("A",), ("B",), ()])))


@given(bills(), bills(), st.sampled_from(Figure))
def test_it_sums_to_the_cent_for_any_two_statements(was: Bill, now: Bill, figure: Figure) -> None:
    found = waterfall(was, now, figure)
    assert (found.was, found.now) == (figure_of(was, figure), figure_of(now, figure))
    assert found.was + sum(step.cents for step in found.steps) == found.now
    assert all(step.cents for step in found.steps)
    assert len({step.cause for step in found.steps}) == len(found.steps)


@given(bills(), st.sampled_from(Figure))
def test_the_same_again_has_no_causes(found: Bill, figure: Figure) -> None:
    assert waterfall(found, found, figure).steps == ()
