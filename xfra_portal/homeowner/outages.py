"""When something was down, from a flag's history (1: up) and its latest word, and how much of the time is known at all.

Nothing measured is not nothing happened: a stretch that ends in silence ends unknown, and a share of uptime
comes with the share of the time that it is of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from homes.models import Node
from telemetry import reads
from telemetry.catalogue import Kind
from telemetry.node_state import SILENCE_SECONDS
from telemetry.readings import Cell
from xfra_portal import formats

MINUTES_KEPT: Final = timedelta(days=2)
QUARTER_SECONDS: Final = 900
MINUTE_SECONDS: Final = 60
UNTOLD_SECONDS: Final = 180.0
"""The newest minutes may not be rolled up yet: for so long their absence says nothing."""
_UP: Final = 0.999
_WHOLE: Final = 0.995


@dataclass(frozen=True, slots=True)
class Bucket:
    """[at, at + seconds) and the share of it in which the flag was 1; None where nothing was measured."""

    at: datetime
    seconds: int
    up: float | None

    @property
    def end(self) -> datetime:
        return self.at + timedelta(seconds=self.seconds)


class Ending(StrEnum):
    OVER = "over"
    GOING_ON = "going_on"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outage:
    """Seconds known to be down, to the precision of the buckets. `at_least`: for some of the time nobody knows.

    `power` says of an outage of the grid what the home had meanwhile, as far as it was measured.
    """

    start: datetime
    seconds: float
    ending: Ending
    at_least: bool = False
    power: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A flag over a time: the share of what was measured in which it was 1, None if nothing was, and its outages."""

    up_ratio: float | None
    covered_ratio: float
    outages: Sequence[Outage] = ()

    @property
    def is_whole(self) -> bool:
        return self.covered_ratio >= _WHOLE


def kept(node: Node, column: str, start: datetime, now: datetime, latest: Cell | None) -> Kept:
    """Shares by quarter-hours, as `shares`; outages by minutes for the days whose minutes are kept. Newest first."""
    quarters = _buckets(node, column, start, now, QUARTER_SECONDS)
    edge = now - MINUTES_KEPT
    edge -= timedelta(seconds=edge.timestamp() % QUARTER_SECONDS)  # so that no time is in two buckets
    minutes = _buckets(node, column, max(start, edge), now, MINUTE_SECONDS)
    found = outages_of([*(quarter for quarter in quarters if quarter.end <= edge), *minutes], latest, now)
    return Kept(up_ratio(quarters), covered_ratio(quarters, now), found[::-1])


def with_power(node: Node, kept: Kept, now: datetime) -> Kept:
    """Outages of the grid, each with what the home had meanwhile."""
    told = [
        replace(one, power=power_words(had_power(node, one.start, one.start + timedelta(seconds=one.seconds), now)))
        for one in kept.outages
    ]
    return replace(kept, outages=told)


def shares(node: Node, column: str, start: datetime, now: datetime) -> Kept:
    """Without the outages."""
    quarters = _buckets(node, column, start, now, QUARTER_SECONDS)
    return Kept(up_ratio(quarters), covered_ratio(quarters, now))


def _buckets(node: Node, column: str, start: datetime, end: datetime, step: int) -> list[Bucket]:
    history = reads.history(node.pk, Kind.NODE, [column], start, end, step)
    return [Bucket(at, step, up) for at, up in zip(history.at, history.series[0].average, strict=True)]


def up_ratio(buckets: Iterable[Bucket]) -> float | None:
    known = [(bucket.up, bucket.seconds) for bucket in buckets if bucket.up is not None]
    return sum(up * seconds for up, seconds in known) / sum(seconds for _, seconds in known) if known else None


def covered_ratio(buckets: Iterable[Bucket], now: datetime) -> float:
    """Of the time that is over; the newest few minutes count only where they are known."""
    counted = [
        bucket
        for bucket in buckets
        if bucket.up is not None or (now - bucket.end).total_seconds() >= max(UNTOLD_SECONDS, bucket.seconds)
    ]
    known = sum(bucket.seconds for bucket in counted if bucket.up is not None)
    return known / sum(bucket.seconds for bucket in counted) if counted else 0.0


def outages_of(buckets: Iterable[Bucket], latest: Cell | None, now: datetime) -> list[Outage]:
    """Oldest first. Whether the last one goes on is for the latest word to say, while it is fresh."""
    found: list[Outage] = []
    stretch = None
    for bucket in buckets:
        if bucket.up is None:
            continue
        if bucket.up < _UP:
            stretch = stretch or _Stretch(bucket.at, bucket.at)
            stretch.take(bucket)
        elif stretch:
            found.append(stretch.ended(Ending.OVER, bucket.at))
            stretch = None
    fresh = latest if latest and (now - latest.at).total_seconds() <= SILENCE_SECONDS else None
    if fresh and fresh.value <= 0:
        stretch = stretch or _Stretch(fresh.at, fresh.at)
        found.append(stretch.going_on(fresh.at))
    elif stretch:
        found.append(stretch.ended(Ending.OVER, fresh.at) if fresh else stretch.ended(Ending.UNKNOWN, None))
    return found


@dataclass(slots=True)
class _Stretch:
    """An outage that has not ended yet, known until `until`."""

    start: datetime
    until: datetime
    seconds: float = 0.0
    has_gap: bool = False

    def take(self, bucket: Bucket) -> None:
        self.has_gap |= bucket.at > self.until
        self.seconds += (1 - (bucket.up or 0.0)) * bucket.seconds
        self.until = bucket.end

    def ended(self, ending: Ending, at: datetime | None) -> Outage:
        """`at`: when it is known to have been over; what lies between then and the last that is known is a gap."""
        is_untold = at is not None and (at - self.until).total_seconds() > UNTOLD_SECONDS
        return Outage(self.start, self.seconds, ending, self.has_gap or is_untold or ending is Ending.UNKNOWN)

    def going_on(self, at: datetime) -> Outage:
        beyond = max(0.0, (at - self.until).total_seconds())
        is_untold = beyond > UNTOLD_SECONDS
        seconds = self.seconds + (0.0 if is_untold else beyond)
        return Outage(self.start, seconds, Ending.GOING_ON, self.has_gap or is_untold)


@dataclass(frozen=True, slots=True)
class Power:
    """What a home had in a time: seconds in which it drew power, in which it drew none, and of which nobody knows."""

    powered: float
    dark: float
    unknown: float


DARK_WATTS: Final = 20.0
"""What a home draws that has no power, as far as meters are exact."""


def had_power(node: Node, start: datetime, end: datetime, now: datetime) -> Power:
    """By minutes, and for what is longer ago than those are kept, by the quarter-hours that lie wholly within."""
    step = MINUTE_SECONDS if now - start < MINUTES_KEPT else QUARTER_SECONDS
    whole = max(end, start + timedelta(seconds=step))
    found = reads.history(node.pk, Kind.NODE, ["home_power_watts"], start, whole, step)
    powered = dark = 0.0
    for at, watts in zip(found.at, found.series[0].average, strict=True):
        inside = (min(at + timedelta(seconds=step), end) - max(at, start)).total_seconds()
        is_told = inside >= step or (step == MINUTE_SECONDS and inside > 0)
        if watts is not None and is_told:
            powered += inside if watts > DARK_WATTS else 0.0
            dark += inside if watts <= DARK_WATTS else 0.0
    return Power(powered, dark, max(0.0, (end - start).total_seconds() - powered - dark))


def power_words(power: Power) -> str:
    """The end of a sentence about an outage: only what was measured."""
    known = power.powered + power.dark
    if known < MINUTE_SECONDS or known < power.unknown / 10:
        return "whether your home had power is not measured"
    rest = f", {formats.duration(power.unknown)} not measured" if power.unknown > UNTOLD_SECONDS else ""
    lasted = formats.duration(power.powered)
    if power.dark < MINUTE_SECONDS:
        return f"your home had power for {lasted if rest else 'all of it'}{rest}"
    return f"your home had power for {lasted} and none for {formats.duration(power.dark)}{rest}"
