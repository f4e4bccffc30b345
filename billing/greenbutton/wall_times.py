"""Times as people and spreadsheets write them: a date, a time of day or both, each of which may be missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

MAX_LENGTH: Final = 60
YEARS: Final = range(2000, 2100)
_DATE_FORMATS: Final = (
    "%Y-%m-%d",
    "%m/%d/%Y",
    "%m/%d/%y",
    "%Y/%m/%d",
    "%m-%d-%Y",
    "%d.%m.%Y",
    "%Y%m%d",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d %b %Y",
    "%b %d %Y",
    "%B %d %Y",
    "%d %B %Y",
)
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HALVES: Final = ("am", "pm")
_DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class Told:
    """What a cell says. `second` is that of the day, up to 86,400 for 24:00; `zone` an offset or an abbreviation."""

    on: date | None = None
    second: int | None = None
    zone: timezone | str | None = None
    is_month_first: bool = False
    """Whether the date is written as 11/10/2026, which some countries read the other way round."""


@lru_cache(maxsize=20_000)
def read(text: str) -> Told | None:
    """None where it is neither a date nor a time of day. Spaces of any kind are alike, a leading apostrophe is none."""
    text = " ".join(text[: MAX_LENGTH + 1].split()).lstrip("'").strip()
    if not text or len(text) > MAX_LENGTH or not text.isascii():
        return None
    return _iso(text) or _words(text)


def wall(on: date, second: int) -> datetime:
    """A time of the clock, without its zone."""
    return datetime(on.year, on.month, on.day) + timedelta(seconds=second)  # noqa: DTZ001  (the zone comes later)


def _iso(text: str) -> Told | None:
    if len(text) < 16 or text[4] != "-":
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.year not in YEARS:
        return None
    offset = found.utcoffset()
    second = found.hour * 3600 + found.minute * 60 + found.second
    return Told(found.date(), second, None if offset is None else timezone(offset))


def _words(text: str) -> Told | None:
    words = text.replace(",", " ").split()
    if len(words) == 1 and "T" in text[8:11]:
        words = text.replace("T", " ").split()
    if words and words[0].lower()[:3] in _WEEKDAYS and words[0].isalpha():
        words = words[1:]
    at = next((i for i, word in enumerate(words) if ":" in word), len(words))
    if at == len(words) and len(words) > 1 and _half(words[-1]):
        at -= 2
    elif at == len(words) and words and words[-1][:-2].isdigit() and _half(words[-1][-2:]):
        at -= 1
    on, is_month_first = _date(" ".join(words[:at])) if at > 0 else (None, False)
    if at > 0 and on is None:
        return None
    if at >= len(words):
        return Told(on, None, None, is_month_first) if on else None
    rest = words[at:]
    zone = None
    if len(rest) > 1 and rest[-1].isalpha() and not _half(rest[-1]):
        zone = rest.pop().upper()
    second = _second("".join(rest).lower().replace(".m.", "m").replace(".", ":"))
    return None if second is None else Told(on, second, zone, is_month_first)


def _half(word: str) -> bool:
    return word.lower().replace(".", "") in _HALVES


@lru_cache(maxsize=4_096)
def _date(text: str) -> tuple[date | None, bool]:
    for form in _DATE_FORMATS:
        try:
            found = datetime.strptime(text, form)  # noqa: DTZ007  (the zone comes later)
        except ValueError:
            continue
        return (found.date(), form.startswith("%m/")) if found.year in YEARS else (None, False)
    return None, False


def _second(text: str) -> int | None:
    """Of the day: 00:15, 0:15:00, 12:15am, 12am, 24:00."""
    half = text[-2:] if text[-2:] in _HALVES else ""
    parts = (text[:-2] if half else text).split(":")[:4]
    if not 1 <= len(parts) <= 4 or not all(part.isdigit() and len(part) <= 9 for part in parts):
        return None
    hour, minute, second = (int(part) for part in [*parts, "0", "0"][:3])
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "pm" else 0)
    found = hour * 3600 + minute * 60 + second
    is_real = minute < 60 and second < 60 and found <= _DAY_SECONDS
    return found if is_real else None
