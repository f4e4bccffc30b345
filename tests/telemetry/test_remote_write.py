"""The wire: what the protobuf library writes, our walk reads; what nobody should write, it refuses cheaply."""

from __future__ import annotations

import random
import struct
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import cramjam
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from telemetry import remote_write as wire
from telemetry.remote_write import BadBody, BadSeries, RawSeries, TooLarge, decompress, parse_labels, walk
from tests.telemetry.messages import (
    STALE,
    Exemplar,
    Histogram,
    Label,
    MetricMetadata,
    Sample,
    TimeSeries,
    Unknown,
    WriteRequest,
    bits,
    body,
    message,
    pack,
    series,
)

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
TEXT = st.text(max_size=12) | st.sampled_from(["__name__", "job", "", "naïve", "温度"])
UNKNOWN = st.builds(
    Unknown,
    varint=st.integers(0, (1 << 64) - 1),
    fixed64=st.floats(),
    fixed32=st.integers(0, (1 << 32) - 1),
    text=st.binary(max_size=9),
)


def _serialised(part: Any) -> bytes:
    return bytes(part.SerializeToString())


LABELS = st.builds(Label, name=TEXT, value=TEXT)
SAMPLES = st.builds(Sample, timestamp=INT64 | st.just(0), value=st.floats() | st.just(0.0))
EXEMPLARS = st.builds(Exemplar, labels=st.lists(LABELS, max_size=2), value=st.floats(), timestamp=INT64)
HISTOGRAMS = st.builds(Histogram, count_int=st.integers(0, 99), sum=st.floats(), timestamp=INT64)
PIECES = st.one_of(
    st.builds(TimeSeries, labels=st.lists(LABELS, max_size=3)),
    st.builds(TimeSeries, samples=st.lists(SAMPLES, max_size=3)),
    st.builds(TimeSeries, exemplars=st.lists(EXEMPLARS, max_size=1)),
    st.builds(TimeSeries, histograms=st.lists(HISTOGRAMS, max_size=1)),
    UNKNOWN,
)
# Messages merge when they are written one behind the other, so pieces in any order interleave the fields.
SERIES = st.lists(PIECES, max_size=6).map(lambda pieces: b"".join(map(_serialised, pieces)))
METADATA = st.builds(MetricMetadata, metric_family_name=TEXT, help=TEXT)


@st.composite
def requests(draw: Callable[..., Any]) -> bytes:
    parts = []
    for found in draw(st.lists(SERIES | METADATA | UNKNOWN, max_size=5)):
        if isinstance(found, bytes):
            found = WriteRequest(timeseries=[TimeSeries.FromString(found)]) if draw(st.booleans()) else _nested(found)
        elif isinstance(found, MetricMetadata):
            found = WriteRequest(metadata=[found])
        parts.append(found if isinstance(found, bytes) else _serialised(found))
    return b"".join(parts)


def _nested(data: bytes) -> bytes:
    """The series as it is, fields interleaved and unknown ones among them."""
    return bytes([0x0A]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _labels(raw: RawSeries) -> dict[str, str] | str:
    try:
        return parse_labels(raw.label_bytes)
    except BadSeries as error:
        return str(error)


def _expected_labels(pairs: list[tuple[str, str]]) -> dict[str, str] | str:
    found: dict[str, str] = {}
    for name, value in pairs:
        if "\0" in name + value:
            return "label with a NUL character"
        if not name:
            return "label with an empty name"
        if name in found:
            return "duplicate label"
        if value:
            found[name] = value
    return found if "__name__" in found else "series without __name__"


def _assert_same(data: bytes) -> None:
    expected, found = WriteRequest.FromString(data).timeseries, list(walk(data))
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        assert [(at, bits(v)) for at, v in mine.samples] == [(s.timestamp, bits(s.value)) for s in theirs.samples]
        assert (mine.histograms, mine.exemplars) == (len(theirs.histograms), len(theirs.exemplars))
        assert _labels(mine) == _expected_labels([(label.name, label.value) for label in theirs.labels])


@given(requests())
def test_we_read_what_the_protobuf_library_wrote(data: bytes) -> None:
    _assert_same(decompress(pack(data)))


def test_omitted_zeros_negative_instants_and_empty_labels() -> None:
    data = message(TimeSeries(labels=[Label(name="__name__", value="x"), Label(name="empty")], samples=[Sample()]))
    (found,) = walk(data)
    assert found.samples == [(0, 0.0)]
    assert parse_labels(found.label_bytes) == {"__name__": "x"}
    (found,) = walk(message(series("x", [(-1, -0.0), (-(1 << 63), 5e-324)])))
    assert [(at, bits(v)) for at, v in found.samples] == [(-1, bits(-0.0)), (-(1 << 63), bits(5e-324))]


def test_a_stale_marker_keeps_its_bits() -> None:
    ((_, value),) = next(iter(walk(decompress(body(series("up", [(1, STALE)])))))).samples
    assert struct.unpack("<Q", bits(value))[0] == wire.STALE_BITS


def test_a_varint_beyond_64_bits_wraps_as_in_the_protobuf_library() -> None:
    sample = b"\x10" + b"\xff" * 9 + b"\x7f"
    data = _nested(b"\x12" + _varint(len(sample)) + sample)
    (found,) = walk(data)
    assert found.samples == [(WriteRequest.FromString(data).timeseries[0].samples[0].timestamp, 0.0)] == [(-1, 0.0)]


BAD_LABELS = [
    (b"", "series without __name__"),
    (message(series("", [(1, 1.0)], job="x")), "series without __name__"),
    (message(series("x", [(1, 1.0)], **{"": "v"})), "label with an empty name"),
    (message(TimeSeries(labels=[Label(name="__name__", value="x")] * 2)), "duplicate label"),
    (message(series("x", [], **{f"l{i}": "v" for i in range(64)})), "more than 64 labels"),
    (message(series("x", [], **{"n" * 257: "v"})), "label name or value is too long"),
    (message(series("x", [], job="v" * 4097)), "label name or value is too long"),
    (message(series("x", [], **{f"l{i}": "v" * 4096 for i in range(5)})), "labels of more than 16384 bytes"),
    (message(series("x", [], job="a\0b")), "label with a NUL character"),
    (message(series("x", [], job="abc")).replace(b"abc", b"a\xffc"), "label is not UTF-8"),
    (message(series("x", [], job="abc")).replace(b"\x12\x03abc", b"\x12\x04abc"), "label is malformed"),
]


@pytest.mark.parametrize(("data", "reason"), BAD_LABELS, ids=[reason for _, reason in BAD_LABELS])
def test_what_is_wrong_with_a_series(data: bytes, reason: str) -> None:
    raw = next(walk(data)) if data else RawSeries(b"", [(1, 1.0)])
    assert _labels(raw) == reason


def test_at_the_limits_labels_are_fine() -> None:
    (raw,) = walk(message(series("x", [], **{f"l{i}": "v" for i in range(62)}, **{"n" * 256: "v" * 4096})))
    assert len(parse_labels(raw.label_bytes)) == 64
    (raw,) = walk(message(series("mémoire libre", [], größe="温度 🌡")))
    assert parse_labels(raw.label_bytes) == {"__name__": "mémoire libre", "größe": "温度 🌡"}


WHOLE = _serialised(
    WriteRequest(
        timeseries=[
            series("a", [(1_700_000_000_000, 1.5), (-5, 0.0)], job="x"),
            TimeSeries(
                labels=[Label(name="__name__", value="b")], exemplars=[Exemplar(value=1)], histograms=[Histogram(sum=2)]
            ),
            series("c", [(0, float("nan"))], unit="°C"),
        ],
        metadata=[MetricMetadata(metric_family_name="a", help="what it is")],
    )
) + _serialised(Unknown(varint=1 << 63, fixed64=1.0, fixed32=7, text=b"later"))


def _read(data: bytes) -> list[tuple[Any, ...]]:
    return [(raw.samples, raw.histograms, raw.exemplars, _labels(raw)) for raw in walk(data)]


@pytest.mark.parametrize("cut", range(len(WHOLE)))
def test_a_message_cut_anywhere(cut: int) -> None:
    """Where the cut is between two fields it is a shorter message; anywhere else it is refused."""
    try:
        WriteRequest.FromString(WHOLE[:cut])
    except DecodeError:
        with pytest.raises(BadBody):
            _read(WHOLE[:cut])
    else:
        _assert_same(WHOLE[:cut])


def test_a_compressed_body_cut_anywhere() -> None:
    packed = pack(WHOLE * 3)
    for cut in range(len(packed)):
        with pytest.raises(BadBody):
            decompress(packed[:cut])
    assert decompress(packed) == WHOLE * 3


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else_happens(data: bytes) -> None:
    with suppress(BadBody, TooLarge):
        decompress(data)
    with suppress(BadBody, TooLarge):
        _read(data)


@given(st.lists(st.tuples(st.integers(0, 999), st.integers(0, 255)), min_size=1, max_size=4))
def test_flipped_bytes(changes: list[tuple[int, int]]) -> None:
    """Either refused, or read exactly as the protobuf library reads it, or the library refuses it for other reasons."""
    data = bytearray(WHOLE)
    for place, byte in changes:
        data[place % len(data)] = byte
    try:
        _read(bytes(data))
    except (BadBody, TooLarge):
        return
    try:
        WriteRequest.FromString(bytes(data))
    except DecodeError:
        return
    _assert_same(bytes(data))


LYING = {
    "a gibibyte of nothing": (_varint(1 << 30) + b"\0", TooLarge),
    "just over the limit": (_varint((64 << 20) + 1) + pack(WHOLE), TooLarge),
    "impossible for its length": (_varint(64 << 20) + b"\0" * 100, BadBody),
    "longer than it is": (_varint(len(WHOLE) + 1) + pack(WHOLE)[2:], BadBody),
    "shorter than it is": (_varint(len(WHOLE) - 1) + pack(WHOLE)[2:], BadBody),
    "endless varint": (b"\xff" * 20, BadBody),
    "no body": (b"", BadBody),
    "framed snappy": (bytes(cramjam.snappy.compress(WHOLE)), BadBody),
    "plain text": (b"up 1\n", BadBody),
}


@pytest.mark.parametrize(("data", "refusal"), LYING.values(), ids=LYING)
def test_a_lying_header_costs_nothing(data: bytes, refusal: type[Exception]) -> None:
    with _at_most(1 << 20), pytest.raises(refusal):
        decompress(data)


class _at_most:  # noqa: N801
    """Python may not allocate more than this within the block."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __enter__(self) -> None:
        tracemalloc.start()

    def __exit__(self, *args: object) -> None:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < self.size, f"{peak / (1 << 20):.1f} MiB"


def _exhaust(data: bytes) -> None:
    for raw in walk(data):
        with suppress(BadSeries):
            parse_labels(raw.label_bytes)


EMPTY_SAMPLE, EMPTY_LABEL, METADATA_FIELD, EMPTY_SERIES = b"\x12\x00", b"\x0a\x00", b"\x1a\x00", b"\x0a\x00"
BOMBS = {
    "samples of one series": lambda n: _nested(EMPTY_SAMPLE * n),
    "labels of one series": lambda n: _nested(EMPTY_LABEL * n),
    "fields of one sample": lambda n: _nested(b"\x12" + _varint(2 * n) + b"\x10\x00" * n),
    "unknown fields of one series": lambda n: _nested(b"\x28\x00" * n),
    "series": lambda n: EMPTY_SERIES * n,
    "metadata": lambda n: METADATA_FIELD * n,
    "samples of many series": lambda n: _nested(EMPTY_SAMPLE * 100) * (n // 100),
}


@pytest.mark.parametrize("make", BOMBS.values(), ids=BOMBS)
def test_an_element_bomb_stops_early(make: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A body within every size limit made of the smallest elements; limits are a hundredth of the real ones."""
    for name in ("MAX_SERIES_PER_BODY", "MAX_SAMPLES_PER_BODY", "MAX_ELEMENTS_PER_BODY"):
        monkeypatch.setattr(wire, name, getattr(wire, name) // 100)
    data = make(1_500_000)
    assert len(pack(data)) < wire.MAX_COMPRESSED_BYTES
    assert len(data) < wire.MAX_DECOMPRESSED_BYTES
    with _at_most(8 << 20), pytest.raises(TooLarge):
        _exhaust(data)


def test_a_body_of_an_ordinary_agent_is_far_below_the_limits() -> None:
    parts = [series("DCGM_FI_DEV_GPU_TEMP", [(i, 1.0)], gpu=str(i), **{f"l{j}": "v" for j in range(18)})
             for i in range(2000)]  # fmt: skip
    assert len(list(walk(message(*parts)))) == 2000


def test_random_noise_over_a_real_message_never_surprises() -> None:
    rng = random.Random(7)
    for _ in range(300):
        data = bytearray(WHOLE)
        start = rng.randrange(len(data))
        data[start : start + rng.randrange(1, 30)] = rng.randbytes(rng.randrange(30))
        with suppress(BadBody, TooLarge):
            _read(bytes(data))
