"""Local days as quarter-hours, cut at whole quarters of UTC: 92, 96 or 100, and 94 or 98 by clocks of half an hour."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from homes.calendar import midnight

QUARTER_SECONDS: Final = 900
Ints = npt.NDArray[np.int64]


@lru_cache(maxsize=4096)
def day_bounds(zone: str, on: date) -> tuple[int, int]:
    """Epoch seconds at which a local day begins and ends."""
    begin, end = (midnight(ZoneInfo(zone), day) for day in (on, on + timedelta(days=1)))
    return int(begin.timestamp()), int(end.timestamp())


def quarter_count(zone: str, on: date) -> int:
    """How many quarter-hours a local day has."""
    begin, end = day_bounds(zone, on)
    return (end - begin) // QUARTER_SECONDS


def day_edges(zone: str, on: date) -> Ints:
    """Epoch seconds of the day's quarter-hour boundaries, both ends included."""
    begin, end = day_bounds(zone, on)
    return np.arange(begin, end + 1, QUARTER_SECONDS, dtype=np.int64)


def days_between(start: date, end: date) -> list[date]:
    """The days of [start, end)."""
    return [start + timedelta(days=n) for n in range((end - start).days)]


def local_day(zone: str, second: int) -> date:
    """The local day that an instant falls into."""
    return datetime.fromtimestamp(second, UTC).astimezone(ZoneInfo(zone)).date()
