"""The figures of the homeowner's money pages: statements and the month so far, made ready to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from billing import month_to_date, tariff_book, used_readings
from billing.access import billed_homes, contracted_homes
from billing.documents import sentences
from billing.documents.content import due_of
from billing.line_names import LineName, months_of, name_lines
from billing.models import Statement
from billing.month_to_date import MonthToDate
from billing.priced_intervals import Priced, hours_of
from billing.settlement import ELECTRICITY, INTERNET
from billing.waterfall import Bill, Figure, Waterfall, waterfall
from homes.models import Home, User
from xfra_portal import bill_words
from xfra_portal.homeowner import drawings


def shows_money(user: User, home: Home) -> bool:
    return billed_homes(user).filter(pk=home.pk).exists()


def shows_agreement(user: User, home: Home) -> bool:
    return contracted_homes(user).filter(pk=home.pk).exists()


def issued(user: User, home: Home) -> QuerySet[Statement]:
    """What this person may see of a home's statements, the latest first."""
    found = Statement.objects.visible_to(user).issued().filter(home=home)
    return found.select_related("period", "run", "revises").order_by("-period__start", "-number")


def before(user: User, statement: Statement) -> Statement | None:
    """The statement of the days before, as corrected last."""
    found = issued(user, statement.home).exclude(revision__state=Statement.State.ISSUED)
    return found.filter(period__end__lte=statement.period.start).prefetch_related("lines").first()


@dataclass(frozen=True)
class Row:
    """A line as it is shown."""

    ordinal: int
    line: Any
    naming: LineName

    @property
    def name(self) -> str:
        return self.naming.name

    @property
    def is_electricity(self) -> bool:
        return bool(self.line.section == ELECTRICITY)

    @property
    def node_cents(self) -> int:
        return int(self.line.with_cents - self.line.without_cents)


@dataclass(frozen=True)
class Sheet:
    """Lines with their sums: a statement, or the month so far.

    `spans` are the tariffs that a line's `span` counts; of the month so far each part has its own.
    """

    start: date
    end: date
    rows: tuple[Row, ...]

    @property
    def electricity(self) -> list[Row]:
        return [row for row in self.rows if row.is_electricity]

    @property
    def others(self) -> list[Row]:
        return [row for row in self.rows if not row.is_electricity]

    @property
    def bill(self) -> dict[str, int]:
        """Sums of the utility's bill, in cents."""
        names = ("with_cents", "without_cents", "host_cash_cents", "operator_cash_cents")
        sums = {name: sum(getattr(row.line, name) for row in self.electricity) for name in names}
        return {**sums, "node_cents": sums["with_cents"] - sums["without_cents"]}

    @property
    def internet_cents(self) -> int:
        lines = (row.line for row in self.rows if row.line.section == INTERNET)
        return sum(line.host_cash_cents + line.operator_cash_cents for line in lines)

    @property
    def you_pay_cents(self) -> int:
        return sum(row.line.host_cash_cents for row in self.rows)

    @property
    def we_pay_cents(self) -> int:
        return sum(row.line.operator_cash_cents for row in self.rows)

    @property
    def alone_cents(self) -> int:
        """What electricity and internet would have cost the household without the node and without us."""
        return int(self.bill["without_cents"]) + self.internet_cents

    @property
    def saved_cents(self) -> int:
        return self.alone_cents - self.you_pay_cents

    @property
    def node_left_to_you_cents(self) -> int:
        """What of the node's part stays with the household: what it pays beyond a home without the node."""
        return max(0, -self.saved_cents)


def words_of(statement: Statement) -> tuple[str, str]:
    """What the node cost, and what is owed by when and how: the same on the page, the PDF and the API."""
    cost = sentences.node_cost(statement.node_cents, statement.saved_cents)
    return cost, sentences.outcome(statement.total_cents, due_of(statement))


def sheet_of(statement: Statement) -> Sheet:
    lines = list(statement.lines.all())
    names = name_lines(lines, tariff_book.spans_of(statement.run))
    rows = (Row(line.ordinal, line, name) for line, name in zip(lines, names, strict=True))
    return Sheet(statement.period.start, statement.period.end, tuple(rows))


def sheet_so_far(found: MonthToDate) -> Sheet:
    rows: list[Row] = []
    for part in found.parts:
        names = name_lines(part.lines, part.spans)
        rows += [Row(len(rows) + at, *named) for at, named in enumerate(zip(part.lines, names, strict=True), start=1)]
    return Sheet(found.start, found.end, tuple(rows))


def priced_so_far(found: MonthToDate, ordinal: int) -> Priced:
    """The part of the month that a line of its sheet is of. Raises IndexError."""
    for part in found.parts:
        if ordinal <= len(part.lines):
            return Priced(part.usage, part.spans)
        ordinal -= len(part.lines)
    raise IndexError(ordinal)


def bill_of(statement: Statement) -> Bill:
    """As the waterfall compares it."""
    period = statement.period
    names = {span.tariff.name for span in tariff_book.spans_of(statement.run)}
    return Bill(period.start, period.end, list(statement.lines.all()), frozenset(names))


@dataclass(frozen=True)
class Bar:
    """A step of a waterfall as drawn: per cent of the width, and the words beside it."""

    name: str
    why: str
    cents: int
    x: float
    width: float
    kind: str


@dataclass(frozen=True)
class Comparison:
    """Why one statement's figure is not the other's."""

    figure: str
    found: Waterfall
    was_name: str
    now_name: str
    bars: tuple[Bar, ...]
    begins_at: int
    """Cents at which the bars begin; 0 unless what changed would be too small to see."""

    @property
    def change(self) -> int:
        return self.found.now - self.found.was


def compare(was: Statement, now: Statement, figure: Figure | None = None) -> Comparison:
    """Of the figure asked for; of what you pay unless that is as before, and of what we pay then."""
    bills = bill_of(was), bill_of(now)
    found = waterfall(*bills, figure or Figure.YOU_PAY)
    if figure is None and found.now == found.was:
        found = waterfall(*bills, Figure.WE_PAY)
    was_name, now_name = (bill_words.month_name(one.period.start, one.period.end) for one in (was, now))
    low, high = drawings.window(_levels(found))
    bars = _bars(found, bills, (was_name, now_name), drawings.Scale(low, high))
    return Comparison(bill_words.FIGURES[found.figure], found, was_name, now_name, bars, max(low, 0))


def _levels(found: Waterfall) -> list[int]:
    levels = [found.was]
    for step in found.steps:
        levels.append(levels[-1] + step.cents)
    return levels


def _bars(found: Waterfall, bills: tuple[Bill, Bill], names: tuple[str, str], scale: drawings.Scale) -> tuple[Bar, ...]:
    ground = max(scale.low, 0)
    bars = [Bar(names[0], "", found.was, *scale.bar(ground, found.was), "total")]
    for step, before in zip(found.steps, _levels(found), strict=False):
        said = bill_words.told(step, *bills)
        kind = "more" if step.cents > 0 else "less"
        bars.append(Bar(said.name, said.why, step.cents, *scale.bar(before, before + step.cents), kind))
    return (*bars, Bar(names[1], "", found.now, *scale.bar(ground, found.now), "total"))


@dataclass(frozen=True)
class Band:
    """A time-of-use period of the month so far, in Wh; widths in per cent of the widest band."""

    words: str
    home_wh: int
    node_wh: int
    rates: tuple[Decimal, ...]
    home_width: float
    node_width: float


def bands(found: MonthToDate) -> list[Band]:
    """Home and node by when it was used. What the node used is what the site imported more because of it."""
    sums: dict[tuple[str, tuple[Decimal, ...]], list[int]] = {}
    for each in found.parts:
        part = Priced(each.usage, each.spans)
        months = months_of(part.period.start, part.period.end)
        for index, span in enumerate(part.spans):
            for number, energy in enumerate(span.tariff.energy):
                days = part.days_of("energy", index, number)
                if not days:
                    continue
                hours = hours_of(span.tariff.schedule, number, months)
                key = ("; ".join(hours), tuple(tier.rate for tier in energy.tiers))
                home, node = sums.setdefault(key, [0, 0])
                sums[key] = [home + sum(one.without_wh for one in days), node + sum(one.node_wh for one in days)]
    widest = max((home + node for home, node in sums.values()), default=0) or 1
    return [
        Band(words, home, node, rates, round(100 * home / widest, 2), round(100 * node / widest, 2))
        for (words, rates), (home, node) in sums.items()
    ]


def so_far(home: Home) -> MonthToDate:
    return month_to_date.of(home)


@dataclass(frozen=True, slots=True)
class Changed:
    """A figure of a statement that corrects another."""

    words: str
    was: int
    now: int

    @property
    def change(self) -> int:
        return self.now - self.was


def changes(statement: Statement) -> list[Changed]:
    """Was, now and change of the three figures; nothing for a statement that corrects none."""
    was = statement.revises
    if was is None:
        return []
    return [
        Changed(words, getattr(was, f"{figure}_cents"), getattr(statement, f"{figure}_cents"))
        for figure, words in bill_words.FIGURES.items()
    ]


def priced_statement(statement: Statement) -> Priced:
    return used_readings.priced(statement.run)


def last_day(end: date) -> date:
    """Of half-open days."""
    return end - timedelta(days=1)
