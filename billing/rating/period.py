"""A billing period: local dates, half-open, in the zone of the home, cut into quarter-hours.

Zones come from the pinned `tzdata` package, never from the machine, so that a month rated elsewhere is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import tzdata

INTERVAL_SECONDS: Final = 900
TZDATA_VERSION: Final[str] = tzdata.IANA_VERSION

Ints = npt.NDArray[np.int64]


class UnknownZone(ValueError):
    """The pinned tzdata knows no such zone."""


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    parts = name.split("/")
    if not all(part.replace("_", "").replace("-", "").replace("+", "").isalnum() for part in parts):
        raise UnknownZone(name)
    file = resources.files("tzdata").joinpath("zoneinfo", *parts)
    if not file.is_file():
        raise UnknownZone(name)
    with file.open("rb") as stream:
        return ZoneInfo.from_file(stream, key=name)


@lru_cache(maxsize=4096)
def midnight(zone: str, day: date) -> int:
    """Epoch seconds at which the local date begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone_of(zone)).timestamp())


@dataclass(frozen=True, slots=True)
class Period:
    """Local dates [start, end) of a zone."""

    zone: str
    start: date
    end: date

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"a period ends after it starts: {self.start} to {self.end}")
        zone_of(self.zone)

    @property
    def starts_at(self) -> datetime:
        return datetime.fromtimestamp(midnight(self.zone, self.start), UTC)

    @property
    def ends_at(self) -> datetime:
        return datetime.fromtimestamp(midnight(self.zone, self.end), UTC)

    @property
    def day_count(self) -> int:
        return (self.end - self.start).days

    @property
    def interval_count(self) -> int:
        """Quarter-hours: 96 a day, 92 and 100 on the days on which the clock is changed by an hour."""
        return (midnight(self.zone, self.end) - midnight(self.zone, self.start)) // INTERVAL_SECONDS

    def starts(self) -> Ints:
        """Epoch seconds (UTC) at which each quarter-hour starts."""
        first = midnight(self.zone, self.start)
        return np.arange(first, midnight(self.zone, self.end), INTERVAL_SECONDS, dtype=np.int64)

    def days(self) -> list[date]:
        return [self.start + timedelta(days=number) for number in range(self.day_count)]

    def index_of(self, day: date) -> int:
        """Where in the period's intervals the local date begins."""
        return (midnight(self.zone, day) - midnight(self.zone, self.start)) // INTERVAL_SECONDS
