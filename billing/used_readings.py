"""What a rating run was rated from, as arrays again: the versions that it names, whatever has become known since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from billing import tariff_book
from billing.documents.readings import channels_of
from billing.intervals.quality import KNOWN, Quality
from billing.models import Channel, RatingRun
from billing.priced_intervals import Priced
from billing.rating import Period, Usage
from billing.rating.period import Ints
from billing.readings import Letters


@dataclass(frozen=True)
class UsedReadings:
    """By channel, for each quarter-hour of the period: Wh, 0 where the quality does not count, and the quality."""

    period: Period
    wh: dict[str, Ints]
    quality: dict[str, Letters]


def used(run: RatingRun) -> UsedReadings:
    """The run's period is fetched with it."""
    period = Period(run.period.zone, run.period.start, run.period.end)
    wh: dict[str, Ints] = {}
    quality: dict[str, Letters] = {}
    for channel, days in channels_of(run).items():
        wh[channel] = np.zeros(period.interval_count, np.int64)
        quality[channel] = np.full(period.interval_count, ord(Quality.MISSING), np.uint8)
        for day in days:
            first = period.index_of(date.fromisoformat(day["on"]))
            place = slice(first, first + len(day["wh"]))
            letters = np.frombuffer(day["qualities"].encode(), np.uint8)
            quality[channel][place] = letters
            wh[channel][place] = np.where(np.isin(letters, _KNOWN), np.array(day["wh"], np.int64), 0)
    return UsedReadings(period, wh, quality)


_KNOWN = [ord(quality) for quality in KNOWN]


def priced(run: RatingRun) -> Priced:
    """Usage and tariffs exactly as rated."""
    found = used(run)
    nothing = np.zeros(found.period.interval_count, np.int64)
    usage = Usage(
        found.period,
        site_import_wh=found.wh.get(Channel.SITE_IMPORT, nothing),
        site_export_wh=found.wh.get(Channel.SITE_EXPORT, nothing),
        node_wh=found.wh.get(Channel.NODE, nothing),
        solar_wh=found.wh.get(Channel.SOLAR),
    )
    return Priced(usage, tariff_book.spans_of(run))
