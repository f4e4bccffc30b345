"""Interval usage as CSV: the shapes that utilities offer for download, told apart by their column names.

Lines before the header (name, address, account) are skipped and never read. Times are the home's local ones unless
they say their offset; in the autumn night the hour that comes twice is told apart by its order.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final
from zoneinfo import ZoneInfo

from billing.greenbutton.filed import MAX_INTERVALS, BadFile, FiledInterval, FiledSeries, check_size
from billing.greenbutton.vocabulary import Flow
from billing.intervals.quality import Quality

_START: Final = ("start", "start time", "interval start", "datetime", "date time", "timestamp", "start date time")
_DATE: Final = ("date", "usage date", "read date")
_END: Final = ("end", "end time", "interval end", "end date time")
_DURATION: Final = ("duration", "interval", "interval length", "minutes")
_DELIVERED: Final = (
    "usage",
    "consumption",
    "delivered",
    "import",
    "energy",
    "value",
    "kwh",
    "wh",
    "energy consumption",
)
_RECEIVED: Final = ("export", "generation", "received", "energy generation", "surplus generation")
_ESTIMATED: Final = ("estimated", "notes", "quality", "read type", "estimated indicator")
_DATE_FORMATS: Final = ("%Y-%m-%d", "%m/%d/%Y", "%m/%d/%y", "%Y/%m/%d")
_TIME_FORMATS: Final = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M%p", "%I:%M:%S %p")
_HEADER_WITHIN: Final = 40
_REMEDY: Final = "correct it, or download the file again"


@dataclass(frozen=True, slots=True)
class _Columns:
    """Positions of what is needed; -1 where there is none."""

    header: int
    date: int
    start: int
    end: int
    duration: int
    flows: tuple[tuple[Flow, int, int], ...]
    """direction, position, Wh per unit"""
    estimated: int


def read(body: bytes, zone: str) -> list[FiledSeries]:
    """One series for each direction that has a column. Raises BadFile."""
    check_size(body)
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFile("it is not UTF-8 text", "save it as CSV in UTF-8") from error
    rows = list(csv.reader(io.StringIO(text), delimiter="\t" if "\t" in text[:2000] else ","))
    if len(rows) > MAX_INTERVALS:
        raise BadFile(f"more than {MAX_INTERVALS} lines", "send a shorter period at a time")
    columns = _columns(rows)
    clock = _Clock(zone)
    found: dict[Flow, list[FiledInterval]] = {flow: [] for flow, _, _ in columns.flows}
    for number, row in enumerate(rows[columns.header + 1 :], columns.header + 2):
        if any(cell.strip() for cell in row):
            for flow, interval in _intervals(row, number, columns, clock):
                found[flow].append(interval)
    if not any(found.values()):
        raise BadFile("it has a header and no intervals", "choose a period with usage")
    length = _usual_step([interval.start for interval in next(iter(found.values()))])
    return [FiledSeries("", "", flow, tuple(_with_length(some, length))) for flow, some in found.items()]


def _columns(rows: Sequence[Sequence[str]]) -> _Columns:
    for number, row in enumerate(rows[:_HEADER_WITHIN]):
        names = [_plain(cell) for cell in row]
        flows = [
            (flow, i, 1 if _unit(row[i]) == "wh" else 1000)
            for i, name in enumerate(names)
            for flow, known in ((Flow.DELIVERED, _DELIVERED), (Flow.RECEIVED, _RECEIVED))
            if name in known
        ]
        start, on = _find(names, _START), _find(names, _DATE)
        if flows and (start >= 0 or on >= 0):
            if len({flow for flow, _, _ in flows}) < len(flows):
                raise BadFile("two columns of the same direction", "keep one of them", number + 1)
            return _Columns(
                number, on, start, _find(names, _END), _find(names, _DURATION), tuple(flows), _find(names, _ESTIMATED)
            )
    raise BadFile(
        "no line names its columns",
        "have a line such as: date, start time, end time, usage (kWh)",
    )


def _plain(name: str) -> str:
    """A column's name in lower case, without its unit."""
    words = re.sub(r"\(.*?\)", "", name).replace("_", " ").lower().split()
    return " ".join(words[:-1] if len(words) > 1 and words[-1] in ("kwh", "wh") else words)


def _unit(name: str) -> str:
    words = re.findall(r"[a-z]+", name.lower().replace("_", " "))
    return "wh" if "wh" in words else "kwh"


def _find(names: Sequence[str], known: Sequence[str]) -> int:
    return next((i for i, name in enumerate(names) if name in known), -1)


def _intervals(row: Sequence[str], line: int, columns: _Columns, clock: _Clock) -> list[tuple[Flow, FiledInterval]]:
    def cell(position: int, name: str) -> str:
        if position >= len(row):
            raise BadFile("the line is too short", _REMEDY, line, name)
        return row[position].strip()

    on = cell(columns.date, "date") if columns.date >= 0 else ""
    start = clock.instant(f"{on} {cell(columns.start, 'start') if columns.start >= 0 else ''}".strip(), line)
    duration = 0
    if columns.duration >= 0:
        duration = _minutes(cell(columns.duration, "duration"), line) * 60
    elif columns.end >= 0 and (end := cell(columns.end, "end")):
        duration = clock.duration(on, end, line)
    is_estimated = columns.estimated >= 0 and columns.estimated < len(row) and _says_estimated(row[columns.estimated])
    quality = Quality.ESTIMATED if is_estimated else Quality.MEASURED
    return [
        (flow, FiledInterval(start, duration, _amount(text, line, flow) * unit, quality, line))
        for flow, position, unit in columns.flows
        if (text := cell(position, flow.name.lower()))
    ]


def _says_estimated(text: str) -> bool:
    return text.strip().lower() in ("e", "est", "estimated", "estimate", "yes", "true", "1")


def _amount(text: str, line: int, flow: Flow) -> Decimal:
    try:
        value = Decimal(text.replace(",", ""))
    except InvalidOperation as error:
        raise BadFile(f"{text[:40]!r} is not a number", _REMEDY, line, flow.name.lower()) from error
    if not value.is_finite() or abs(value) > 10**9:
        raise BadFile(f"{text[:40]!r} is no amount of energy", _REMEDY, line, flow.name.lower())
    return value


def _minutes(text: str, line: int) -> int:
    found = re.fullmatch(r"(\d{1,4})(?:\s*(?:m|min|minutes?))?", text.lower())
    if not found:
        raise BadFile(f"{text[:40]!r} is not a number of minutes", _REMEDY, line, "duration")
    return int(found[1])


class _Clock:
    """Reads the home's local times in the order in which they come."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._last: datetime | None = None
        self._wall: datetime | None = None

    def instant(self, text: str, line: int) -> int:
        wall = _wall_time(text, line)
        self._wall = wall
        if wall.tzinfo is not None:
            return int(wall.timestamp())
        first, second = (wall.replace(tzinfo=self._zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first.astimezone(self._zone).replace(tzinfo=None) != wall:
            raise BadFile(
                f"{text!r} does not exist: the clock skipped it", "are the times another zone's?", line, "start"
            )
        at = first
        if first != second and self._last is not None and self._last >= first:
            at = second
        self._last = at
        return int(at.timestamp())

    def duration(self, on: str, end: str, line: int) -> int:
        """From the start that was read last to an end: 23:45 to 00:00, or to 23:59 as some write a last minute."""
        wall = self._wall
        stop = _wall_time(f"{on} {end}".strip(), line)
        if wall is None:
            return 0
        seconds = int((stop.replace(tzinfo=None) - wall.replace(tzinfo=None)).total_seconds()) % 86_400
        return seconds + 60 if seconds % 300 == 240 else seconds or 86_400


def _wall_time(text: str, line: int) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        pass
    else:
        return found
    day, _, time = text.partition(" ")
    on = _first(day, _DATE_FORMATS)
    at = _first(time.strip() or "00:00", _TIME_FORMATS)
    if on is None or at is None:
        raise BadFile(f"{text[:40]!r} is not a time", "write it like 2026-03-08 01:45", line, "start")
    return datetime.combine(date(on.year, on.month, on.day), at.time())


def _first(text: str, formats: Sequence[str]) -> datetime | None:
    for form in formats:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007  (the zone comes later)
        except ValueError:
            continue
    return None


def _usual_step(starts: Sequence[int]) -> int:
    steps = [after - before for before, after in itertools.pairwise(starts) if after > before]
    return max(set(steps), key=steps.count) if steps else int(timedelta(minutes=15).total_seconds())


def _with_length(intervals: Sequence[FiledInterval], length: int) -> list[FiledInterval]:
    return [
        one if one.duration else FiledInterval(one.start, length, one.wh, one.quality, one.line) for one in intervals
    ]
