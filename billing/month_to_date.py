"""A home's month before it is billed: what its readings so far come to, and what it may come to by its end.

Rated and settled by what rates and settles statements, from the same readings, so that a month that is over and
complete comes to what its statement will say. It needs the agreement, which not everybody who sees money may read: the
caller has made sure that the home is one of `access.billed_homes`, and the terms themselves are not given away.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np
from django.utils import timezone

from billing import agreements, history, rating, settlement, tariff_book
from billing.bill_lines import bill_lines
from billing.forecast import LONGEST_BASIS_DAYS, Basis, basis_before, continued, part_of
from billing.intervals.days import quarter_count
from billing.intervals.quality import KNOWN, Quality
from billing.models import Agreement, Channel
from billing.rating import MissingFacts, PairedRating, Period, TariffSpan, UnevenClock, Usage
from billing.readings import MeteredUsage, usage_of_many
from billing.runs import CHANNELS, Held
from billing.settlement import Line
from billing.tariff_book import Book, TariffMissing
from homes.access import acting_as_system
from homes.models import Home

NEEDED: Final = (Channel.SITE_IMPORT, Channel.NODE)


@dataclass(frozen=True, slots=True)
class Figures:
    """Cents. `you_pay` + `we_pay` = bill with the node + internet."""

    you_pay: int = 0
    we_pay: int = 0
    saved: int = 0
    bill_with: int = 0
    bill_without: int = 0
    internet: int = 0

    def plus(self, settled: settlement.Settled) -> Figures:
        return Figures(
            self.you_pay + settled.you_pay_cents,
            self.we_pay + settled.we_pay_cents,
            self.saved + settled.saved_cents,
            self.bill_with + settled.bill_with_cents,
            self.bill_without + settled.bill_without_cents,
            self.internet + settled.internet_cents,
        )


@dataclass(frozen=True)
class Part:
    """Days of one agreement: what was used, by which tariffs, and the lines."""

    usage: Usage
    spans: tuple[TariffSpan, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Forecast:
    """The whole month's figures if the basis' days go on."""

    figures: Figures
    basis: Basis


@dataclass(frozen=True)
class MonthToDate:
    """Local days [start, end) of the month that ends with `month_end`. Not final, and empty where start = end.

    `problem` says why there is nothing, or why it ends before today. `estimated` counts quarter-hours of the worst
    channel.
    """

    zone: str
    start: date
    end: date
    month_end: date
    parts: tuple[Part, ...] = ()
    figures: Figures = Figures()
    forecast: Forecast | None = None
    problem: Held | None = None
    estimated: int = 0

    @property
    def lines(self) -> tuple[Line, ...]:
        return tuple(line for part in self.parts for line in part.lines)

    @property
    def has_figures(self) -> bool:
        return bool(self.parts)


def of(home: Home, now: datetime | None = None) -> MonthToDate:
    """The month that the home lives in now. A handful of queries."""
    today = (now or timezone.now()).astimezone(home.zone).date()
    first = today.replace(day=1)
    with acting_as_system():
        return _Month(home, first, today).found()


class _Month:
    def __init__(self, home: Home, first: date, today: date) -> None:
        self.home, self.today = home, today
        self.end = (first + timedelta(days=32)).replace(day=1)
        self.agreed = agreements.in_force([home.pk], first, self.end).get(home.pk, [])
        self.start = max(first, self.agreed[0].span.lower) if self.agreed else first
        self.known_from = self.start - timedelta(days=LONGEST_BASIS_DAYS)
        self.past = history.past_of([home.pk], self.start)[home.pk]

    def found(self) -> MonthToDate:
        empty = MonthToDate(self.home.timezone, self.start, self.start, self.end)
        if not self.agreed:
            return self._without(empty, Held("no_agreement", "no agreement is in force", "conclude one"))
        if self.start >= self.today:
            return self._without(empty, Held("first_day", "the first day is not over", "wait until tomorrow"))
        (metered,) = usage_of_many([self.home], self.known_from, self.today, channels=CHANNELS)
        known = _known_days(metered)
        until = _first_unknown(known, self.start, self.today)
        if until == self.start:
            return self._without(empty, Held("no_readings", "the first day has no readings", "wait for them"))
        usage = _usage(metered)
        try:
            return self._rated(usage, known, until, _estimated(metered, self.start, until))
        except TariffMissing as error:
            return self._without(empty, Held("no_tariff", f"{error}", "assign a tariff to the home"))
        except (MissingFacts, UnevenClock) as error:
            return self._without(empty, Held("not_rated", f"{error}", "issue the months before, or mend the tariff"))

    def _without(self, empty: MonthToDate, problem: Held) -> MonthToDate:
        return MonthToDate(empty.zone, empty.start, empty.end, empty.month_end, problem=problem)

    def _rated(self, usage: Usage, known: Sequence[date], until: date, estimated: int) -> MonthToDate:
        spans = _Spans(self.home, self.start, self.end)
        so_far = part_of(usage, self.start, until)
        parts, figures = self._settled(so_far, spans)
        problem = None
        if until < self.today:
            problem = Held("incomplete", f"readings of {until:%-d %B} are not complete yet", "wait for late readings")
        return MonthToDate(
            self.home.timezone,
            self.start,
            until,
            self.end,
            parts,
            figures,
            self._forecast(usage, so_far, spans, _run_before(known, until)),
            problem,
            estimated,
        )

    def _forecast(self, usage: Usage, so_far: Usage, spans: _Spans, known_from: date) -> Forecast | None:
        until = so_far.period.end
        basis = basis_before(until, known_from)
        if basis is None or until >= self.end:
            return None
        month = continued(so_far, part_of(usage, basis.start, basis.end), self.start, self.end)
        return Forecast(self._settled(month, spans)[1], basis)

    def _settled(self, usage: Usage, spans: _Spans) -> tuple[tuple[Part, ...], Figures]:
        """By agreement, as a close would."""
        parts, figures = [], Figures()
        for agreement, start, end in self._agreements(usage.period.start, usage.period.end):
            part = part_of(usage, start, end)
            within = spans.between(start, end)
            facts = history.facts_of([span.tariff for span in within], self.past, start, end)
            pair = rating.rate_pair(part, within, facts)
            settled = _settle(pair, within, agreement, part)
            parts.append(Part(part, within, settled.lines))
            figures = figures.plus(settled)
        return tuple(parts), figures

    def _agreements(self, start: date, end: date) -> Iterable[tuple[Agreement, date, date]]:
        for agreement in self.agreed:
            begins, ends = max(start, agreement.span.lower), min(end, agreement.span.upper or end)
            if begins < ends:
                yield agreement, begins, ends


class _Spans:
    """The tariffs of a month, asked for once."""

    def __init__(self, home: Home, start: date, end: date) -> None:
        self._found = [
            TariffSpan(tariff_book.parsed(version.version_id, version.sha256), version.start, version.end)
            for version in Book([home.pk], start, end).spans(home.pk, start, end)
        ]

    def between(self, start: date, end: date) -> tuple[TariffSpan, ...]:
        return tuple(
            TariffSpan(span.tariff, max(span.start, start), min(span.end, end))
            for span in self._found
            if span.start < end and start < span.end
        )


def _settle(pair: PairedRating, spans: Sequence[TariffSpan], agreement: Agreement, usage: Usage) -> settlement.Settled:
    node_kwh = Decimal(int(usage.node_wh.sum())).scaleb(-3)
    period = usage.period
    return settlement.settle(
        bill_lines(pair, spans), agreements.terms_of(agreement), period.start, period.end, node_kwh
    )


def _usage(metered: MeteredUsage) -> Usage:
    """All that was asked for; only days that `_known_days` names are meant."""
    solar = metered.wh.get(Channel.SOLAR)
    period = Period(metered.zone, metered.start, metered.end)
    site = metered.wh_of(Channel.SITE_IMPORT), metered.wh_of(Channel.SITE_EXPORT)
    return Usage(period, *site, metered.wh_of(Channel.NODE), solar)


def _known_days(metered: MeteredUsage) -> list[date]:
    """Days of which every quarter-hour counts, of each channel that the home has a meter of."""
    known = np.ones(metered.interval_count, np.bool_)
    letters = [ord(quality) for quality in KNOWN]
    for channel in CHANNELS:
        if channel in metered.quality:
            known &= np.isin(metered.quality[channel], letters)
        elif channel in NEEDED:
            known[:] = False
    found, at, day = [], 0, metered.start
    while day < metered.end:
        size = quarter_count(metered.zone, day)
        if known[at : at + size].all():
            found.append(day)
        at, day = at + size, day + timedelta(days=1)
    return found


def _first_unknown(known: Iterable[date], start: date, end: date) -> date:
    """The first day from `start` that is not known; `end` where all are."""
    days, day = set(known), start
    while day < end and day in days:
        day += timedelta(days=1)
    return day


def _run_before(known: Iterable[date], end: date) -> date:
    """The first of the known days that lead up to `end` without a gap."""
    days, day = set(known), end
    while day - timedelta(days=1) in days:
        day -= timedelta(days=1)
    return day


def _estimated(metered: MeteredUsage, start: date, end: date) -> int:
    whole = Period(metered.zone, metered.start, metered.end)
    within = slice(whole.index_of(start), whole.index_of(end))
    counts = [int((letters[within] == ord(Quality.ESTIMATED)).sum()) for letters in metered.quality.values()]
    return max(counts, default=0)
