"""What people call a line of a bill: the same name on page, PDF, CSV and API, and the hours that it is of. Pure.

A tariff counts its time-of-use periods, and no household knows what period 3 is. Among the periods that can occur in
the days of a tariff the cheapest is off-peak and the dearest on-peak, as utilities say on their own bills.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, Protocol

from billing.priced_intervals import ENERGY, hours_of
from billing.rating import Component, TariffSpan
from billing.settlement import ELECTRICITY
from billing.tariffs import Tariff
from billing.tariffs.document import Schedule, Tier

_LEVELS: Final = {
    2: ("Off-peak", "On-peak"),
    3: ("Off-peak", "Mid-peak", "On-peak"),
    4: ("Super off-peak", "Off-peak", "Mid-peak", "On-peak"),
}
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Line(Protocol):
    """What a name is made of, in a statement's row and in a line that is not stored yet."""

    @property
    def section(self) -> str: ...
    @property
    def component(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def span(self) -> int | None: ...
    @property
    def tou_period(self) -> int | None: ...
    @property
    def tier(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class LineName:
    """`name` stands once among the lines of a statement. `hours` say when a time-of-use line applies, such as
    `weekdays 2 pm to 8 pm`; they are empty for any other line."""

    name: str
    hours: tuple[str, ...] = ()


def name_lines(lines: Sequence[Line], spans: Sequence[TariffSpan]) -> list[LineName]:
    """The name of each line, in their order. `spans` are the tariffs that a line's `span` counts."""
    found = [_named(line, spans) for line in lines]
    times = Counter(each.name for each in found)
    met = Counter[str]()
    names = []
    for each in found:
        letter = f" ({_LETTERS[met[each.name] % len(_LETTERS)]})" if times[each.name] > 1 else ""
        met[each.name] += 1
        names.append(LineName(f"{each.name}{letter}", each.hours))
    return names


def _named(line: Line, spans: Sequence[TariffSpan]) -> LineName:
    if line.section != ELECTRICITY or line.span is None:
        return LineName(line.label)
    span = spans[line.span]
    days = f", {_days(span)}" if len(spans) > 1 else ""
    schedule, prices = _timing(line, span.tariff)
    if line.tou_period is None or not prices:
        return LineName(f"{line.label}{days}")
    months = months_of(span.start, span.end)
    level = _level(schedule, prices, line.tou_period, months) if schedule is not None and len(prices) > 1 else ""
    tiers = prices[line.tou_period]
    step = f", step {line.tier + 1} of {len(tiers)}" if line.tier is not None and len(tiers) > 1 else ""
    hours = hours_of(schedule, line.tou_period, months) if schedule is not None and len(prices) > 1 else ()
    return LineName(f"{_what(line.component, level)}{step}{days}", hours)


def _timing(line: Line, tariff: Tariff) -> tuple[Schedule | None, Sequence[Sequence[Tier]]]:
    """The schedule that a line follows and its prices by period; nothing where it follows none."""
    if line.component in ENERGY:
        return tariff.schedule, [period.tiers for period in tariff.energy]
    demand = tariff.demand
    if line.component == Component.DEMAND_TOU and demand is not None:
        return demand.tou_schedule, demand.tou
    return None, ()


def _what(component: str, level: str) -> str:
    if component == Component.DEMAND_TOU:
        return f"Highest demand{', ' + level.lower() if level else ''}"
    said = f"{level} energy" if level else "Energy"
    return f"{said} sold to the grid" if component == Component.EXPORT else said


def _level(schedule: Schedule, prices: Sequence[Sequence[Tier]], tou_period: int, months: Sequence[int]) -> str:
    """How dear a period is among those that the months can have."""
    present = {period for month in months for period in schedule.periods_of_month(month - 1)} | {tou_period}
    rates = sorted({_price(prices[period]) for period in present})
    place = rates.index(_price(prices[tou_period]))
    if len(rates) == 1:
        return ""
    words = _LEVELS.get(len(rates))
    return words[place] if words else f"Price {place + 1} of {len(rates)}"


def _price(tiers: Sequence[Tier]) -> Decimal:
    return tiers[0].rate


def _days(span: TariffSpan) -> str:
    last = span.end - timedelta(days=1)
    return f"{span.start.day} {span.start:%b} to {last.day} {last:%b}"


def months_of(start: date, end: date) -> list[int]:
    """Calendar months, 1 to 12, that local days [start, end) touch."""
    days = (start + timedelta(days=number) for number in range((end - start).days))
    return list(dict.fromkeys(on.month for on in days))
