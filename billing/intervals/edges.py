"""A register around the quarter-hour boundaries of a stretch of time, and what it moved between two readings."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from billing.intervals.days import QUARTER_SECONDS

FRESH_MS: Final = 60_000
"""A reading this old at most is the register at the boundary; one that is older is only its neighbour."""
QUARTER_MS: Final = QUARTER_SECONDS * 1000
JOULES_PER_WH: Final = 3600.0

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Edges:
    """Of one register, for each boundary in `at` (Unix seconds): the readings around it, as arrays of (edges,).

    `before_ms` is at or before the boundary, `after_ms` at or after it. A reading that is known only to lie within a
    bucket has that bucket's length as its slack, and the instant is the bucket's far end. Where there is no reading
    the joules are NaN.
    """

    at: Ints
    before_ms: Ints
    before_joules: Floats
    before_slack_ms: Ints
    after_ms: Ints
    after_joules: Floats
    after_slack_ms: Ints

    @classmethod
    def of_samples(cls, at: Ints, at_ms: Ints, joules: Floats) -> Edges:
        """From samples in any order, perhaps more than once each; of two that differ at one instant the larger."""
        order = np.lexsort((joules, at_ms))
        at_ms, joules = at_ms[order], joules[order]
        last = np.append(np.diff(at_ms) != 0, True)[: len(at_ms)]
        at_ms, joules = at_ms[last], joules[last]
        padded_ms, padded = np.append(at_ms, 0), np.append(joules, np.nan)
        before = np.searchsorted(at_ms, at * 1000, "right") - 1  # -1 is the padding
        after = np.searchsorted(at_ms, at * 1000, "left")
        zeros = np.zeros(len(at), np.int64)
        return cls(at, padded_ms[before], padded[before], zeros, padded_ms[after], padded[after], zeros)

    def joined(self, other: Edges) -> Edges:
        """The nearest readings that either has. In whatever order and how often things are joined, it is the same."""
        if not np.array_equal(self.at, other.at):
            raise ValueError("edges of different boundaries")
        sooner = _is_nearer(
            (other.before_ms, -other.before_slack_ms, other.before_joules),
            (self.before_ms, -self.before_slack_ms, self.before_joules),
        )
        later = _is_nearer(
            (-other.after_ms, -other.after_slack_ms, other.after_joules),
            (-self.after_ms, -self.after_slack_ms, self.after_joules),
        )
        mixed = {
            field.name: np.where(
                sooner if field.name.startswith("before") else later,
                getattr(other, field.name),
                getattr(self, field.name),
            )
            for field in fields(self)
            if field.name != "at"
        }
        return Edges(self.at, **mixed)

    @property
    def is_fresh(self) -> Flags:
        """Where the reading before is the register at the boundary."""
        fresh: Flags = ~np.isnan(self.before_joules) & (self.at * 1000 - self.before_ms <= FRESH_MS)
        return fresh

    @property
    def is_rolled(self) -> Flags:
        """Where the reading before was the last of the quarter-hour that ends at the boundary, whenever that was."""
        ends = self.before_ms + self.before_slack_ms == self.at * 1000
        rolled: Flags = ~np.isnan(self.before_joules) & ~self.is_fresh & (self.before_slack_ms == QUARTER_MS) & ends
        return rolled

    @property
    def is_between(self) -> Flags:
        """Where there is a reading on either side and neither of the above."""
        both = ~np.isnan(self.before_joules) & ~np.isnan(self.after_joules)
        return both & ~self.is_fresh & ~self.is_rolled


_Reading = tuple[Ints, Ints, Floats]


def _is_nearer(reading: _Reading, other: _Reading) -> Flags:
    """Whether it is there and the other is not, or it is the greater in (instant, exactness, joules)."""
    known, others = ~np.isnan(reading[2]), ~np.isnan(other[2])
    greater, same = np.zeros(known.shape, np.bool_), np.ones(known.shape, np.bool_)
    with np.errstate(invalid="ignore"):
        for mine, theirs in zip(reading, other, strict=True):
            greater |= same & (mine > theirs)
            same &= mine == theirs
    nearer: Flags = known & (~others | greater)
    return nearer


@dataclass(frozen=True, slots=True)
class Epoch:
    """From `start_ms` on the register is another device's. None: not known, or for the modulus that there is none."""

    start_ms: int
    closing_joules: float | None = None
    opening_joules: float | None = None
    modulus_wh: int | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """The register at an instant, in Unix milliseconds; `read_ms` is when it was read, which tells whose word it is."""

    at_ms: int
    joules: float
    read_ms: int

    @property
    def wh(self) -> int:
        """The register in whole watt-hours. Differences of these add up to the difference of any two of them."""
        return int(np.floor(self.joules / JOULES_PER_WH))


FELL: Final = "the register fell from {before:.3f} to {after:.3f} kWh"
CHANGED: Final = "the device changed and its registers' first or last word is not known"


def moved_wh(before: Point, after: Point, epochs: Sequence[Epoch]) -> int | str:
    """Watt-hours between two readings, through rollovers and changes of device; or why that cannot be told."""
    stops, device = [before], _modulus_at(before.read_ms, epochs)
    legs: list[tuple[Point, Point, int | None]] = []
    for epoch in epochs:
        if before.read_ms < epoch.start_ms <= after.read_ms:
            if epoch.closing_joules is None or epoch.opening_joules is None:
                return CHANGED
            legs.append((stops[-1], _word(epoch.start_ms, epoch.closing_joules), device))
            stops.append(_word(epoch.start_ms, epoch.opening_joules))
            device = epoch.modulus_wh
    legs.append((stops[-1], after, device))
    total = 0
    for first, last, modulus in legs:
        wh = last.wh - first.wh
        if wh < 0 and modulus is None:
            return FELL.format(before=first.wh / 1000, after=last.wh / 1000)
        total += wh if modulus is None else wh % modulus
    return total


def _word(at_ms: int, joules: float) -> Point:
    return Point(at_ms, joules, at_ms)


def _modulus_at(at_ms: int, epochs: Sequence[Epoch]) -> int | None:
    past = [epoch for epoch in epochs if epoch.start_ms <= at_ms]
    return past[-1].modulus_wh if past else None


def pieces_between(start_ms: int, end_ms: int) -> list[tuple[int, int]]:
    """[start, end) cut at the whole quarter-hours: (start, end) of each piece."""
    first = start_ms - start_ms % QUARTER_MS + QUARTER_MS
    cuts = [start_ms, *range(first, end_ms, QUARTER_MS), end_ms]
    return list(itertools.pairwise(cuts))
