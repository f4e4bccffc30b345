"""Small Green Button files in another's style: other prefixes, links of its own, several blocks in an entry."""

from __future__ import annotations

from typing import Final

_KIND: Final = (
    "<n:flowDirection>1</n:flowDirection><n:intervalLength>900</n:intervalLength>"
    "<n:powerOfTenMultiplier>-3</n:powerOfTenMultiplier><n:uom>72</n:uom>"
)
_METER: Final = "User/1/UsagePoint/01/MeterReading"


def _entry(content: str, *links: tuple[str, str], title: str = "") -> str:
    listed = "".join(f'<a:link rel="{rel}" href="{href}"/>' for rel, href in links)
    return f"<a:entry>{listed}<a:title>{title}</a:title><a:content>{content}</a:content></a:entry>"


def feed(readings: str, reading_type: str = _KIND, blocks: str = "") -> bytes:
    """`readings` stand on line 12 and after it; `blocks` are whole blocks beside theirs."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<a:feed xmlns:a="http://www.w3.org/2005/Atom"',
        'xmlns:n="http://naesb.org/espi">',
        _entry(
            "<n:UsagePoint><n:ServiceCategory><n:kind>0</n:kind></n:ServiceCategory></n:UsagePoint>",
            ("self", "User/1/UsagePoint/01"),
            ("related", _METER),
            title="1 MAIN ST",
        ),
        _entry(
            "<n:MeterReading/>",
            ("self", f"{_METER}/01"),
            ("up", _METER),
            ("related", f"{_METER}/01/IntervalBlock"),
            ("related", "ReadingType/07"),
        ),
        "",
        _entry(f"<n:ReadingType>{reading_type}</n:ReadingType>", ("self", "ReadingType/07")),
        "",
        f'<a:entry><a:link rel="self" href="{_METER}/01/IntervalBlock/1"/>',
        f'<a:link rel="up" href="{_METER}/01/IntervalBlock"/><a:title/><a:content>',
        "<n:IntervalBlock>",
        readings,
        f"</n:IntervalBlock>{blocks}</a:content></a:entry></a:feed>",
    ]
    return "\n".join(lines).encode()


def reading(start: object, value: object, more: str = "", duration: int = 900) -> str:
    """One interval; `more` comes before its period."""
    period = f"<n:timePeriod><n:duration>{duration}</n:duration><n:start>{start}</n:start></n:timePeriod>"
    return f"<n:IntervalReading>{more}{period}<n:value>{value}</n:value></n:IntervalReading>"
