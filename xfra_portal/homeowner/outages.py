"""When something was down, from a flag's history (1: up) and its latest word, and how much of the time is known at all.

Nothing measured is not nothing happened: a stretch that ends in silence ends unknown, and a share of uptime
comes with the share of the time that it is of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from homes.models import Node
from telemetry import reads
from telemetry.catalogue import Kind
from telemetry.node_state import SILENCE_SECONDS
from telemetry.readings import Cell

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
    """Seconds known to be down, to the precision of the buckets. `at_least`: for some of the time nobody knows."""

    start: datetime
    seconds: float
    ending: Ending
    at_least: bool = False


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
