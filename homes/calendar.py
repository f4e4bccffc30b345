"""Days and months as a home lives them: local midnights, which are 23, 24 or 25 hours apart. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo


def midnight(zone: ZoneInfo, day: date) -> datetime:
    """The instant (UTC) at which a local day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def month_start(zone: ZoneInfo, now: datetime) -> date:
    """The first local day of the month that `now` falls into."""
    return now.astimezone(zone).date().replace(day=1)


def day_edges(zone: ZoneInfo, first: date, until: datetime) -> list[datetime]:
    """Local midnights from the beginning of `first`, closed by `until` (which may be within a day)."""
    edges = []
    day = first
    while midnight(zone, day) < until:
        edges.append(midnight(zone, day))
        day += timedelta(days=1)
    return [*edges, until]
