"""What a utility's file says, whatever its format: series of intervals, and typed errors that name the place."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from billing.greenbutton.vocabulary import Flow
from billing.intervals.quality import Quality

MAX_BYTES: Final = 32 << 20
"""Of a file, and of what is unpacked from one."""
MAX_INTERVALS: Final = 400_000
"""Two directions of five-minute intervals for nearly two years."""
MAX_DAYS: Final = 800
LONGEST_SECONDS: Final = 3_600
"""Quarter-hours are billed: of longer intervals than hours nobody knows when their energy flowed."""
_NAMED: Final = 8
"""How many choices or reasons one sentence lists."""


class BadFile(ValueError):
    """This file cannot be taken. Says where, what is wrong there and what to do about it."""

    def __init__(self, message: str, remedy: str, line: int | None = None, field: str = "") -> None:
        self.line, self.field, self.message, self.remedy = line, field, message, remedy
        place = f"line {line}" if line else "the file"
        super().__init__(f"{place}{f', {field}' if field else ''}: {message}; {remedy}")

    def __reduce__(self) -> tuple[type[BadFile], tuple[str, str, int | None, str]]:
        return BadFile, (self.message, self.remedy, self.line, self.field)


@dataclass(frozen=True, slots=True)
class FiledInterval:
    """[start, start + duration) in epoch seconds, and the Wh that flowed in it."""

    start: int
    duration: int
    wh: Decimal
    quality: Quality
    line: int


@dataclass(frozen=True, slots=True)
class FiledSeries:
    """One direction of one meter."""

    point: str
    title: str
    flow: Flow
    intervals: tuple[FiledInterval, ...]


@dataclass(frozen=True, slots=True)
class Filed:
    """What is taken of a file, and in words what of it is not."""

    series: tuple[FiledSeries, ...]
    left_out: tuple[str, ...] = ()


def check_size(body: bytes) -> None:
    if not body.strip():
        raise BadFile("it is empty", "download it from the utility again")
    if len(body) > MAX_BYTES:
        raise BadFile(
            f"it has {len(body) >> 20} MiB", f"send at most {MAX_BYTES >> 20} MiB: a shorter period at a time"
        )


def one_of_each_flow(filed: Filed, point: str = "") -> dict[Flow, FiledSeries]:
    """The series of one usage point by direction. Raises BadFile where it is not clear which one is meant."""
    series = filed.series
    points = {one.point: one.title for one in series if not point or point in (one.point, one.title)}
    if not points:
        raise BadFile("it holds no meter of that name", f"choose one of: {named({s.title for s in series})}")
    if len(points) > 1:
        raise BadFile("it holds several meters", f"choose one of: {named(points.values())}", field="UsagePoint")
    found: dict[Flow, list[FiledSeries]] = {}
    for one in series:
        if one.point in points:
            found.setdefault(one.flow, []).append(one)
    ((held, title),) = points.items()
    return {flow: FiledSeries(held, title, flow, _joined(flow, some)) for flow, some in found.items()}


def _joined(flow: Flow, series: Sequence[FiledSeries]) -> tuple[FiledInterval, ...]:
    """Several series of one direction may follow one another; where they tell the same time, neither is certain."""
    intervals = _in_order([interval for one in series for interval in one.intervals])
    if len(series) > 1:
        for before, after in itertools.pairwise(intervals):
            if after.start < before.start + before.duration:
                raise BadFile(
                    f"two series of the same direction ({flow.name.lower()}) tell the same time",
                    "export one of them",
                    after.line,
                    "MeterReading",
                )
    return intervals


def named(choices: Iterable[str]) -> str:
    """Some names in a sentence, however many there are."""
    listed = sorted({choice[:60] for choice in choices})
    more = len(listed) - _NAMED
    return ", ".join(listed[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _in_order(intervals: Sequence[FiledInterval]) -> tuple[FiledInterval, ...]:
    """By their start. Raises BadFile where they are too long, or are of too many days to be one file."""
    _check_lengths(intervals)
    ordered = sorted(intervals, key=lambda one: (one.start, one.line))
    if ordered and ordered[-1].start - ordered[0].start > MAX_DAYS * 86_400:
        raise BadFile(
            f"it spans more than {MAX_DAYS} days", "send a shorter period at a time", ordered[-1].line, "start"
        )
    return tuple(ordered)


def _check_lengths(intervals: Sequence[FiledInterval]) -> None:
    """A file of days is refused as a whole: it is one fault, not a question for each day."""
    long_ones = [one for one in intervals if one.duration > LONGEST_SECONDS]
    longest = max((one.duration for one in long_ones), default=0)
    if not long_ones or (len(long_ones) * 2 <= len(intervals) and longest <= 2 * 86_400):
        return
    usual = Counter(one.duration for one in long_ones).most_common(1)[0][0]
    what = "days" if 82_800 <= usual <= 90_000 else f"{usual // 60} minutes long"
    raise BadFile(f"its intervals are {what}", "export hours or quarter-hours", long_ones[0].line)
