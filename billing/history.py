"""What rating needs of the months before: earlier peaks, carried surplus and charges, each with and without the node.

Only what the tariffs ask for is given, so that a corrected March does not make another run of every April.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from billing import bulk
from billing.rating import Facts, History, MissingFacts, Rating
from billing.tariffs import Tariff
from billing.tariffs.document import ExportRule, Surplus

_BACK: Final = timedelta(days=400)
"""A ratchet looks back twelve months at most."""

_RUNS: Final = """
SELECT DISTINCT ON (s.home_id, p.start) s.home_id, p.start, p."end", r.outcome
FROM billing_statement s JOIN billing_billingperiod p ON p.id = s.period_id JOIN billing_ratingrun r ON r.id = s.run_id
WHERE s.home_id = ANY(%s) AND p.start >= %s AND p."end" <= %s AND s.state = 'issued'
ORDER BY s.home_id, p.start, s.number DESC
"""
_DRAFTS: Final = """
SELECT DISTINCT s.home_id FROM billing_statement s JOIN billing_billingperiod p ON p.id = s.period_id
WHERE s.home_id = ANY(%s) AND p.start >= %s AND p."end" <= %s AND s.state = 'draft' AND s.revises_id IS NULL
"""
_FIRST: Final = """SELECT home_id, min(start) FROM billing_billingperiod WHERE home_id = ANY(%s) GROUP BY home_id"""


@dataclass(frozen=True, slots=True)
class Earlier:
    """An issued period of the same home, and its run's outcome by side."""

    start: date
    end: date
    outcome: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Past:
    """Of one home: its first billed day, its issued periods, the earliest first, and whether one is still a draft."""

    first: date | None = None
    periods: Sequence[Earlier] = field(default_factory=tuple)
    has_drafts: bool = False


def past_of(home_ids: Sequence[UUID], start: date) -> dict[UUID, Past]:
    """By home, for periods that begin on `start`."""
    firsts: dict[UUID, date] = dict(bulk.fetch(_FIRST, [list(home_ids)]))
    periods: dict[UUID, list[Earlier]] = {}
    for home_id, begin, end, outcome in bulk.fetch(_RUNS, [list(home_ids), start - _BACK, start]):
        periods.setdefault(home_id, []).append(Earlier(begin, end, json.loads(outcome)))
    waiting = {home_id for (home_id,) in bulk.fetch(_DRAFTS, [list(home_ids), start - _BACK, start])}
    return {home_id: Past(firsts.get(home_id), periods.get(home_id, ()), home_id in waiting) for home_id in home_ids}


def is_needed(tariffs: Sequence[Tariff]) -> bool:
    return any(_asks_for_peaks(t) or _asks_for_surplus(t) or t.annual_minimum is not None for t in tariffs)


def facts_of(tariffs: Sequence[Tariff], past: Past, start: date, end: date) -> Facts:
    """For local days [start, end). Raises MissingFacts where an earlier period that matters is not issued yet."""
    cycle = cycle_of(start, end)
    if not is_needed(tariffs):
        return Facts(*cycle)
    if past.has_drafts:
        raise MissingFacts("an earlier month is not issued yet, and this tariff looks back")
    return Facts(*cycle, *(_history(tariffs, past, start, side) for side in ("with", "without")))


def cycle_of(start: date, end: date) -> tuple[date, date]:
    """The billing cycle is the calendar month, of which the days may be a part."""
    first = start.replace(day=1)
    return first, max(end, (first + timedelta(days=32)).replace(day=1))


def outcome_of(rating: Rating) -> dict[str, Any]:
    """What later periods may ask of this one, as it is kept beside the run."""
    return {
        "peak_watts": rating.peak_watts,
        "carried_wh": list(rating.carried_wh),
        "towards_minimum": format(rating.towards_minimum, "f"),
    }


def _history(tariffs: Sequence[Tariff], past: Past, start: date, side: str) -> History:
    sides = [(period, period.outcome[side]) for period in past.periods]
    peaks: dict[str, int] = {}
    if any(map(_asks_for_peaks, tariffs)):
        for period, outcome in sides:
            month = f"{period.start:%Y-%m}"
            peaks[month] = max(peaks.get(month, 0), outcome["peak_watts"])
    carried: tuple[int, ...] = ()
    if any(map(_asks_for_surplus, tariffs)) and sides and sides[-1][0].end == start:
        carried = tuple(sides[-1][1]["carried_wh"])
    charged = None
    if any(tariff.annual_minimum is not None for tariff in tariffs):
        this_year = [outcome for period, outcome in sides if period.start.year == start.year]
        charged = sum((Decimal(outcome["towards_minimum"]) for outcome in this_year), Decimal(0))
    since = f"{min(past.first or start, start):%Y-%m}" if any(map(_asks_for_peaks, tariffs)) else None
    return History(tuple(sorted(peaks.items())), since, carried, charged)


def _asks_for_peaks(tariff: Tariff) -> bool:
    return tariff.demand is not None and tariff.demand.ratchet is not None


def _asks_for_surplus(tariff: Tariff) -> bool:
    return tariff.export.rule is ExportRule.NET_METERING and tariff.export.surplus is Surplus.CARRY
