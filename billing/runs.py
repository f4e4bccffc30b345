"""Rating homes by the hundred: readings and tariffs in, rating runs with their exact segments out.

A run is a pure function of what its input hash covers, so rating the same again finds the run that is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, Final
from uuid import UUID

import numpy as np

from billing import bulk, history, rating, tariff_book
from billing.history import Past
from billing.intervals.quality import Quality
from billing.models import Channel, Side
from billing.rating import (
    ENGINE_VERSION,
    TZDATA_VERSION,
    Facts,
    MissingFacts,
    PairedRating,
    Period,
    Segment,
    TariffSpan,
    UnevenClock,
    UnusableUsage,
    Usage,
    input_hash,
)
from billing.readings import MeteredUsage, usage_of_many
from billing.tariff_book import Book, TariffMissing, VersionSpan
from homes.models import Home

CHANNELS: Final = (Channel.SITE_IMPORT, Channel.SITE_EXPORT, Channel.NODE, Channel.SOLAR)
"""What is rated, in the order in which it is hashed."""
_NEEDED: Final = (Channel.SITE_IMPORT, Channel.NODE)


class Held(Exception):
    """These days cannot be rated; `problem` and `remedy` are for the desk."""

    def __init__(self, code: str, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.code, self.problem, self.remedy = code, problem, remedy


@dataclass(frozen=True, slots=True)
class Days:
    """Local days [start, end) of a home."""

    home: Home
    start: date
    end: date

    @property
    def period(self) -> Period:
        return Period(self.home.timezone, self.start, self.end)


@dataclass(frozen=True)
class Rated:
    """What came out for some days, and everything that went in."""

    days: Days
    usage: Usage
    metered: MeteredUsage
    versions: tuple[VersionSpan, ...]
    spans: tuple[TariffSpan, ...]
    facts: Facts
    pair: PairedRating

    @cached_property
    def input_sha256(self) -> str:
        return input_hash(self.usage, self.spans, self.facts)

    @property
    def node_kwh(self) -> Decimal:
        return Decimal(int(self.usage.node_wh.sum())).scaleb(-3)


def rate_many(asked: Sequence[Days]) -> list[Rated | Held]:
    """In the order asked for. A handful of queries, whatever the number; memory as usage_of_many says."""
    found: dict[tuple[UUID, date], Rated | Held] = {}
    for (start, end), group in _by_span(asked).items():
        home_ids = [days.home.pk for days in group]
        metered = usage_of_many([days.home for days in group], start, end, channels=CHANNELS)
        book, past = Book(home_ids, start, end), history.past_of(home_ids, start)
        ready: dict[Any, list[_Input]] = {}
        for days, one in zip(group, metered, strict=True):
            prepared = _prepare(days, one, book, past[days.home.pk])
            if isinstance(prepared, Held):
                found[days.home.pk, start] = prepared
            else:
                ready.setdefault(prepared.kind, []).append(prepared)
        for inputs in ready.values():
            found |= {(one.days.home.pk, start): result for one, result in zip(inputs, _rate(inputs), strict=True)}
    return [found[days.home.pk, days.start] for days in asked]


def _by_span(asked: Iterable[Days]) -> dict[tuple[date, date], list[Days]]:
    groups: dict[tuple[date, date], list[Days]] = {}
    for days in asked:
        groups.setdefault((days.start, days.end), []).append(days)
    return groups


@dataclass(frozen=True, slots=True)
class _Input:
    days: Days
    usage: Usage
    metered: MeteredUsage
    versions: tuple[VersionSpan, ...]
    facts: Facts

    @property
    def kind(self) -> tuple[Any, ...]:
        """Those of one kind are rated together."""
        return self.days.home.timezone, self.versions, self.usage.solar_wh is None

    @property
    def spans(self) -> tuple[TariffSpan, ...]:
        return spans_of(self.versions)


def spans_of(versions: Iterable[VersionSpan]) -> tuple[TariffSpan, ...]:
    return tuple(TariffSpan(tariff_book.parsed(v.version_id, v.sha256), v.start, v.end) for v in versions)


def _prepare(days: Days, metered: MeteredUsage, book: Book, past: Past) -> _Input | Held:
    try:
        usage = usable(days.period, metered)
        versions = tuple(book.spans(days.home.pk, days.start, days.end))
        tariffs = [span.tariff for span in spans_of(versions)]
        return _Input(days, usage, metered, versions, history.facts_of(tariffs, past, days.start, days.end))
    except MissingFacts as missing:
        return Held("no_facts", str(missing), "issue the months before first")
    except TariffMissing as missing:
        remedy = "publish a version that is valid then" if missing.is_assigned else "assign a tariff to the home"
        return Held("no_tariff", str(missing), remedy)
    except Held as held:
        return held


def _rate(inputs: Sequence[_Input]) -> list[Rated | Held]:
    """Together; one by one where one of them cannot be rated, so that it does not hold up the others."""
    spans = inputs[0].spans
    try:
        pairs = rating.rate_many([one.usage for one in inputs], spans, [one.facts for one in inputs])
    except (MissingFacts, UnusableUsage, UnevenClock) as error:
        if len(inputs) > 1:
            return [result for one in inputs for result in _rate([one])]
        return [Held("not_rated", f"{error}"[:300], "issue the months before first, or mend the tariff or readings")]
    return [
        Rated(one.days, one.usage, one.metered, one.versions, spans, one.facts, pair)
        for one, pair in zip(inputs, pairs, strict=True)
    ]


def usable(period: Period, metered: MeteredUsage) -> Usage:
    """The readings as rating takes them. Raises Held where a quarter-hour is missing: missing is not zero."""
    count = metered.interval_count
    missing = {channel: metered.count(channel, Quality.MISSING) for channel in CHANNELS}
    if all(missing[channel] == count for channel in _NEEDED):
        raise Held("no_readings", "there are no readings at all", "see whether the home's panel reports")
    for channel in CHANNELS:
        asked = metered.count(channel, Quality.QUARANTINED)
        if asked:
            raise Held(
                "quarantined", f"{asked} quarter-hours of {channel.label} are in question", "accept or discard them"
            )
        # A home without that meter has no array of it; one that has a meter must have read it.
        if missing[channel] and (channel in _NEEDED or channel in metered.wh):
            raise Held(
                "incomplete",
                f"{missing[channel]} of {count} quarter-hours of {channel.label} are missing",
                "wait for late readings, or import the utility's file",
            )
    zeros = np.zeros(count, np.int64)
    wh = {channel: metered.wh.get(channel, zeros) for channel in CHANNELS}
    solar = metered.wh.get(Channel.SOLAR)
    return Usage(period, wh[Channel.SITE_IMPORT], wh[Channel.SITE_EXPORT], wh[Channel.NODE], solar)


def spans_json(versions: Iterable[VersionSpan]) -> list[dict[str, Any]]:
    return [
        {
            "tariff_version": version.version_id,
            "sha256": version.sha256,
            "start": version.start.isoformat(),
            "end": version.end.isoformat(),
        }
        for version in versions
    ]


def reading_reference(metered: MeteredUsage) -> list[dict[str, Any]]:
    """Which versions were used: by channel and source the first day, and a version for each day that has a reading."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for used in metered.versions:
        found.setdefault((used.channel, used.source), {})[used.on.isoformat()] = used.version
    return [
        {"channel": channel, "source": source, "versions": versions}
        for (channel, source), versions in sorted(found.items())
    ]


def store(rated: Sequence[Rated]) -> list[tuple[int, int] | Held]:
    """Period and run of each, kept now or before, in order. Held where overlapping days of the home were rated."""
    periods = _store_periods(rated)
    kept = [
        (periods[key], one) for one in rated if (key := (one.days.home.pk, one.days.start, one.days.end)) in periods
    ]
    runs = _store_runs(kept)
    found: list[tuple[int, int] | Held] = []
    for one in rated:
        period_id = periods.get((one.days.home.pk, one.days.start, one.days.end))
        if period_id is None:
            found.append(Held("period_taken", "a period that overlaps these days was rated", "end it, or bill by it"))
        else:
            found.append((period_id, runs[period_id]))
    return found


def _store_periods(rated: Sequence[Rated]) -> dict[tuple[UUID, date, date], int]:
    periods = [one.usage.period for one in rated]
    homes = [one.days.home.pk for one in rated]
    columns: bulk.Columns = {
        "home_id": ("uuid", homes),
        "start": ("date", [period.start for period in periods]),
        "end": ("date", [period.end for period in periods]),
        "zone": ("text", [period.zone for period in periods]),
        "starts_at": ("timestamptz", [period.starts_at for period in periods]),
        "ends_at": ("timestamptz", [period.ends_at for period in periods]),
        "interval_count": ("int", [period.interval_count for period in periods]),
    }
    bulk.insert("billing_billingperiod", columns, skip_existing=True)
    rows = bulk.fetch(
        'SELECT p.home_id, p.start, p."end", p.id FROM billing_billingperiod p'
        ' JOIN unnest(%s::uuid[], %s::date[], %s::date[]) w(h, s, e) ON p.home_id = h AND p.start = s AND p."end" = e',
        [homes, [period.start for period in periods], [period.end for period in periods]],
    )
    return {(home_id, start, end): pk for home_id, start, end, pk in rows}


def _store_runs(kept: Sequence[tuple[int, Rated]]) -> dict[int, int]:
    """By period, the run of its input."""
    hashes = [one.input_sha256 for _, one in kept]
    made = dict(bulk.insert("billing_ratingrun", _run_columns(kept), skip_existing=True, returning="period_id, id"))
    _store_segments([(made[period_id], one.pair) for period_id, one in kept if period_id in made])
    rows = bulk.fetch(
        "SELECT r.period_id, r.id FROM billing_ratingrun r JOIN unnest(%s::bigint[], %s::text[]) w(p, h)"
        " ON r.period_id = p AND r.input_sha256 = h",
        [[period_id for period_id, _ in kept], hashes],
    )
    return dict(rows)


def _run_columns(kept: Sequence[tuple[int, Rated]]) -> bulk.Columns:
    rated = [one for _, one in kept]
    return {
        "home_id": ("uuid", [one.days.home.pk for one in rated]),
        "period_id": ("bigint", [period_id for period_id, _ in kept]),
        "input_sha256": ("text", [one.input_sha256 for one in rated]),
        "engine_version": ("text", [ENGINE_VERSION for _ in rated]),
        "tzdata_version": ("text", [TZDATA_VERSION for _ in rated]),
        "readings": ("jsonb", [json.dumps(reading_reference(one.metered)) for one in rated]),
        "reading_count": ("int", [sum(used.version for used in one.metered.versions) for one in rated]),
        "spans": ("jsonb", [json.dumps(spans_json(one.versions)) for one in rated]),
        "facts": ("jsonb", [json.dumps(one.facts.as_json()) for one in rated]),
        "outcome": ("jsonb", [json.dumps(_outcome(one.pair)) for one in rated]),
        "site_import_wh": ("bigint", [int(one.usage.site_import_wh.sum()) for one in rated]),
        "site_export_wh": ("bigint", [int(one.usage.site_export_wh.sum()) for one in rated]),
        "node_wh": ("bigint", [int(one.usage.node_wh.sum()) for one in rated]),
        "estimated_intervals": ("int", [_estimated(one.metered) for one in rated]),
        "with_dollars": ("numeric", [one.pair.with_node.total() for one in rated]),
        "without_dollars": ("numeric", [one.pair.without_node.total() for one in rated]),
        "rated_at": (
            "timestamptz",
            [one.usage.period.ends_at for one in rated],
        ),  # the database puts its own time there
    }


def _outcome(pair: PairedRating) -> dict[str, Any]:
    return {"with": history.outcome_of(pair.with_node), "without": history.outcome_of(pair.without_node)}


def _estimated(metered: MeteredUsage) -> int:
    """Of the worst channel."""
    return max(metered.count(channel, Quality.ESTIMATED) for channel in CHANNELS)


def _store_segments(made: Sequence[tuple[int, PairedRating]]) -> None:
    rows: list[tuple[int, str, int, Segment]] = []
    for run_id, pair in made:
        for side, bill in ((Side.WITH, pair.with_node), (Side.WITHOUT, pair.without_node)):
            rows += [(run_id, str(side), ordinal, segment) for ordinal, segment in enumerate(bill.segments)]
    columns: bulk.Columns = {
        "run_id": ("bigint", [row[0] for row in rows]),
        "side": ("text", [row[1] for row in rows]),
        "ordinal": ("smallint", [row[2] for row in rows]),
        "component": ("text", [str(row[3].component) for row in rows]),
        "span": ("smallint", [row[3].span for row in rows]),
        "tou_period": ("smallint", [row[3].period for row in rows]),
        "tier": ("smallint", [row[3].tier for row in rows]),
        "quantity": ("numeric", [row[3].quantity for row in rows]),
        "unit": ("text", [row[3].unit for row in rows]),
        "rate": ("numeric", [row[3].rate for row in rows]),
        "exact": ("numeric", [row[3].exact for row in rows]),
        "label": ("text", [row[3].label for row in rows]),
        "days": ("smallint", [row[3].days for row in rows]),
        "of_days": ("smallint", [row[3].of_days for row in rows]),
    }
    bulk.insert("billing_segment", columns)
