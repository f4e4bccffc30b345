"""A utility's file into readings: the utility's own count of a home's site channels, beside the panel's."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from billing import recording
from billing.greenbutton import reading
from billing.greenbutton.filed import BadFile, FiledSeries
from billing.greenbutton.vocabulary import Flow
from billing.intervals.checks import Problem, limit_wh
from billing.intervals.day import answered
from billing.intervals.days import day_bounds, day_edges, local_day
from billing.intervals.filed import Weigh, file_days
from billing.intervals.metering import Metered
from billing.models import Channel, RawMessage, Source
from billing.readings import usage_of_many
from homes.apart import Limits, TooHeavy, run_apart
from homes.models import Home

CHANNELS: Final = {Flow.DELIVERED: Channel.SITE_IMPORT, Flow.RECEIVED: Channel.SITE_EXPORT}
MAX_QUESTIONS: Final = 100
"""Of one file: more of them are one fault of the file, which no clerk answers one by one."""
_SYSTEMATIC: Final = {
    Problem.TOO_LARGE: ("more than the service can carry", "check the unit: kWh of each interval are needed"),
    Problem.NEGATIVE: ("below zero", "export what was delivered and received as columns of their own, not the net"),
    Problem.OFF_GRID: ("no whole quarter-hours", "export hours or quarter-hours that begin at :00, :15, :30 or :45"),
    Problem.OVERLAP: ("told twice and differently", "export one meter, and each time once"),
    Problem.FUTURE: ("not over yet", "check the dates and the home's time zone"),
    Problem.DOUBTED: ("called questionable by the utility", "ask it for validated readings"),
}


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of a file: how many days it speaks of, versions written, and questions that are open about it."""

    message: RawMessage
    is_new: bool
    days: int
    versions: int
    questions: int
    left_out: tuple[str, ...] = ()
    """In words what the file holds and was not taken."""


@transaction.atomic
def import_file(home: Home, body: bytes, name: str = "", point: str = "", now: datetime | None = None) -> Imported:
    """Take Green Button XML or CSV. The same file again changes nothing. Raises BadFile.

    `point` names the meter where the file holds several.
    """
    series, left_out = read(body, home.timezone, point)
    found = _days(home, series, now or timezone.now())
    _refuse_systematic(found)
    recording.lock([home.pk])
    message, is_new = recording.receive(home, Source.UTILITY, body, name=name[:200])
    answered_days = _answered(home, found)
    versions = recording.record_days(home, Source.UTILITY, answered_days, message)
    questions = sum(len(one.questions) for day in answered_days.values() for one in day.values())
    return Imported(message, is_new, len(found), len(versions), questions, left_out)


def _answered(home: Home, found: Mapping[date, Mapping[str, Metered]]) -> dict[date, dict[str, Metered]]:
    """With what people said before about its questions."""
    asked = [on for on, day in found.items() if any(metered.questions for metered in day.values())]
    if not asked:
        return {on: dict(day) for on, day in found.items()}
    begin, end = day_bounds(home.timezone, min(asked))[0], day_bounds(home.timezone, max(asked))[1]
    answers = recording.answers([home], recording.instant(begin), recording.instant(end), Source.UTILITY)
    return {
        on: {
            channel: answered(metered, day_edges(home.timezone, on), answers.get((home.pk, channel), {}))
            for channel, metered in day.items()
        }
        for on, day in found.items()
    }


def read(body: bytes, zone: str, point: str = "") -> tuple[Mapping[Flow, FiledSeries], tuple[str, ...]]:
    """`reading.read`, apart from whoever shares this process unless the file is small. Raises BadFile."""
    if reading.is_small(body):
        return reading.read(body, zone, point)
    try:
        return run_apart(Limits(reading.SECONDS, reading.MEMORY_BYTES), reading.read, body, zone, point)
    except TooHeavy as error:
        raise BadFile(str(error), "send a shorter period at a time") from error


def _refuse_systematic(found: Mapping[date, Mapping[str, Metered]]) -> None:
    """A fault that a whole file has is said once, not asked day by day."""
    problems = Counter(
        question.problem for day in found.values() for metered in day.values() for question in metered.questions
    )
    if problems.total() > MAX_QUESTIONS:
        ((problem, count),) = problems.most_common(1)
        what, remedy = _SYSTEMATIC[problem]
        raise BadFile(f"{count} of its intervals are {what}", remedy)


def _days(home: Home, series: Mapping[Flow, FiledSeries], now: datetime) -> dict[date, dict[str, Metered]]:
    second = int(now.timestamp())
    found: dict[date, dict[str, Metered]] = defaultdict(dict)
    for flow, one in series.items():
        channel = CHANNELS[flow]
        intervals = [(each.start, each.duration, each.wh, each.quality) for each in one.intervals]
        weigh = _panel(home, channel, one)
        limit = limit_wh(channel, home.service_amperes)
        for on, metered in file_days(home.timezone, intervals, limit, second, weigh).items():
            found[on][channel] = metered
    return found


def _panel(home: Home, channel: Channel, series: FiledSeries) -> Weigh:
    """What the panel saw, by quarter-hour: the shape by which an hour of the file is split."""
    starts = [each.start for each in series.intervals if each.duration > 900]
    if not starts:
        return lambda _: 1
    first, last = local_day(home.timezone, min(starts)), local_day(home.timezone, max(starts)) + timedelta(days=1)
    (usage,) = usage_of_many([home], first, last, [channel], [Source.PANEL])
    begin, wh = day_bounds(home.timezone, first)[0], usage.wh_of(channel).tolist()
    return lambda second: int(wh[(second - begin) // 900])
