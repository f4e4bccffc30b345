"""Query parameters of history and period endpoints, validated. Errors name the field and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

_RELATIVE: Final = re.compile(r"-(\d{1,9})([smhd])$")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_EARLIEST: Final = datetime(2020, 1, 1, tzinfo=UTC)
LONGEST: Final = timedelta(days=400)
MAX_SUBJECTS: Final = 64


@dataclass(frozen=True, slots=True)
class Period:
    """Half-open: start <= t < end, aware UTC."""

    start: datetime
    end: datetime


def period_of(request: Request, default: timedelta = timedelta(hours=24)) -> Period:
    """`start` and `end`: ISO 8601 with an offset, or relative to now such as `-24h`."""
    now = timezone.now()
    end = _instant("end", request.query_params.get("end"), now) or now
    start = _instant("start", request.query_params.get("start"), now) or end - default
    if end <= start:
        raise ValidationError({"end": "must be after start"})
    if end - start > LONGEST:
        raise ValidationError({"start": f"a period may be {LONGEST.days} days long"})
    return Period(start, end)


def since(request: Request, default: datetime, now: datetime, longest: timedelta) -> datetime:
    """`start` of a period that goes on until now."""
    start = _instant("start", request.query_params.get("start"), now) or default
    if not now - longest <= start < now:
        raise ValidationError({"start": f"must be in the past, at most {longest.days} days ago"})
    return start


def _instant(name: str, text: str | None, now: datetime) -> datetime | None:
    if not text:
        return None
    if found := _RELATIVE.match(text):
        return now - timedelta(seconds=min(int(found[1]) * _SECONDS[found[2]], 3_000_000_000))
    try:
        at = parse_datetime(text.replace(" ", "+"))  # an unescaped + in a query arrives as a space
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValidationError({name: "write an instant like 2026-11-01T00:00:00Z, or one relative to now like -24h"})
    if not _EARLIEST <= at <= now + timedelta(days=2):
        raise ValidationError({name: "must be between 2020-01-01 and two days from now"})
    return at.astimezone(UTC)


def step_of(request: Request) -> int | None:
    text = request.query_params.get("step")
    if text is None or text == "":
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 7:
        raise ValidationError({"step": "a whole number of seconds; 0 asks for raw samples"})
    return int(text)


def metrics_of(request: Request, allowed: Sequence[str], default: Sequence[str]) -> list[str]:
    """`metrics`: names separated by commas."""
    names = [name for name in request.query_params.get("metrics", "").split(",") if name] or list(default)
    unknown = [name for name in names if name not in allowed]
    if unknown:
        raise ValidationError({"metrics": f"{unknown[0][:80]!r} is not one of {', '.join(sorted(allowed))}"})
    return list(dict.fromkeys(names))


def subjects_of(request: Request) -> list[str] | None:
    names = [name for name in request.query_params.get("subjects", "").split(",") if name]
    if len(names) > MAX_SUBJECTS:
        raise ValidationError({"subjects": f"at most {MAX_SUBJECTS}"})
    return names or None


def choice_of(request: Request, name: str, allowed: Sequence[str], default: str) -> str:
    value = request.query_params.get(name, default)
    if value not in allowed:
        raise ValidationError({name: f"{value[:80]!r} is not one of {', '.join(allowed)}"})
    return value
