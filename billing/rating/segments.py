"""The result of rating: segments, each an exact amount with everything that it is the product of."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

from billing.money import EXACT
from billing.tariffs import Component, Tariff


@dataclass(frozen=True, slots=True)
class TariffSpan:
    """The tariff is in force on local dates [start, end). Spans tile the period."""

    tariff: Tariff
    start: date
    end: date


class Segment(NamedTuple):
    """`exact` USD = quantity x rate x days / of_days, where the days are of a charge that is meant for a whole cycle.

    Where days = of_days the product is exact; otherwise it is rounded to 12 decimals. What is paid to the home has a
    negative rate. (A tuple, because a frozen dataclass takes four times as long to make, and a close makes millions.)
    """

    component: Component
    span: int
    """Which of the tariff spans, from 0."""
    period: int | None
    """The tariff's time-of-use period (of energy or of demand), from 0."""
    tier: int | None
    quantity: Decimal
    unit: str
    rate: Decimal
    exact: Decimal
    label: str
    days: int = 1
    of_days: int = 1

    def as_json(self) -> dict[str, Any]:
        return {
            "component": str(self.component),
            "span": self.span,
            "period": self.period,
            "tier": self.tier,
            "quantity": format(self.quantity, "f"),
            "unit": self.unit,
            "rate": format(self.rate, "f"),
            "exact": format(self.exact, "f"),
            "label": self.label,
            "days": self.days,
            "of_days": self.of_days,
        }


@dataclass(frozen=True)
class Rating:
    """A bill, exact. What the next periods need to know of this one is beside the segments."""

    segments: tuple[Segment, ...]
    peak_watts: int
    """Highest demand of the period at the tariff's demand interval; 15 minutes where it has none."""
    carried_wh: tuple[int, ...] = ()
    """By time-of-use period: surplus that net metering carries to the next period."""
    towards_minimum: Decimal = field(default=Decimal(0))
    """What of this bill counts towards an annual minimum."""

    def total(self, component: Component | None = None) -> Decimal:
        total = Decimal(0)
        for segment in self.segments:
            if component is None or segment.component is component:
                total = EXACT.add(total, segment.exact)
        return total

    def serialised(self) -> bytes:
        """Canonical bytes: the same input gives the same."""
        return json.dumps(
            {
                "segments": [segment.as_json() for segment in self.segments],
                "peak_watts": self.peak_watts,
                "carried_wh": list(self.carried_wh),
                "towards_minimum": format(self.towards_minimum, "f"),
            },
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
        ).encode()


@dataclass(frozen=True)
class PairedRating:
    """The bill with the node, the bill without it, and their difference: the node's cost."""

    with_node: Rating
    without_node: Rating

    @cached_property
    def node_cost(self) -> Decimal:
        return EXACT.subtract(self.with_node.total(), self.without_node.total())

    def node_cost_of(self, component: Component) -> Decimal:
        return EXACT.subtract(self.with_node.total(component), self.without_node.total(component))
