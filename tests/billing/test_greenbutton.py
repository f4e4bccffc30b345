"""Green Button out: valid, readable by others, to the watt-hour. And in: our own, and what utilities send."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from greenbutton_objects import parse
from lxml import etree

from billing.greenbutton import csv_import, espi_import
from billing.greenbutton.export import Export, Line, Meter, Summary, render
from billing.greenbutton.filed import BadFile, one_of_each_flow
from billing.greenbutton.vocabulary import ESPI, Flow, ItemKind
from billing.greenbutton.zones import NO_RULE, TimeRules, time_rules
from billing.intervals.days import day_bounds, days_between, quarter_count
from billing.intervals.quality import Quality
from tests.billing.espi_schema import needs_schema, schema
from tests.billing.utility_files import feed, reading

LOS_ANGELES = "America/Los_Angeles"
MADE = datetime(2026, 12, 2, 8, tzinfo=UTC)


def letters(text: str) -> Any:
    return np.frombuffer(text.encode(), np.uint8)


def export_of(start: date, end: date, zone: str = LOS_ANGELES) -> Export:
    """Three meters over a period: some of it estimated, some of it not known."""
    count = sum(quarter_count(zone, on) for on in days_between(start, end))
    numbers = np.random.default_rng(7).integers(0, 3_000, (3, count))
    quality = "m" * (count - 20) + "e" * 8 + "r" * 4 + "a" * 4 + "-" * 2 + "q" * 2
    meters = [
        Meter("Service", "From the grid", Flow.DELIVERED, numbers[0], letters(quality), numbers[0] * 30),
        Meter("Service", "To the grid", Flow.RECEIVED, numbers[1], letters(quality)),
        Meter("Node", "Node", Flow.DELIVERED, numbers[2], letters("m" * count)),
    ]
    lines = [
        Line(16_800_000, "Electricity of the node, which the operator pays", ItemKind.ADMINISTRATIVE_CREDIT),
        Line(-3_900_000, "Your own electricity", ItemKind.USAGE_FEE),
    ]
    said = Summary(20_700_000, lines, "TOU-D-PRIME")
    return Export("home-1", "Electricity of a home", zone, start, end, MADE, meters, said)


PERIODS = [
    (date(2026, 3, 1), date(2026, 4, 1), LOS_ANGELES),
    (date(2026, 11, 1), date(2026, 12, 1), LOS_ANGELES),
    (date(2028, 2, 1), date(2028, 3, 1), "America/Phoenix"),
]


@needs_schema
@pytest.mark.parametrize(("start", "end", "zone"), PERIODS)
def test_an_export_is_valid(start: date, end: date, zone: str) -> None:
    document = etree.fromstring(render(export_of(start, end, zone)))
    rules = schema()
    assert rules.validate(document), rules.error_log
    next(document.iter(f"{{{ESPI}}}value")).tag = f"{{{ESPI}}}amount"
    assert not rules.validate(document), "the schema looks inside of Atom's content"


@pytest.mark.parametrize(("start", "end", "zone"), PERIODS)
def test_others_read_it_and_the_totals_are_the_readings(start: date, end: date, zone: str) -> None:
    export = export_of(start, end, zone)
    points = {point.title: point for point in parse.parse_feed(io.BytesIO(render(export)))}
    assert set(points) == {"Service", "Node"}
    for meter in export.meters:
        found = next(one for one in points[meter.point].meterReadings if one.title == meter.title)
        assert (found.readingType.uom.value, found.readingType.flowDirection.value) == (72, meter.flow.value)
        known = np.isin(meter.quality, letters("mera"))
        readings = list(found.intervalReadings)
        assert [reading.value for reading in readings] == meter.wh[known].tolist()
        starts = day_bounds(zone, start)[0] + np.flatnonzero(known) * 900
        assert [int(reading.timePeriod.start.timestamp()) for reading in readings] == starts.tolist()
        if meter.cost is not None:
            assert readings[0].cost == pytest.approx(meter.cost[known][0] / 100_000)


@pytest.mark.parametrize(("start", "end", "zone"), PERIODS)
def test_we_read_back_what_we_wrote(start: date, end: date, zone: str) -> None:
    export = export_of(start, end, zone)
    filed = espi_import.read(render(export))
    with pytest.raises(BadFile, match=r"several meters; choose one of: Node, Service"):
        one_of_each_flow(filed)
    found = one_of_each_flow(filed, "Service")
    for meter in export.meters[:2]:
        known = np.isin(meter.quality, letters("mera"))
        intervals = found[meter.flow].intervals
        assert [int(one.wh) for one in intervals] == meter.wh[known].tolist()
        said = meter.quality[known].tobytes().decode().replace("r", "m").replace("a", "m")
        assert "".join(one.quality.value for one in intervals) == said


def test_the_same_export_is_the_same_bytes() -> None:
    assert render(export_of(*PERIODS[0])) == render(export_of(*PERIODS[0]))


def test_the_subsidy_is_a_line_of_the_summary() -> None:
    root = etree.fromstring(render(export_of(*PERIODS[1])))
    (summary,) = root.iter(f"{{{ESPI}}}UsageSummary")
    lines = [
        (line.findtext(f"{{{ESPI}}}amount"), line.findtext(f"{{{ESPI}}}itemKind"))
        for line in summary.iter(f"{{{ESPI}}}costAdditionalDetailLastPeriod")
    ]
    assert lines == [("16800000", "8"), ("-3900000", "3")]
    assert summary.findtext(f"{{{ESPI}}}billLastPeriod") == "20700000"


@pytest.mark.parametrize(
    ("zone", "rules"),
    [
        (LOS_ANGELES, TimeRules(-28_800, 3_600, 0x360E2000, 0xB40E2000)),
        ("America/New_York", TimeRules(-18_000, 3_600, 0x360E2000, 0xB40E2000)),
        ("America/Phoenix", TimeRules(-25_200, 0, NO_RULE, NO_RULE)),
        ("Europe/Berlin", TimeRules(3_600, 3_600, 0x3E0E2000, 0xAE0E3000)),
    ],
)
def test_summer_time_as_rules(zone: str, rules: TimeRules) -> None:
    assert time_rules(zone, 2026) == rules


# What utilities send


def test_a_utilitys_file_with_several_blocks_and_a_power_of_ten() -> None:
    doubted = "<n:ReadingQuality><n:quality>8</n:quality></n:ReadingQuality>"
    second = f"<n:IntervalBlock>{reading(1_800_000_900, 2_345_678, doubted)}</n:IntervalBlock>"
    (series,) = espi_import.read(feed(reading(1_800_000_000, 1_250_000), blocks=second)).series
    assert (series.flow, series.title) == (Flow.DELIVERED, "1 MAIN ST")
    assert [(one.start, one.wh, one.quality) for one in series.intervals] == [
        (1_800_000_000, Decimal("1250.000"), Quality.MEASURED),
        (1_800_000_900, Decimal("2345.678"), Quality.ESTIMATED),
    ]


NET = "<n:flowDirection>4</n:flowDirection><n:uom>72</n:uom>"
GAS = "<n:uom>169</n:uom>"
FEED_OF_NOTHING = b'<feed xmlns="http://www.w3.org/2005/Atom"><entry/></feed>'
LAUGHS = b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>' + FEED_OF_NOTHING
OUTSIDE = b'<!DOCTYPE l SYSTEM "http://127.0.0.1:9/x.dtd">' + FEED_OF_NOTHING
BAD_XML: list[tuple[str, bytes, str]] = [
    ("nothing", b"  ", "it is empty"),
    ("too much", b"<" + b"x" * (33 << 20), "it has 33 MiB"),
    ("cut off", feed(reading(1_800_000_000, 5))[:-20], "line 13: it is not well-formed"),
    ("a laugh that grows", LAUGHS, "declares a document type"),
    ("a document type elsewhere", OUTSIDE, "declares a document type"),
    ("something else", b"<html><body/></html>", "not a Green Button file"),
    ("gas", feed(reading(1_800_000_000, 5), GAS), "it counts therms (uom 169)"),
    ("the net of both", feed(reading(1_800_000_000, 5), NET), "flowDirection 4 is not understood"),
    ("no whole number", feed(reading(1_800_000_000, "1.5")), "line 12, value: '1.5' is not a whole number"),
    ("no start", feed(reading("", 5)), "line 12, timePeriod/start: '' is not a whole number"),
    (
        "an unknown quality",
        feed(reading(1_800_000_000, 5, "<n:ReadingQuality><n:quality>99</n:quality></n:ReadingQuality>")),
        "line 12, quality: quality 99",
    ),
]


@pytest.mark.parametrize(("name", "body", "said"), BAD_XML, ids=[name for name, _, _ in BAD_XML])
def test_a_file_that_cannot_be_taken_says_where_and_what_to_do(name: str, body: bytes, said: str) -> None:
    with pytest.raises(BadFile) as caught:
        espi_import.read(body)
    assert said in str(caught.value) and caught.value.remedy


PREFACE = "Name,SOMEBODY\nAddress,1 MAIN ST\nService,Service 1\n\n"
CSV: list[tuple[str, str, list[tuple[Flow, str, int, str]]]] = [
    (
        "one utility's, with a preface and a last minute",
        PREFACE
        + "TYPE,DATE,START TIME,END TIME,USAGE (kWh),COST,NOTES\n"
        + "Electric usage,2026-03-08,01:45,01:59,0.53,$0.10,\n"
        + "Electric usage,2026-03-08,03:00,03:14,0.41,$0.10,\n",
        [(Flow.DELIVERED, "2026-03-08T09:45", 900, "530.00"), (Flow.DELIVERED, "2026-03-08T10:00", 900, "410.00")],
    ),
    (
        "another's, of both directions",
        "Meter Number,Date,Start Time,Duration,Consumption,Generation,Net\n"
        "1,6/10/2026,12:00 AM,15,0.10,0.00,0.10\n"
        "1,6/10/2026,12:15 AM,15,0.00,1.25,-1.25\n",
        [
            (Flow.DELIVERED, "2026-06-10T07:00", 900, "100.00"),
            (Flow.DELIVERED, "2026-06-10T07:15", 900, "0.00"),
            (Flow.RECEIVED, "2026-06-10T07:00", 900, "0.00"),
            (Flow.RECEIVED, "2026-06-10T07:15", 900, "1250.00"),
        ],
    ),
    (
        "instants with their offset, in watt-hours",
        "start,import_wh,export_wh\n2026-06-10T00:00:00-07:00,100,0\n2026-06-10T00:15:00-07:00,101,\n",
        [
            (Flow.DELIVERED, "2026-06-10T07:00", 900, "100"),
            (Flow.DELIVERED, "2026-06-10T07:15", 900, "101"),
            (Flow.RECEIVED, "2026-06-10T07:00", 900, "0"),
        ],
    ),
    (
        "the autumn night, by its order",
        "start,kWh\n2026-11-01 01:30,1\n2026-11-01 01:45,2\n2026-11-01 01:00,3\n2026-11-01 01:15,4\n",
        [
            (Flow.DELIVERED, "2026-11-01T08:30", 900, "1000"),
            (Flow.DELIVERED, "2026-11-01T08:45", 900, "2000"),
            (Flow.DELIVERED, "2026-11-01T09:00", 900, "3000"),
            (Flow.DELIVERED, "2026-11-01T09:15", 900, "4000"),
        ],
    ),
]


@pytest.mark.parametrize(("name", "text", "expected"), CSV, ids=[name for name, _, _ in CSV])
def test_csv_of_common_shapes(name: str, text: str, expected: list[tuple[Flow, str, int, str]]) -> None:
    found = [
        (series.flow, datetime.fromtimestamp(one.start, UTC).strftime("%Y-%m-%dT%H:%M"), one.duration, str(one.wh))
        for series in csv_import.read(text.encode(), LOS_ANGELES).series
        for one in series.intervals
    ]
    assert found == expected


BAD_CSV: list[tuple[str, bytes, str]] = [
    ("no header", b"1,2,3\n4,5,6\n", "no line names its columns"),
    ("no number", b"start,kwh\n2026-06-10 00:00,much\n", "line 2, kwh: 'much' is not a number"),
    ("not finite", b"start,kwh\n2026-06-10 00:00,Infinity\n", "line 2, kwh"),
    ("no time", b"start,kwh\nyesterday,1\n", "line 2, start: 'yesterday' is not a time"),
    ("skipped by the clock", b"start,kwh\n2026-03-08 01:45,1\n2026-03-08 02:00,1\n", "line 3, start"),
    ("short", b"start,end,kwh\n2026-03-08 01:15\n", "line 2, kwh: the line is too short"),
    ("header alone", b"start,kwh\n", "a header and no intervals"),
    ("not text", b"start,kwh\n\x00\x01,1\n", "it is no text"),
    ("two of a kind", b"start,usage,consumption\n2026-06-10 00:00,1,2\n", "two columns of the same direction"),
]


@pytest.mark.parametrize(("name", "body", "said"), BAD_CSV, ids=[name for name, _, _ in BAD_CSV])
def test_csv_that_cannot_be_taken_says_where(name: str, body: bytes, said: str) -> None:
    with pytest.raises(BadFile) as caught:
        csv_import.read(body, LOS_ANGELES)
    assert said in str(caught.value) and caught.value.remedy
