"""Single cells of a utility's CSV: numbers, lengths of time, and words that tell one row from another."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

from billing.greenbutton import csv_words
from billing.greenbutton.filed import BadFile
from billing.greenbutton.vocabulary import Flow
from billing.intervals.quality import Quality

REMEDY: Final = "correct it, or download the file again"
UNKNOWN_AMOUNTS: Final = frozenset(("", "-", "--", "n/a", "na", "null", "none", "nan", "missing", "no data"))
"""An interval of which the file says that nothing is known: it is left unknown, never zero."""
_MOST: Final = 10**9
_DIGITS: Final = frozenset("0123456789.,+-eE")
_LONGEST: Final = 30
_SECONDS: Final = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours", "hourly"), 3_600),
    **dict.fromkeys(("d", "day", "days", "daily"), 86_400),
}


def amount(text: str, *, has_decimal_commas: bool, line: int, name: str) -> Decimal:
    """A number in either fashion: 1,234.5 or 1.234,5. Raises BadFile."""
    plain = text.lstrip("'")
    value = None
    if 0 < len(plain) <= _LONGEST and _DIGITS.issuperset(plain):
        try:
            value = Decimal(_with_point(plain, has_decimal_commas=has_decimal_commas))
        except InvalidOperation:
            value = None
    if value is None:
        raise BadFile(f"{text[:40]!r} is not a number", REMEDY, line, name)
    if abs(value) > _MOST:
        raise BadFile(f"{text[:40]!r} is no amount of energy", REMEDY, line, name)
    return value


def _with_point(text: str, *, has_decimal_commas: bool) -> str:
    if "," not in text:
        return text
    if "." in text:
        last = max(text.rfind(","), text.rfind("."))
        return text[:last].replace(",", "").replace(".", "") + "." + text[last + 1 :]
    groups = text.lstrip("+-").split(",")
    are_thousands = 1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])
    if len(groups) > 2 or (are_thousands and not has_decimal_commas):
        return text.replace(",", "")
    return text.replace(",", ".")


@lru_cache(maxsize=1_000)
def seconds(text: str) -> int | None:
    """A length of time: 15, 15 min, 1 hour, Hour, PT15M, 00:15. A number alone is minutes."""
    low = text.strip().lower()[:20].removeprefix("pt")
    if low.count(":") in (1, 2) and all(part.isdigit() for part in low.split(":")):
        hours, minutes, rest = (int(part) for part in [*low.split(":"), "0"][:3])
        return hours * 3_600 + minutes * 60 + rest
    digits = low[: len(low) - len(low.lstrip("0123456789"))]
    unit = low[len(digits) :].strip(" .-")
    if not digits and not unit:
        return None
    per = _SECONDS.get(unit, 0) if unit else 60
    return int(digits or 1) * per if per else None


@dataclass(frozen=True, slots=True)
class Kind:
    """What a word in a column of kinds says: a direction, another commodity, a quality, or nothing known.

    `is_wrong`: it is known, and not the energy of an interval.
    """

    flow: Flow | None = None
    is_other: bool = False
    quality: Quality | None = None
    is_known: bool = True
    is_wrong: bool = False


@lru_cache(maxsize=1_000)
def kind(text: str) -> Kind:
    some = set(csv_words.words(text))
    is_electric = any(word.startswith("electric") for word in some)
    if some & csv_words.GAS and not is_electric:
        return Kind(is_other=True)
    unit = csv_words.unit_of(some)
    if "net" in some or unit in csv_words.OTHER_UNITS or some & csv_words.NOT_AN_AMOUNT:
        return Kind(is_wrong=True)
    if text.strip() in ("1", "19"):
        return Kind(Flow(int(text)))
    direction = csv_words.flow(some - {"energy", "total"})
    if direction is Flow.DELIVERED and is_electric and not some & {"delivered", "import", "consumption"}:
        direction = None
    if direction or is_electric or unit:
        return Kind(direction)
    quality = csv_words.quality(text)
    return Kind(quality=quality, is_known=quality is not None)
