"""The words by which utilities name the columns of a CSV, and what a unit, a direction and a quality are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Final

from billing.greenbutton.vocabulary import Flow
from billing.intervals.quality import Quality

MAX_NAME: Final = 200
"""Characters of a name that are read; a longer cell is no column's name."""

WH_PER: Final = {"wh": Decimal(1), "kwh": Decimal(1_000), "mwh": Decimal(1_000_000)}
"""Watt-hours in each unit of energy that is taken."""
OTHER_UNITS: Final = {
    unit: what
    for units, what in (
        ("w kw mw", "power, not energy"),
        ("va kva mva vah kvah mvah", "apparent, not real energy"),
        ("var kvar varh kvarh mvarh", "reactive, not real energy"),
        ("therm therms thm thms dth ccf mcf cf hcf ft3 m3", "gas or water"),
        ("btu btus kbtu mmbtu mbtu mj gj kj gal gals gallons", "heat or volume"),
        ("joule joules gwh amp amps volt volts", "no unit of a home's energy"),
    )
    for unit in units.split()
}
"""What is not taken, and why."""


def _words(spaced: str) -> frozenset[str]:
    return frozenset(spaced.split())


DELIVERED: Final = _words(
    "usage use used consumption consumed delivered delivery del import imported energy purchased bought total"
)
RECEIVED: Final = _words(
    "export exported exports generation generated received receipt rec surplus sold surplusgeneration "
    "returned reverse injected excess outflow"
)
NEUTRAL: Final = _words("value amount quantity volume reading read data")
"""Names of a quantity that say nothing of what it is: only with a unit."""
NOT_AN_AMOUNT: Final = _words(
    "demand max maximum min minimum avg average mean instantaneous register cumulative accumulated "
    "accumulative odometer running ytd mtd load index dial"
)
PARTS: Final = _words("peak shoulder tier baseline onpeak offpeak midpeak")
OTHERS: Final = _words(
    "neighbor neighbors neighbour neighbours similar efficient solar pv production produced gas water ev "
    "battery forecast previous last goal budget adjusted"
)
GAS: Final = _words("gas water propane steam sewer heating therm therms ccf")
_MONEY: Final = _words(
    "cost costs charge charges price prices rate rates credit credits bill tariff usd dollar dollars "
    "cents per payment amt rider tax plan schedule provider"
)
_BESIDE: Final = _MONEY | _words(
    "temperature temp weather humidity degree season weekday dow holiday peak tou tier currency carbon "
    "co2 row line month year week baseline event dst customer name address city state zip "
    "timestampcreated"
)
_METER: Final = _words(
    "meter meters esiid esi account premise premises nmi mpan sdp sp spid usagepoint servicepoint device "
    "said agreement contract"
)
_REVISED: Final = _words("revision revised version updated posted processed modified created")
_STARTS: Final = _words("start begin beginning starting from starts begins")
_ENDS: Final = _words("end ending stop to ends until finish he")
_TIMES: Final = _words("time timestamp datetime period hour hours hr clock")
_DATES: Final = _words("date day dates")
_QUALITIES: Final = _words("estimated estimation quality actual status validation flag")


class Role(Enum):
    """What a column is for."""

    QUANTITY = "quantity"
    DATE = "date"
    START = "start"
    START_DATE = "start date"
    END = "end"
    END_DATE = "end date"
    DURATION = "duration"
    INTERVAL = "interval"
    HOUR = "hour"
    DIRECTION = "direction"
    TYPE = "type"
    UNIT = "unit"
    QUALITY = "quality"
    METER = "meter"
    REVISION = "revision"
    ZONE = "zone"
    NOTE = "note"
    BESIDE = "beside"
    UNKNOWN = "unknown"


_CAPITALS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+[0-9]?|[0-9]+")
_PREFIXED: Final = frozenset((*WH_PER, *OTHER_UNITS))


def words(name: str) -> list[str]:
    """In lower case, apart at capitals too, with kilowatt-hours as one word. Linear in the name's length."""
    found: list[str] = []
    for word in _CAPITALS.findall(name[:MAX_NAME]):
        low = word.lower()
        joined = found[-1] + low if found else low
        if found and len(found[-1]) <= 2 and joined in _PREFIXED:
            found[-1] = joined
        elif low in ("hour", "hours", "hrs") and found and found[-1] in _SPELLED:
            found[-1] = _SPELLED[found[-1]]
        else:
            found.append(_SPELT.get(low, low))
    return found


_WATTS: Final = {"kilowatt": "kw", "kilowatts": "kw", "watt": "w", "watts": "w", "megawatt": "mw", "megawatts": "mw"}
_SPELLED: Final = {"kilowatt": "kwh", "kw": "kwh", "watt": "wh", "megawatt": "mwh", "w": "wh", "mw": "mwh"}
_SPELT: Final = {
    "kilowatthours": "kwh",
    "kilowatthour": "kwh",
    "watthours": "wh",
    "watthour": "wh",
    "kwhs": "kwh",
    "megawatthours": "mwh",
}


def unit_of(some: Iterable[str]) -> str:
    """The unit that words name; empty where there is none. Of several one that is not taken, which is the safe one."""
    found = {_WATTS.get(word, word) for word in some} & _PREFIXED
    return min(found, key=lambda unit: (unit in WH_PER, unit), default="")


@lru_cache(maxsize=1_000)
def role(name: str) -> Role:
    """By a column's name alone."""
    some = words(name)
    found = set(some)
    if not some or "$" in name or "¢" in name:
        return Role.BESIDE if some else Role.UNKNOWN
    for known, is_it in _ROLES:
        if is_it(found):
            return known
    return Role.UNKNOWN


def _is_direction(found: set[str]) -> bool:
    both = bool(found & {"consumption", "delivered", "import"}) and bool(found & RECEIVED)
    return both or bool(found & {"direction", "flow"})


def _is_type(found: set[str]) -> bool:
    return bool(found & {"type", "channel"}) or found <= {"service", "commodity", "category", "description", "kind"}


def _is_duration(found: set[str]) -> bool:
    return bool(found & {"duration", "length"}) or found in ({"minutes"}, {"interval", "minutes"})


def _is_quantity(found: set[str]) -> bool:
    return bool(found & (DELIVERED | RECEIVED | {"net", "demand", "load"})) or found <= NEUTRAL


def _is_date_of(found: set[str], which: frozenset[str]) -> bool:
    return bool(found & which) and bool(found & _DATES) and not found & _TIMES


def _is_edge(found: set[str], which: frozenset[str]) -> bool:
    return bool(found & which) and "grid" not in found


_ROLES: Final[tuple[tuple[Role, Callable[[set[str]], bool]], ...]] = (
    (Role.BESIDE, lambda found: bool(found & _MONEY)),
    (Role.QUANTITY, lambda found: bool(unit_of(found))),
    (Role.ZONE, lambda found: bool(found & {"timezone", "tz", "zone"})),
    (Role.REVISION, lambda found: bool(found & _REVISED)),
    (Role.DIRECTION, _is_direction),
    (Role.UNIT, lambda found: bool(found & {"uom", "unit", "units"})),
    (Role.TYPE, _is_type),
    (Role.BESIDE, lambda found: bool(found & {"weekday", "dow", "week", "dst", "billing", "due"})),
    (Role.DURATION, _is_duration),
    (Role.INTERVAL, lambda found: found == {"interval"}),
    (Role.END_DATE, lambda found: _is_date_of(found, _ENDS)),
    (Role.START_DATE, lambda found: _is_date_of(found, _STARTS)),
    (Role.END, lambda found: _is_edge(found, _ENDS)),
    (Role.START, lambda found: _is_edge(found, _STARTS)),
    (Role.HOUR, lambda found: bool(found & {"hour", "hr"}) and not found & _DATES),
    (Role.START, lambda found: bool(found & _TIMES)),
    (Role.DATE, lambda found: bool(found & _DATES)),
    (Role.QUALITY, lambda found: bool(found & _QUALITIES)),
    (Role.NOTE, lambda found: bool(found & {"note", "notes", "comment", "comments", "remark", "remarks"})),
    (Role.METER, lambda found: bool(found & _METER) or {"service", "point"} <= found),
    (Role.BESIDE, lambda found: bool(found & _BESIDE)),
    (Role.QUANTITY, _is_quantity),
)
"""In the order in which they are asked: the first that is so."""

ESTIMATED_WORDS: Final = _words("e est estimated estimate yes true 1 edited substituted s")
MEASURED_WORDS: Final = _words(
    "a act actual measured valid validated v m no n false 0 good final raw normal ok verified revenue "
    "meter metered complete billed read"
) | {""}
DOUBTED_WORDS: Final = _words("invalid questionable suspect q failed bad")


def quality(text: str) -> Quality | None:
    """Of a word in a column of qualities; None where nobody knows it."""
    word = text.strip().lower()[:40]
    first = word.split(" ")[0].rstrip(".:,")
    if word in MEASURED_WORDS or first in MEASURED_WORDS:
        return Quality.MEASURED
    if word in ESTIMATED_WORDS or first in ESTIMATED_WORDS:
        return Quality.ESTIMATED
    return Quality.QUARANTINED if first in DOUBTED_WORDS else None


def flow(some: set[str]) -> Flow | None:
    """The direction that words name, if they do. Generation is what a house gives back."""
    if some & RECEIVED or {"to", "grid"} <= some:
        return Flow.RECEIVED
    return Flow.DELIVERED if some & DELIVERED or {"from", "grid"} <= some else None
