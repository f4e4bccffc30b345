"""Green Button XML as utilities send it: several blocks, several meters, any power of ten, links of any fashion.

The file is a stranger's: no entities, no network, no document type, and limits on its size, entries and links. Of the
series in it those are taken that are the real electric energy of intervals; the others are named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from lxml import etree

from billing.greenbutton import espi_links
from billing.greenbutton.espi_links import NS, Entry, Feed, line_of
from billing.greenbutton.espi_types import integer, number, why_not
from billing.greenbutton.filed import (
    LONGEST_SECONDS,
    MAX_INTERVALS,
    BadFile,
    Filed,
    FiledInterval,
    FiledSeries,
    check_size,
)
from billing.greenbutton.packing import decoded
from billing.greenbutton.vocabulary import QUALITY_IN, Flow
from billing.intervals.quality import RANK, Quality

MAX_SECONDS: Final = 400 * 86_400
"""The longest interval that is read at all; what is longer is no interval."""
_LAST_SECOND: Final = 4_102_444_800
"""The year 2100."""
_AGAIN: Final = "download it again"


def read(body: bytes) -> Filed:
    """The electricity of the file, in watt-hours. Raises BadFile."""
    check_size(body)
    return read_text(decoded(body))


def read_text(text: str) -> Filed:
    feed = espi_links.read(_parse(text))
    blocks, lost = espi_links.children_of(feed.meters, feed.blocks)
    if lost:
        raise BadFile("an IntervalBlock that belongs to no MeterReading", _AGAIN, line_of(lost[0].content), "link")
    points = espi_links.children_of(feed.points, feed.meters)[0]
    point_of = {meter: point for point, meters in points.items() for meter in meters}
    type_of = _types(feed)
    refused: list[BadFile] = []
    taken: list[FiledSeries] = []
    for meter in feed.meters:
        point = point_of.get(meter)
        refusal = why_not(type_of[meter].resource, point)
        if refusal is not None:
            refused.append(refusal)
        else:
            taken.append(_series(meter, type_of[meter].resource, point, blocks[meter]))
    return _filed(taken, refused)


def _filed(taken: Sequence[FiledSeries], refused: Sequence[BadFile]) -> Filed:
    if not taken:
        if refused:
            raise refused[0]
        raise BadFile("it holds no MeterReading", "export electric interval usage, not bills or the account alone")
    if sum(len(series.intervals) for series in taken) > MAX_INTERVALS:
        raise BadFile(f"more than {MAX_INTERVALS} intervals", "send a shorter period at a time")
    said = [f"a series ({error.field}: {error.message})" for error in refused]
    short = [series for series in taken if not _is_of_days(series)]
    if 0 < len(short) < len(taken):
        said += ["a series of days"] * (len(taken) - len(short))
        taken = short
    again = sum(len(series.intervals) for series in taken)
    taken = [_once(series) for series in taken]
    again -= sum(len(series.intervals) for series in taken)
    if again:
        said.append(f"{again:,} intervals told twice, alike" if again > 1 else "1 interval told twice, alike")
    return Filed(tuple(taken), tuple(dict.fromkeys(said)))


def _is_of_days(series: FiledSeries) -> bool:
    long_ones = sum(one.duration > LONGEST_SECONDS for one in series.intervals)
    return long_ones * 2 > len(series.intervals)


def _once(series: FiledSeries) -> FiledSeries:
    """Blocks of one MeterReading may overlap; what is told twice of the same instant and alike is one fact."""
    once = {(one.start, one.duration, one.wh, one.quality): one for one in reversed(series.intervals)}
    return FiledSeries(series.point, series.title, series.flow, tuple(reversed(once.values())))


def _parse(text: str) -> etree._Element:
    """The encoding that the text declares for itself is of no account: it is decoded already."""
    text = text.lstrip("\ufeff \t\r\n")
    if text.startswith("<?xml"):
        head, close, rest = text.partition("?>")
        text = "\n" * head.count("\n") + rest if close else text
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise BadFile("it declares a document type", "Green Button files have none; download it from the utility again")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_pis=True,
        remove_comments=True,
        encoding="utf-8",
    )
    try:
        return etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, UnicodeEncodeError) as error:
        said = getattr(error, "msg", None) or "it is no text"
        raise BadFile(f"it is not well-formed XML ({said})", _AGAIN, getattr(error, "lineno", None)) from error


def _types(feed: Feed) -> dict[Entry, Entry]:
    """The ReadingType of each MeterReading. Raises BadFile where one has none."""
    by_href = {one.self_href: one for one in feed.types if one.self_href}
    found = {}
    for meter in feed.meters:
        mine = next((by_href[href] for href in meter.related if href in by_href), None)
        if mine is None and len(feed.types) == 1:
            mine = feed.types[0]
        if mine is None:
            raise BadFile("a MeterReading without a ReadingType", _AGAIN, line_of(meter.content), "ReadingType")
        found[meter] = mine
    return found


def _series(meter: Entry, reading_type: etree._Element, point: Entry | None, blocks: Sequence[Entry]) -> FiledSeries:
    return FiledSeries(
        (point.self_href or point.title) if point else "",
        (point.title if point else "") or meter.title or (point.self_href if point else ""),
        Flow(number(reading_type, "flowDirection") or 0),
        tuple(interval for block in blocks for interval in _intervals(block, reading_type)),
    )


def _intervals(block_entry: Entry, reading_type: etree._Element) -> Iterator[FiledInterval]:
    power = number(reading_type, "powerOfTenMultiplier", 0) or 0
    default, length = number(reading_type, "defaultQuality", 0), number(reading_type, "intervalLength", 0)
    for reading in block_entry.content.iterfind("e:IntervalBlock/e:IntervalReading", NS):
        start = number(reading, "timePeriod/e:start")
        duration = number(reading, "timePeriod/e:duration", length) or 0
        value = number(reading, "value")
        if start is None or value is None:
            name = "timePeriod/start" if start is None else "value"
            raise BadFile("an interval without a start or a value", _AGAIN, line_of(reading), name)
        if not 0 < duration <= MAX_SECONDS:
            raise BadFile(f"an interval of {duration} s", _AGAIN, line_of(reading), "timePeriod/duration")
        if not 0 <= start <= _LAST_SECOND:
            raise BadFile(f"an interval that starts at {start}", _AGAIN, line_of(reading), "timePeriod/start")
        yield FiledInterval(start, duration, Decimal(value).scaleb(power), _quality(reading, default), line_of(reading))


def _quality(reading: etree._Element, default: int | None) -> Quality:
    """Of several the worst."""
    codes = [integer(element, "quality") for element in reading.iterfind("e:ReadingQuality/e:quality", NS)]
    found = []
    for code in codes or [default or 0]:
        if code not in QUALITY_IN:
            raise BadFile(
                f"quality {code} is not understood", "ask the utility what it means", line_of(reading), "quality"
            )
        found.append(QUALITY_IN[code])
    return min(found, key=RANK.__getitem__)
