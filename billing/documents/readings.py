"""The readings that a run was rated from, by the versions that it names, whatever has become known since."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from billing.intervals.days import day_bounds
from billing.intervals.quality import KNOWN, Quality
from billing.models import RatingRun, Reading, Source

_ORDER: Final = (Source.UTILITY, Source.PANEL)
"""The utility counts before the panel: what comes later only fills what is unknown."""


def channels_of(run: RatingRun) -> dict[str, list[dict[str, Any]]]:
    """By channel, each local day of the period: its Wh, qualities, and which versions they are from."""
    zone = run.period.zone
    wanted: dict[str, dict[str, dict[str, int]]] = {}
    for reference in run.readings:
        wanted.setdefault(reference["channel"], {})[reference["source"]] = reference["versions"]
    rows = _rows(run, wanted)
    found: dict[str, list[dict[str, Any]]] = {}
    for channel, sources in sorted(wanted.items()):
        days = sorted({on for versions in sources.values() for on in versions})
        found[channel] = [_day(channel, on, zone, sources, rows) for on in days]
    return found


def _rows(run: RatingRun, wanted: Mapping[str, Mapping[str, Mapping[str, int]]]) -> dict[Any, Reading]:
    read = Reading.objects.filter(
        home=run.home_id, on__gte=run.period.start, on__lt=run.period.end, channel__in=list(wanted)
    )
    return {(row.channel, row.source, row.on.isoformat(), row.version): row for row in read}


def _day(
    channel: str, on: str, zone: str, sources: Mapping[str, Mapping[str, int]], rows: Mapping[Any, Reading]
) -> dict[str, Any]:
    named = [(source, sources[source][on]) for source in _ORDER if on in sources.get(source, {})]
    wh, qualities = merged([(row.wh, row.qualities) for row in (rows[channel, *key[:1], on, key[1]] for key in named)])
    starts_at, _ = day_bounds(zone, date.fromisoformat(on))
    text = f"{channel} {on} {starts_at}\n{qualities}\n{','.join(map(str, wh))}\n"
    return {
        "on": on,
        "starts_at": starts_at,
        "wh": wh,
        "qualities": qualities,
        "from": [{"source": str(source), "version": version} for source, version in named],
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def merged(readings: Sequence[tuple[Sequence[int], str]]) -> tuple[list[int], str]:
    """What counts of a day that several sources measured, the first before the others."""
    size = len(readings[0][0])
    wh, letters = [0] * size, [str(Quality.MISSING)] * size
    for values, qualities in readings:
        for index, letter in enumerate(qualities):
            if letters[index] not in KNOWN and letter != Quality.MISSING:
                wh[index], letters[index] = values[index], letter
    return wh, "".join(letters)
