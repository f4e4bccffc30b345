"""What every kind of request is answered and what of it is stored: remote-write 1.0 and 2.0 (rc.4), as a table.

Written from the two specifications. 2.0, "Response": no 2xx where anything that is known was not written; 400 then,
the valid rest is kept and counted in the answer; 415 where content type or encoding is not spoken. 1.0: 400 where a
sample is invalid, the rest is kept, and no counts are told.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from tests.telemetry import stored
from tests.telemetry.agents import answer, store
from tests.telemetry.messages import Exemplar as OldExemplar
from tests.telemetry.messages import Histogram as OldHistogram
from tests.telemetry.messages import Label, MetricMetadata, TimeSeries, WriteRequest, pack, series
from tests.telemetry.messages_v2 import Book, Exemplar, Histogram, Metadata, Request

pytestmark = pytest.mark.usefixtures("ingest_redis", "system")

NOW: Final = int(time.time() * 1000)
HOUR: Final = 3_600_000
V1, V1_NAMED, V2 = (
    "application/x-protobuf",
    "application/x-protobuf;proto=prometheus.WriteRequest",
    "application/x-protobuf;proto=io.prometheus.write.v2.Request",
)
Stored = dict[tuple[str, int], float]
Pairs = list[tuple[str, str]]


def nan(bits: int) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", bits))[0])


STALE, QUIET, PAYLOAD, NEGATIVE = (
    nan(bits) for bits in (0x7FF0000000000002, 0x7FF8000000000001, 0x7FF8000000000002, 0xFFF8000000000000)
)


@dataclass(frozen=True)
class Case:
    """A request, its answer, and what it leaves behind."""

    name: str
    body: bytes
    status: int
    kept: Stored = field(default_factory=dict)
    told: tuple[int, int, int] | None = None
    """Samples, histograms and exemplars written; None where the answer says nothing of them."""
    says: str = ""
    """Part of the body of the answer, which is empty where all is well."""
    headers: dict[str, str] = field(default_factory=dict)


def new(
    name: str,
    fill: Callable[[Book], None],
    kept: Stored | None = None,
    says: str = "",
    samples: int | None = None,
    **headers: str,
) -> Case:
    """A 2.0 request. What is complained of is 400; all samples that are kept are told, and so may be those that end."""
    book = Book()
    fill(book)
    kept = kept or {}
    told = (len(kept) if samples is None else samples, 0, 0)
    sent = {"content-type": V2, "x-prometheus-remote-write-version": "2.0.0"}
    sent |= {key.replace("_", "-"): value for key, value in headers.items()}
    return Case(f"2.0 {name}", pack(book.message()), 400 if says else 204, kept, told, says, sent)


def old(name: str, parts: Sequence[Any], kept: Stored | None = None, says: str = "", **headers: str) -> Case:
    """A 1.0 request."""
    body = pack(WriteRequest(timeseries=parts).SerializeToString())
    return Case(f"1.0 {name}", body, 400 if says else 204, kept or {}, None, says, headers)


def labels(metric: str = "up", **rest: str) -> Pairs:
    return sorted({"__name__": metric, **rest}.items())


def add(*pairs: Pairs, value: float = 1.0, at: int = NOW, **more: Any) -> Callable[[Book], None]:
    """A series with one sample for each of these labels."""

    def fill(book: Book) -> None:
        for one in pairs:
            book.add(one, [(at, value)], **more)

    return fill


def both(*parts: Callable[[Book], None]) -> Callable[[Book], None]:
    def fill(book: Book) -> None:
        for part in parts:
            part(book)

    return fill


def bare(pairs: Pairs, **more: Any) -> Callable[[Book], None]:
    """A series without samples."""
    return lambda book: book.add(pairs, **more)


ONE: Final[Stored] = {("up", NOW): 1.0}
JOB = labels(job="testjob", instance="localhost:9090")
HISTOGRAM = Histogram(count_int=3, sum=1.5, timestamp=NOW)
EXEMPLAR = Exemplar(value=1.0, timestamp=NOW)

VALUES: Final = {"1": 1.0, "0": 0.0, "inf": math.inf, "-inf": -math.inf, "tiny": 5e-324, "-0": -0.0}
NANS: Final = {"quiet": QUIET, "with a payload like that of the end": PAYLOAD, "negative": NEGATIVE}

VALID_2: Final = [
    *(new(f"a sample of {name}", add(JOB, value=value), {("up", NOW): value}) for name, value in VALUES.items()),
    *(new(f"NaN, {name}, is a value", add(JOB, value=value), {("up", NOW): value}) for name, value in NANS.items()),
    new("the end of a series is taken and stores no value", add(JOB, value=STALE), samples=1),
    new("a name alone", add(labels()), ONE),
    new("newlines in a value", add(labels(job="test\njob\n")), ONE),
    new("names with dots", add(labels("resource.cpu", **{"job.name": "x"})), {("resource.cpu", NOW): 1.0}),
    new("names with spaces", add(labels("resource cpu", **{"job name": "x"})), {("resource cpu", NOW): 1.0}),
    new("names beyond ASCII", add(labels("mémoire", größe="🌍")), {("mémoire", NOW): 1.0}),
    new("four series of one name", add(*(labels(instance=str(n)) for n in range(4))), ONE, samples=4),
    new("labels in another order mean the same", add(JOB[::-1]), ONE),
    new("the same series in two messages", both(add(JOB), add(JOB, at=NOW - 1)), {**ONE, ("up", NOW - 1): 1.0}),
    new("an hour ago", add(JOB, at=NOW - HOUR), {("up", NOW - HOUR): 1.0}),
    new("younger before older", both(add(JOB), add(JOB, at=NOW - HOUR)), {**ONE, ("up", NOW - HOUR): 1.0}),
    new("a created timestamp on the series", add(JOB, created_timestamp=NOW - HOUR), ONE),
    *(
        new(f"metadata of type {kind}", add(JOB, metadata=Metadata(type=kind, help_ref=0, unit_ref=0)), ONE)
        for kind in range(8)
    ),
    new("metadata with help and unit", add(JOB, metadata=Metadata(type=1, help_ref=2, unit_ref=4)), ONE),
    new("nothing at all", lambda book: None),
    *(
        new(f"content type {kind}", add(JOB), ONE, content_type=kind)
        for kind in (
            V2.lower(),
            V2.replace(";", "; "),
            V2.replace("proto=", 'proto="') + '"',
            V2.replace("application/x-protobuf", "Application/X-Protobuf"),
            V2.replace(";proto", ";Proto"),
            f"{V2};charset=utf-8",
            V2.replace(";", ";charset=utf-8;"),
        )
    ),
    new("another encoding's spelling", add(JOB), ONE, content_encoding="Snappy"),
    new("no version", add(JOB), ONE, x_prometheus_remote_write_version=""),
    new("the version of 1.0: the content type decides", add(JOB), ONE, x_prometheus_remote_write_version="0.1.0"),
]

NO_HISTOGRAMS, NO_EXEMPLARS = "native histograms, which are not kept", "exemplars, which are not kept"
NOT_WRITTEN_2: Final = [
    new("a histogram", bare(JOB, histograms=[HISTOGRAM]), says=f"1 of 1 refused: 1 {NO_HISTOGRAMS}"),
    new("an empty histogram", bare(JOB, histograms=[Histogram()]), says=NO_HISTOGRAMS),
    new(
        "fifty histograms",
        both(*(bare(labels(n=str(n)), histograms=[HISTOGRAM]) for n in range(50))),
        says=f"50 of 50 refused: 50 {NO_HISTOGRAMS}",
    ),
    new("a histogram with metadata", bare(JOB, histograms=[HISTOGRAM], metadata=Metadata(type=3)), says=NO_HISTOGRAMS),
    new(
        "a histogram with an exemplar",
        bare(JOB, histograms=[HISTOGRAM], exemplars=[EXEMPLAR]),
        says=f"2 of 2 refused: 1 {NO_EXEMPLARS}, 1 {NO_HISTOGRAMS}",
    ),
    new(
        "a histogram beside a sample of another series",
        both(bare(labels("h"), histograms=[HISTOGRAM]), add(JOB)),
        ONE,
        f"1 of 2 refused: 1 {NO_HISTOGRAMS}",
    ),
    new("samples and histograms in one series", add(JOB, histograms=[HISTOGRAM]), ONE, NO_HISTOGRAMS),
    new("a sample with an exemplar", add(JOB, exemplars=[EXEMPLAR]), ONE, f"1 of 2 refused: 1 {NO_EXEMPLARS}"),
    new("a sample with an exemplar without labels", add(JOB, exemplars=[Exemplar(value=2.0)]), ONE, NO_EXEMPLARS),
    new("a sample with two exemplars", add(JOB, exemplars=[EXEMPLAR] * 2), ONE, f"2 of 3 refused: 2 {NO_EXEMPLARS}"),
    new("an exemplar alone", bare(JOB, exemplars=[EXEMPLAR]), says=f"1 of 1 refused: 1 {NO_EXEMPLARS}"),
    new(
        "an exemplar with labels that are none", add(JOB, exemplars=[Exemplar(labels_refs=[7, 99])]), ONE, NO_EXEMPLARS
    ),
    new("metadata alone", bare(JOB, metadata=Metadata(type=1)), says="series with nothing in it"),
    new("a series with nothing in it", bare(JOB), says="series with nothing in it"),
]


def raw(symbols: list[str], refs: list[int], **more: Any) -> bytes:
    book = Book()
    book.add([], [(NOW, 1.0)], **more)
    book.series[0].labels_refs.extend(refs)
    return pack(Request(symbols=symbols, timeseries=book.series).SerializeToString())


def bad(name: str, body: bytes, says: str) -> Case:
    return Case(f"2.0 {name}", body, 400, {}, (0, 0, 0), says, {"content-type": V2})


NAMED = ["", "__name__", "up"]
INVALID_2: Final = [
    new("no name", add([("job", "x")]), says="series without __name__"),
    new("no labels", add([]), says="series without __name__"),
    new("an empty name", add([("__name__", ""), ("job", "x")]), says="label with an empty value"),
    new("an empty label name", add([("", "x"), ("__name__", "up")]), says="label with an empty name"),
    new("an empty label value", add(labels(job="")), says="label with an empty value"),
    new("a label twice", add([("__name__", "up"), ("a", "x"), ("a", "y")]), says="duplicate label"),
    new("the same label twice", add([("__name__", "up"), ("a", "x"), ("a", "x")]), says="duplicate label"),
    new(
        "one of four without a name",
        add([("job", "x")], *(labels(n=str(n)) for n in range(3))),
        ONE,
        "1 of 4 refused: 1 series without __name__",
        3,
    ),
    new("a day ahead", both(add(JOB), add(JOB, at=NOW + 24 * HOUR)), ONE, "1 more than 10 minutes in the future"),
    new("before 1970", both(add(JOB), add(JOB, at=-1)), ONE, "1 older than raw samples are kept"),
    new(
        "the metadata of a series without a name",
        add([("job", "x")], metadata=Metadata(type=1)),
        says="series without __name__",
    ),
    bad("an odd number of references", raw(NAMED, [1, 2, 1]), "odd number of label references"),
    bad("a reference beyond the symbols", raw(NAMED, [1, 3]), "label reference beyond the symbols"),
    bad("a reference far beyond", raw(NAMED, [1, (1 << 32) - 1]), "label reference beyond the symbols"),
    bad("a unit beyond the symbols", raw(NAMED, [1, 2], metadata=Metadata(unit_ref=3)), "metadata reference beyond"),
    bad("a help beyond the symbols", raw(NAMED, [1, 2], metadata=Metadata(help_ref=3)), "metadata reference beyond"),
    bad("a first symbol that is not empty", raw(NAMED[1:], [0, 1]), "the first symbol must be empty"),
    bad("no symbols", raw([], []), "series without symbols"),
    bad("no snappy", b"0" + pack(Book().message()), "body"),
    bad("snappy of frames", b"\xff\x06\x00\x00sNaPpY" + pack(Book().message()), "body"),
    bad("no protobuf", pack(b"\xff" * 8), "truncated"),
    bad(
        "a 1.0 message",
        pack(WriteRequest(timeseries=[series("up", [(NOW, 1.0)])]).SerializeToString()),
        "a 1.0 message",
    ),
]

UP = series("up", [(NOW, 1.0)], job="x")
VALID_1: Final = [
    *(old(f"a sample of {name}", [series("up", [(NOW, v)])], {("up", NOW): v}) for name, v in VALUES.items()),
    *(old(f"NaN, {name}, is a value", [series("up", [(NOW, v)])], {("up", NOW): v}) for name, v in NANS.items()),
    old("the end of a series stores no value", [series("up", [(NOW, STALE)])]),
    old("its message named", [UP], ONE, content_type=V1_NAMED),
    old("its message named and quoted", [UP], ONE, content_type=V1_NAMED.replace("=", '="') + '"'),
    old("an empty label value is no label", [series("up", [(NOW, 1.0)], job="")], ONE),
    old("a histogram is left out in silence", [TimeSeries(labels=UP.labels, histograms=[OldHistogram(sum=1)])]),
    old(
        "an exemplar is left out in silence",
        [TimeSeries(labels=UP.labels, samples=UP.samples, exemplars=[OldExemplar(value=1)])],
        ONE,
    ),
    Case(
        "1.0 metadata", pack(WriteRequest(metadata=[MetricMetadata(metric_family_name="up")]).SerializeToString()), 204
    ),
]
INVALID_1: Final = [
    old("no name", [series("", [(NOW, 1.0)], job="x"), UP], ONE, "1 of 2 refused: 1 series without __name__"),
    old(
        "a label twice",
        [TimeSeries(labels=[*UP.labels, Label(name="job", value="y")], samples=UP.samples)],
        says="duplicate label",
    ),
    old("a day ahead", [series("up", [(NOW, 1.0), (NOW + 24 * HOUR, 1.0)])], ONE, "in the future"),
    Case("1.0 no snappy", b"\xff" + pack(b""), 400, says="body"),
    Case("1.0 a 2.0 message", raw(NAMED, [1, 2]), 400, says="a 2.0 message"),
]


def foreign(name: str, **headers: str) -> Case:
    """Content that is not spoken: whatever the body is, and no counts, for nothing was agreed on."""
    return Case(name, b"0", 415, {}, None, "send", {key.replace("_", "-"): value for key, value in headers.items()})


FOREIGN: Final = [
    *(
        foreign(f"content type {kind!r}", content_type=kind)
        for kind in (
            "",
            "application/json",
            "image/png",
            "text/plain",
            "application/x-protobuf-2",
            "application/protobuf",
            "application/x-protobuf;proto=",
            "application/x-protobuf;proto=io.prometheus.write.v3.Request",
            f"{V2};proto=prometheus.WriteRequest",
            "x/application/x-protobuf",
        )
    ),
    *(
        foreign(f"encoding {encoding} of {kind}", content_encoding=encoding, content_type=kind)
        for encoding in ("gzip", "deflate", "br", "identity", "snappy, gzip")
        for kind in (V1, V2)
    ),
]

TABLE: Final = [*VALID_2, *NOT_WRITTEN_2, *INVALID_2, *VALID_1, *INVALID_1, *FOREIGN]


def told(found: Any) -> tuple[int, int, int] | None:
    names = [f"x-prometheus-remote-write-{what}-written" for what in ("samples", "histograms", "exemplars")]
    there = [found.headers[name] for name in names if name in found.headers]
    assert len(there) in (0, 3), "all of them, or none"
    return (int(there[0]), int(there[1]), int(there[2])) if there else None


def by_bits(values: Stored) -> dict[tuple[str, int], int]:
    return {key: struct.unpack("<Q", struct.pack("<d", value))[0] for key, value in values.items()}


@pytest.mark.parametrize("case", TABLE, ids=[case.name for case in TABLE])
def test_a_request_is_answered_and_kept_as_the_specification_says(
    case: Case, known: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice, since a sender repeats what it was not sure of: the second time changes nothing."""
    for _ in range(2):
        found = answer(known[1], case.body, **case.headers)
        assert (found.status_code, told(found)) == (case.status, case.told), found.text
        assert case.says in found.text if case.says else not found.text
        store(known[0], monkeypatch)
        assert stored.other_bits(known[0]) == by_bits(case.kept)
