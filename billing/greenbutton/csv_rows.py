"""Rows of a utility's CSV into intervals: each in its stream (one meter, one direction), then placed on the clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final

from billing.greenbutton.csv_cells import REMEDY, UNKNOWN_AMOUNTS, Kind, amount, kind
from billing.greenbutton.csv_columns import KWH_REMEDY, Columns, Context
from billing.greenbutton.csv_times import Times
from billing.greenbutton.csv_words import OTHER_UNITS, WH_PER, Role, quality, unit_of, words
from billing.greenbutton.filed import BadFile, Filed, FiledInterval, FiledSeries
from billing.greenbutton.vocabulary import Flow
from billing.greenbutton.wall_clock import Clock, Placed, Row, place, usual_seconds
from billing.greenbutton.wall_times import read as told
from billing.intervals.quality import RANK, Quality

DEFAULT_WH_PER: Final = WH_PER["kwh"]
"""Of a column named usage, or the like, without a unit: what every utility bills by."""


@dataclass(slots=True)
class _Stream:
    """Rows in whose order the clock goes on: their times, revisions, and for each direction Wh and quality."""

    rows: list[Row] = field(default_factory=list)
    revisions: list[str] = field(default_factory=list)
    amounts: list[list[tuple[Flow, Decimal, Quality]]] = field(default_factory=list)

    def revision_layers(self) -> list[list[int]]:
        """Positions of rows whose order counts together: revisions of the same times each by themselves."""
        shown = {(row.start, row.end, row.hour) for row in self.rows}
        if len(shown) == len(self.rows):
            return [list(range(len(self.rows)))]
        found: dict[str, list[int]] = defaultdict(list)
        for position, revision in enumerate(self.revisions):
            found[revision].append(position)
        return list(found.values())


@dataclass(frozen=True, slots=True)
class _Held:
    interval: FiledInterval
    revision: str
    is_filler: bool


class Reader:
    """Takes the rows of a file one by one; `finished` says what they come to."""

    def __init__(self, zone: str, *, has_decimal_commas: bool) -> None:
        self._clock, self._has_decimal_commas = Clock(zone), has_decimal_commas
        self._streams: dict[tuple[int, str, Flow | None], _Stream] = defaultdict(_Stream)
        self._columns: Columns | None = None
        self._is_gas, self._section = False, 0
        self._left_out: dict[str, int] = {}
        self._constant: dict[int, tuple[str, bool]] = {}

    def begin(self, columns: Columns, context: Context) -> None:
        """A header: what follows is in its columns."""
        self._columns, self._is_gas = columns, context.is_gas
        self._section += 1
        self._times = Times(columns, self._clock, context.zone)
        self._constant = {}
        for said in columns.left_out:
            self._left_out.setdefault(said, 1)

    def take(self, row: Sequence[str], line: int) -> None:
        """A line of data. Raises BadFile where it is not understood."""
        columns = self._columns
        if columns is None:
            return
        cells = _Cells(row, line, columns)
        kinds = [kind(cells.text(i)) for i in (*columns.all_of[Role.TYPE], *columns.all_of[Role.DIRECTION])]
        if self._is_gas or any(one.is_other for one in kinds):
            self._leave("lines of another commodity than electricity")
            return
        self._check_understood(cells)
        when = self._times.of(cells.text, line)
        amounts = self._amounts(cells, kinds)
        meter = " ".join(cells.text(i) for i in columns.all_of[Role.METER]).strip()
        flow = next((one.flow for one in kinds if one.flow), None)
        stream = self._streams[self._section, meter, flow]
        stream.rows.append(when)
        stream.revisions.append(cells.of(Role.REVISION))
        stream.amounts.append(amounts)

    def _leave(self, said: str) -> None:
        self._left_out[said] = self._left_out.get(said, 0) + 1

    def _check_understood(self, cells: _Cells) -> None:
        """A column that is not understood may only say the same in every line; one of directions must say one."""
        columns = cells.columns
        for i in columns.all_of[Role.DIRECTION]:
            if kind(cells.text(i)).flow is None:
                raise cells.refusal(i, f"{cells.text(i)[:40]!r} is no direction", "export consumption and generation")
        for i in columns.all_of[Role.TYPE]:
            if kind(cells.text(i)).is_wrong:
                raise cells.refusal(i, f"{cells.text(i)[:40]!r} is not the energy of an interval", KWH_REMEDY)
            self._check_constant(cells, i, is_known=kind(cells.text(i)).is_known)
        for i in columns.all_of[Role.UNKNOWN]:
            self._check_constant(cells, i, is_known=False)

    def _check_constant(self, cells: _Cells, position: int, *, is_known: bool) -> None:
        text = cells.text(position)
        before, was_known = self._constant.setdefault(position, (text, is_known))
        if before != text and not (is_known and was_known):
            raise cells.refusal(
                position,
                f"it tells lines apart ({before[:40]!r} and {text[:40]!r}), and is not understood",
                "remove the column if it says nothing of the amounts",
            )

    def _amounts(self, cells: _Cells, kinds: Sequence[Kind]) -> list[tuple[Flow, Decimal, Quality]]:
        columns = cells.columns
        how_good = _quality(cells, kinds)
        told_flow = next((one.flow for one in kinds if one.flow), None)
        found = []
        for one in columns.quantities:
            text = cells.needed(one.position)
            if text.lower() in UNKNOWN_AMOUNTS:
                continue
            flow = one.flow or told_flow or Flow.DELIVERED
            if told_flow and len(columns.quantities) == 1:
                flow = told_flow
            value = amount(text, has_decimal_commas=self._has_decimal_commas, line=cells.line, name=one.name)
            found.append((flow, value * (one.wh_per or _wh_per(cells)), how_good))
        return found

    def finished(self) -> Filed:
        """One series for each meter and direction, and what was left out. Raises BadFile."""
        held: dict[tuple[str, Flow], dict[int, _Held]] = defaultdict(dict)
        for (_, meter, _), stream in self._streams.items():
            usual = usual_seconds(stream.rows, self._clock)
            for layer in stream.revision_layers():
                for i, at in zip(layer, place([stream.rows[i] for i in layer], self._clock, usual), strict=True):
                    self._keep(held, meter, stream.revisions[i], at, stream.amounts[i])
        if not any(held.values()):
            raise _nothing(self._left_out)
        series = [
            FiledSeries(meter, meter, flow, tuple(one.interval for one in some.values()))
            for (meter, flow), some in held.items()
        ]
        return Filed(tuple(series), tuple(_words(said, count) for said, count in self._left_out.items()))

    def _keep(
        self,
        held: dict[tuple[str, Flow], dict[int, _Held]],
        meter: str,
        revision: str,
        at: Placed,
        amounts: Sequence[tuple[Flow, Decimal, Quality]],
    ) -> None:
        """An interval for each direction. Of two with one start only a later revision or a filler says which counts."""
        for flow, wh, how_good in amounts:
            if at.is_skipped:
                self._skip(at, wh)
                continue
            quality = Quality.QUARANTINED if at.is_doubted else how_good
            new = _Held(FiledInterval(at.start, at.seconds, wh, quality, at.line), revision, at.is_filler)
            before = held[meter, flow].get(at.start)
            held[meter, flow][at.start] = new if before is None else self._one_of(before, new)

    def _skip(self, at: Placed, wh: Decimal) -> None:
        if wh:
            said = "its time does not exist: the clock skipped it"
            raise BadFile(said, "are the times another zone's?", at.line, "start")
        self._leave("lines of 0 in the hour that the clock skipped")

    def _one_of(self, before: _Held, new: _Held) -> _Held:
        for one, other in ((before, new), (new, before)):
            if one.is_filler and not one.interval.wh:
                self._leave("lines of 0 in the hour that the clock skipped")
                return other
        if before.revision != new.revision:
            older, newer = sorted((before, new), key=lambda one: _revised(one.revision, one.interval.line))
            if _revised(older.revision, 0) != _revised(newer.revision, 0):
                self._leave("lines of an older revision")
                return newer
        raise BadFile(
            f"it begins when line {before.interval.line} does, and nothing tells the two apart",
            "keep one of them, or the column that tells which is which",
            new.interval.line,
            "start",
        )


class _Cells:
    """A row's cells by position, with spaces of any kind alike."""

    __slots__ = ("_row", "columns", "line")

    def __init__(self, row: Sequence[str], line: int, columns: Columns) -> None:
        self._row, self.line, self.columns = row, line, columns

    def text(self, position: int) -> str:
        """Empty where the row ends before."""
        return " ".join(self._row[position].split()) if position < len(self._row) else ""

    def needed(self, position: int) -> str:
        if position >= len(self._row):
            raise BadFile("the line is too short", REMEDY, self.line, self.columns.names[position])
        return self.text(position)

    def refusal(self, position: int, said: str, remedy: str) -> BadFile:
        return BadFile(said, remedy, self.line, self.columns.names[position] or f"column {position + 1}")

    def of(self, which: Role) -> str:
        position = self.columns.at.get(which)
        return "" if position is None else self.text(position)


def _quality(cells: _Cells, kinds: Sequence[Kind]) -> Quality:
    """Of several columns the worst."""
    found = [one.quality for one in kinds if one.quality is not None]
    for i in cells.columns.all_of[Role.QUALITY]:
        one = quality(cells.text(i))
        if one is None:
            said = f"{cells.text(i)[:40]!r} is no quality that is known"
            raise cells.refusal(i, said, "ask the utility what it means, or remove the column")
        found.append(one)
    is_estimate = any("estimat" in cells.text(i).lower() for i in cells.columns.all_of[Role.NOTE])
    return min([*found, Quality.ESTIMATED if is_estimate else Quality.MEASURED], key=RANK.__getitem__)


def _wh_per(cells: _Cells) -> Decimal:
    """By the row's column of units, if there is one."""
    if Role.UNIT not in cells.columns.at:
        return DEFAULT_WH_PER
    text = cells.of(Role.UNIT)
    unit = unit_of(words(text)) or text.lower()
    if unit not in WH_PER:
        what = OTHER_UNITS.get(unit, "no unit that is known")
        raise cells.refusal(cells.columns.at[Role.UNIT], f"{text[:40]!r} is {what}", KWH_REMEDY)
    return WH_PER[unit]


def _revised(text: str, line: int) -> tuple[date, int, int, int]:
    """The order of revisions: by time, or by number."""
    found = told(text)
    if found is not None and found.on is not None:
        return found.on, found.second or 0, 0, line
    return date.min, 0, int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0, line


def _nothing(left_out: dict[str, int]) -> BadFile:
    if left_out:
        said = "; ".join(_words(one, count) for one, count in left_out.items())
        return BadFile(f"it holds no electricity ({said})", KWH_REMEDY)
    return BadFile("it has a header and no intervals", "choose a period with usage")


def _words(said: str, count: int) -> str:
    if not said.startswith("lines"):
        return said
    return f"{count:,} {said}" if count > 1 else f"1 line{said.removeprefix('lines')}"
