"""Money in words and drawings: exact where it is exact, coarse where it is an estimate. Pure."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from xfra_portal import bill_words, formats
from xfra_portal.homeowner.drawings import Scale, window


@pytest.mark.parametrize(
    ("cents", "said"),
    [(0, "$0.00"), (5, "$0.05"), (81_244, "$812.44"), (-1200, "−$12.00"), (123_456_789, "$1,234,567.89"),
     (None, "unknown")],
)  # fmt: skip
def test_dollars_are_exact(cents: int | None, said: str) -> None:
    assert formats.dollars(cents) == said


@pytest.mark.parametrize(
    ("cents", "said"),
    [(105_932, "$1,060"), (104_499, "$1,040"), (104_500, "$1,050"), (8650, "$87"), (49, "$0"), (50, "$1"), (-49, "$0"),
     (-8650, "−$87"), (99_950, "$1,000"), (None, "unknown")],
)  # fmt: skip
def test_an_estimate_is_no_more_exact_than_it_is(cents: int | None, said: str) -> None:
    assert formats.about_dollars(cents) == said


@pytest.mark.parametrize(("cents", "said"), [(150, "+$1.50"), (-150, "−$1.50"), (0, "$0.00")])
def test_a_change_has_its_sign(cents: int, said: str) -> None:
    assert formats.change_dollars(cents) == said


@pytest.mark.parametrize(
    ("number", "unit", "said"),
    [("0.1", "kWh", "$0.10 a kWh"), ("0.09457", "kWh", "$0.09457 a kWh"), ("-0.05", "kWh", "−$0.05 a kWh"),
     ("18", "month", "$18.00 a month"), ("0.035", "USD", "3.5 %"), ("1E+1", "kW", "$10.00 a kW")],
)  # fmt: skip
def test_a_rate_keeps_every_digit(number: str, unit: str, said: str) -> None:
    assert formats.rate(Decimal(number), unit) == said


@pytest.mark.parametrize(
    ("number", "unit", "said"),
    [("6717.609", "kWh", "6,717.609 kWh"), ("30", "day", "30 days"), ("1", "month", "1 month"),
     ("12.5", "USD", "$12.50"), ("9.000", "kW", "9 kW")],
)  # fmt: skip
def test_a_quantity_keeps_its_unit(number: str, unit: str, said: str) -> None:
    assert formats.quantity(Decimal(number), unit) == said


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (date(2026, 10, 1), date(2026, 11, 1), "October 2026"),
        (date(2026, 10, 9), date(2026, 11, 1), "9 October to 31 October 2026"),
        (date(2026, 12, 1), date(2027, 2, 1), "1 December to 31 January 2027"),
    ],
)
def test_a_period_has_a_name(start: date, end: date, said: str) -> None:
    assert bill_words.month_name(start, end) == said


@pytest.mark.parametrize(
    ("levels", "low"),
    [
        ([10_000, 50_000], 0),  # a large change is drawn from nothing
        ([89_000, 92_000], 86_000),  # a small one from where it can be seen, at whole ten dollars
        ([15_000, -20_000], -20_000),
        ([0, 0], 0),
        ([50, 60], 0),
    ],
)
def test_where_a_waterfall_begins(levels: list[int], low: int) -> None:
    assert window(levels) == (low, max(0, *levels))


def test_bars_stay_within_the_drawing_and_are_never_too_thin_to_see() -> None:
    scale = Scale(-20_000, 15_000)
    assert scale.bar(-20_000, 15_000) == (0.0, 100.0)
    assert scale.bar(15_000, -20_000) == (0.0, 100.0)
    assert scale.bar(0, 1)[1] == 0.5
    assert Scale(0, 0).bar(0, 0) == (0.0, 0.5)
