"""CSV as utilities write it: what is measured, which rows are which, and what the clock on the wall said."""

from __future__ import annotations

import codecs
import io
import itertools
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from billing import utility_files
from billing.greenbutton.filed import BadFile, FiledSeries
from billing.greenbutton.vocabulary import Flow
from billing.intervals.quality import Quality

PHOENIX, LOS_ANGELES, LORD_HOWE = "America/Phoenix", "America/Los_Angeles", "Australia/Lord_Howe"
IN, OUT = Flow.DELIVERED, Flow.RECEIVED


def read(text: str | bytes, zone: str = PHOENIX, point: str = "") -> tuple[dict[Flow, FiledSeries], tuple[str, ...]]:
    found, left_out = utility_files.read(text if isinstance(text, bytes) else text.encode(), zone, point)
    return dict(found), left_out


def lines(header: str, row: Callable[[int, str, str], str], steps: int = 24, minutes: int = 60) -> str:
    """A day's rows after a header; `row` gets the number, the start and the end as HH:MM."""

    def clock(step: int) -> str:
        return f"{step * minutes // 60:02}:{step * minutes % 60:02}"

    return header + "\n" + "\n".join(row(n, clock(n), clock(n + 1)) for n in range(steps)) + "\n"


def twelve(text: str) -> str:
    """13:00 as 1:00 PM."""
    hour, minute = (int(part) for part in text.split(":"))
    return f"{hour % 12 or 12}:{minute:02} {'AM' if hour % 24 < 12 else 'PM'}"


@dataclass(frozen=True)
class Taken:
    """A file of June 10, 2026, each hour of which has `wh` in each direction."""

    name: str
    text: str | bytes
    wh: dict[Flow, int] = field(default_factory=lambda: {IN: 1_000})
    count: int = 24
    seconds: int = 3_600
    left_out: tuple[str, ...] = ()
    point: str = ""


H: Final = "Date,Start,End,{}"
ON: Final = "2026-06-10"


def hourly(names: str, cells: str, preface: str = "") -> str:
    return preface + lines(H.format(names), lambda n, start, end: f"{ON},{start},{end},{cells}")


def doubled(extra: str, one: str, other: str) -> str:
    """Every hour twice, told apart by one more column."""
    return lines(H.format(f"kWh,{extra}"), lambda n, s, e: f"{ON},{s},{e},1.0,{one}\n{ON},{s},{e},0.5,{other}")


def period(kwh: str) -> Callable[[int, str, str], str]:
    return lambda n, start, end: f"{ON} {start}:00\xa0 to {ON} {end}:00,{kwh}"


def zipped(*members: tuple[str, bytes]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return body.getvalue()


PLAIN: Final = hourly("kWh", "1.0")
BOTH: Final = {IN: 1_000, OUT: 500}
TAKEN: Final = [
    # what is measured
    Taken("kWh by name", PLAIN),
    Taken("usage without a unit", hourly("Usage", "1.0")),
    Taken("watt-hours", hourly("Usage (Wh)", "1000")),
    Taken("megawatt-hours", hourly("Consumption MWh", "0.001")),
    Taken("kilowatt-hours in words", hourly("Delivered (real energy in kilowatt-hours)", "1")),
    Taken("a column of units", hourly("Value,UOM", "1000,Wh")),
    Taken("a unit above the header", hourly("Value", "1.0", "Name,A B\nUOM: kWh\n")),
    Taken("demand beside it", hourly("kWh,Peak Demand (kW)", "1.0,3.2"), left_out=("'Peak Demand (kW)': kw is power",)),
    Taken("apparent energy beside it", hourly("kWh,kVAh", "1.0,1.1"), left_out=("apparent",)),
    Taken("a register beside it", hourly("Meter reading (kWh),Usage (kWh)", "51234.5,1.0"), left_out=("the amount",)),
    Taken("the net beside both", hourly("Consumption,Generation,Net", "1.0,0.5,0.5"), BOTH, left_out=("the net",)),
    Taken(
        "parts beside the total",
        hourly("On-peak kWh,Off-peak kWh,Total kWh", "0.4,0.6,1.0"),
        left_out=("'On-peak kWh': it is a part", "'Off-peak"),
    ),
    Taken("weather and cost beside it", hourly("kWh,Cost,Avg Temperature,Notes", "1.0,$0.12,71,")),
    Taken(
        "gas in the same file",
        lines(
            "TYPE,DATE,START TIME,END TIME,USAGE,UNITS",
            lambda n, s, e: f"Electric usage,{ON},{s},{e},1.0,kWh\nNatural gas usage,{ON},{s},{e},0.1,therms",
        ),
        left_out=("24 lines of another commodity",),
    ),
    # which rows are which
    Taken("a column of directions", doubled("Direction", "Delivered", "Received"), BOTH),
    Taken("its codes", doubled("Flow Direction", "1", "19"), BOTH),
    Taken(
        "consumption and surplus", doubled("CONSUMPTION_SURPLUSGENERATION", "Consumption", "Surplus Generation"), BOTH
    ),
    Taken("directions in the columns", hourly("Import (kWh),Export (kWh)", "1.0,0.5"), BOTH),
    Taken("two meters, one of them chosen", doubled("Meter Number", "A1", "B2"), {IN: 500}, point="B2"),
    Taken(
        "a revision",
        doubled("Revision Date", "06/11/2026", "06/12/2026"),
        {IN: 500},
        left_out=("24 lines of an older",),
    ),
    Taken("a column that always says the same", hourly("kWh,Szzt", "1.0,x")),
    Taken("hour ending", lines("Date,Hour Ending,kWh", lambda n, s, e: f"{ON},{e},1.0")),
    Taken("hour ending by number", lines("Date,Hour Ending,kWh", lambda n, s, e: f"{ON},{n + 1},1.0")),
    Taken("hour ending as 0100", lines("Date,HE,kWh", lambda n, s, e: f"{ON},{n + 1:02}00,1.0")),
    Taken("hours from 0", lines("Date,Hour,kWh", lambda n, s, e: f"{ON},{n},1.0")),
    Taken("hours to 24", lines("Date,Hour,kWh", lambda n, s, e: f"{ON},{n + 1},1.0")),
    Taken(
        "the last hour ends at 00:00 of its date",
        lines("Date,Hour Ending,kWh", lambda n, s, e: f"{ON},{e[:2] if e != '24:00' else '00'}:00,1.0"),
    ),
    Taken("the newest first", PLAIN.split("\n")[0] + "\n" + "\n".join(reversed(PLAIN.strip().split("\n")[1:]))),
    Taken(
        "a section for each direction",
        lines("Energy Delivered time period,Usage Delivered (kWh)", period("1.0"))
        + "\nReceived:,\n"
        + lines("Energy Received time period,Usage Received (kWh)", period("0.5")),
        BOTH,
    ),
    Taken("a line of totals", PLAIN + "Total,,,24.0\n"),
    # how it is written
    Taken("twelve hours", lines("Usage date,Interval,Total kWh", lambda n, s, e: f"06/10/2026,{twelve(s)},1.0")),
    Taken(
        "a length in words",
        lines("Meter Number,Date,Start Time,Duration,Consumed", lambda n, s, e: f"7,{ON},{twelve(s)},Hour,1.0"),
    ),
    Taken("the last minute", lines(H.format("kWh"), lambda n, s, e: f"{ON},{s},{s[:2]}:59,1.0")),
    Taken("both with their dates", lines("Start,End,kWh", lambda n, s, e: f"{ON} {s},{ON} {e},1.0")),
    Taken(
        "dates and times apart",
        lines("Start Date,Start Time,End Date,End Time,kWh", lambda n, s, e: f"{ON},{s},{ON},{e},1.0"),
    ),
    Taken("with offsets", lines("start,kwh", lambda n, s, e: f"{ON}T{s}:00-07:00,1.0")),
    Taken("with the zone's letters", lines("start,kwh", lambda n, s, e: f"06/10/2026 {twelve(s)} MST,1.0")),
    Taken("the home's zone in a column", hourly("kWh,Time Zone", "1.0,America/Phoenix")),
    Taken("its letters in a column", hourly("kWh,TZ", "1.0,MST")),
    Taken("hours with its letters", lines("Date,HE,kWh,TZ", lambda n, s, e: f"{ON},{n + 1},1,MST")),
    Taken(
        "in UTC",
        lines(
            "Start (UTC),kWh",
            lambda n, s, e: f"{datetime(2026, 6, 10, 7, tzinfo=UTC) + timedelta(hours=n):%Y-%m-%d %H:%M},1.0",
        ),
    ),
    Taken("months by name", lines("Date,Start,kWh", lambda n, s, e: f'"Jun 10, 2026",{s},1.0')),
    Taken("semicolons and commas", PLAIN.replace(",", ";").replace("1.0", "1,0")),
    Taken("tabs in UTF-16", codecs.BOM_UTF16_LE + PLAIN.replace(",", "\t").encode("utf-16-le")),
    Taken("UTF-16 the other way", codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be")),
    Taken("UTF-16 that does not say so", PLAIN.encode("utf-16-le")),
    Taken("a mark of UTF-8", codecs.BOM_UTF8 + PLAIN.encode()),
    Taken("accents above the header", b"Name,Jos\xe9 N\xfa\xf1ez\n" + PLAIN.encode()),
    Taken("returns alone", PLAIN.replace("\n", "\r")),
    Taken("a quoted preface", '"Name : A B",,,\n"Service Type: Electric",,,\n' + PLAIN),
    Taken("in a ZIP", zipped(("usage.csv", PLAIN.encode()), ("readme.pdf", b"%PDF"), ("__MACOSX/._usage.csv", b"x"))),
]


@pytest.mark.parametrize("case", TAKEN, ids=lambda case: case.name)
def test_what_is_taken(case: Taken) -> None:
    found, left_out = read(case.text, point=case.point)
    begin = int(datetime(2026, 6, 10, tzinfo=ZoneInfo(PHOENIX)).timestamp())
    assert set(found) == set(case.wh)
    for flow, series in found.items():
        assert [int(one.wh) for one in series.intervals] == [case.wh[flow]] * case.count
        assert [one.start for one in series.intervals] == [begin + n * case.seconds for n in range(case.count)]
        assert {one.duration for one in series.intervals} == {case.seconds}
    assert len(left_out) == len(case.left_out)
    assert all(part in said for part, said in zip(case.left_out, left_out, strict=True)), left_out


OTHER_UNITS: Final = ("therms", "kW", "kVAh", "BTU", "ccf", "kVARh", "gallons", "MMBtu", "MW")
REFUSED: Final[list[tuple[str, str | bytes, str]]] = [
    # not the energy of intervals
    *((unit, hourly(f"Usage ({unit})", "1.0"), f"Usage ({unit})") for unit in OTHER_UNITS),
    *((f"{unit} in a column", hourly("Usage,Unit", f"1.0,{unit}"), "line 2, Unit") for unit in ("therms", "kW", "zz")),
    ("a unit above the header", hourly("Usage", "1.0", "UOM: therms\n"), "therms is gas or water"),
    ("gas above the header", hourly("Usage", "1.0", "Service Type: Natural Gas\n"), "no electricity"),
    ("gas alone", hourly("Usage,Type", "1.0,Gas usage"), "no electricity"),
    ("gas by name", hourly("Gas usage (kWh)", "1.0"), "not electricity"),
    ("a value without a unit", hourly("Value", "1.0"), "Value: its unit is not told"),
    ("a register", hourly("Meter reading (kWh)", "51234.5"), "not the amount of an interval"),
    ("a cumulative one", hourly("Cumulative kWh", "51234.5"), "not the amount of an interval"),
    ("a maximum", hourly("Max kWh", "1.0"), "not the amount of an interval"),
    ("the net alone", hourly("Net (kWh)", "1.0"), "the net of both directions"),
    ("parts alone", hourly("On-peak kWh,Off-peak kWh", "1.0,0"), "a part of the whole"),
    ("solar", hourly("Solar production (kWh)", "1.0"), "utility's meter"),
    ("days", "Date,kWh\n2026-06-10,24\n2026-06-11,25\n", "its intervals are days"),
    (
        "days with an end",
        "Start,End,kWh\n2026-06-10 00:00,2026-06-11 00:00,24\n2026-06-11 00:00,2026-06-12 00:00,2\n",
        "are days",
    ),
    ("one line without a length", "Start,kWh\n2026-06-10 00:00,24\n", "how long"),
    # rows that nothing tells apart
    (
        "the same start twice",
        hourly("kWh", "1.0") + f"{ON},05:00,06:00,1.0\n",
        "line 26, start: it begins when line 7 does",
    ),
    ("a column of no known meaning", doubled("Szzt", "x", "y"), "Szzt: it tells lines apart ('x' and 'y')"),
    ("a column without a name", doubled("", "x", "y"), "column 5: it tells lines apart"),
    ("kinds that nobody knows", doubled("Type", "x", "y"), "Type: it tells lines apart"),
    (
        "net and consumption in one column",
        doubled("Direction", "Net", "Consumption"),
        "line 2, Direction: 'Net' is no direction",
    ),
    ("the net by its type", hourly("kWh,Type", "1.0,Net"), "line 2, Type: 'Net' is not the energy"),
    ("a direction that is blank", doubled("Direction", "Received", ""), "line 3, Direction: '' is no direction"),
    ("two meters", doubled("Meter Number", "A1", "B2"), "several meters; choose one of: A1, B2"),
    ("two accounts", doubled("Account", "1", "2"), "several meters"),
    ("a revision of no known order", doubled("Version", "x", "y"), "nothing tells the two apart"),
    (
        "two columns of the date",
        "Bill date x,Read Date,Post Date,Start,kWh\nx,2026-06-10,2026-06-11,00:00,1\n",
        "two columns tell the date",
    ),
    ("hours that begin or end", "Date,Hour,kWh\n2026-06-10,1,1\n2026-06-10,2,1\n", "hour 1 begins or ends"),
    # written so that it cannot be read
    ("a quality of no known meaning", hourly("kWh,Quality", "1.0,zz"), "'zz' is no quality"),
    ("another zone", hourly("kWh", "1.0", "Time Zone: EST\n"), "'EST' is not the time of"),
    ("another zone in a column", hourly("kWh,Time Zone", "1.0,EST"), "'EST' is not the time of"),
    (
        "another zone's hours",
        lines("Date,HE,kWh,TZ", lambda n, s, e: f"{ON},{n + 1},1,EST"),
        "'EST' is not the time of",
    ),
    ("hours of UTC", lines("Date,HE,kWh,TZ", lambda n, s, e: f"{ON},{n + 1},1,UTC"), "'UTC' is not the time of"),
    ("a cut line", PLAIN + f"{ON}\n", "line 26"),
    ("a cell of 200,000 characters", PLAIN + "x" * 200_000 + ",1,2,3\n", "it is no CSV"),
    ("an open quote", PLAIN + '"' + "x,\n" * 100_000, "it is no CSV"),
    ("years that are none", "Start,End,kWh\n0001-01-01 00:00,0001-01-01 01:00,1\n", "not a time"),
    ("the last year", "Start,End,kWh\n9999-12-31 23:00,9999-12-31 24:00,1\n", "not a time"),
    ("a workbook", b"PK\x03\x04" + b"x" * 500, "unpack it"),
    ("two files in a ZIP", zipped(("a.csv", b"x"), ("b.csv", b"y")), "the ZIP holds 2 CSV or XML files (a.csv, b.csv)"),
    ("a ZIP without one", zipped(("a.pdf", b"x")), "the ZIP holds no CSV or XML files"),
    ("a ZIP in a ZIP", zipped(("a.zip", zipped(("a.csv", b"x")))), "no CSV or XML"),
    ("a ZIP that grows", zipped(("a.csv", b"0" * (33 << 20))), "MiB"),
]


@pytest.mark.parametrize(("name", "text", "said"), REFUSED, ids=[name for name, _, _ in REFUSED])
def test_what_is_refused_names_the_place_and_the_remedy(name: str, text: str | bytes, said: str) -> None:
    with pytest.raises(BadFile) as caught:
        read(text)
    assert said in str(caught.value) and caught.value.remedy


def test_a_year_of_days_is_one_refusal() -> None:
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    body = "Date,Start,End,kWh\n" + "".join(f"{on},00:00,24:00,20\n" for on in days)
    with pytest.raises(BadFile, match="its intervals are days; export hours or quarter-hours"):
        read(body)


def test_qualities_are_what_the_utility_calls_them() -> None:
    words = ["", "Actual", "A", "Estimated", "E", "est", "Questionable"]
    body = "Start,kWh,Reading quality\n" + "".join(f"{ON} 0{n}:00,1,{word}\n" for n, word in enumerate(words))
    found = "".join(one.quality for one in read(body)[0][IN].intervals)
    assert found == "mmm" + "eee" + "q"


def test_rows_in_any_order_keep_their_own_amounts() -> None:
    rows = [f"{ON} {n:02}:00,{n}" for n in range(24)]
    for order in (rows, rows[::-1], rows[::2] + rows[1::2], rows[12:] + rows[:12]):
        found = read("Start,kWh\n" + "\n".join(order))[0][IN].intervals
        assert [int(one.wh) for one in found] == [n * 1_000 for n in range(24)]


def test_a_time_at_which_each_row_was_revised_is_no_row_of_its_own() -> None:
    rows = "".join(f"2026-11-01 {n:02}:00,{n},11/02/2026 {n:02}:{n:02}:00\n" for n in range(2, 24))
    found, left_out = read("Start,kWh,Last Updated\n" + rows, LOS_ANGELES)
    assert [int(one.wh) for one in found[IN].intervals] == [n * 1_000 for n in range(2, 24)] and not left_out


def test_what_the_file_calls_unknown_is_not_zero() -> None:
    body = f"Start,kWh\n{ON} 00:00,1\n{ON} 01:00,\n{ON} 02:00,N/A\n{ON} 03:00,0\n"
    assert [int(one.wh) for one in read(body)[0][IN].intervals] == [1_000, 0]


# The clock on the wall


def walls(zone: str, on: date, minutes: int) -> list[tuple[datetime, datetime]]:
    """Start and end of each interval of a local day, as the clock showed them."""
    info = ZoneInfo(zone)
    begin, end = (datetime(d.year, d.month, d.day, tzinfo=info).astimezone(UTC) for d in (on, on + timedelta(days=1)))
    steps = int((end - begin).total_seconds()) // (minutes * 60)
    instants = [begin + timedelta(minutes=minutes * n) for n in range(steps + 1)]
    shown = [at.astimezone(info).replace(tzinfo=None) for at in instants]
    return list(itertools.pairwise(shown))


def by_start(rows: Iterable[tuple[datetime, datetime]]) -> str:
    return "Start,kWh\n" + "".join(f"{start:%Y-%m-%d %H:%M},1\n" for start, _ in rows)


def by_both(rows: Iterable[tuple[datetime, datetime]]) -> str:
    """The end has no date of its own."""
    return "Date,Start,End,kWh\n" + "".join(f"{start:%m/%d/%Y},{start:%H:%M},{end:%H:%M},1\n" for start, end in rows)


def by_last_minute(rows: Iterable[tuple[datetime, datetime]]) -> str:
    return "Date,Start,End,kWh\n" + "".join(
        f"{start:%Y-%m-%d},{start:%I:%M %p},{end - timedelta(minutes=1):%I:%M %p},1\n" for start, end in rows
    )


def by_end(rows: Iterable[tuple[datetime, datetime]]) -> str:
    return "Interval End,kWh\n" + "".join(f"{end:%Y-%m-%d %H:%M},1\n" for _, end in rows)


def by_hour_ending(rows: Iterable[tuple[datetime, datetime]]) -> str:
    """The hour that ends is that of the clock when the interval began, plus one: 01:00 to 24:00."""

    def ending(start: datetime) -> str:
        minutes = start.hour * 60 + start.minute + step
        return f"{minutes // 60:02}:{minutes % 60:02}"

    rows = list(rows)
    step = Counter(int((end - start).total_seconds()) // 60 for start, end in rows).most_common(1)[0][0]
    return "Date,Hour Ending,kWh\n" + "".join(f"{start:%m/%d/%Y},{ending(start)},1\n" for start, _ in rows)


def by_number(rows: Iterable[tuple[datetime, datetime]]) -> str:
    """All hours of the day counted: 1 to 23, 24 or 25."""
    return "Date,Hour Ending,kWh\n" + "".join(f"{start:%m/%d/%Y},{n},1\n" for n, (start, _) in enumerate(rows, 1))


SHAPES: Final = [by_start, by_both, by_last_minute, by_end, by_hour_ending]
DAYS: Final = [
    (LOS_ANGELES, date(2026, 3, 8)),
    (LOS_ANGELES, date(2026, 11, 1)),
    (LOS_ANGELES, date(2026, 6, 10)),
    ("America/New_York", date(2027, 3, 14)),
    ("America/New_York", date(2027, 11, 7)),
    (LORD_HOWE, date(2026, 4, 5)),
    (LORD_HOWE, date(2026, 10, 4)),
]
CHANGES: Final = [
    (zone, on, minutes, shape)
    for (zone, on), minutes, shape in itertools.product(DAYS, (15, 30, 60), SHAPES)
    if zone != LORD_HOWE or (minutes < 60 and shape is not by_hour_ending)
]
"""Hours of a clock that changes by half an hour are no hours."""


@pytest.mark.parametrize(
    ("zone", "on", "minutes", "shape"), CHANGES, ids=lambda one: getattr(one, "__name__", str(one))
)
def test_every_interval_of_a_day_is_at_its_instant(
    zone: str, on: date, minutes: int, shape: Callable[[Iterable[tuple[datetime, datetime]]], str]
) -> None:
    """Of days of 23, 23.5, 24, 24.5 and 25 hours, as they come and the newest first."""
    text = shape(walls(zone, on, minutes)).replace(f"{on:%m/%d/%Y}", f"{on:%Y-%m-%d}")
    header, *body = (line.removesuffix(",1") for line in text.strip().split("\n"))
    body = [f"{line},{n}" for n, line in enumerate(body)]
    begin = int(datetime(on.year, on.month, on.day, tzinfo=ZoneInfo(zone)).timestamp())
    expected = [(begin + n * minutes * 60, minutes * 60, n * 1_000, Quality.MEASURED) for n in range(len(body))]
    for order in (body, body[::-1]):
        (series,) = read("\n".join([header, *order]), zone)[0].values()
        found = [(one.start, one.duration, int(one.wh), one.quality) for one in series.intervals]
        assert found == expected


@pytest.mark.parametrize("on", [date(2026, 3, 8), date(2026, 11, 1), date(2026, 6, 10)], ids=str)
def test_hours_that_are_counted_through_a_change_of_the_clock(on: date) -> None:
    rows = walls(LOS_ANGELES, on, 60)
    (series,) = read(by_number(rows), LOS_ANGELES)[0].values()
    begin = int(datetime(on.year, on.month, on.day, tzinfo=ZoneInfo(LOS_ANGELES)).timestamp())
    assert [one.start for one in series.intervals] == [begin + n * 3_600 for n in range(len(rows))]


ALL_HOURS: Final = [f"{hour:02}:00" for hour in range(24)]
SPRING: Final = [
    ("by its start", "Date,Start,kWh", ALL_HOURS, "02:00"),
    ("by its end", "Date,Hour Ending,kWh", [f"{hour:02}:00" for hour in range(1, 25)], "03:00"),
    ("by its number", "Date,Hour Ending,kWh", [str(hour) for hour in range(1, 25)], "3"),
    ("by its number from 0", "Date,Hour,kWh", [str(hour) for hour in range(24)], "2"),
]


@pytest.mark.parametrize(("name", "header", "hours", "skipped"), SPRING, ids=[one[0] for one in SPRING])
def test_a_row_of_zero_in_the_hour_that_spring_skips_is_skipped(
    name: str, header: str, hours: list[str], skipped: str
) -> None:
    def text(wh_there: str) -> str:
        rows = (f"2026-03-08,{hour},{wh_there if hour == skipped else '1.0'}" for hour in hours)
        return "\n".join([header, *rows])

    found, left_out = read(text("0.00"), LOS_ANGELES)
    begin = int(datetime(2026, 3, 8, tzinfo=ZoneInfo(LOS_ANGELES)).timestamp())
    assert [one.start for one in found[IN].intervals] == [begin + n * 3_600 for n in range(23)]
    assert left_out == ("1 line of 0 in the hour that the clock skipped",)
    with pytest.raises(BadFile):
        read(text("0.7"), LOS_ANGELES)


def test_the_hour_that_comes_twice_and_is_told_once_is_a_question() -> None:
    rows = "".join(f"2026-11-01,{hour},1.0\n" for hour in ALL_HOURS)
    found = read("Date,Start,kWh\n" + rows, LOS_ANGELES)[0][IN].intervals
    assert [one.quality for one in found] == [Quality.MEASURED, Quality.QUARANTINED, *[Quality.MEASURED] * 22]


def test_a_file_that_ends_or_begins_within_that_night_is_certain() -> None:
    first = read("Start,kWh\n2026-11-01 00:00,1\n2026-11-01 01:00,1\n", LOS_ANGELES)[0][IN].intervals
    second = read("Start,kWh\n2026-11-01 01:00,1\n2026-11-01 02:00,1\n", LOS_ANGELES)[0][IN].intervals
    assert [one.start for one in second] == [one.start + 7_200 for one in first]
    assert {one.quality for one in (*first, *second)} == {Quality.MEASURED}
