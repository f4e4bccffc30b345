"""What a utility's file says, whatever its format: series of intervals, and typed errors that name the place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from billing.greenbutton.vocabulary import Flow
from billing.intervals.quality import Quality

MAX_BYTES: Final = 32 << 20
MAX_INTERVALS: Final = 400_000
"""Two directions of five-minute intervals for nearly two years."""


class BadFile(ValueError):
    """This file cannot be taken. Says where, what is wrong there and what to do about it."""

    def __init__(self, message: str, remedy: str, line: int | None = None, field: str = "") -> None:
        self.line, self.field, self.message, self.remedy = line, field, message, remedy
        place = f"line {line}" if line else "the file"
        super().__init__(f"{place}{f', {field}' if field else ''}: {message}; {remedy}")


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


def check_size(body: bytes) -> None:
    if not body.strip():
        raise BadFile("it is empty", "download it from the utility again")
    if len(body) > MAX_BYTES:
        raise BadFile(
            f"it has {len(body) >> 20} MiB", f"send at most {MAX_BYTES >> 20} MiB: a shorter period at a time"
        )


def one_of_each_flow(series: Sequence[FiledSeries], point: str = "") -> dict[Flow, FiledSeries]:
    """The series of one usage point by direction. Raises BadFile where it is not clear which one is meant."""
    points = {one.point: one.title for one in series if not point or point in (one.point, one.title)}
    if not points:
        raise BadFile(
            "it holds no meter of that name", f"choose one of: {', '.join(sorted({s.title for s in series}))}"
        )
    if len(points) > 1:
        raise BadFile(
            "it holds several meters", f"choose one of: {', '.join(sorted(points.values()))}", field="UsagePoint"
        )
    found: dict[Flow, FiledSeries] = {}
    for one in series:
        if one.point in points:
            held = found.get(one.flow)
            found[one.flow] = one if held is None else _together(held, one)
    return found


def _together(one: FiledSeries, other: FiledSeries) -> FiledSeries:
    return FiledSeries(one.point, one.title, one.flow, (*one.intervals, *other.intervals))
