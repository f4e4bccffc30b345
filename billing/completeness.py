"""How complete a home's month is, channel by channel and day by day, and whether its meters agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

import numpy as np

from billing.intervals.balance import Balance, balance
from billing.intervals.days import days_between, quarter_count
from billing.intervals.quality import Quality
from billing.models import Channel, Source
from billing.readings import LocalPeriod, MeteredUsage, usage_of_many
from homes.models import Home
from telemetry import copying


@dataclass(frozen=True, slots=True)
class Counts:
    """Quarter-hours by how well they are known; `measured` includes what is rolled up and what a person accepted."""

    expected: int
    measured: int
    estimated: int
    quarantined: int

    @property
    def missing(self) -> int:
        return self.expected - self.measured - self.estimated - self.quarantined

    @property
    def is_complete(self) -> bool:
        return self.expected == self.measured + self.estimated


@dataclass(frozen=True, slots=True)
class DayCounts:
    """One channel on one local day."""

    channel: Channel
    on: date
    counts: Counts


_MEASURED: Final = (Quality.MEASURED, Quality.ROLLED, Quality.ACCEPTED)


def by_day(usage: MeteredUsage) -> list[DayCounts]:
    """For each channel that has readings each day of the period, those without any reading too."""
    found = []
    for channel, letters in sorted(usage.quality.items()):
        at = 0
        for on in days_between(usage.start, usage.end):
            size = quarter_count(usage.zone, on)
            day, at = letters[at : at + size], at + size
            found.append(DayCounts(channel, on, _counts(size, day.tobytes().decode("ascii"))))
    return found


def _counts(expected: int, letters: str) -> Counts:
    return Counts(
        expected,
        sum(letters.count(quality) for quality in _MEASURED),
        letters.count(Quality.ESTIMATED),
        letters.count(Quality.QUARANTINED),
    )


def by_month(homes: Sequence[Home], start: date, end: date) -> dict[tuple[UUID, Channel], Counts]:
    """Totals over local days [start, end) for each home and channel that has readings. Counted in the database.

    Of a channel that the utility's file speaks of too, the better known of the two.
    """
    rows = copying.fetch(_TOTALS, [[home.pk for home in homes], start, end])
    expected = {home.pk: sum(quarter_count(home.timezone, on) for on in days_between(start, end)) for home in homes}
    found: dict[tuple[UUID, Channel], Counts] = {}
    for home_id, channel, measured, estimated, quarantined in rows:
        counts = Counts(expected[home_id], measured, estimated, quarantined)
        held = found.get((home_id, Channel(channel)))
        if held is None or counts.missing < held.missing:
            found[home_id, Channel(channel)] = counts
    return found


_TOTALS: Final = """
SELECT home_id, channel, sum(length(qualities) - length(translate(qualities, 'mra', '')))::int,
  sum(length(qualities) - length(translate(qualities, 'e', '')))::int,
  sum(length(qualities) - length(translate(qualities, 'q', '')))::int
FROM (SELECT DISTINCT ON (home_id, channel, source, "on") home_id, channel, source, qualities
      FROM billing_reading WHERE home_id = ANY(%s) AND "on" >= %s AND "on" < %s
      ORDER BY home_id, channel, source, "on", version DESC) newest
GROUP BY home_id, channel, source
"""


def balance_of(home: Home, period: LocalPeriod) -> Balance:
    """Interval by interval, the panel's meters against one another and against the utility's file where it knows."""
    (panel,) = usage_of_many([home], period.start, period.end, sources=[Source.PANEL])
    (merged,) = usage_of_many([home], period.start, period.end, [Channel.SITE_IMPORT, Channel.SITE_EXPORT])
    wh = {str(channel): panel.wh_of(channel) for channel in Channel}
    net = merged.wh_of(Channel.SITE_IMPORT) - merged.wh_of(Channel.SITE_EXPORT)
    known = np.ones(panel.interval_count, np.bool_)
    for channel, letters in panel.quality.items():
        if channel in (Channel.SITE_IMPORT, Channel.SITE_EXPORT):
            known &= ~np.isin(letters, [ord(Quality.MISSING), ord(Quality.QUARANTINED)])
    own = wh["site_import"] - wh["site_export"]
    return balance(wh, np.where(known, net, own))
