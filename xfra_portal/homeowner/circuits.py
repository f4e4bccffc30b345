"""Which circuit rose just before the node made room: told only where it is measured, for drawing most is no cause."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from telemetry import reads
from telemetry.catalogue import Kind
from xfra_portal.homeowner.outages import MINUTES_KEPT

_BEFORE: Final = timedelta(minutes=10)
_AROUND: Final = timedelta(minutes=1)
RISE_WATTS: Final = 500.0
RAW_SECONDS: Final = 3600.0
"""So long ago raw samples are read: minutes may not be rolled up yet."""


def risen_before(node_id: int, start: datetime | None, now: datetime) -> str | None:
    """The circuit that rose most, by RISE_WATTS at least, from the ten minutes before to the minutes around `start`.

    None where none did, or where nobody measured it.
    """
    if start is None or now - start > MINUTES_KEPT - _BEFORE:
        return None
    step = 0 if (now - start).total_seconds() < RAW_SECONDS else 60
    end = min(start + 2 * _AROUND, now)
    found = reads.history(node_id, Kind.CIRCUIT, ["power_watts"], start - _BEFORE, end, step)
    edge = start - _AROUND
    rises: list[tuple[float, str]] = []
    for series in found.series:
        told = [(at, value) for at, value in zip(found.at, series.last, strict=True) if value is not None]
        before = [value for at, value in told if at < edge]
        around = [value for at, value in told if at >= edge]
        if before and around:
            rises.append((max(around) - sum(before) / len(before), series.subject))
    rise, name = max(rises, default=(0.0, ""))
    return name if rise >= RISE_WATTS else None
