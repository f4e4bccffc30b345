"""A home's quarter-hours as a Green Button file: an Atom feed of ESPI 3.3 resources.

Energy is in watt-hours, each direction in a MeterReading of its own so that no value is negative; costs are in
hundred-thousandths of a dollar; instants are epoch seconds in UTC. A quarter-hour of which nothing is known is not in
the file: missing is not zero. The same input gives the same bytes.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from lxml import etree

from billing.greenbutton.vocabulary import (
    ATOM,
    DELTA,
    ELECTRIC_SERVICE,
    ELECTRICITY,
    ENERGY,
    ESPI,
    QUALITY_OUT,
    US_DOLLAR,
    WATT_HOURS,
    Flow,
)
from billing.greenbutton.zones import time_rules
from billing.intervals.days import QUARTER_SECONDS, day_bounds, days_between
from billing.intervals.quality import KNOWN, Quality

Ints = npt.NDArray[np.int64]
Letters = npt.NDArray[np.uint8]
_NAMESPACE: Final = uuid.UUID("4f1ee6a0-91b4-5b4c-a4b0-6f5f9f1f2e11")
_DEFAULT: Final = Quality.MEASURED
_PREFIXES: Final[Any] = {None: ATOM, "espi": ESPI}


@dataclass(frozen=True)
class Meter:
    """One direction of one meter over the whole period, an entry per quarter-hour.

    `point` names the usage point: the house's service or, behind it, the node. `cost` is in 10^-5 dollars.
    """

    point: str
    title: str
    flow: Flow
    wh: Ints
    quality: Letters
    cost: Ints | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the bill's summary. `amount` in 10^-5 dollars, a credit negative; `kind` an ItemKind."""

    amount: int
    note: str
    kind: int


@dataclass(frozen=True)
class Summary:
    """What the statement says about the period: the subsidy is one of its lines. Amounts in 10^-5 dollars."""

    bill: int
    lines: Sequence[Line]
    tariff: str = ""


@dataclass(frozen=True)
class Export:
    """Everything that goes into a file. `home` is any stable name of the home, `title` what people read."""

    home: str
    title: str
    zone: str
    start: date
    end: date
    made_at: datetime
    meters: Sequence[Meter]
    summary: Summary | None = None
    links: str = field(default="https://localhost/espi/1_1/resource")


def render(export: Export) -> bytes:
    """The file, as UTF-8."""
    return _Feed(export).render()


class _Feed:
    def __init__(self, export: Export) -> None:
        self._export = export
        self._stamp = export.made_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._home = f"{export.links}/RetailCustomer/{self._id('home')}"
        self._root = etree.Element(_atom("feed"), nsmap=_PREFIXES)

    def render(self) -> bytes:
        export = self._export
        period = f"{export.start}/{export.end}"
        _text(self._root, _atom("id"), f"urn:uuid:{self._id(f'feed/{period}')}")
        _text(self._root, _atom("title"), export.title)
        _text(self._root, _atom("updated"), self._stamp)
        self._link(self._root, "self", f"{self._home}/DownloadMyData/{export.start}")
        self._time()
        for point in dict.fromkeys(meter.point for meter in export.meters):
            self._point(point, [meter for meter in export.meters if meter.point == point])
        return bytes(etree.tostring(self._root, xml_declaration=True, encoding="UTF-8", pretty_print=True))

    def _id(self, name: str) -> uuid.UUID:
        return uuid.uuid5(_NAMESPACE, f"{self._export.home}/{name}")

    def _time(self) -> None:
        rules = time_rules(self._export.zone, self._export.start.year)
        content = self._entry("time", self._export.zone, f"{self._export.links}/LocalTimeParameters/{self._id('time')}")
        parameters = etree.SubElement(content, _espi("LocalTimeParameters"))
        _text(parameters, _espi("dstEndRule"), f"{rules.dst_end:08X}")
        _text(parameters, _espi("dstOffset"), rules.dst_offset)
        _text(parameters, _espi("dstStartRule"), f"{rules.dst_start:08X}")
        _text(parameters, _espi("tzOffset"), rules.standard_offset)

    def _point(self, point: str, meters: Sequence[Meter]) -> None:
        href = f"{self._home}/UsagePoint/{self._id(point)}"
        time = f"{self._export.links}/LocalTimeParameters/{self._id('time')}"
        related = [f"{href}/MeterReading", time]
        summary = self._export.summary if point == self._export.meters[0].point else None
        if summary:
            related.append(f"{href}/UsageSummary")
        content = self._entry(point, point, href, f"{self._home}/UsagePoint", related)
        usage_point = etree.SubElement(content, _espi("UsagePoint"))
        category = etree.SubElement(usage_point, _espi("ServiceCategory"))
        _text(category, _espi("kind"), ELECTRIC_SERVICE)
        _text(usage_point, _espi("status"), 1)
        for meter in meters:
            self._meter(href, meter)
        if summary:
            self._summary(href, summary, meters)

    def _meter(self, point_href: str, meter: Meter) -> None:
        name = f"{meter.point}/{meter.flow.value}"
        href = f"{point_href}/MeterReading/{self._id(name)}"
        reading_type = f"{self._export.links}/ReadingType/{self._id(f'type/{name}')}"
        blocks = f"{href}/IntervalBlock"
        content = self._entry(name, meter.title, href, f"{point_href}/MeterReading", [blocks, reading_type])
        etree.SubElement(content, _espi("MeterReading"))
        self._reading_type(self._entry(f"type/{name}", meter.title, reading_type), meter)
        at = 0
        for on in days_between(self._export.start, self._export.end):
            begin, end = day_bounds(self._export.zone, on)
            count = (end - begin) // QUARTER_SECONDS
            self._block(blocks, name, on, begin, slice(at, at + count), meter)
            at += count
        if at != len(meter.wh) or at != len(meter.quality):
            raise ValueError(f"{meter.title}: {len(meter.wh)} quarter-hours in a period of {at}")

    def _reading_type(self, content: etree._Element, meter: Meter) -> None:
        reading_type = etree.SubElement(content, _espi("ReadingType"))
        for name, value in (
            ("accumulationBehaviour", DELTA),
            ("commodity", ELECTRICITY),
            ("currency", US_DOLLAR),
            ("defaultQuality", QUALITY_OUT[_DEFAULT]),
            ("flowDirection", meter.flow.value),
            ("intervalLength", QUARTER_SECONDS),
            ("kind", ENERGY),
            ("powerOfTenMultiplier", 0),
            ("uom", WATT_HOURS),
        ):
            _text(reading_type, _espi(name), value)

    def _block(self, up: str, meter_name: str, on: date, begin: int, some: slice, meter: Meter) -> None:
        letters = meter.quality[some].tobytes().decode("ascii")
        known = [i for i, letter in enumerate(letters) if Quality(letter) in KNOWN]
        if not known:
            return
        name = f"{meter_name}/{on}"
        content = self._entry(name, f"{meter.title}, {on}", f"{up}/{self._id(name)}", up)
        block = etree.SubElement(content, _espi("IntervalBlock"))
        self._interval(block, "interval", begin, len(letters) * QUARTER_SECONDS)
        wh, cost = meter.wh[some].tolist(), None if meter.cost is None else meter.cost[some].tolist()
        for i in known:
            reading = etree.SubElement(block, _espi("IntervalReading"))
            if cost is not None:
                _text(reading, _espi("cost"), cost[i])
            if Quality(letters[i]) is not _DEFAULT:
                quality = etree.SubElement(reading, _espi("ReadingQuality"))
                _text(quality, _espi("quality"), QUALITY_OUT[Quality(letters[i])])
            self._interval(reading, "timePeriod", begin + i * QUARTER_SECONDS, QUARTER_SECONDS)
            _text(reading, _espi("value"), wh[i])

    def _summary(self, point_href: str, summary: Summary, meters: Sequence[Meter]) -> None:
        begin, _ = day_bounds(self._export.zone, self._export.start)
        end, _ = day_bounds(self._export.zone, self._export.end)
        name = f"summary/{self._export.start}"
        href = f"{point_href}/UsageSummary"
        element = etree.SubElement(
            self._entry(name, "Statement", f"{href}/{self._id(name)}", href), _espi("UsageSummary")
        )
        self._interval(element, "billingPeriod", begin, end - begin)
        _text(element, _espi("billLastPeriod"), summary.bill)
        for line in summary.lines:
            detail = etree.SubElement(element, _espi("costAdditionalDetailLastPeriod"))
            _text(detail, _espi("amount"), line.amount)
            _text(detail, _espi("note"), line.note[:256])
            _text(detail, _espi("itemKind"), int(line.kind))
        _text(element, _espi("currency"), US_DOLLAR)
        delivered = [meter for meter in meters if meter.flow is Flow.DELIVERED]
        consumption = etree.SubElement(element, _espi("overallConsumptionLastPeriod"))
        _text(consumption, _espi("powerOfTenMultiplier"), 0)
        _text(consumption, _espi("uom"), WATT_HOURS)
        _text(consumption, _espi("value"), sum(_known_wh(meter) for meter in delivered))
        _text(element, _espi("statusTimeStamp"), int(self._export.made_at.timestamp()))
        _text(element, _espi("commodity"), ELECTRICITY)
        if summary.tariff:
            _text(element, _espi("tariffProfile"), summary.tariff[:256])

    def _interval(self, parent: etree._Element, name: str, start: int, duration: int) -> None:
        element = etree.SubElement(parent, _espi(name))
        _text(element, _espi("duration"), duration)
        _text(element, _espi("start"), start)

    def _entry(
        self, name: str, title: str, href: str, up: str | None = None, related: Sequence[str] = ()
    ) -> etree._Element:
        """An entry of the feed; returns its content."""
        entry = etree.SubElement(self._root, _atom("entry"))
        _text(entry, _atom("id"), f"urn:uuid:{self._id(name)}")
        self._link(entry, "self", href)
        if up:
            self._link(entry, "up", up)
        for other in related:
            self._link(entry, "related", other)
        _text(entry, _atom("title"), title)
        content = etree.SubElement(entry, _atom("content"))
        _text(entry, _atom("published"), self._stamp)
        _text(entry, _atom("updated"), self._stamp)
        return content

    def _link(self, parent: etree._Element, rel: str, href: str) -> None:
        etree.SubElement(parent, _atom("link"), rel=rel, href=href)


def _known_wh(meter: Meter) -> int:
    return int(meter.wh[np.isin(meter.quality, [ord(quality) for quality in KNOWN])].sum())


def _atom(name: str) -> str:
    return f"{{{ATOM}}}{name}"


def _espi(name: str) -> str:
    return f"{{{ESPI}}}{name}"


def _text(parent: etree._Element, name: str, value: object) -> None:
    etree.SubElement(parent, name).text = str(value)
