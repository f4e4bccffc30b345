"""The shape of like days: how much a channel usually carries in each quarter-hour of a weekday or of a weekend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from billing.intervals.days import QUARTER_SECONDS, day_edges

LIKE_DAYS_BACK: Final = 28
"""Days before a gap in which like days are looked for."""
_SLOTS: Final = 96

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shape:
    """Wh that were measured in each quarter-hour of the clock, added up, and how many were: (2, 96), weekdays first."""

    zone: str
    wh: Ints
    count: Ints

    @classmethod
    def flat(cls, zone: str) -> Shape:
        return cls(zone, np.zeros((2, _SLOTS), np.int64), np.zeros((2, _SLOTS), np.int64))

    @classmethod
    def of_days(cls, zone: str, days: Iterable[tuple[date, Ints, npt.NDArray[np.bool_]]]) -> Shape:
        """From (day, Wh of its quarter-hours, which of them were measured)."""
        found = cls.flat(zone)
        for on, wh, measured in days:
            slots = clock_slots(zone, day_edges(zone, on)[:-1])[measured]
            kind = int(on.weekday() >= 5)
            np.add.at(found.wh[kind], slots, wh[measured])
            np.add.at(found.count[kind], slots, 1)
        return found

    def weight(self, second: int) -> int:
        """What the quarter-hour that begins at a Unix second usually carries, in thousandths of a watt-hour.

        A weekend is like a weekday where nothing else is known, and the other way round; without either all are alike.
        """
        local = datetime.fromtimestamp(second, UTC).astimezone(ZoneInfo(self.zone))
        slot, kind = (local.hour * 60 + local.minute) // 15, int(local.weekday() >= 5)
        for like in (kind, 1 - kind):
            if self.count[like].all():
                return int(self.wh[like, slot]) * 1000 // int(self.count[like, slot])
        return 1


def clock_slots(zone: str, starts: Ints) -> Ints:
    """Which of the 96 quarter-hours of the clock each quarter-hour begins; the autumn night has some twice."""
    info = ZoneInfo(zone)
    local = [datetime.fromtimestamp(second, UTC).astimezone(info) for second in starts.tolist()]
    return np.array([(at.hour * 3600 + at.minute * 60) // QUARTER_SECONDS for at in local], np.int64)


def like_days(on: date) -> tuple[date, date]:
    """[first, last) of the days whose like days give the shape of a gap that begins on a day."""
    return on - timedelta(days=LIKE_DAYS_BACK), on
