"""Green Button XML as utilities send it: several blocks, several meters, any power of ten, links of any fashion.

The file is a stranger's: no entities, no network, no document type, and a limit on its size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from lxml import etree

from billing.greenbutton.filed import MAX_INTERVALS, BadFile, FiledInterval, FiledSeries, check_size
from billing.greenbutton.vocabulary import ATOM, ESPI, QUALITY_IN, WATT_HOURS, Flow
from billing.intervals.quality import RANK, Quality

_NS: Final = {"a": ATOM, "e": ESPI}
_MAX_POWER: Final = 9


@dataclass
class _Entry:
    """One resource of the feed, and how it is linked to the others."""

    content: etree._Element
    title: str
    self_href: str = ""
    up: str = ""
    related: list[str] = field(default_factory=list)


def read(body: bytes) -> list[FiledSeries]:
    """The electricity of the file, in watt-hours. Raises BadFile."""
    check_size(body)
    root = _parse(body)
    entries = [_entry(element) for element in root.iter(f"{{{ATOM}}}entry")]
    if not entries:
        raise BadFile("it is not a Green Button file: no Atom entries", "export usage as Green Button XML")
    points = _of(entries, "UsagePoint")
    meters = _of(entries, "MeterReading")
    found = [series for meter in meters if (series := _series(meter, meters, entries, points))]
    if not found:
        raise BadFile(
            "it holds no electricity in watt-hours (uom 72)", "export electric interval usage, not gas or bills"
        )
    if sum(len(series.intervals) for series in found) > MAX_INTERVALS:
        raise BadFile(f"more than {MAX_INTERVALS} intervals", "send a shorter period at a time")
    return found


def _parse(body: bytes) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, remove_pis=True
    )
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise BadFile(f"it is not well-formed XML ({error.msg})", "download it again", error.lineno) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise BadFile("it declares a document type", "Green Button files have none; download it from the utility again")
    return root


def _entry(element: etree._Element) -> _Entry:
    content = element.find("a:content", _NS)
    found = _Entry(element if content is None else content, element.findtext("a:title", "", _NS).strip())
    for link in element.iterfind("a:link", _NS):
        href, rel = link.get("href", "").strip().rstrip("/"), link.get("rel", "")
        if rel == "self":
            found.self_href = href
        elif rel == "up":
            found.up = href
        elif rel == "related":
            found.related.append(href)
    return found


def _of(entries: Sequence[_Entry], name: str) -> list[_Entry]:
    return [entry for entry in entries if entry.content.find(f"e:{name}", _NS) is not None]


def _is_parent(parent: _Entry, child: _Entry) -> bool:
    """By the links upward and downward, either of which may be to the resource or to the list that it is in."""
    if (child.self_href and child.self_href in parent.related) or (child.up and child.up in parent.related):
        return True
    return bool(parent.self_href) and (child.up == parent.self_href or child.up.startswith(f"{parent.self_href}/"))


def _series(
    meter: _Entry, meters: Sequence[_Entry], entries: Sequence[_Entry], points: Sequence[_Entry]
) -> FiledSeries | None:
    types = _of(entries, "ReadingType")
    mine = [one for one in types if _is_parent(meter, one)] or (types if len(types) == 1 else [])
    if not mine:
        raise BadFile("a MeterReading without a ReadingType", "download it again", _line(meter.content), "ReadingType")
    reading_type = mine[0].content.find("e:ReadingType", _NS)
    if reading_type is None or _number(reading_type, "uom", None) != WATT_HOURS:
        return None
    blocks = [one for one in _of(entries, "IntervalBlock") if _is_parent(meter, one) or len(meters) == 1]
    point = next((one for one in points if _is_parent(one, meter)), points[0] if len(points) == 1 else None)
    return FiledSeries(
        (point.self_href or point.title) if point else "",
        (point.title if point else "") or meter.title,
        _flow(reading_type),
        tuple(interval for block in blocks for interval in _intervals(block, reading_type)),
    )


def _flow(reading_type: etree._Element) -> Flow:
    value = _number(reading_type, "flowDirection", Flow.DELIVERED)
    if value not in (Flow.DELIVERED, Flow.RECEIVED):
        raise BadFile(
            f"flowDirection {value} is not understood",
            "export what was delivered (1) and received (19), not the net of both",
            _line(reading_type),
            "flowDirection",
        )
    return Flow(value)


def _intervals(block_entry: _Entry, reading_type: etree._Element) -> Iterator[FiledInterval]:
    power = _number(reading_type, "powerOfTenMultiplier", 0) or 0
    if abs(power) > _MAX_POWER:
        raise BadFile(f"a power of ten of {power}", "download it again", _line(reading_type), "powerOfTenMultiplier")
    default, length = _number(reading_type, "defaultQuality", 0), _number(reading_type, "intervalLength", 0)
    for reading in block_entry.content.iterfind("e:IntervalBlock/e:IntervalReading", _NS):
        start = _number(reading, "timePeriod/e:start", None)
        duration = _number(reading, "timePeriod/e:duration", length)
        value = _number(reading, "value", None)
        if start is None or value is None:
            raise BadFile(
                "an interval without a start or a value",
                "download it again",
                _line(reading),
                "timePeriod/start" if start is None else "value",
            )
        wh = Decimal(value).scaleb(power)
        yield FiledInterval(start, duration or 0, wh, _quality(reading, default), _line(reading))


def _quality(reading: etree._Element, default: int | None) -> Quality:
    """Of several the worst."""
    codes = [_integer(element, "quality") for element in reading.iterfind("e:ReadingQuality/e:quality", _NS)]
    found = []
    for code in codes or [default or 0]:
        if code not in QUALITY_IN:
            raise BadFile(
                f"quality {code} is not understood", "ask the utility what it means", _line(reading), "quality"
            )
        found.append(QUALITY_IN[code])
    return min(found, key=RANK.__getitem__)


def _number(parent: etree._Element, path: str, default: int | None) -> int | None:
    element = parent.find(f"e:{path}", _NS)
    return default if element is None else _integer(element, path.replace("e:", ""))


def _integer(element: etree._Element, name: str) -> int:
    text = (element.text or "").strip()
    if not text.lstrip("+-").isascii() or not text.lstrip("+-").isdigit() or len(text) > 16:
        raise BadFile(f"{text[:40]!r} is not a whole number", "download it again", _line(element), name)
    return int(text)


def _line(element: etree._Element) -> int:
    line = element.sourceline
    return line if isinstance(line, int) else 0
