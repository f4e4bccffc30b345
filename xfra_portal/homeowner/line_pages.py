"""One line of a bill, opened: its formula, the tariff's row, its days, and the quarter-hours of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.http import Http404
from django.utils.dateparse import parse_date

from billing.line_names import months_of
from billing.priced_intervals import ENERGY, Day, Interval, Priced, row_of
from billing.priced_intervals import Row as TariffRow
from billing.rating.period import zone_of
from billing.settlement import ELECTRICITY
from xfra_portal import bill_words, formats
from xfra_portal.homeowner.money import Row


@dataclass(frozen=True, slots=True)
class Quarter:
    """A quarter-hour of the day that is open; `is_here` if the line's row of the tariff applied in it."""

    interval: Interval
    clock: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class Formula:
    """quantity x rate = amount, on one side of a line."""

    quantity: str
    rate: str
    cents: int


@dataclass(frozen=True, slots=True)
class Step:
    """A price step of the row: from the one before up to `upper`."""

    number: int
    upper: str
    rate: str
    is_here: bool


@dataclass(frozen=True)
class LinePage:
    row: Row
    tariff: Any
    tariff_row: TariffRow | None
    steps: Sequence[Step]
    basis: str
    formulas: tuple[Formula, Formula] | None
    days: Sequence[Day]
    open_day: date | None
    quarters: Sequence[Quarter]
    is_demand: bool

    @property
    def opened(self) -> Day | None:
        """The day whose quarter-hours are shown."""
        return next((day for day in self.days if day.on == self.open_day), None)

    @property
    def with_wh(self) -> int:
        return sum(day.with_wh for day in self.days)

    @property
    def without_wh(self) -> int:
        return sum(day.without_wh for day in self.days)

    @property
    def node_wh(self) -> int:
        return self.with_wh - self.without_wh


def of(row: Row, priced: Priced, day: str | None) -> LinePage:
    """Raises Http404 for a day that the line has not."""
    line = row.line
    if line.section != ELECTRICITY or line.span is None:
        return LinePage(row, None, None, (), "", _formulas(line), (), None, (), is_demand=False)
    span = priced.spans[line.span]
    months = months_of(span.start, span.end)
    tariff_row = row_of(span.tariff, line.component, line.tou_period, months)
    has_days = line.component in ENERGY or line.component.startswith("demand")
    days = priced.days_of(line.component, line.span, line.tou_period) if has_days else []
    open_day = _open(day, days)
    return LinePage(
        row=row,
        tariff=span.tariff,
        tariff_row=tariff_row,
        steps=_steps(tariff_row, line) if tariff_row else (),
        basis=bill_words.basis_words(span.tariff, line.tou_period) if line.component in ENERGY else "",
        formulas=_formulas(line),
        days=days,
        open_day=open_day,
        quarters=_quarters(priced, line, open_day) if open_day else (),
        is_demand=line.component.startswith("demand"),
    )


def _open(asked: str | None, days: Sequence[Day]) -> date | None:
    if not asked:
        return None
    try:
        found = parse_date(asked)
    except ValueError:
        found = None
    if found is None or all(day.on != found for day in days):
        raise Http404
    return found


def _quarters(priced: Priced, line: Any, on: date) -> list[Quarter]:
    from_midnight = priced.intervals_of(on, on + timedelta(days=1))
    here = priced.is_of(line.component, line.span, line.tou_period, on)
    zone = zone_of(priced.period.zone)
    return [
        Quarter(interval, formats.clock(interval.at.astimezone(zone)), is_here)
        for interval, is_here in zip(from_midnight, here, strict=True)
    ]


def _steps(row: TariffRow, line: Any) -> list[Step]:
    return [
        Step(
            number,
            f"up to {formats.plain(tier.upper)} {row.unit}" if tier.upper is not None else "beyond",
            formats.rate(tier.rate, "kWh" if row.unit.startswith("kWh") else row.unit),
            number == (line.tier or 0) + 1,
        )
        for number, tier in enumerate(row.tiers, start=1)
    ]


def _formulas(line: Any) -> tuple[Formula, Formula] | None:
    """With the node and without it; None for a line that is no product."""
    if line.rate is None or line.quantity_with is None:
        return None
    rate = formats.rate(line.rate, line.unit)
    quantities = line.quantity_with, line.quantity_without or Decimal(0)
    cents = line.with_cents, line.without_cents
    return (
        Formula(formats.quantity(quantities[0], line.unit), rate, cents[0]),
        Formula(formats.quantity(quantities[1], line.unit), rate, cents[1]),
    )
