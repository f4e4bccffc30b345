"""The table of known answers, row by row."""

from __future__ import annotations

from decimal import Decimal

import pytest

from billing.money import cents, half_away
from billing.rating import rate_pair, round_lines
from billing.tariffs import Component, Rounding
from tests.billing.cases import (
    CORRECTION_CASES,
    RATING_CASES,
    ROUNDING_CASES,
    CorrectionCase,
    RatingCase,
    RoundingCase,
)


@pytest.mark.parametrize("case", RATING_CASES, ids=lambda case: case.name)
def test_rating(case: RatingCase) -> None:
    rated = rate_pair(case.usage, case.spans, case.facts)
    assert half_away(rated.with_node.total(), 2) == Decimal(case.with_node)
    assert half_away(rated.without_node.total(), 2) == Decimal(case.without_node)
    assert half_away(rated.node_cost, 2) == Decimal(case.node_cost)
    for (component, span), expected in case.lines.items():
        of_line = sum(
            segment.exact
            for segment in rated.with_node.segments
            if segment.component is Component(component) and segment.span == span
        )
        assert half_away(of_line, 2) == Decimal(expected), (component, span)


@pytest.mark.parametrize("case", ROUNDING_CASES, ids=lambda case: case.name)
def test_rounding(case: RoundingCase) -> None:
    assert round_lines([Decimal(amount) for amount in case.amounts], Rounding(case.rounding)) == list(case.cents)


@pytest.mark.parametrize("case", CORRECTION_CASES, ids=lambda case: case.name)
def test_correction(case: CorrectionCase) -> None:
    assert cents(Decimal(case.now)) - cents(Decimal(case.was)) == case.posted_cents
