"""Bodies that are small to send and dear to read, of eight kinds: what a node gone bad could post to the doors."""

from __future__ import annotations

import gzip
import json
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import cramjam

from telemetry.remote_write_v2 import spell

WRITE: Final = "/api/v1/write"
OTLP: Final = "/v1/metrics"
_V2: Final = "application/x-protobuf;proto=io.prometheus.write.v2.Request"


@dataclass(frozen=True, slots=True)
class Bomb:
    """One request to a door."""

    path: str
    headers: dict[str, str]
    body: bytes


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field of protobuf."""
    return spell(number << 3 | 2) + spell(len(content)) + content


def _label(name: str, value: str) -> bytes:
    return _field(1, _field(1, name.encode()) + _field(2, value.encode()))


def _sample(value: float = 1.0) -> bytes:
    return _field(2, struct.pack("<Bd", 0x09, value) + b"\x10" + spell(int(time.time() * 1000)))


def _snappy(message: bytes, media: str = "application/x-protobuf") -> Bomb:
    body = bytes(cramjam.snappy.compress_raw(message))
    return Bomb(WRITE, {"content-type": media, "content-encoding": "snappy"}, body)


def _zstd(body: bytes) -> Bomb:
    return Bomb(WRITE, {"content-type": "application/x-protobuf", "content-encoding": "zstd"}, body)


def _otlp(message: bytes, media: str = "application/x-protobuf") -> Bomb:
    return Bomb(OTLP, {"content-type": media, "content-encoding": "gzip"}, gzip.compress(message))


def _json(message: Any) -> Bomb:
    return _otlp(message if isinstance(message, bytes) else json.dumps(message).encode(), "application/json")


def _metric(**fields: Any) -> dict[str, Any]:
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", **fields}]}]}]}


def empty_messages() -> Bomb:
    return _otlp(b"\x0a\x00" * 8_000_000)


def empty_messages_spelled_long() -> Bomb:
    return _otlp(b"\x8a\x80\x00\x00" * 4_000_000)


def tiny_objects() -> Bomb:
    return _json(b'{"resourceMetrics":[' + b"{}," * 3_000_000 + b"{}]}")


def deep_objects() -> Bomb:
    return _json(b"[" * 5_000_000)


def open_braces() -> Bomb:
    """A unit whose annotations never end."""
    return _json(_metric(unit="{" * 1_000_000, gauge={"dataPoints": [{"asDouble": 1}]}))


def buckets_with_many_labels() -> Bomb:
    labels = [{"key": f"k{n}", "value": {"stringValue": "v" * 200}} for n in range(60)]
    count = 200_000
    point = {"attributes": labels, "bucketCounts": ["1"] * count, "explicitBounds": list(range(count - 1))}
    return _json(_metric(histogram={"aggregationTemporality": 2, "dataPoints": [point]}))


def empty_samples() -> Bomb:
    return _snappy(_field(1, _label("__name__", "m") + b"\x12\x00" * 1_000_000))


def new_series() -> Bomb:
    """As many as may be, each with sixty labels, none of which came before."""
    stamp = f"{time.time():.6f}"
    rest = b"".join(_label(f"l{n}", "v") for n in range(60))
    series = (_label("__name__", f"m{n}") + _label("at", stamp) + rest + _sample() for n in range(14_000))
    return _snappy(b"".join(_field(1, one) for one in series))


def long_labels() -> Bomb:
    """As many series as a node may have, each with sixteen kilobytes of labels, whose values come and go."""
    value, at = struct.pack("<Bd", 0x09, time.time()), b"\x10" + spell(int(time.time() * 1000))
    series = []
    for n in range(3000):
        labels = _label("__name__", f"m{n}") + b"".join(_label(f"l{i}", "v" * 4000) for i in range(3))
        series.append(_field(1, labels + _field(2, value * (n % 2) + at)))
    return _snappy(b"".join(series))


def unknown_fields() -> Bomb:
    return _snappy(_field(1, b"\x28\x00" * 30_000_000))


def long_symbols() -> Bomb:
    """Of remote-write 2.0: one long string that a hundred thousand series mean."""
    symbols = b"".join(_field(4, text) for text in (b"", b"__name__", b"x" * 4_000_000))
    return _snappy(symbols + _field(5, _field(1, bytes([1, 2])) + _sample()) * 100_000, _V2)


def many_references() -> Bomb:
    symbols = b"".join(_field(4, text) for text in (b"", b"__name__", b"x"))
    return _snappy(symbols + _field(5, _field(1, b"\x01\x02" * 15_000_000) + _sample()), _V2)


def many_members() -> Bomb:
    return Bomb(
        OTLP, {"content-type": "application/x-protobuf", "content-encoding": "gzip"}, gzip.compress(b"") * 180_000
    )


def endless_zstd() -> Bomb:
    """A gigabyte whose frame does not say so."""
    compressor = cramjam.zstd.Compressor()
    for _ in range(64):
        compressor.compress(bytes(16 << 20))
    return _zstd(bytes(compressor.finish()))


def many_frames() -> Bomb:
    return _zstd(bytes(cramjam.zstd.compress(b"")) * 300_000)


KINDS: Final[dict[str, tuple[Callable[[], Bomb], ...]]] = {
    "OTLP of empty messages": (empty_messages, empty_messages_spelled_long),
    "OTLP of JSON, tiny or deep": (tiny_objects, deep_objects),
    "OTLP of text and labels": (open_braces, buckets_with_many_labels),
    "remote-write of empty samples": (empty_samples,),
    "remote-write of labels": (new_series, long_labels),
    "snappy of unknown fields": (unknown_fields,),
    "remote-write 2.0 of symbols and references": (long_symbols, many_references),
    "gzip and zstd of many parts, or without an end": (many_members, endless_zstd, many_frames),
}


@cache
def made(make: Callable[[], Bomb]) -> Bomb:
    """Each is made once."""
    return make()
