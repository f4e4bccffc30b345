"""Green Button as utilities send it: of all that a feed may measure, the real electric energy of intervals is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import pytest

from billing import utility_files
from billing.greenbutton.filed import BadFile, FiledSeries
from billing.greenbutton.vocabulary import Flow
from tests.billing.utility_files import reading

AT: Final = 1_800_000_000
IN, OUT = Flow.DELIVERED, Flow.RECEIVED
ENERGY: Final = {
    "accumulationBehaviour": 4,
    "commodity": 1,
    "dataQualifier": 12,
    "flowDirection": 1,
    "intervalLength": 900,
    "kind": 12,
    "powerOfTenMultiplier": 0,
    "uom": 72,
}


@dataclass(frozen=True)
class Series:
    """One MeterReading: its type's fields (None: absent), its values, its usage point and what that serves."""

    fields: dict[str, int | None]
    values: Sequence[int] = (250, 260)
    point: str = "1"
    service: int | None = 0
    seconds: int = 900
    start: int = AT


def of(**fields: int | None) -> Series:
    return Series({**ENERGY, **fields})


def entry(content: str, *links: tuple[str, str], title: str = "") -> str:
    listed = "".join(f'<link rel="{rel}" href="{href}"/>' for rel, href in links)
    return f"<entry>{listed}<title>{title}</title><content>{content}</content></entry>"


def espi(name: str, content: str = "") -> str:
    return f'<{name} xmlns="http://naesb.org/espi">{content}</{name}>'


def feed(*series: Series) -> bytes:
    """Entries in the order of the standard's samples: points, meters, types, blocks."""
    points, rest = {}, []
    for n, one in enumerate(series):
        point, meter = f"/U/{one.point}", f"/U/{one.point}/M/{n}"
        service = "" if one.service is None else f"<ServiceCategory><kind>{one.service}</kind></ServiceCategory>"
        points[one.point] = entry(
            espi("UsagePoint", service), ("self", point), ("related", f"{point}/M"), title=f"Point {one.point}"
        )
        rest.append(
            entry(
                espi("MeterReading"),
                ("self", meter),
                ("up", f"{point}/M"),
                ("related", f"{meter}/B"),
                ("related", f"/R/{n}"),
            )
        )
        kind = "".join(f"<{name}>{value}</{name}>" for name, value in one.fields.items() if value is not None)
        rest.append(entry(espi("ReadingType", kind), ("self", f"/R/{n}")))
        values = "".join(
            reading(one.start + i * one.seconds, value, duration=one.seconds).replace("n:", "")
            for i, value in enumerate(one.values)
        )
        rest.append(entry(espi("IntervalBlock", values), ("self", f"{meter}/B/1"), ("up", f"{meter}/B")))
    return f'<feed xmlns="http://www.w3.org/2005/Atom">{"".join([*points.values(), *rest])}</feed>'.encode()


def read(body: bytes, point: str = "") -> tuple[dict[Flow, FiledSeries], tuple[str, ...]]:
    found, left_out = utility_files.read(body, "America/Phoenix", point)
    return dict(found), left_out


WRONG: Final = [
    ("gas", of(commodity=7), "commodity 7"),
    (
        "gas by its usage point",
        replace(of(), service=1, point="9"),
        "ServiceCategory/kind: it is not electricity (kind 1)",
    ),
    (
        "nothing says what it is",
        replace(of(commodity=None), service=None, point="9"),
        "nothing says that it is electricity",
    ),
    ("therms", of(uom=169), "it counts therms (uom 169)"),
    ("watts", of(uom=38), "watts, which are power"),
    ("volt-ampere hours", of(uom=71), "apparent energy"),
    ("var hours", of(uom=73), "reactive energy"),
    ("joules", of(uom=31), "uom"),
    ("no unit", of(uom=None), "uom: it is not told"),
    ("demand", of(kind=8), "kind: it is not energy"),
    ("power", of(kind=37), "kind: it is not energy"),
    *(
        (f"a register: {code}", of(accumulationBehaviour=code), "accumulationBehaviour: it is")
        for code in (1, 2, 3, 9, 14)
    ),
    *(
        (f"no amount: {code}", of(accumulationBehaviour=code), "accumulationBehaviour: it is")
        for code in (6, 10, 12, 13)
    ),
    *((f"a statistic: {code}", of(dataQualifier=code), "dataQualifier: it is") for code in (2, 8, 9, 11, 16, 26)),
    ("the net", of(flowDirection=4), "flowDirection 4 is not understood"),
    ("the sum", of(flowDirection=20), "flowDirection 20 is not understood"),
    ("no direction", of(flowDirection=None), "flowDirection is not told"),
    ("a power of ten without end", of(powerOfTenMultiplier=99), "powerOfTenMultiplier"),
]


@pytest.mark.parametrize(("name", "series", "said"), WRONG, ids=[name for name, _, _ in WRONG])
def test_what_is_not_the_energy_of_intervals_is_refused_alone_and_left_out_beside_it(
    name: str, series: Series, said: str
) -> None:
    with pytest.raises(BadFile) as caught:
        read(feed(series))
    assert said in str(caught.value) and caught.value.remedy
    found, left_out = read(feed(series, of()))
    assert [int(one.wh) for one in found[IN].intervals] == [250, 260]
    assert len(left_out) == 1 and caught.value.message in left_out[0]


def test_units_and_powers_of_ten_are_exact() -> None:
    for power, expected in ((-3, "0.250"), (0, "250"), (3, "250000")):
        found, _ = read(feed(of(powerOfTenMultiplier=power)))
        assert found[IN].intervals[0].wh == Decimal(expected)


def test_what_is_absent_and_means_nothing_else_is_taken() -> None:
    found, left_out = read(feed(of(kind=None, accumulationBehaviour=None, dataQualifier=None, commodity=None)))
    assert len(found[IN].intervals) == 2 and not left_out


def test_both_directions_of_a_point() -> None:
    found, _ = read(feed(of(), replace(of(flowDirection=19), values=(0, 70))))
    assert {flow: [int(one.wh) for one in series.intervals] for flow, series in found.items()} == {
        IN: [250, 260],
        OUT: [0, 70],
    }


def test_of_several_points_one_is_chosen_by_its_name() -> None:
    body = feed(of(), replace(of(), point="2", values=(7,)))
    with pytest.raises(BadFile, match="several meters; choose one of: Point 1, Point 2"):
        read(body)
    assert [int(one.wh) for one in read(body, "Point 2")[0][IN].intervals] == [7]


def test_gas_of_another_point_is_left_out() -> None:
    found, left_out = read(feed(replace(of(commodity=7, uom=169), point="2", service=1), of()))
    assert len(found[IN].intervals) == 2
    assert left_out == ("a series (ServiceCategory/kind: it is not electricity (kind 1))",)


def test_two_series_of_one_direction_may_follow_and_not_overlap() -> None:
    found, _ = read(feed(of(), replace(of(), start=AT + 1_800)))
    assert [one.start for one in found[IN].intervals] == [AT + n * 900 for n in range(4)]
    with pytest.raises(BadFile, match="two series of the same direction"):
        read(feed(of(), replace(of(), values=(1, 2))))


def test_days_are_one_refusal_and_left_out_beside_quarter_hours() -> None:
    days = replace(of(), seconds=86_400, values=[24_000] * 365)
    with pytest.raises(BadFile, match="its intervals are days; export hours or quarter-hours"):
        read(feed(days))
    found, left_out = read(feed(days, of()))
    assert len(found[IN].intervals) == 2 and left_out == ("a series of days",)


def test_a_reading_that_overlapping_blocks_tell_alike_is_one_and_said() -> None:
    one = reading(AT, 250).replace("n:", "").encode()
    found, left_out = read(feed(of()).replace(one, one + one))
    assert len(found[IN].intervals) == 2 and left_out == ("1 interval told twice, alike",)


def altered(old: bytes, new: bytes) -> bytes:
    body = feed(of(), of(flowDirection=19))
    assert old in body
    return body.replace(old, new)


HOSTILE: Final = [
    (
        "a block of no meter",
        altered(b'rel="up" href="/U/1/M/0/B"', b'rel="up" href="/x"'),
        "belongs to no MeterReading",
    ),
    ("a length without end", altered(b"<duration>900", b"<duration>999999999999999"), "an interval of"),
    ("no length", altered(b"<duration>900", b"<duration>0"), "an interval of 0 s"),
    ("a start after all time", altered(b"<start>1800000000", b"<start>999999999999999"), "an interval that starts at"),
    ("a link without end", altered(b'"/R/0"', b'"' + b"/R" * 40 + b'"'), "a link of 80 characters"),
    ("an entity", b'<!DOCTYPE f [<!ENTITY a "b">]>' + feed(of()), "document type"),
    ("UTF-7", b'<?xml version="1.0" encoding="UTF-7"?>+ADw-feed/+AD4-', "not well-formed"),
    ("depth", b"<a>" * 100_000, "not well-formed"),
    ("NUL", b"<feed>\x00</feed>", "it is no text"),
]


@pytest.mark.parametrize(("name", "body", "said"), HOSTILE, ids=[name for name, _, _ in HOSTILE])
def test_a_hostile_feed_is_refused(name: str, body: bytes, said: str) -> None:
    with pytest.raises(BadFile) as caught:
        read(body)
    assert said in str(caught.value) and caught.value.remedy


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_whatever_encoding_a_feed_is_in(encoding: str) -> None:
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    body = (head + feed(of()).decode().replace("Point 1", "Pe\xf1a 1")).encode(encoding)
    found, _ = read(body)
    assert found[IN].title == "Pe\xf1a 1"
