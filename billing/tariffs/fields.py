"""Reading a document field by field: what is wrong is collected, with its place and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, TypeVar

Choice = TypeVar("Choice", bound=StrEnum)

MOST_PROBLEMS: Final = 200
"""Of one document; who has mended these sees the next ones."""
MOST_RECORDS: Final = 100
"""Of one list: holidays, riders, taxes or credits."""
_MOST_DECIMALS: Final = 12
_LARGEST: Final = Decimal(10) ** 12
_SHORT_DECIMALS: Final = 9
_SHOWN: Final = 60


def shown(value: object) -> str:
    """A foreign value in a sentence, however long it is."""
    if isinstance(value, list | Mapping):
        return "a list" if isinstance(value, list) else "an object"
    return repr(value[:_SHOWN]) if isinstance(value, str) else repr(value)[:_SHOWN]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a tariff cannot be published: where in the document, what is wrong, what to do."""

    field: str
    message: str
    remedy: str


class UnsupportedTariff(ValueError):
    """The document lacks what rating needs, or has what rating does not understand."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in self.problems))


def _meant(number: Decimal) -> str:
    """Many decimals are mostly the noise of binary fractions about a short number."""
    rounded = number.quantize(Decimal(1).scaleb(-_MOST_DECIMALS)).normalize()
    exponent = rounded.as_tuple().exponent
    if isinstance(exponent, int) and -exponent <= _SHORT_DECIMALS:
        return f"Write {rounded:f}, which was probably meant, or the number on the utility's sheet."
    return "Write the number as the utility's sheet does."


@dataclass
class Fields:
    """A document and the problems found in it. Every method gives a usable value even where it adds a problem."""

    document: Mapping[str, Any]
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, name: str, message: str, remedy: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(name[:120], message, remedy))

    def has(self, name: str) -> bool:
        return self.document.get(name) is not None

    def number(self, name: str, value: object, *, least: Decimal | None = None) -> Decimal:
        """The value as an exact Decimal: a JSON number is meant as it is written, 0.1 as one tenth."""
        try:
            if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
                raise InvalidOperation
            number = Decimal(str(value))
            if not number.is_finite() or abs(number) >= _LARGEST:
                raise InvalidOperation
        except InvalidOperation:
            self.refuse(name, f"{shown(value)} is not a number", "Write a plain number, without quotes or a unit.")
            return Decimal(0)
        exponent = number.as_tuple().exponent
        if isinstance(exponent, int) and -exponent > _MOST_DECIMALS:
            self.refuse(name, "more than 12 decimals", _meant(number))
            return Decimal(0)
        if least is not None and number < least:
            self.refuse(name, f"{number} is less than {least}", f"Write a number of at least {least}.")
        return number

    def choice(self, name: str, value: object, kind: type[Choice], default: Choice) -> Choice:
        try:
            return kind(value)  # type: ignore[arg-type]
        except ValueError:
            known = ", ".join(str(member) for member in kind)
            self.refuse(name, f"{shown(value)} is not one of: {known}", f"Choose one of: {known}.")
            return default

    def text(self, name: str) -> str:
        value = self.document.get(name)
        if not isinstance(value, str) or not value.strip():
            self.refuse(name, "missing", f"Fill in {name}.")
            return ""
        return value

    def day(self, name: str, value: object) -> date:
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.refuse(name, f"{shown(value)} is not a date", "Write dates as 2026-07-04.")
            return date(1970, 1, 1)

    def records(self, name: str) -> list[Mapping[str, Any]]:
        """A list of objects; absent is empty."""
        value = self.document.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
            self.refuse(name, "not a list of objects", f'Write {name} as [{{"name": ...}}, ...].')
            return []
        if len(value) > MOST_RECORDS:
            self.refuse(name, f"{len(value)} entries", f"At most {MOST_RECORDS} are rated.")
            return []
        return value

    def values(self, name: str, value: object) -> list[Any]:
        """A list of anything; absent is empty."""
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > MOST_RECORDS:
            self.refuse(name, f"not a list of at most {MOST_RECORDS}", "Write a list, as [...].")
            return []
        return value

    def by_month(self, name: str) -> list[Any] | None:
        """A list of twelve, or None with a problem noted."""
        value = self.document.get(name)
        if isinstance(value, list) and len(value) == 12:
            return value
        self.refuse(name, "not a list of twelve", "Give one entry for each month, January first.")
        return None
