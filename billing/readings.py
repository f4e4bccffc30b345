"""Readings: the only writer of them, and the door through which rating asks for usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final, Protocol
from uuid import UUID

import numpy as np
import numpy.typing as npt

from billing.intervals.days import days_between, quarter_count
from billing.intervals.quality import KNOWN, Quality
from billing.models import Channel, Source
from homes.models import Home
from telemetry import copying

Wh = npt.NDArray[np.int64]
Letters = npt.NDArray[np.uint8]


class LocalPeriod(Protocol):
    """Local days [start, end) of a zone, as billing.rating's Period."""

    @property
    def zone(self) -> str: ...
    @property
    def start(self) -> date: ...
    @property
    def end(self) -> date: ...


@dataclass(frozen=True, slots=True)
class UsedReading:
    """One reading version that a usage consists of: what a rating run's input hash is made of."""

    channel: str
    source: str
    on: date
    version: int


@dataclass(frozen=True)
class MeteredUsage:
    """What is known of a home's quarter-hours over a period, current versions, the utility before the panel.

    `wh` and `quality` have an array for each channel that has any reading, one entry per quarter-hour of the period
    (Quality's letters as bytes); Wh is 0 where the quality does not count.
    """

    home_id: UUID
    zone: str
    start: date
    end: date
    interval_count: int
    wh: Mapping[Channel, Wh]
    quality: Mapping[Channel, Letters]
    versions: tuple[UsedReading, ...] = ()

    def wh_of(self, channel: Channel) -> Wh:
        """The channel's Wh; zeros where it has no reading at all."""
        found = self.wh.get(channel)
        return np.zeros(self.interval_count, np.int64) if found is None else found

    def count(self, channel: Channel, *qualities: Quality) -> int:
        """How many quarter-hours have one of these qualities. Of a channel without readings all are missing."""
        letters = self.quality.get(channel)
        if letters is None:
            return self.interval_count if Quality.MISSING in qualities else 0
        return int(np.isin(letters, [ord(quality) for quality in qualities]).sum())

    def is_complete(self, *channels: Channel) -> bool:
        """Whether every quarter-hour of these channels counts: nothing missing, nothing quarantined."""
        return all(self.count(channel, Quality.MISSING, Quality.QUARANTINED) == 0 for channel in channels)


def usage_of(home: Home, period: LocalPeriod) -> MeteredUsage:
    """`usage_of_many` for one home."""
    (found,) = usage_of_many([home], period.start, period.end)
    return found


def usage_of_many(
    homes: Sequence[Home],
    start: date,
    end: date,
    channels: Sequence[Channel] = tuple(Channel),
    sources: Sequence[Source] = tuple(Source),
) -> list[MeteredUsage]:
    """Usage of each home over its local days [start, end), in the order asked for, by one query.

    Memory is that of the answer, about 50 kB for each home and month of three channels: a close asks for some hundred
    homes at a time.
    """
    rows = copying.fetch(_CURRENT, [[home.pk for home in homes], list(channels), list(sources), start, end])
    found: dict[UUID, list[Any]] = {home.pk: [] for home in homes}
    for row in rows:
        found[row[0]].append(row[1:])
    return [_assemble(home, start, end, found[home.pk]) for home in homes]


_CURRENT: Final = """
SELECT home_id, channel, source, string_agg(array_send(wh), ''::bytea ORDER BY "on"),
  string_agg(qualities, '' ORDER BY "on"), array_agg("on" ORDER BY "on"), array_agg(version::int ORDER BY "on")
FROM (SELECT DISTINCT ON (home_id, channel, source, "on") home_id, channel, source, "on", version, wh, qualities
      FROM billing_reading
      WHERE home_id = ANY(%s) AND channel = ANY(%s) AND source = ANY(%s) AND "on" >= %s AND "on" < %s
      ORDER BY home_id, channel, source, "on", version DESC) newest
GROUP BY home_id, channel, source ORDER BY home_id, channel, source DESC
"""  # utility before panel: what comes later only fills what is unknown
_HEADER_NUMBERS: Final = 5
"""A one-dimensional int4[] in binary: five numbers of four bytes, then for each element its length and itself."""
_KNOWN_LETTERS: Final = np.array([ord(quality) for quality in sorted(KNOWN)], np.uint8)
_MISSING_LETTER: Final = ord(Quality.MISSING)


def _assemble(home: Home, start: date, end: date, rows: Sequence[Any]) -> MeteredUsage:
    first_slot, count = _slots(home.timezone, start, end)
    all_wh: dict[Channel, Wh] = {}
    all_letters: dict[Channel, Letters] = {}
    versions = []
    for name, source, body, qualities, days, numbers in rows:
        channel = Channel(name)
        wh, letters = all_wh.get(channel), all_letters.get(channel)
        if wh is None or letters is None:
            wh, letters = np.zeros(count, np.int64), np.full(count, _MISSING_LETTER, np.uint8)
            all_wh[channel], all_letters[channel] = wh, letters
        slots = _slots_of(first_slot, days)
        given = np.frombuffer(qualities.encode(), np.uint8)
        fills = np.isin(letters[slots], _KNOWN_LETTERS, invert=True) & (given != _MISSING_LETTER)
        wh[slots[fills]] = _numbers(body, len(days))[fills]
        letters[slots[fills]] = given[fills]
        versions += [UsedReading(name, source, on, number) for on, number in zip(days, numbers, strict=True)]
    return MeteredUsage(home.pk, home.timezone, start, end, count, all_wh, all_letters, tuple(versions))


@lru_cache(maxsize=64)
def _slots(zone: str, start: date, end: date) -> tuple[dict[date, tuple[int, int]], int]:
    """For each day its first slot and how many it has; and how many there are in all."""
    found, position = {}, 0
    for on in days_between(start, end):
        size = quarter_count(zone, on)
        found[on] = (position, size)
        position += size
    return found, position


def _slots_of(first_slot: Mapping[date, tuple[int, int]], days: Sequence[date]) -> npt.NDArray[np.int64]:
    if len(days) == len(first_slot):
        first, (last, size) = first_slot[days[0]][0], first_slot[days[-1]]
        return np.arange(first, last + size)
    return np.concatenate([np.arange(at, at + size) for at, size in map(first_slot.__getitem__, days)])


def _numbers(body: bytes, days: int) -> Wh:
    """The elements of some arrays of int4 that follow one another in binary."""
    flat = np.frombuffer(body, ">i4")
    per_day, rest = divmod(len(flat), days)
    dimensions = flat[3::per_day][:days] if not rest else flat[:0]
    if len(dimensions) == days and (dimensions * 2 + _HEADER_NUMBERS == per_day).all():
        return flat.reshape(days, per_day)[:, _HEADER_NUMBERS + 1 :: 2].astype(np.int64).reshape(-1)
    parts, at = [], 0
    while at < len(flat):
        size = _HEADER_NUMBERS + 2 * int(flat[at + 3])
        parts.append(flat[at + _HEADER_NUMBERS + 1 : at + size : 2])
        at += size
    return np.concatenate(parts).astype(np.int64)
