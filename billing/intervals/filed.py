"""A file's intervals as quarter-hours of local days: joined, split, and whatever is doubtful set aside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from typing import Final

import numpy as np

from billing.intervals.apportion import apportion
from billing.intervals.checks import Problem, Question
from billing.intervals.days import QUARTER_SECONDS, day_bounds, local_day, quarter_count
from billing.intervals.metering import Metered
from billing.intervals.quality import RANK, Quality

Interval = tuple[int, int, Decimal, Quality]
"""(epoch second at which it starts, seconds, Wh, quality)"""
Weigh = Callable[[int], int]
"""How much the panel saw in the quarter-hour that begins at a second: the shape of an hour that is to be split."""

_SPLIT: Final = (1800, 3600)
_JOINED: Final = 300
LONGEST_DOUBT_SECONDS: Final = 3 * 86_400
"""Of one interval that is on no grid: longer ones are no intervals of a meter, and readers refuse them."""
_CALLED_IN_DOUBT: Final = "the utility calls it questionable, or its hour comes twice that night and is told once"


@dataclass(frozen=True, slots=True)
class _Doubt:
    start: int
    end: int
    problem: Problem
    detail: str
    wh: tuple[int, ...] = ()


def file_days(zone: str, intervals: Sequence[Interval], limit_wh: int, now: int, weigh: Weigh) -> dict[date, Metered]:
    """By local day. Quarter-hours that the file does not speak of are missing; the sum of the rest is the file's.

    Intervals are at most `LONGEST_DOUBT_SECONDS` long. What is told twice, alike or not, is a question.
    """
    doubts, fine = _set_aside(sorted(intervals), now)
    quarters = _quarters(fine, weigh)
    doubts = [part for doubt in (*doubts, *_too_large(quarters, limit_wh)) for part in _by_day(zone, doubt)]
    doubted = {second for doubt in doubts for second in range(doubt.start, doubt.end, QUARTER_SECONDS)}
    days: dict[date, dict[int, tuple[int, Quality]]] = defaultdict(dict)
    for second, value in quarters.items():
        if second not in doubted:
            days[local_day(zone, second)][second] = value
    questions: dict[date, list[_Doubt]] = defaultdict(list)
    for doubt in doubts:
        questions[local_day(zone, doubt.start)].append(doubt)
    return {on: _day(zone, on, days[on], questions[on]) for on in sorted({*days, *questions})}


def _set_aside(intervals: Sequence[Interval], now: int) -> tuple[list[_Doubt], list[Interval]]:
    """What cannot be believed as it stands, and the rest. Of a stretch that is told twice and differently, neither."""
    doubts, fine = [], []
    reached: Interval | None = None
    for interval in intervals:
        start, duration, wh, quality = interval
        grid = _JOINED if duration == _JOINED else QUARTER_SECONDS
        begin, end = start - start % QUARTER_SECONDS, start + duration + (-start - duration) % QUARTER_SECONDS
        if start % grid or duration not in (_JOINED, QUARTER_SECONDS, *_SPLIT):
            end = min(end, begin + LONGEST_DOUBT_SECONDS)
            doubts.append(_Doubt(begin, end, Problem.OFF_GRID, f"{duration} s from {start} is no whole quarter-hour"))
        elif start + duration > now:
            doubts.append(_Doubt(begin, end, Problem.FUTURE, "it had not happened yet when the file came"))
        elif wh < 0:
            doubts.append(_Doubt(begin, end, Problem.NEGATIVE, f"{wh} Wh: each direction has a series of its own"))
        elif quality is Quality.QUARANTINED:
            whole = (int(wh),) if duration == QUARTER_SECONDS and wh == int(wh) else ()
            doubts.append(_Doubt(begin, end, Problem.DOUBTED, _CALLED_IN_DOUBT, whole))
        elif reached and start < reached[0] + reached[1]:
            both = f"{reached[2]} Wh and {wh} Wh are told of the same time"
            first = reached[0] - reached[0] % QUARTER_SECONDS
            past = reached[0] + reached[1]
            doubts.append(_Doubt(min(first, begin), max(end, past + (-past) % QUARTER_SECONDS), Problem.OVERLAP, both))
        else:
            fine.append(interval)
            reached = interval
    return doubts, fine


def _quarters(intervals: Sequence[Interval], weigh: Weigh) -> dict[int, tuple[int, Quality]]:
    """Whole Wh and quality by the second at which a quarter-hour starts. What is cut off goes into the next."""
    found: dict[int, tuple[int, Quality]] = {}
    parts: dict[int, list[Quality]] = defaultdict(list)
    total, told = Decimal(0), 0
    for start, duration, wh, quality in intervals:
        total += wh
        whole = int(total.to_integral_value(ROUND_FLOOR))
        amount, told = whole - told, whole
        if duration in _SPLIT:
            seconds = range(start, start + duration, QUARTER_SECONDS)
            for second, part in zip(seconds, apportion(amount, [weigh(second) for second in seconds]), strict=True):
                found[second] = part, Quality.ESTIMATED
        else:
            second = start - start % QUARTER_SECONDS
            parts[second].append(quality)
            worst = min(parts[second], key=RANK.__getitem__)
            found[second] = found.get(second, (0, worst))[0] + amount, worst
    in_parts = {start - start % QUARTER_SECONDS for start, duration, _, _ in intervals if duration == _JOINED}
    for second, qualities in parts.items():  # five minutes are part of a quarter-hour that needs all three
        if len(qualities) not in (1, 3) or (len(qualities) == 1 and second in in_parts):
            del found[second]
    return found


def _by_day(zone: str, doubt: _Doubt) -> Iterator[_Doubt]:
    """A question is about one local day: what goes on over a midnight is asked on both."""
    begin = doubt.start
    while begin < doubt.end:
        end = min(doubt.end, day_bounds(zone, local_day(zone, begin))[1])
        is_whole = (begin, end) == (doubt.start, doubt.end)
        yield replace(doubt, start=begin, end=end, wh=doubt.wh if is_whole else ())
        begin = end


def _too_large(quarters: dict[int, tuple[int, Quality]], limit_wh: int) -> list[_Doubt]:
    return [
        _Doubt(
            second,
            second + QUARTER_SECONDS,
            Problem.TOO_LARGE,
            f"more than the {limit_wh} Wh that the channel can carry in a quarter-hour",
            (wh,),
        )
        for second, (wh, _) in quarters.items()
        if wh > limit_wh
    ]


def _day(zone: str, on: date, quarters: dict[int, tuple[int, Quality]], doubts: Sequence[_Doubt]) -> Metered:
    begin, _ = day_bounds(zone, on)
    count = quarter_count(zone, on)
    wh, letters = np.zeros(count, np.int64), np.full(count, ord(Quality.MISSING), np.uint8)
    for second, (amount, quality) in quarters.items():
        slot = (second - begin) // QUARTER_SECONDS
        wh[slot], letters[slot] = amount, ord(quality)
    questions = []
    for doubt in doubts:
        first, last = (doubt.start - begin) // QUARTER_SECONDS, (doubt.end - begin) // QUARTER_SECONDS
        if doubt.problem is not Problem.FUTURE:
            letters[first:last] = ord(Quality.QUARANTINED)
            wh[first:last] = 0
        questions.append(Question(doubt.problem, first, last, doubt.wh, doubt.detail))
    return Metered(wh, letters, tuple(questions))
