"""The days that a document names: as 2026-04-01, or as URDB's own API gives them, in seconds since 1970."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

LAST_SECOND: Final = 4_102_444_800
"""The beginning of 2100: what is later is no day of a tariff."""


def day_of(value: object) -> date | None:
    """None where it is neither. Seconds are the day in UTC that they fall into."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value.strip()[:10])
        except ValueError:
            value = int(value) if value.isascii() and value.isdigit() and len(value) <= 10 else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < LAST_SECOND:
        return None
    return datetime.fromtimestamp(value, UTC).date()


def start_of(document: Mapping[str, Any]) -> date | None:
    return day_of(document.get("startdate"))


def end_of(document: Mapping[str, Any]) -> date | None:
    """The last day of a tariff that has one."""
    return day_of(document.get("enddate"))
