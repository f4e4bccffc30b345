"""How a month may end: its readings so far, and the last days continued until the cycle is over. Pure.

The forecast is rated by the same engine as a bill, so that tiers, demand and charges by the month are in it. What is
uncertain is the use alone, and the basis says what was assumed of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final

import numpy as np

from billing.rating import Period, Usage
from billing.rating.period import Ints, zone_of

LONGEST_BASIS_DAYS: Final = 14
SHORTEST_BASIS_DAYS: Final = 3
_WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class Basis:
    """Whole local days [start, end) that are continued."""

    start: date
    end: date

    @property
    def days(self) -> int:
        return (self.end - self.start).days


def basis_before(end: date, known_from: date) -> Basis | None:
    """The last two weeks before `end`, or one, or the few days that are known; None where they are fewer than three.

    Whole weeks, where there is one, so that a Saturday is continued by a Saturday.
    """
    known = (end - known_from).days
    if known < SHORTEST_BASIS_DAYS:
        return None
    days = min(known, LONGEST_BASIS_DAYS)
    if days >= _WEEK:
        days -= days % _WEEK
    return Basis(end - timedelta(days=days), end)


def continued(so_far: Usage | None, basis: Usage, start: date, end: date) -> Usage:
    """Usage of [start, end): `so_far` from its beginning, and from where it ends the basis' days again and again.

    A quarter-hour takes the use of the same local time; where a clock change left the basis without it, of the one
    before. `basis` ends where the forecast days begin.
    """
    period = Period(basis.period.zone, start, end)
    first = so_far.period.end if so_far is not None else start
    places = [_places(basis.period, day) for day in _days(first, end)]
    picked = np.concatenate(places) if places else np.zeros(0, np.int64)
    channels = {}
    for name in ("site_import_wh", "site_export_wh", "node_wh", "solar_wh"):
        later = getattr(basis, name)
        if later is None:
            continue
        before = getattr(so_far, name) if so_far is not None else None
        kept = before if before is not None else np.zeros(period.index_of(first), np.int64)
        channels[name] = np.concatenate([kept, later[picked]])
    return Usage(period=period, **channels)


def part_of(usage: Usage, start: date, end: date) -> Usage:
    """Local days [start, end) of a longer usage."""
    within = slice(usage.period.index_of(start), usage.period.index_of(end))
    solar = usage.solar_wh[within] if usage.solar_wh is not None else None
    return replace(
        usage,
        period=Period(usage.period.zone, start, end),
        site_import_wh=usage.site_import_wh[within],
        site_export_wh=usage.site_export_wh[within],
        node_wh=usage.node_wh[within],
        solar_wh=solar,
    )


def _days(start: date, end: date) -> list[date]:
    return [start + timedelta(days=number) for number in range((end - start).days)]


def _places(basis: Period, day: date) -> Ints:
    """For each quarter-hour of a day to come, where in the basis its use is taken from."""
    source = basis.start + timedelta(days=(day - basis.start).days % basis.day_count)
    clock, target = _clock(basis.zone, source), _clock(basis.zone, day)
    offset = basis.index_of(source)
    if clock == target:
        return np.arange(offset, offset + len(clock), dtype=np.int64)
    # The last quarter-hour of the source that begins no later by the local clock; its first at least.
    ordered = np.maximum.accumulate(np.array(clock))
    found = np.searchsorted(ordered, np.array(target), side="right") - 1
    return offset + np.maximum(found, 0).astype(np.int64)


@lru_cache(maxsize=512)
def _clock(zone: str, day: date) -> tuple[int, ...]:
    """Minutes after local midnight, by the wall clock, at which each quarter-hour of the day begins."""
    starts = Period(zone, day, day + timedelta(days=1)).starts()
    local = [datetime.fromtimestamp(int(second), zone_of(zone)) for second in starts]
    return tuple(moment.hour * 60 + moment.minute for moment in local)
