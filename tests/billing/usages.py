"""Usage for tests: kWh put where a test wants them, in whole watt-hours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt

from billing.money import allocate
from billing.rating import Period, Usage
from billing.rating.period import zone_of

Ints = npt.NDArray[np.int64]


def month(year: int, number: int, zone: str = "America/Phoenix") -> Period:
    end = date(year + number // 12, number % 12 + 1, 1)
    return Period(zone, date(year, number, 1), end)


def none(period: Period) -> Ints:
    return np.zeros(period.interval_count, dtype=np.int64)


def evenly(period: Period, kwh: float, *, start: date | None = None, end: date | None = None) -> Ints:
    """kWh spread over the quarter-hours of [start, end), or of the whole period."""
    wh = none(period)
    first, last = period.index_of(start or period.start), period.index_of(end or period.end)
    wh[first:last] = allocate(round(kwh * 1000), [1] * (last - first))
    return wh


def at(period: Period, kw_at: Mapping[str, float]) -> Ints:
    """kW for a quarter-hour each: {"2026-06-10 17:15": 14.2}, by the local clock."""
    wh = none(period)
    first = period.starts_at
    for text, kw in kw_at.items():
        moment = datetime.fromisoformat(text).replace(tzinfo=zone_of(period.zone))
        wh[(moment - first) // timedelta(minutes=15)] = round(kw * 250)
    return wh


def usage(
    period: Period, *, imported: Ints, node: Ints | None = None, exported: Ints | None = None, solar: Ints | None = None
) -> Usage:
    return Usage(
        period,
        imported,
        none(period) if exported is None else exported,
        none(period) if node is None else node,
        solar,
    )
