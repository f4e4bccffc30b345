"""What the header of a utility's CSV says: which column tells the time, which the energy, in what unit and direction.

Whatever is not understood is either without meaning (the same in every line), or the file is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from billing.greenbutton.csv_words import (
    GAS,
    NEUTRAL,
    NOT_AN_AMOUNT,
    OTHER_UNITS,
    OTHERS,
    PARTS,
    WH_PER,
    Role,
    flow,
    role,
    unit_of,
    words,
)
from billing.greenbutton.filed import BadFile, named
from billing.greenbutton.vocabulary import Flow

MAX_COLUMNS: Final = 64
_TIMED: Final = frozenset((Role.DATE, Role.START, Role.START_DATE, Role.END, Role.END_DATE, Role.HOUR))
_SINGLE: Final = (*_TIMED, Role.DURATION, Role.INTERVAL, Role.UNIT, Role.ZONE, Role.REVISION)
KWH_REMEDY: Final = "export the electricity of each interval, in kWh"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A column of energy. Without a `flow` or `wh_per` of its own other columns say it, or it is kWh delivered."""

    position: int
    name: str
    flow: Flow | None
    wh_per: Decimal | None


@dataclass(frozen=True, slots=True)
class Columns:
    """One header. `at` has the position of each role that only one column may have, `all_of` those of the others."""

    line: int
    names: tuple[str, ...]
    at: Mapping[Role, int]
    all_of: Mapping[Role, tuple[int, ...]]
    quantities: tuple[Quantity, ...]
    left_out: tuple[str, ...]

    def is_utc(self, position: int) -> bool:
        return bool({"utc", "gmt"} & set(words(self.names[position])))


@dataclass(slots=True)
class Context:
    """What the lines above a header say of what is below it."""

    unit: str = ""
    is_gas: bool = False
    zone: str = ""
    said: str = field(default="", repr=False)

    def hear(self, row: Sequence[str]) -> None:
        """A line of text. Only what it says of the unit, the commodity and the time zone counts."""
        cells = [cell.strip() for cell in row if cell.strip()]
        if not cells:
            return
        key, colon, value = cells[0].partition(":")
        value = value if colon else " ".join(cells[1:2])
        keys, spoken = set(words(key)), set(words(value))
        if keys & {"uom", "unit", "units"}:
            self.unit, self.said = unit_of(spoken) or value.strip().lower()[:20] or "?", cells[0][:60]
        elif {"time", "zone"} <= keys or "timezone" in keys:
            self.zone = value.strip()[:60]
        elif (keys | spoken) & {"usage", "service", "type", "commodity", "readings", "fuel"}:
            is_electric = any(word.startswith("electric") for word in keys | spoken)
            self.is_gas = bool((keys | spoken) & GAS) and not is_electric


def header(row: Sequence[str], line: int, context: Context) -> Columns | None:
    """None where the line names no columns. Raises BadFile where it does, and they are not understood."""
    if len(row) < 2 or len(row) > MAX_COLUMNS:
        return None
    names = tuple(" ".join(cell.split()) for cell in row)
    roles = [role(name) for name in names]
    if Role.QUANTITY not in roles or not _TIMED & set(roles):
        return None
    taken, left = _quantities(names, roles, line, context)
    at = {one: _only(one, names, roles, line) for one in _SINGLE if one in roles}
    all_of = {one: tuple(i for i, it in enumerate(roles) if it is one) for one in Role if one not in _SINGLE}
    return Columns(line, names, at, all_of, taken, left)


def _only(which: Role, names: Sequence[str], roles: Sequence[Role], line: int) -> int:
    """The column of a role; of several the one that says UTC, or names the usage."""
    found = [i for i, one in enumerate(roles) if one is which]
    for preferred in ({"utc", "gmt"}, {"start", "begin", "from"}, {"usage", "interval", "consumption"}):
        some = [i for i in found if preferred & set(words(names[i]))]
        found = some if len(some) == 1 else found
    if len(found) > 1:
        said = named({names[i] for i in found})
        raise BadFile(f"two columns tell the {which.value} ({said})", "keep one of them", line)
    return found[0]


def _quantities(
    names: Sequence[str], roles: Sequence[Role], line: int, context: Context
) -> tuple[tuple[Quantity, ...], tuple[str, ...]]:
    taken, left = [], []
    has_unit = Role.UNIT in roles or bool(context.unit)
    for i, name in enumerate(names):
        if roles[i] is Role.QUANTITY:
            reason = _why_not(set(words(name)), has_unit=has_unit)
            if reason:
                left.append((name, reason))
            else:
                taken.append(_quantity(i, name, context))
    if not taken:
        name, reason = left[0]
        raise BadFile(reason, KWH_REMEDY, line, name)
    kept = _one_of_each(taken, line)
    left += [(one.name, "a part of another column") for one in taken if one not in kept]
    return tuple(kept), tuple(f"column {name[:60]!r}: {reason}" for name, reason in left)


def _quantity(position: int, name: str, context: Context) -> Quantity:
    some = words(name)
    unit = unit_of(some) or context.unit
    if unit and unit not in WH_PER:
        raise BadFile(f"{unit} is {OTHER_UNITS.get(unit, 'an unknown unit')}", KWH_REMEDY, None, context.said or name)
    return Quantity(position, name, flow(set(some)), WH_PER.get(unit))


def _why_not(some: set[str], *, has_unit: bool) -> str:
    """Why a column is not the energy that flowed in an interval; empty if it is."""
    unit = unit_of(some)
    if unit in OTHER_UNITS:
        return f"{unit} is {OTHER_UNITS[unit]}"
    if some & GAS:
        return "it is not electricity"
    if some & NOT_AN_AMOUNT or (some & {"reading", "read"} and not flow(some) and "interval" not in some):
        return "it is not the amount of an interval"
    if some & OTHERS:
        return "it is not what flowed past the utility's meter"
    if "net" in some:
        return "it is the net of both directions"
    if some & PARTS and "total" not in some:
        return "it is a part of the whole"
    return "" if unit or has_unit or not some <= NEUTRAL else "its unit is not told"


def _one_of_each(taken: Sequence[Quantity], line: int) -> list[Quantity]:
    """One for each direction; of several the one that is called the total."""
    kept = []
    for direction in (Flow.DELIVERED, Flow.RECEIVED):
        some = [one for one in taken if (one.flow or Flow.DELIVERED) is direction]
        totals = [one for one in some if "total" in words(one.name)]
        some = totals if len(totals) == 1 else some
        if len(some) > 1:
            raise BadFile(
                f"two columns of the same direction ({named({one.name for one in some})})", "keep one of them", line
            )
        kept += some
    return kept
