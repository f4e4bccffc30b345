"""From the clock on a home's wall to instants: nights that are an hour longer or shorter, in the order of a file.

In autumn an hour comes twice. Which of the two a row tells is known by its order: after 01:45 comes 01:00 again. Where
the hour is told once and nothing says which it is, its rows are left in doubt. In spring an hour does not come at all.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from billing.greenbutton.filed import BadFile
from billing.greenbutton.wall_times import Told, wall

_DAY: Final = 86_400
_MONTH_FIRST: Final = ("America/", "US/", "Pacific/Honolulu", "Pacific/Guam", "Etc/", "UTC")
_REMEDY: Final = "correct it, or download the file again"


@dataclass(frozen=True, slots=True)
class Moment:
    """What one row says of its start or its end. `wall` is what the clock shows; `fixed` an instant that is certain."""

    wall: datetime
    fixed: int | None = None


@dataclass(frozen=True, slots=True)
class HourNumber:
    """An hour of a day by its number. `is_ending`: the hour ends at that number; None where the name does not say."""

    on: date
    number: int
    is_ending: bool | None


@dataclass(frozen=True, slots=True)
class Row:
    """One row's times: a start, an end or the number of an hour. `seconds` is 0 where no column tells a length."""

    line: int
    start: Moment | None
    end: Moment | None
    seconds: int = 0
    has_end_date: bool = False
    hour: HourNumber | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a row is in time. `is_skipped`: its hour is one that the clock skipped, so that it may only say nothing.

    `is_filler`: it ends or begins in such an hour, so that it may say nothing beside another row of the same start.
    """

    line: int
    start: int
    seconds: int
    is_doubted: bool = False
    is_skipped: bool = False
    is_filler: bool = False


class Clock:
    """One home's clock."""

    def __init__(self, zone: str) -> None:
        self.name = zone
        self._zone = ZoneInfo(zone)

    def moment(self, told: Told, on: date | None, line: int, name: str, text: str) -> Moment:
        """From a cell, and the date of another cell where this one has none. Raises BadFile."""
        day = told.on or on
        if day is None:
            raise BadFile(f"{text[:40]!r} has no date", "write it like 2026-03-08 01:45", line, name)
        if told.second is None:
            said = f"its intervals are days: {text[:40]!r} has no time of day"
            raise BadFile(said, "export hours or quarter-hours", line, name)
        if told.is_month_first and not self.name.startswith(_MONTH_FIRST):
            said = f"{text[:40]!r} may be a day and a month or the other way round"
            raise BadFile(said, "write it like 2026-03-08", line, name)
        at = wall(day, told.second)
        return Moment(at, self._fixed(at, told.zone, line, name))

    def _fixed(self, at: datetime, zone: timezone | str | None, line: int, name: str) -> int | None:
        if zone is None:
            return None
        if isinstance(zone, timezone):
            return int(at.replace(tzinfo=zone).timestamp())
        if zone in ("Z", "UTC", "GMT"):
            return int(at.replace(tzinfo=UTC).timestamp())
        for fold in (0, 1):
            local = at.replace(tzinfo=self._zone, fold=fold)
            if local.tzname() == zone:
                return int(local.timestamp())
        raise BadFile(f"{zone!r} is not the time of {self.name}", "write times of the home's clock", line, name)

    def instants(self, at: datetime) -> tuple[int, ...]:
        """Of a time on the wall: one, two in the autumn hour that comes twice, none in the one that spring skips."""
        midnight, is_plain = _midnight(self.name, at.date())
        if is_plain:
            return (midnight + at.hour * 3600 + at.minute * 60 + at.second,)
        first, second = (int(at.replace(tzinfo=self._zone, fold=fold).timestamp()) for fold in (0, 1))
        if first > second:
            return ()
        return (first,) if first == second else (first, second)

    def day(self, on: date) -> tuple[int, int]:
        """Epoch second at which a local day begins, and how many hours it has."""
        begin, end = (_midnight(self.name, day)[0] for day in (on, on + timedelta(days=1)))
        return begin, (end - begin) // 3_600

    def skipped(self, at: datetime) -> int:
        """A time in the hour that spring skips, as the clock would have gone on without the change."""
        return int(at.replace(tzinfo=self._zone, fold=0).timestamp())


@lru_cache(maxsize=4_096)
def _midnight(zone: str, on: date) -> tuple[int, bool]:
    """Epoch second at which a local day begins, and whether it is a day of 24 hours without a change of the clock."""
    info = ZoneInfo(zone)
    begin, end = (
        int(datetime(day.year, day.month, day.day, tzinfo=info).timestamp()) for day in (on, on + timedelta(days=1))
    )
    return begin, end - begin == _DAY


def usual_seconds(rows: Sequence[Row], clock: Clock) -> int:
    """The length that most rows of one meter and direction have. Raises BadFile where nothing tells it."""
    return _usual_seconds(_oriented(_numbered(rows, clock)), clock)


def place(rows: Sequence[Row], clock: Clock, usual: int) -> list[Placed]:
    """Where each row of one meter and direction is, in the order in which they were given. Raises BadFile."""
    ordered = _oriented(_numbered(rows, clock))
    starts = [_starts(row, row.seconds or usual, clock) for row in ordered]
    order = _by_wall(ordered, starts)
    placed = _chosen([ordered[i] for i in order], [starts[i] for i in order], usual, clock)
    at_line = {one.line: one for one in _doubted(placed, [starts[i] for i in order], usual)}
    return [at_line[row.line] for row in rows]


def _numbered(rows: Sequence[Row], clock: Clock) -> list[Row]:
    """Hours by number as times. A day of 25 hours whose last number is 25 counts them all, and one of 23 likewise."""
    numbers = [row.hour for row in rows if row.hour is not None]
    if not numbers:
        return list(rows)
    is_ending = _is_ending(numbers, rows[0].line)
    last: dict[date, int] = {}
    for one in numbers:
        last[one.on] = max(last.get(one.on, 0), one.number)
    found = []
    for row in rows:
        if row.hour is None:
            found.append(row)
            continue
        on, number = row.hour.on, row.hour.number
        begin, hours = clock.day(on)
        counts_all = hours != 24 and last[on] == hours - (not is_ending)
        moment = Moment(wall(on, number * 3_600), begin + number * 3_600 if counts_all else None)
        start, end = (None, moment) if is_ending else (moment, None)
        found.append(replace(row, start=start, end=end, hour=None, has_end_date=True))
    return found


def _is_ending(numbers: Sequence[HourNumber], line: int) -> bool:
    if numbers[0].is_ending is not None:
        return numbers[0].is_ending
    if any(one.number == 0 for one in numbers):
        return False
    if any(one.number >= 24 for one in numbers):
        return True
    raise BadFile(
        "it does not tell whether hour 1 begins or ends at 1:00", "name the column hour ending, or hour starting", line
    )


def _shown(row: Row) -> datetime:
    moment = row.start or row.end
    if moment is None:
        raise BadFile("it has no time", _REMEDY, row.line, "start")
    return moment.wall


def _oriented(rows: Sequence[Row]) -> list[Row]:
    """The earliest first. A last hour that ends at 00:00 of its own date ends with that date."""
    walls = [_shown(row) for row in rows]
    falls = sum(after < before for before, after in itertools.pairwise(walls))
    rises = sum(after > before for before, after in itertools.pairwise(walls))
    ordered = list(rows) if rises >= falls else list(reversed(rows))
    previous: datetime | None = None
    for i, row in enumerate(ordered):
        if row.start is None and row.end is not None and not row.has_end_date:
            at = row.end.wall
            if previous and at.time() == at.min.time() and previous.date() == at.date() and previous > at:
                ordered[i] = replace(row, end=Moment(at + timedelta(days=1)))
            previous = at
    return ordered


def _usual_seconds(rows: Sequence[Row], clock: Clock) -> int:
    """The length that most rows have: by their ends, or by the steps from one to the next."""
    told: Iterable[int] = (row.seconds or _length(row, clock) for row in rows)
    counted = Counter(seconds for seconds in told if seconds > 0)
    if not counted:
        walls = sorted({_shown(row) for row in rows})
        steps = (int((after - before).total_seconds()) for before, after in itertools.pairwise(walls))
        counted = Counter(step for step in steps if step > 0)
    if not counted:
        raise BadFile(
            "nothing tells how long its interval is", "have a column of ends, or several lines", rows[0].line, "end"
        )
    return counted.most_common(1)[0][0]


def _length(row: Row, clock: Clock) -> int:
    """By a row's start and end: the shortest stretch that the two may be; 0 where there is only one of them."""
    if row.start is None or row.end is None:
        return 0
    begin, end = row.start.wall, row.end.wall
    if row.end.fixed is not None and row.start.fixed is not None:
        return max(row.end.fixed - row.start.fixed, 0)
    found = [int((end - begin).total_seconds())]
    ends = [end] if row.has_end_date else [end, end + timedelta(days=1)]
    for first in _known(row.start, clock):
        found += [second - first for at in ends for second in _known(Moment(at), clock)]
    return min((seconds for seconds in found if seconds > 0), default=0)


def _known(moment: Moment, clock: Clock) -> tuple[int, ...]:
    if moment.fixed is not None:
        return (moment.fixed,)
    return clock.instants(moment.wall) or (clock.skipped(moment.wall),)


def _starts(row: Row, seconds: int, clock: Clock) -> tuple[int, ...]:
    """The instants at which a row may begin, the earliest first. None: in an hour that was skipped."""
    if row.start is not None:
        return (row.start.fixed,) if row.start.fixed is not None else clock.instants(row.start.wall)
    if row.end is None:
        return ()
    if row.end.fixed is not None:
        return (row.end.fixed - seconds,)
    begin = clock.instants(row.end.wall - timedelta(seconds=seconds))
    return tuple(sorted({*begin, *(second - seconds for second in _known(row.end, clock))}))


def _by_wall(rows: Sequence[Row], starts: Sequence[tuple[int, ...]]) -> list[int]:
    """Positions by time; those of an hour that comes twice stay together, in the order of the file."""
    twice: dict[date, datetime] = {}
    for row, some in zip(rows, starts, strict=True):
        if len(some) > 1:
            on = _shown(row).date()
            twice[on] = min(twice.get(on, _shown(row)), _shown(row))

    def key(i: int) -> datetime:
        at = _shown(rows[i])
        return twice[at.date()] if len(starts[i]) > 1 else at

    return sorted(range(len(rows)), key=key)


def _chosen(rows: Sequence[Row], starts: Sequence[tuple[int, ...]], usual: int, clock: Clock) -> list[Placed]:
    """Each row at the earliest instant that it may be at and that is after the row before it."""
    found, last = [], -1
    for row, some in zip(rows, starts, strict=True):
        seconds = row.seconds or _length(row, clock) or usual
        if not some:
            found.append(Placed(row.line, clock.skipped(_shown(row)), seconds, is_skipped=True))
            continue
        start = next((second for second in some if second > last), some[-1])
        last = start
        found.append(Placed(row.line, start, seconds, is_filler=_is_filler(row, seconds, clock)))
    return found


def _is_filler(row: Row, seconds: int, clock: Clock) -> bool:
    if row.start is not None or row.end is None or row.end.fixed is not None:
        return False
    return not (clock.instants(row.end.wall) and clock.instants(row.end.wall - timedelta(seconds=seconds)))


def _doubted(placed: Sequence[Placed], starts: Sequence[tuple[int, ...]], usual: int) -> list[Placed]:
    """Rows of an hour that comes twice and is told once are doubted, unless only one of the two joins neighbours."""
    found, i = list(placed), 0
    while i < len(placed):
        if len(starts[i]) < 2 or placed[i].start != starts[i][0]:
            i += 1
            continue
        end = i
        while end < len(placed) and len(starts[end]) > 1 and placed[end].start == starts[end][0]:
            end += 1
        if _is_open(placed, starts, i, end, usual):
            found[i:end] = [replace(one, is_doubted=True) for one in placed[i:end]]
        elif end < len(placed) and _joins_later(placed, starts, i, end, usual):
            found[i:end] = [
                replace(one, start=some[-1]) for one, some in zip(placed[i:end], starts[i:end], strict=True)
            ]
        i = end
    return found


def _joins_later(placed: Sequence[Placed], starts: Sequence[tuple[int, ...]], first: int, end: int, usual: int) -> bool:
    """Whether the rows, taken for the second hour, lead up to the next row, and taken for the first follow nothing."""
    follows = first > 0 and placed[first - 1].start + usual == placed[first].start
    return not follows and starts[end - 1][-1] + usual == placed[end].start


def _is_open(placed: Sequence[Placed], starts: Sequence[tuple[int, ...]], first: int, end: int, usual: int) -> bool:
    """Whether both hours would do."""
    if end < len(placed) and starts[end - 1][-1] >= placed[end].start:
        return False
    follows = first > 0 and placed[first - 1].start + usual == placed[first].start
    leads = end < len(placed) and starts[end - 1][-1] + usual == placed[end].start
    return follows == leads
