"""The readings that a rating run used, fetched again by its reference: those versions, whatever came later."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

import numpy as np

from billing import bulk, tariff_book
from billing.intervals.quality import KNOWN
from billing.models import Channel, RatingRun
from billing.priced_intervals import Priced
from billing.rating import Period, TariffSpan, Usage
from billing.rating.period import Ints

_VERSIONS: Final = """
SELECT r.channel, r.source, r."on", r.wh, r.qualities
FROM billing_reading r JOIN unnest(%s::text[], %s::text[], %s::date[], %s::int[]) w(channel, source, "on", version)
  ON r.channel = w.channel AND r.source = w.source AND r."on" = w."on" AND r.version = w.version
WHERE r.home_id = %s ORDER BY r.source DESC, r."on"
"""  # utility before panel: what comes later only fills what is unknown
_KNOWN: Final = [ord(quality) for quality in KNOWN]


def priced(run: RatingRun) -> Priced:
    """Usage and tariffs exactly as rated. The run's period is fetched with it."""
    period = Period(run.period.zone, run.period.start, run.period.end)
    spans = tuple(
        TariffSpan(tariff_book.parsed(span["tariff_version"], span["sha256"]), *_days(span)) for span in run.spans
    )
    return Priced(_usage(run, period), spans)


def _days(span: dict[str, Any]) -> tuple[date, date]:
    return date.fromisoformat(span["start"]), date.fromisoformat(span["end"])


def _usage(run: RatingRun, period: Period) -> Usage:
    asked = list(_asked(run))
    columns = [[row[place] for row in asked] for place in range(4)]
    wh: dict[str, Ints] = {}
    known: dict[str, Any] = {}
    for channel, _, on, values, qualities in bulk.fetch(_VERSIONS, [*columns, run.home_id]):
        if channel not in wh:
            wh[channel] = np.zeros(period.interval_count, np.int64)
            known[channel] = np.zeros(period.interval_count, np.bool_)
        first = period.index_of(on)
        place = slice(first, first + len(values))
        counts = np.isin(np.frombuffer(qualities.encode(), np.uint8), _KNOWN) & ~known[channel][place]
        wh[channel][place][counts] = np.array(values, np.int64)[counts]
        known[channel][place] |= counts
    nothing = np.zeros(period.interval_count, np.int64)
    return Usage(
        period,
        site_import_wh=wh.get(Channel.SITE_IMPORT, nothing),
        site_export_wh=wh.get(Channel.SITE_EXPORT, nothing),
        node_wh=wh.get(Channel.NODE, nothing),
        solar_wh=wh.get(Channel.SOLAR),
    )


def _asked(run: RatingRun) -> Iterator[tuple[str, str, str, int]]:
    for part in run.readings:
        for on, version in part["versions"].items():
            yield part["channel"], part["source"], on, version
