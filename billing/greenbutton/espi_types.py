"""What a ReadingType and a UsagePoint say is measured: only the real electric energy of each interval is taken."""

from __future__ import annotations

from typing import Final

from lxml import etree

from billing.greenbutton.espi_links import NS, Entry, line_of
from billing.greenbutton.filed import BadFile
from billing.greenbutton.vocabulary import DELTA, ELECTRIC_SERVICE, ELECTRICITY, ENERGY, WATT_HOURS, Flow

MAX_POWER: Final = 9
_PRIMARY_METERED: Final = 2
_NORMAL: Final = 12
_UNITS: Final = {
    38: "watts, which are power",
    61: "volt-amperes, which are apparent power",
    63: "vars, which are reactive power",
    71: "volt-ampere hours, which are apparent energy",
    73: "var hours, which are reactive energy",
    119: "cubic feet",
    120: "cubic feet",
    132: "British thermal units",
    169: "therms",
    31: "joules",
}
_ACCUMULATIONS: Final = {
    1: "the standing of a register",
    2: "a register that runs on",
    3: "a cumulative register",
    6: "what an instrument indicates",
    9: "a sum that runs on",
    12: "an instantaneous value",
    13: "a value that was held",
    14: "a register of its own",
}
_QUALIFIERS: Final = {2: "an average", 8: "a maximum", 9: "a minimum", 16: "a maximum", 17: "a minimum", 26: "a sum"}
_REMEDY: Final = "export the electricity of each interval, in watt-hours (uom 72)"


def number(parent: etree._Element, path: str, default: int | None = None) -> int | None:
    element = parent.find(f"e:{path}", NS)
    return default if element is None else integer(element, path.replace("e:", ""))


def integer(element: etree._Element, name: str) -> int:
    text = (element.text or "").strip()
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits.isascii() or not digits.isdigit() or len(text) > 16:
        raise BadFile(f"{text[:40]!r} is not a whole number", "download it again", line_of(element), name)
    return int(text)


def why_not(reading_type: etree._Element, point: Entry | None) -> BadFile | None:
    """Why what a ReadingType describes is not taken; None if it is."""
    found = _Checked(reading_type)
    found.commodity(point)
    unit = number(reading_type, "uom")
    found.one_of("uom", (WATT_HOURS,), f"it counts {_UNITS.get(unit or 0, f'unit {unit}')}")
    found.one_of("kind", (None, 0, ENERGY), "it is not energy")
    what = _ACCUMULATIONS.get(number(reading_type, "accumulationBehaviour") or 0, "not an interval's own amount")
    found.one_of("accumulationBehaviour", (None, 0, DELTA), f"it is {what}")
    qualifier = _QUALIFIERS.get(number(reading_type, "dataQualifier") or 0, "not the normal value")
    found.one_of("dataQualifier", (None, 0, _NORMAL), f"it is {qualifier}")
    found.flow()
    power = number(reading_type, "powerOfTenMultiplier", 0) or 0
    if abs(power) > MAX_POWER:
        found.refuse("powerOfTenMultiplier", f"a power of ten of {power}", "download it again")
    return found.refused


class _Checked:
    """The first of a ReadingType's fields that cannot be taken."""

    def __init__(self, reading_type: etree._Element) -> None:
        self._type = reading_type
        self.refused: BadFile | None = None

    def refuse(self, name: str, why: str, remedy: str = _REMEDY) -> None:
        self.refused = self.refused or BadFile(why, remedy, line_of(self._type), name)

    def one_of(self, name: str, allowed: tuple[int | None, ...], why: str) -> None:
        value = number(self._type, name)
        if value not in allowed:
            said = "it is not told" if value is None else f"{why} ({name} {value})"
            self.refuse(name, said)

    def commodity(self, point: Entry | None) -> None:
        """Electricity by its own word or, where it has none, by the usage point's; and by neither anything else."""
        own = number(self._type, "commodity") or None
        service = None if point is None else number(point.resource, "ServiceCategory/e:kind")
        if service not in (None, ELECTRIC_SERVICE):
            self.refuse("ServiceCategory/kind", f"it is not electricity (kind {service})")
        if own not in (None, ELECTRICITY, _PRIMARY_METERED):
            self.refuse("commodity", f"it is not electricity (commodity {own})")
        if own is None and service is None:
            self.refuse("commodity", "nothing says that it is electricity")

    def flow(self) -> None:
        value = number(self._type, "flowDirection")
        if value not in (Flow.DELIVERED, Flow.RECEIVED):
            said = "is not told" if value is None else f"{value} is not understood"
            self.refuse(
                "flowDirection",
                f"flowDirection {said}",
                "export what was delivered (1) and received (19), not the net of both",
            )
