"""Numbers as people read them. Pure. `static/xfra_portal/js/format.js` says the same; a test compares the two."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

UNKNOWN: Final = "unknown"


def watts(value: float | None) -> str:
    """12100 -> 12.1 kW; 620 -> 620 W."""
    if value is None:
        return UNKNOWN
    size = abs(value)
    if size < 999.5:
        return f"{_half_up(value, 0)} W"
    return f"{_half_up(value / 1e3, 1)} kW" if size < 999_500 else f"{_half_up(value / 1e6, 2)} MW"


def watt_hours(value: float | None) -> str:
    """Always kilowatt-hours, as on the bill: 5312 -> 5.3 kWh; 912400 -> 912 kWh."""
    if value is None:
        return UNKNOWN
    kwh = value / 1000
    return f"{_half_up(kwh, 1 if abs(kwh) < 100 else 0)} kWh"


def bits_per_second(value: float | None) -> str:
    """940000000 -> 940 Mb/s; 1250000000 -> 1.3 Gb/s."""
    if value is None:
        return UNKNOWN
    if abs(value) < 999.5e6:
        return f"{_half_up(value / 1e6, 1 if abs(value) < 9.95e6 else 0)} Mb/s"
    return f"{_half_up(value / 1e9, 1)} Gb/s"


def ratio(value: float | None) -> str:
    """0.94 -> 94 %."""
    return UNKNOWN if value is None else f"{_half_up(value * 100, 0)} %"


def fine_ratio(value: float | None) -> str:
    """0.99971 -> 99.97 %."""
    return UNKNOWN if value is None else f"{_half_up(value * 100, 2)} %"


def celsius(value: float | None) -> str:
    return UNKNOWN if value is None else f"{_half_up(value, 0)} °C"


def amperes(value: float | None) -> str:
    return UNKNOWN if value is None else f"{_half_up(value, 0)} A"


def milliseconds(value: float | None) -> str:
    """From seconds: 0.0123 -> 12 ms."""
    return UNKNOWN if value is None else f"{_half_up(value * 1e3, 1 if abs(value) < 0.00995 else 0)} ms"


def decibels(value: float | None) -> str:
    return UNKNOWN if value is None else f"{_half_up(value, 0)} dB"


def loudness(value: float | None) -> str:
    """What a sound of so many dB(A) is like, for who has no ear for decibels: 55 -> like a quiet talk."""
    if value is None:
        return UNKNOWN
    return next((words for below, words in _LOUDNESS if value < below), "like a vacuum cleaner")


_LOUDNESS: Final = (
    (35, "like a whisper"),
    (45, "like a library"),
    (52, "like a refrigerator"),
    (58, "like a quiet talk"),
    (66, "like a talk across a table"),
)


def hertz(value: float | None) -> str:
    """2617000000 -> 2.62 GHz; 405000000 -> 405 MHz."""
    if value is None:
        return UNKNOWN
    return f"{_half_up(value / 1e6, 0)} MHz" if value < 999.5e6 else f"{_half_up(value / 1e9, 2)} GHz"


def gibibytes(value: float | None) -> str:
    """From bytes: 64.2 GiB."""
    return UNKNOWN if value is None else f"{_half_up(value / 2**30, 1)} GiB"


def hours(value: float | None) -> str:
    """Of backup: 11.2 -> 11 h; 0.6 -> 36 min."""
    if value is None:
        return UNKNOWN
    return f"{_half_up(value * 60, 0)} min" if value < 1.5 else f"{_half_up(value, 0)} h"


def duration(seconds: float | None) -> str:
    """In words: 38 minutes, 2 hours 5 minutes, 3 days."""
    if seconds is None:
        return UNKNOWN
    if seconds < 59.5:
        return count(round(seconds), "second")
    minutes = int(seconds / 60 + 0.5)
    if minutes < 60:
        return count(minutes, "minute")
    if minutes < 48 * 60:
        rest = minutes % 60
        return count(minutes // 60, "hour") + (f" {count(rest, 'minute')}" if rest else "")
    return count(minutes // 1440, "day")


def age(seconds: float | None) -> str:
    """2 s ago, 6 minutes ago, 3 hours ago; `never` when there is nothing to be old."""
    if seconds is None:
        return "never"
    if seconds < 59.5:
        return f"{max(0, int(seconds + 0.5))} s ago"
    if seconds < 3570:
        return f"{count(int(seconds / 60 + 0.5), 'minute')} ago"
    if seconds < 84_600:
        return f"{count(int(seconds / 3600 + 0.5), 'hour')} ago"
    return f"{count(int(seconds / 86_400 + 0.5), 'day')} ago"


def clock(at: datetime) -> str:
    """A local instant: 6:02 pm."""
    return at.strftime("%I:%M %p").lstrip("0").lower()


def dollars(cents: int | None) -> str:
    """Exact: 81244 -> $812.44; below zero -> −$12.00."""
    if cents is None:
        return UNKNOWN
    sign = "−" if cents < 0 else ""
    return f"{sign}${abs(cents) // 100:,}.{abs(cents) % 100:02d}"


def change_dollars(cents: int) -> str:
    """A difference, with its sign: +$1.50."""
    return f"+{dollars(cents)}" if cents > 0 else dollars(cents)


def about_dollars(cents: int | None) -> str:
    """An estimate, no more exact than it is: 105932 -> $1,060; 8650 -> $87."""
    if cents is None:
        return UNKNOWN
    coarse = 1000 if abs(cents) >= 100_000 else 100
    whole = (2 * abs(cents) + coarse) // (2 * coarse) * coarse
    return f"{'−' if cents < 0 and whole else ''}${whole // 100:,}"


def rate(dollars_each: Decimal, unit: str) -> str:
    """A price with every digit that it has: $0.09457 a kWh; a share: 3.5 %."""
    if unit == "USD":
        return f"{plain(dollars_each * 100)} %"
    return f"{'−' if dollars_each < 0 else ''}${plain(abs(dollars_each), 2)} a {unit}"


def quantity(number: Decimal, unit: str) -> str:
    """1234.567 kWh -> 1,234.567 kWh; 30 day -> 30 days."""
    if unit == "USD":
        return f"${plain(number, 2)}"
    if unit in ("day", "month", "year"):
        return f"{plain(number)} {unit}{'' if number == 1 else 's'}"
    return f"{plain(number)} {unit}"


def plain(number: Decimal, digits: int = 0) -> str:
    """With thousands separators, without an exponent, at least `digits` decimals and no zeros after them."""
    text = format(number, ",f")
    whole, _, rest = text.partition(".")
    rest = rest.rstrip("0").ljust(digits, "0")
    return f"{whole}.{rest}" if rest else whole


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _half_up(value: float, digits: int) -> str:
    """Rounded half away from zero, with thousands separators; never a negative zero."""
    scale = 10**digits
    magnitude = int(abs(value) * scale + 0.5 + 1e-9) / scale
    sign = "−" if value < 0 and magnitude else ""
    return f"{sign}{magnitude:,.{digits}f}"
