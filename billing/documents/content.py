"""What a statement says, as one frozen structure that PDF, CSV and HTML are all made from.

Cents and Wh are whole numbers, quantities and rates exact Decimals; texts are sentences to the host. Nothing here is
formatted yet but the sentences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from billing import corrections, tariff_book, year_end
from billing.documents import sentences
from billing.line_names import LineName, name_lines
from billing.models import Section, Statement
from billing.statement_content import load, statement_document
from homes.models import Home, Membership


@dataclass(frozen=True, slots=True)
class Line:
    """As billing.models.StatementLine. `span` says which of the tariffs; None where no tariff is meant.

    Of what is meant for a whole billing cycle, days / of_days is charged.
    """

    section: str
    component: str
    name: str
    hours: tuple[str, ...]
    """When a time-of-use line applies, in words."""
    clause: str
    span: int | None
    quantity_with: Decimal | None
    quantity_without: Decimal | None
    unit: str
    rate: Decimal | None
    with_cents: int
    without_cents: int
    host_cash_cents: int
    operator_cash_cents: int
    in_kind_cents: int
    amount_cents: int
    days: int = 1
    of_days: int = 1

    @property
    def node_cents(self) -> int:
        return self.with_cents - self.without_cents


@dataclass(frozen=True, slots=True)
class Energy:
    """Wh of the period. `home_wh` is the home's own use, less what its panels made; below zero they made more."""

    site_import_wh: int
    site_export_wh: int
    node_wh: int

    @property
    def home_wh(self) -> int:
        return self.site_import_wh - self.site_export_wh - self.node_wh


@dataclass(frozen=True, slots=True)
class TariffSpan:
    """A tariff version that billed the days [start, end)."""

    utility: str
    name: str
    version: int
    valid_from: date
    sha256: str
    start: date
    end: date


@dataclass(frozen=True, slots=True)
class Quality:
    """Of the worst channel, how many quarter-hours are estimates."""

    estimated: int
    intervals: int

    @property
    def share(self) -> Decimal:
        return Decimal(self.estimated) / Decimal(self.intervals)


@dataclass(frozen=True, slots=True)
class Clauses:
    """The agreement in sentences."""

    version: int
    start: date
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Of a revision: a line or figure that is another now. Cents."""

    label: str
    was: int
    now: int

    @property
    def change(self) -> int:
        return self.now - self.was


@dataclass(frozen=True, slots=True)
class Revision:
    number: int
    why: str
    total: Change
    """What the host owes the operator, or the other way round where that is above zero both times."""
    lines: tuple[Change, ...]
    """Of the utility's bill and of what is settled."""


@dataclass(frozen=True, slots=True)
class Proof:
    position: int
    previous_sha256: str
    sha256: str
    signature: str
    public_key: str


@dataclass(frozen=True, slots=True)
class StatementContent:
    """`number`, both of `issued` and `proof` are None for a draft; `agreement` for a reader who may not see it."""

    number: int | None
    issued_at: datetime | None
    issued_on: date | None
    host: str
    home: str
    utility: str
    is_simulated: bool
    zone: str
    start: date
    end: date
    total_cents: int
    bill_with_cents: int
    bill_without_cents: int
    internet_cents: int
    you_pay_cents: int
    we_pay_cents: int
    saved_cents: int
    lines: tuple[Line, ...]
    energy: Energy
    tariffs: tuple[TariffSpan, ...]
    quality: Quality
    node_cost: str
    """What the node cost and how much of it the host paid, in a sentence."""
    outcome: str
    """What is owed, by when and how, in a sentence."""
    explanation: tuple[str, ...]
    """How it was computed, in sentences."""
    agreement: Clauses | None
    revision: Revision | None
    revised_by: int | None
    proof: Proof | None

    @property
    def node_cents(self) -> int:
        return self.bill_with_cents - self.bill_without_cents

    @property
    def in_kind_cents(self) -> int:
        return sum(line.in_kind_cents for line in self.lines)

    def section(self, section: str) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.section == section)


def content_of(statement: Statement) -> StatementContent:
    """Of a draft or an issued statement, as far as whoever the database is asked for may see it: without the agreement
    for a member of the household."""
    (found,) = load([statement.pk])
    document = statement_document(found)
    figures, run, terms = document["figures"], document["run"], document["agreement"]
    quality = Quality(run["estimated_intervals"], found.period.interval_count)
    return StatementContent(
        number=found.number,
        issued_at=found.issued_at,
        issued_on=found.issued_on,
        host=_host(found.home),
        home=found.home.name,
        utility=found.home.utility,
        is_simulated=found.home.is_simulated,
        zone=found.period.zone,
        start=found.period.start,
        end=found.period.end,
        **figures,
        lines=_lines(document, name_lines(list(found.lines.all()), tariff_book.spans_of(found.run))),
        energy=Energy(run["site_import_wh"], run["site_export_wh"], run["node_wh"]),
        tariffs=_tariffs(document),
        quality=quality,
        node_cost=sentences.node_cost(found.node_cents, found.saved_cents),
        outcome=sentences.outcome(found.total_cents, due_of(found)),
        explanation=tuple(sentences.explanation(figures, terms, quality.estimated, quality.intervals)),
        agreement=_clauses(terms) if terms else None,
        revision=_revision(found),
        revised_by=document["revised_by"],
        proof=Proof(**document["chain"]) if document["chain"] else None,
    )


def due_of(statement: Statement) -> sentences.Due:
    return sentences.Due(statement.due_on, statement.due_days, statement.how_paid)


def _lines(document: Mapping[str, Any], names: Sequence[LineName]) -> tuple[Line, ...]:
    shares = {_key(segment, "period"): (segment["days"], segment["of_days"]) for segment in document["segments"]}
    return tuple(
        _line(line, name, shares.get(_key(line, "tou_period"), (1, 1)))
        for line, name in zip(document["lines"], names, strict=True)
    )


def _key(part: Mapping[str, Any], period: str) -> tuple[object, ...]:
    """What a segment and its line have in common."""
    return tuple(part[name] for name in ("span", "component", period, "tier", "label", "unit", "rate"))


def _line(line: Mapping[str, Any], name: LineName, share: tuple[int, int]) -> Line:
    given: dict[str, Any] = {name: line[name] for name in Line.__slots__ if name in line}
    for exact in ("quantity_with", "quantity_without", "rate"):
        given[exact] = None if given[exact] is None else Decimal(given[exact])
    return Line(**given, name=name.name, hours=name.hours, days=share[0], of_days=share[1])


def _tariffs(document: Mapping[str, Any]) -> tuple[TariffSpan, ...]:
    by_hash = {tariff["sha256"]: tariff for tariff in document["tariffs"]}
    found = []
    for span in document["run"]["tariffs"]:
        tariff = by_hash[span["sha256"]]
        start, end = date.fromisoformat(span["start"]), date.fromisoformat(span["end"])
        found.append(
            TariffSpan(
                tariff["utility"],
                tariff["name"],
                tariff["version"],
                date.fromisoformat(tariff["valid_from"]),
                span["sha256"],
                start,
                end,
            )
        )
    return tuple(found)


def _clauses(terms: Mapping[str, Any]) -> Clauses:
    return Clauses(terms["version"], date.fromisoformat(terms["start"]), tuple(terms["words"]))


def _host(home: Home) -> str:
    """The owner's name as it is now: nothing that is issued copies it, so that it can be erased."""
    owner = Membership.objects.filter(home=home, role=Membership.Role.OWNER).select_related("user__party").first()
    return owner.user.party.name if owner else ""


def _revision(statement: Statement) -> Revision | None:
    before = statement.revises
    if before is None or before.number is None:
        return None
    lines = []
    for change in corrections.changes(statement):
        if change.section == Section.SETTLEMENT:
            lines.append(Change(change.name, change.was_amount, change.now_amount))
        else:
            lines.append(Change(change.name, change.was_with, change.now_with))
    total = Change("What you owe us", before.total_cents, statement.total_cents)
    if max(total.was, total.now) <= 0:
        total = Change("What we owe you", -total.was, -total.now)
    return Revision(before.number, statement.why, total, tuple(lines))


@dataclass(frozen=True, slots=True)
class YearContent:
    """A host's year at one home: what was paid in money, and from how much on that is reported (form 1099)."""

    year: int
    home: str
    host: str
    is_simulated: bool
    cash_cents: int
    in_kind_cents: int
    saved_cents: int
    payouts: int
    host_cash_cents: int
    threshold_cents: int
    form: str
    is_reported: bool
    explanation: tuple[str, ...]


def years_of(homes: Sequence[Home], year: int) -> list[YearContent]:
    """Of each home with payments in the year that the reader may see. Raises billing.year_end.NoThreshold."""
    by_id = {home.pk: home for home in homes}
    return [_year(found, by_id[found.home_id]) for found in year_end.years(homes, year)]


def _year(found: year_end.Year, home: Home) -> YearContent:
    return YearContent(
        year=found.year,
        home=home.name,
        host=_host(home),
        is_simulated=home.is_simulated,
        cash_cents=found.cash_cents,
        in_kind_cents=found.in_kind_cents,
        saved_cents=found.saved_cents,
        payouts=found.payouts,
        host_cash_cents=found.host_cash_cents,
        threshold_cents=found.threshold_cents,
        form="1099-MISC",
        is_reported=found.is_reported,
        explanation=tuple(
            sentences.year(found.year, found.host_cash_cents, found.threshold_cents, is_reported=found.is_reported)
        ),
    )
