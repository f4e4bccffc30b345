"""A time zone as ESPI's TimeConfiguration has it: two rules and two offsets."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

NO_RULE: Final = 0xFFFFFFFF
_LAST: Final = 7
_FIRST: Final = 2


@dataclass(frozen=True, slots=True)
class TimeRules:
    """Offsets in seconds; rules encoded in 32 bits (see espiDerived.xsd, DstRuleType)."""

    standard_offset: int
    dst_offset: int
    dst_start: int
    dst_end: int


def time_rules(zone: str, year: int) -> TimeRules:
    """The rules of a zone as they are in a year. Without summer time both are NO_RULE."""
    info = ZoneInfo(zone)
    changes = _changes(info, year)
    offsets = {_offset(info, datetime(year, month, 1, tzinfo=UTC)) for month in range(1, 13)}
    standard = min(offsets)
    if len(changes) != 2:
        return TimeRules(standard, 0, NO_RULE, NO_RULE)
    rules = {
        _offset(info, at): _rule(at + timedelta(seconds=_offset(info, at - timedelta(seconds=1)))) for at in changes
    }
    saved = max(offsets)
    return TimeRules(standard, saved - standard, rules[saved], rules[standard])


def _changes(info: ZoneInfo, year: int) -> list[datetime]:
    """Instants of the year at which the offset changes, to the minute."""
    hour, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    found = []
    while hour < end:
        following = hour + timedelta(hours=1)
        if _offset(info, hour) != _offset(info, following):
            minutes = (hour + timedelta(minutes=n) for n in range(1, 61))
            found.append(next(at for at in minutes if _offset(info, at) == _offset(info, following)))
        hour = following
    return found


def _offset(info: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(info).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _rule(wall: datetime) -> int:
    """The nth or last such weekday of its month, at this hour of the clock that was shown until then."""
    occurrence = (wall.day - 1) // 7
    is_last = wall.day + 7 > calendar.monthrange(wall.year, wall.month)[1]
    operator = _LAST if is_last and occurrence >= 3 else _FIRST + occurrence
    seconds = wall.minute * 60 + wall.second
    return wall.month << 28 | operator << 25 | wall.isoweekday() << 17 | wall.hour << 12 | seconds
