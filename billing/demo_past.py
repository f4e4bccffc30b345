"""Readings of the demo from before its telemetry began, so that there are whole months to compare, and a correction.

The use is invented: the hotter the season, the more the home and the less the node.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np

from billing import corrections, statements, utility_files
from billing.bulk_readings import DayOfWh, Ints, write_days
from billing.corrections import CannotRevise
from billing.intervals.days import day_edges, days_between
from billing.models import Channel, Source, Statement
from billing.readings import usage_of_many
from homes.calendar import midnight
from homes.models import Home

MOST_HOMES: Final = 24
"""A larger demo is for load, and waits for no readings of homes that nobody opens."""
_CORRECTED_DAYS: Final = 3
_HOTTEST_DAY: Final = 205


def write(homes: Sequence[Home], solar_watts: Sequence[float], seed: int, now: datetime | None = None) -> int:
    """Two months before this one up to the day on which telemetry begins. The homes are as old as that from now on.

    `created_at` is when telemetry begins, `solar_watts` the peak of each home's panels, 0 where it has none. Returns
    how many days of readings were written.
    """
    at = now or datetime.now(UTC)
    some = list(homes[:MOST_HOMES])
    written = write_days(_days(some, solar_watts, at, seed))
    for home in some:
        home.created_at = midnight(home.zone, _first(home, at) - timedelta(days=1))
        home.save(update_fields=["created_at"])
    return written


def correct(home: Home) -> Statement | None:
    """The utility's file of three days says a little less than the panel did, after the first statement was issued."""
    statement = Statement.objects.issued().filter(home=home).order_by("number").first()
    if statement is None or (statement.period.end - statement.period.start).days < 2 * _CORRECTED_DAYS:
        return None
    start = statement.period.start + timedelta(days=_CORRECTED_DAYS)
    utility_files.import_file(home, _file(home, start), "simulated-utility.csv")
    try:
        draft = corrections.revise(statement, "your utility's own count of three days, which came later")
    except CannotRevise:
        return None
    return statements.issue_many([draft.pk])[0] if draft is not None else None


def _first(home: Home, at: datetime) -> date:
    """Of the month before last, as the home lives."""
    this = at.astimezone(home.zone).date().replace(day=1)
    last = (this - timedelta(days=1)).replace(day=1)
    return (last - timedelta(days=1)).replace(day=1)


def _days(homes: Sequence[Home], solar_watts: Sequence[float], at: datetime, seed: int) -> Iterator[DayOfWh]:
    """The day on which telemetry begins is among them: telemetry has only a part of it, and takes the place of that."""
    for place, home in enumerate(homes):
        random = np.random.default_rng([seed, place])
        usual = 2_450 + int(random.integers(0, 250))
        until = home.created_at.astimezone(home.zone).date() + timedelta(days=1)
        for on in days_between(_first(home, at), until):
            for channel, wh in _day(home, on, usual, solar_watts[place], random).items():
                yield DayOfWh(home.pk, channel, Source.PANEL, on, wh)


def _day(home: Home, on: date, usual: int, solar_watts: float, random: np.random.Generator) -> dict[Channel, Ints]:
    """Wh in each quarter-hour; only a home with panels has a solar channel."""
    starts = day_edges(home.timezone, on)[:-1]
    hours = np.array([datetime.fromtimestamp(int(each), home.zone).hour for each in starts])
    heat = max(0.0, 1.0 - abs(on.timetuple().tm_yday - _HOTTEST_DAY) / 120)
    node = usual * (1 - 0.06 * heat * ((hours > 12) & (hours < 19))) * random.normal(1.0, 0.02, len(hours))
    busy = np.exp(-(((hours - 19) / 3.0) ** 2)) + 0.5 * np.exp(-(((hours - 7) / 1.5) ** 2))
    alone = (70 + 260 * busy + 420 * heat * (hours > 10)) * random.gamma(6.0, 1 / 6.0, len(hours))
    solar = solar_watts / 4 * 0.8 * np.maximum(np.cos((hours - 12.5) / 12 * np.pi), 0)
    node_wh, alone_wh, solar_wh = (np.rint(each).astype(np.int64) for each in (node, alone, solar))
    net = node_wh + alone_wh - solar_wh
    site = {Channel.SITE_IMPORT: np.maximum(net, 0), Channel.SITE_EXPORT: np.maximum(-net, 0)}
    return {Channel.NODE: node_wh, **site} | ({Channel.SOLAR: solar_wh} if solar_watts else {})


def _file(home: Home, start: date) -> bytes:
    days = days_between(start, start + timedelta(days=_CORRECTED_DAYS))
    (usage,) = usage_of_many([home], days[0], days[-1] + timedelta(days=1), [Channel.SITE_IMPORT], [Source.PANEL])
    wh = usage.wh_of(Channel.SITE_IMPORT) * 993 // 1000
    starts = np.concatenate([day_edges(home.timezone, on)[:-1] for on in days])
    rows = [f"{_iso(int(at))},{_iso(int(at) + 900)},{int(each)}" for at, each in zip(starts, wh, strict=True)]
    return "\n".join(["start,end,usage (Wh)", *rows, ""]).encode()


def _iso(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()
