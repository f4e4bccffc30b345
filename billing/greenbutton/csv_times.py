"""What the columns of a row say of its time: a start, an end, a length or the number of an hour, in several cells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta, timezone
from typing import Final

from billing.greenbutton.csv_cells import REMEDY, seconds
from billing.greenbutton.csv_columns import Columns
from billing.greenbutton.csv_words import Role
from billing.greenbutton.filed import BadFile
from billing.greenbutton.wall_clock import Clock, HourNumber, Moment, Row
from billing.greenbutton.wall_times import Told
from billing.greenbutton.wall_times import read as told

_BETWEEN: Final = (" to ", " - ", " – ")
_UTC: Final = timezone(timedelta(0))
_ZONES_OF_UTC: Final = ("utc", "gmt", "z", "zulu", "etc/utc")
_NOBODY: Final = -1


class Times:
    """Reads the times of one section's rows."""

    def __init__(self, columns: Columns, clock: Clock, zone: str = "") -> None:
        self._columns, self._clock, self._zone = columns, clock, zone
        at = columns.at
        self._day = at.get(Role.DATE, at.get(Role.START_DATE, _NOBODY))
        self._start = at.get(Role.START, at.get(Role.START_DATE, _NOBODY) if Role.DATE in at else _NOBODY)
        self._end = at.get(Role.END, at.get(Role.END_DATE, _NOBODY))
        self._end_day = at.get(Role.END_DATE, _NOBODY) if Role.END in at else _NOBODY
        self._hour = at.get(Role.HOUR, _NOBODY)
        self._interval = at.get(Role.INTERVAL, _NOBODY)
        if self._start == _NOBODY and Role.START_DATE in at:
            self._start = at[Role.START_DATE]

    def of(self, text: Callable[[int], str], line: int) -> Row:
        """`text` gives the cell at a position. Raises BadFile."""
        if Role.ZONE in self._columns.at:
            self._zone = text(self._columns.at[Role.ZONE])
        on = self._date(text, line)
        length, start_text, end_text = self._spoken(text, line)
        if start_text and _is_number(start_text) and self._is_hour_of_start(text):
            return self._numbered(start_text, on, None, length, line, self._hour)
        if end_text and _is_number(end_text) and not start_text:
            return self._numbered(end_text, on, True, length, line, self._end)
        start = self._moment(self._start_position(), start_text, on, line) if start_text else None
        end, has_end_date = self._ended(text, end_text, start, on, line)
        if start is None and end is None:
            start = self._moment(self._day, text(self._day) if self._day >= 0 else "", None, line)
        return Row(line, start, end, length, has_end_date=has_end_date)

    def _numbered(
        self, text: str, on: date | None, is_ending: bool | None, length: int, line: int, position: int
    ) -> Row:
        """An hour by its number, which is one of the home's own day: a zone that is told may only be the home's."""
        hour = _number(text, on, is_ending, line, self._name(position))
        if self._told_zone is not None:
            noon = Told(hour.on, 43_200, self._told_zone)
            moment = self._clock.moment(noon, None, line, self._name(position), text)
            if moment.fixed not in self._clock.instants(moment.wall):
                said = f"{self._zone[:40]!r} is not the time of {self._clock.name}"
                raise BadFile(said, "write times of the home's clock", line, self._name(position))
        return Row(line, None, None, length, hour=hour)

    def _spoken(self, text: Callable[[int], str], line: int) -> tuple[int, str, str]:
        """Seconds of a duration (0: none), and the texts of the start and the end."""
        length = 0
        if Role.DURATION in self._columns.at:
            length = self._length(text(self._columns.at[Role.DURATION]), self._columns.at[Role.DURATION], line)
        start_text = text(self._start) if self._start >= 0 else ""
        end_text = text(self._end) if self._end >= 0 else ""
        if self._hour >= 0 and not start_text:
            start_text = text(self._hour)
        if self._interval >= 0:
            interval = text(self._interval)
            if not start_text and ":" in interval:
                start_text = interval
            elif not length:
                length = self._length(interval, self._interval, line)
        for between in _BETWEEN:
            if between in start_text and not end_text:
                start_text, _, end_text = start_text.partition(between)
                return length, start_text.strip(), end_text.strip()
        return length, start_text, end_text

    def _is_hour_of_start(self, text: Callable[[int], str]) -> bool:
        return self._hour >= 0 and (self._start < 0 or not text(self._start))

    def _length(self, text: str, position: int, line: int) -> int:
        found = seconds(text)
        if found is None:
            raise BadFile(f"{text[:40]!r} is not a number of minutes", REMEDY, line, self._name(position))
        return found

    def _date(self, text: Callable[[int], str], line: int) -> date | None:
        """Of the row, where a column of its own tells it."""
        if self._day < 0 or self._day == self._start:
            return None
        found = told(text(self._day))
        if found is None or found.on is None:
            raise self._no_time(text(self._day), self._day, line)
        if found.is_month_first:
            self._clock.moment(Told(found.on, 0, None, True), None, line, self._name(self._day), text(self._day))
        return found.on

    def _ended(
        self, text: Callable[[int], str], end_text: str, start: Moment | None, on: date | None, line: int
    ) -> tuple[Moment | None, bool]:
        """The end, and whether its date is told."""
        if not end_text:
            return None, False
        if self._end_day >= 0:
            day = told(text(self._end_day))
            on = day.on if day else on
        found = told(end_text)
        has_date = self._end_day >= 0 or bool(found and found.on)
        if on is None and start is not None:
            on = start.wall.date()
        moment = self._moment(self._end, end_text, on, line)
        if moment.fixed is None and moment.wall.second == 59:
            return Moment(moment.wall + timedelta(seconds=1)), has_date
        if moment.fixed is None and start is not None and moment.wall.minute % 5 == 4:  # 00:14, a last minute
            return Moment(moment.wall + timedelta(minutes=1)), has_date
        return moment, has_date

    def _moment(self, position: int, text: str, on: date | None, line: int) -> Moment:
        found = told(text)
        name = self._name(position)
        if found is None:
            raise self._no_time(text, position, line)
        is_utc = position >= 0 and self._columns.is_utc(position)
        if found.zone is None and (is_utc or self._told_zone is not None):
            found = Told(found.on, found.second, _UTC if is_utc else self._told_zone, found.is_month_first)
        return self._clock.moment(found, on, line, name, text)

    @property
    def _told_zone(self) -> timezone | str | None:
        """What a column, or a line above the header, says of the zone; None where it is the home's own."""
        said = self._zone.strip()
        if not said or said.lower() == self._clock.name.lower():
            return None
        return _UTC if said.lower() in _ZONES_OF_UTC else said.upper()

    def _start_position(self) -> int:
        return next((at for at in (self._start, self._hour, self._interval) if at >= 0), self._day)

    def _name(self, position: int) -> str:
        return self._columns.names[position] if position >= 0 else "start"

    def _no_time(self, text: str, position: int, line: int) -> BadFile:
        return BadFile(f"{text[:40]!r} is not a time", "write it like 2026-03-08 01:45", line, self._name(position))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4


def _number(text: str, on: date | None, is_ending: bool | None, line: int, name: str) -> HourNumber:
    """Of an hour: 1, 24, 25, 0100, 2400."""
    number, minutes = (int(text), 0) if len(text) <= 2 else (int(text[:-2]), int(text[-2:]))
    if on is None or number > 25 or minutes:
        raise BadFile(f"{text!r} is not the number of an hour of a day", REMEDY, line, name)
    return HourNumber(on, number, is_ending)
