"""Reading costs as much as the file is long: four times the file, about four times the work, whatever is in it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import pytest

from billing.greenbutton import csv_import, espi_import, packing, reading
from billing.greenbutton.filed import BadFile
from billing.intervals.filed import file_days
from billing.intervals.quality import Quality
from billing.tariffs import check, seed_document

ZONE: Final = "America/Los_Angeles"
STEEP: Final = 9.0
"""Four times the work would be 4, its square 16."""
TRIES: Final = 4


def csv_of(rows: str) -> Callable[[], Any]:
    return lambda: csv_import.read(rows.encode(), ZONE)


def entry(content: str, links: str = "") -> str:
    return f"<entry>{links}<content>{content}</content></entry>"


def espi_of(entries: str) -> Callable[[], Any]:
    body = f'<feed xmlns="http://www.w3.org/2005/Atom" xmlns:e="http://naesb.org/espi">{entries}</feed>'.encode()
    return lambda: espi_import.read(body)


KIND: Final = (
    "<e:ReadingType><e:commodity>1</e:commodity><e:flowDirection>1</e:flowDirection><e:uom>72</e:uom></e:ReadingType>"
)


def link(rel: str, href: str) -> str:
    return f'<link rel="{rel}" href="{href}"/>'


def interval(n: int) -> str:
    at = 1_700_000_000 - 1_700_000_000 % 900 + 900 * n
    period = f"<e:timePeriod><e:duration>900</e:duration><e:start>{at}</e:start></e:timePeriod>"
    return f"<e:IntervalReading>{period}<e:value>5</e:value></e:IntervalReading>"


def meters(n: int) -> str:
    """Meters with a type and a block each, as they are linked upward and downward."""
    made = [entry("<e:UsagePoint/>", link("self", "/U") + link("related", "/U/M"))]
    for i in range(n):
        made += [
            entry("<e:MeterReading/>", link("self", f"/U/M/{i}") + link("up", "/U/M") + link("related", f"/R/{i}")),
            entry(KIND, link("self", f"/R/{i}")),
            entry(f"<e:IntervalBlock>{interval(i)}</e:IntervalBlock>", link("up", f"/U/M/{i}/B")),
        ]
    return "".join(made)


def blocks(n: int) -> str:
    block = "".join(
        entry(f"<e:IntervalBlock>{interval(i)}</e:IntervalBlock>", link("up", "/U/M/1/B")) for i in range(n)
    )
    return entry("<e:MeterReading/>", link("self", "/U/M/1")) + entry(KIND) + block


def one_block(intervals: str) -> str:
    return entry("<e:MeterReading/>") + entry(KIND) + entry(f"<e:IntervalBlock>{intervals}</e:IntervalBlock>")


def many_links(n: int) -> str:
    return entry("<e:MeterReading/>", "".join(link("related", f"/x/{i}") for i in range(n)))


def quarters(n: int) -> str:
    rows = [f"2026-{i // 2688 % 12 + 1:02}-{i // 96 % 28 + 1:02},{i // 4 % 24:02}:{i % 4 * 15:02},1" for i in range(n)]
    return "Date,Start,kWh\n" + "\n".join(rows)


TIMES: Final = "2026-06-10 00:00,2026-06-10 00:15"


def each(head: str, row: str, n: int) -> Callable[[], Any]:
    """A CSV of n rows, each of which may name its number."""
    return csv_of(f"{head}\n" + "".join(row.format(i=i) + "\n" for i in range(n)))


def days(n: int, step: int = 900) -> Callable[[], Any]:
    rows = [(1_700_000_100 + step * i, step, Decimal(5), Quality.MEASURED) for i in range(n)]
    return lambda: file_days(ZONE, rows, 10_000, 2_000_000_000, lambda _: 1)


def document(**fields: Any) -> Callable[[], Any]:
    found = {**seed_document("srp-e-26-tou"), **fields}
    return lambda: check(found)


SHAPES: Final[list[tuple[str, int, Callable[[int], Callable[[], Any]]]]] = [
    ("brackets that stay open", 20_000, lambda n: csv_of("(" * n + ",kWh,Start\n")),
    ("brackets in a column's name", 10_000, lambda n: csv_of(f"Date,Usage {'(' * n},kWh\n2026-06-10 00:00,1,1\n")),
    ("lines without a header", 20_000, lambda n: csv_of("a,b\n" * n)),
    ("titles between sections", 2_000, lambda n: csv_of(quarters(8) + "\n" + "Title,,\n" * n)),
    ("quarter-hours", 650, lambda n: csv_of(quarters(n))),
    ("the same start again and again", 2_000, lambda n: each("Start,End,kWh", f"{TIMES},1", n)),
    ("a meter in each row", 1_000, lambda n: each("Meter,Start,End,kWh", f"m{{i}},{TIMES},1", n)),
    ("a revision in each row", 1_000, lambda n: each("Version,Start,End,kWh", f"{{i}},{TIMES},1", n)),
    ("the hour that comes twice", 1_000, lambda n: each("Meter,Start,End,kWh", "{i},2026-11-01 01:15,01:30,1", n)),
    ("quotes", 100_000, lambda n: csv_of('"' * n)),
    ("a number of digits", 100_000, lambda n: csv_of(f"Start,kWh\n2026-06-10 00:00,{'1' * n}\n")),
    ("a time of digits", 100_000, lambda n: csv_of(f"Start,kWh\n{'1' * n},1\n")),
    ("empty entries", 5_000, lambda n: espi_of("<entry/>" * n)),
    ("meters", 250, lambda n: espi_of(meters(n))),
    ("blocks", 1_000, lambda n: espi_of(blocks(n))),
    ("links", 5_000, lambda n: espi_of(many_links(n))),
    ("intervals", 2_000, lambda n: espi_of(one_block("".join(map(interval, range(n)))))),
    ("quarter-hours into days", 2_000, days),
    ("five minutes into days", 2_000, lambda n: days(n, 300)),
    ("hours into days", 1_000, lambda n: days(n, 3_600)),
    ("what is on no grid into days", 1_000, lambda n: days(n, 777)),
    ("fields of a tariff", 20_000, lambda n: document(**{f"x{i}": i for i in range(n)})),
    ("riders of a tariff", 20_000, lambda n: document(riders=[{"name": "r", "per_kwh": 0.1}] * n)),
    ("fields of a tier", 20_000, lambda n: document(energyratestructure=[[{f"x{i}": 1 for i in range(n)}]])),
]  # fmt: skip


def cost(work: Callable[[], Any]) -> float:
    """Seconds of this process, whoever else is busy."""
    began = time.process_time()
    with contextlib.suppress(BadFile):
        work()
    return time.process_time() - began


@pytest.mark.parametrize(("name", "size", "shape"), SHAPES, ids=[name for name, _, _ in SHAPES])
def test_four_times_the_file_is_about_four_times_the_work(
    name: str, size: int, shape: Callable[[int], Callable[[], Any]]
) -> None:
    """Of several tries the best: what is quadratic is steep in each."""
    small, large = shape(size), shape(4 * size)
    cost(small)  # what is worked out once and kept
    ratios = []
    for _ in range(TRIES):
        ratios.append((cost(large) + 0.001) / (cost(small) + 0.001))
        if ratios[-1] < STEEP:
            return
    pytest.fail(f"{name}: {ratios}")


def test_the_measure_tells_what_is_quadratic() -> None:
    def square(n: int) -> Callable[[], Any]:
        return lambda: [i for i in range(n) for _ in range(n) if False]

    assert min(cost(square(1_600)) / cost(square(400)) for _ in range(TRIES)) > STEEP


ATOM: Final = b'<feed xmlns="http://www.w3.org/2005/Atom">'
LIMITED: Final = [
    ("bytes", b"x" * (33 << 20), "MiB"),
    ("lines", b"Start,kWh\n" + b"2026-06-10 00:00,1\n" * 3_000, "more than 2000 lines"),
    ("columns", b"Start,kWh" + b",a" * 64 + b"\n", "more than 64 columns"),
    ("lines that are no data", b"Start,kWh\n" + b"a,b\n" * 20_001, "lines are no data"),
    ("entries", ATOM + b"<entry/>" * 100_001 + b"</feed>", "more than 100000 entries"),
    ("a ZIP's list", b"PK\x03\x04PK\x05\x06" + b"\0" * 8 + b"\xff\xff\x03\0" + b"\0" * 6, "too many files"),
]


@pytest.mark.parametrize(("name", "body", "said"), LIMITED, ids=[name for name, _, _ in LIMITED])
def test_what_is_more_than_a_file_may_have_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, body: bytes, said: str
) -> None:
    if name == "lines":
        monkeypatch.setattr(csv_import, "MAX_INTERVALS", 2_000)
    with pytest.raises(BadFile) as caught:
        reading.read(body, ZONE)
    assert said in str(caught.value) and caught.value.remedy


def test_what_is_large_or_packed_is_read_apart() -> None:
    assert reading.is_small(b"x" * reading.SMALL_BYTES)
    assert not reading.is_small(b"x" * (reading.SMALL_BYTES + 1))
    assert not reading.is_small(b"PK\x03\x04") and packing.is_zip(b"PK\x05\x06")
