"""A home's clock over a period as plain numbers, so that whoever checks a bundle needs no time-zone data."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from billing.rating.period import TZDATA_VERSION, Period, zone_of


def clock_of(period: Period) -> dict[str, Any]:
    """Epoch seconds of the period's bounds, and by how many seconds local time is ahead of UTC from when on."""
    zone = zone_of(period.zone)
    offsets: list[dict[str, int]] = []
    for second in [*period.starts().tolist(), int(period.ends_at.timestamp())]:
        ahead = datetime.fromtimestamp(second, zone).utcoffset()
        seconds = int(ahead.total_seconds()) if ahead is not None else 0
        if not offsets or offsets[-1]["seconds"] != seconds:
            offsets.append({"from": second, "seconds": seconds})
    return {
        "zone": period.zone,
        "tzdata": TZDATA_VERSION,
        "starts_at": int(period.starts_at.timestamp()),
        "ends_at": int(period.ends_at.timestamp()),
        "offsets": offsets,
    }
