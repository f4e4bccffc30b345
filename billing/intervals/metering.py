"""From a register around the boundaries of a local day to the watt-hours of its quarter-hours.

Whole watt-hours are the differences of the register's whole watt-hours, so that what is cut off in one quarter-hour
is in a later one and any stretch adds up to the register's own difference, over days and months too.

What lies between two readings that are farther apart is estimated: along a straight line up to two hours, else in the
shape of like days; whole numbers that add up to what the register moved. A gap is always divided as a whole, from its
last reading before to its first after, so that the days that it touches agree about it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from billing.intervals.apportion import apportion
from billing.intervals.checks import Problem, Question
from billing.intervals.edges import (
    FRESH_MS,
    QUARTER_MS,
    Edges,
    Epoch,
    Point,
    moved_wh,
    pieces_between,
)
from billing.intervals.quality import Quality
from billing.intervals.shapes import Shape

STRAIGHT_MS: Final = 2 * 3600 * 1000
"""A gap of this length at most is a straight line."""

Ints = npt.NDArray[np.int64]
Letters = npt.NDArray[np.uint8]
ShapeOf = Callable[[int], Shape]
"""The shape of like days for a gap that begins at a Unix second."""


@dataclass(frozen=True)
class Metered:
    """The quarter-hours of a day: Wh, qualities as bytes, and what a person has to be asked about."""

    wh: Ints
    letters: Letters
    questions: tuple[Question, ...] = field(default=())

    @property
    def qualities(self) -> str:
        return self.letters.tobytes().decode("ascii")


def meter(edges: Edges, limit_wh: int, shape_of: ShapeOf, epochs: Sequence[Epoch] = ()) -> Metered:
    """Watt-hours between neighbouring boundaries. `limit_wh`: more than the channel can carry in a quarter-hour."""
    if not epochs and edges.is_fresh.all():
        floors = np.floor(edges.before_joules / 3600.0).astype(np.int64)
        wh = np.diff(floors)
        if (wh >= 0).all() and (wh <= limit_wh).all():
            return Metered(wh, np.full(len(wh), ord(Quality.MEASURED), np.uint8))
    return _Day(edges, limit_wh, shape_of, epochs).read()


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What the register moved between two readings, in the quarter-hours of the day that it touches."""

    slots: dict[int, int]
    problem: Problem | None = None
    detail: str = ""


class _Day:
    """The day whose boundaries not all have a fresh reading, or whose values are doubted."""

    def __init__(self, edges: Edges, limit_wh: int, shape_of: ShapeOf, epochs: Sequence[Epoch]) -> None:
        self._edges, self._limit, self._shape_of, self._epochs = edges, limit_wh, shape_of, epochs
        self._count = len(edges.at) - 1
        self._begin_ms = int(edges.at[0]) * 1000
        self._fresh, self._rolled, self._between = edges.is_fresh, edges.is_rolled, edges.is_between

    def read(self) -> Metered:
        letters = self._letters()
        wh = np.zeros(self._count, np.int64)
        questions = []
        for stretch in self._stretches():
            for slot, amount in stretch.slots.items():
                wh[slot] += amount
            if stretch.problem:
                questions.append(self._doubt(stretch, letters))
        questions += self._too_large(wh, letters)
        wh[(letters == ord(Quality.MISSING)) | (letters == ord(Quality.QUARANTINED))] = 0
        return Metered(wh, letters, tuple(questions))

    def _letters(self) -> Letters:
        known = self._fresh | self._rolled
        usable = known | self._between
        out = np.full(self._count, ord(Quality.ESTIMATED), np.uint8)
        out[known[:-1] & known[1:]] = ord(Quality.ROLLED)
        out[self._fresh[:-1] & self._fresh[1:]] = ord(Quality.MEASURED)
        out[~(usable[:-1] & usable[1:])] = ord(Quality.MISSING)
        return out

    def _knots(self) -> list[Point]:
        """The readings between which things are divided, in order of time."""
        found: dict[int, Point] = {}
        for i, at in enumerate(self._edges.at.tolist()):
            if self._fresh[i] or self._rolled[i]:
                found[at * 1000] = Point(at * 1000, float(self._edges.before_joules[i]), self._read_before(i))
            elif self._between[i]:
                for point in (self._point_before(i), self._point_after(i)):
                    found.setdefault(point.at_ms, point)
        return [found[at_ms] for at_ms in sorted(found)]

    def _point_before(self, i: int) -> Point:
        """A reading that is fresh for, or the last of the quarter-hour before, a boundary stands at that boundary."""
        at_ms, slack = int(self._edges.before_ms[i]), int(self._edges.before_slack_ms[i])
        boundary = at_ms + (-at_ms) % QUARTER_MS
        if slack == QUARTER_MS:
            boundary = at_ms + slack
        elif boundary - at_ms > FRESH_MS:
            boundary = at_ms
        return Point(boundary, float(self._edges.before_joules[i]), self._read_before(i))

    def _read_before(self, i: int) -> int:
        return int(self._edges.before_ms[i] + self._edges.before_slack_ms[i])

    def _point_after(self, i: int) -> Point:
        at_ms = int(self._edges.after_ms[i])
        return Point(at_ms, float(self._edges.after_joules[i]), at_ms)

    def _stretches(self) -> list[_Stretch]:
        edge_ms = self._edges.at * 1000
        gaps = set(edge_ms[self._between].tolist())
        knots = self._knots()
        found = []
        for before, after in itertools.pairwise(knots):
            is_whole = after.at_ms - before.at_ms <= QUARTER_MS
            inside = edge_ms[(edge_ms > before.at_ms) & (edge_ms < after.at_ms)].tolist()
            starts_or_ends_in_day = before.at_ms < int(edge_ms[-1]) and after.at_ms > int(edge_ms[0])
            # Between two readings without any boundary that lies in their gap nothing is known to belong together.
            if starts_or_ends_in_day and (is_whole or (inside and gaps.issuperset(inside))):
                found.append(self._divide(before, after))
        return found

    def _divide(self, before: Point, after: Point) -> _Stretch:
        pieces = pieces_between(before.at_ms, after.at_ms)
        slots = [(start - self._begin_ms) // QUARTER_MS for start, _ in pieces]
        mine = sorted({slot for slot in slots if 0 <= slot < self._count})
        moved = moved_wh(before, after, self._epochs)
        if isinstance(moved, str):
            problem = Problem.REGISTER_FELL if "fell" in moved else Problem.DEVICE_CHANGED
            return _Stretch(dict.fromkeys(mine, 0), problem, moved)
        if len(pieces) > 2 and moved * QUARTER_MS > self._limit * (after.at_ms - before.at_ms):
            detail = f"{moved / 1000:.3f} kWh in {(after.at_ms - before.at_ms) / 3_600_000:.2f} hours of a gap"
            return _Stretch(dict.fromkeys(mine, 0), Problem.TOO_LARGE, detail)
        found = dict.fromkeys(mine, 0)
        for slot, part in zip(slots, apportion(moved, self._weights(pieces)), strict=True):
            if slot in found:
                found[slot] += part
        return _Stretch(found)

    def _weights(self, pieces: Sequence[tuple[int, int]]) -> list[int]:
        if pieces[-1][1] - pieces[0][0] <= STRAIGHT_MS:
            return [end - start for start, end in pieces]
        shape = self._shape_of(pieces[0][0] // 1000)
        return [(end - start) * shape.weight(start // 1000) for start, end in pieces]

    def _doubt(self, stretch: _Stretch, letters: Letters) -> Question:
        slots = sorted(stretch.slots)
        letters[slots] = ord(Quality.QUARANTINED)
        return Question(stretch.problem or Problem.TOO_LARGE, slots[0], slots[-1] + 1, (), stretch.detail)

    def _too_large(self, wh: Ints, letters: Letters) -> list[Question]:
        large = (wh > self._limit) & (letters != ord(Quality.MISSING)) & (letters != ord(Quality.QUARANTINED))
        letters[large] = ord(Quality.QUARANTINED)
        return [
            Question(
                Problem.TOO_LARGE,
                first,
                last,
                tuple(wh[first:last].tolist()),
                f"more than the {self._limit} Wh that the channel can carry in a quarter-hour",
            )
            for first, last in runs(large)
        ]


def runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[first, last) of each unbroken stretch that is set."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in steps.reshape(-1, 2)]
