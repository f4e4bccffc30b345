"""From segments to the lines of a utility's bill: with the node and without it side by side, rounded once. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import NamedTuple

from billing.money import EXACT
from billing.rating import PairedRating, Rating, Segment, TariffSpan, round_lines
from billing.settlement import ELECTRICITY, Line
from billing.tariffs import Rounding


class _Key(NamedTuple):
    """What a line is of; both sides' segments of it stand on the same line."""

    span: int
    component: str
    period: int | None
    tier: int | None
    label: str
    unit: str
    rate: Decimal | None


def bill_lines(pair: PairedRating, spans: Sequence[TariffSpan]) -> list[Line]:
    """In the order in which the engine made them; a line that only one side has is 0 on the other."""
    sides = _side(pair.with_node, spans), _side(pair.without_node, spans)
    found = []
    for key in dict.fromkeys([*sides[0], *sides[1]]):
        (with_kwh, with_cents), (without_kwh, without_cents) = (side.get(key, (Decimal(0), 0)) for side in sides)
        line = Line(
            section=ELECTRICITY,
            component=key.component,
            label=key.label,
            span=key.span,
            tou_period=key.period,
            tier=key.tier,
            quantity_with=with_kwh,
            quantity_without=without_kwh,
            unit=key.unit,
            rate=key.rate,
            with_cents=with_cents,
            without_cents=without_cents,
        )
        found.append(line)
    return found


def _side(rating: Rating, spans: Sequence[TariffSpan]) -> dict[_Key, tuple[Decimal, int]]:
    """Quantity and cents by line."""
    quantities: dict[_Key, Decimal] = {}
    amounts: dict[_Key, Decimal] = {}
    with localcontext(EXACT):
        for segment in rating.segments:
            key = _key(segment)
            quantities[key] = quantities.get(key, Decimal(0)) + segment.quantity
            amounts[key] = amounts.get(key, Decimal(0)) + segment.exact
    by_line = any(span.tariff.rounding is Rounding.LINE for span in spans)
    cents = round_lines(list(amounts.values()), Rounding.LINE if by_line else Rounding.TOTAL)
    return {key: (quantities[key], amount) for key, amount in zip(amounts, cents, strict=True)}


def _key(segment: Segment) -> _Key:
    return _Key(
        segment.span,
        str(segment.component),
        segment.period,
        segment.tier,
        segment.label,
        segment.unit,
        segment.rate,
    )
