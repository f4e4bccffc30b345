"""Remote-write bodies made by the protobuf library, from descriptors that are built here."""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from telemetry.admission import Admitted, admit, admit_expected
from telemetry.batch import Batch
from telemetry.compression import Encoding
from telemetry.expected_bytes import Slate
from telemetry.gathering import gather
from telemetry.known_series import KnownSeries
from telemetry.remote_write import STALE_BITS, walk

_DOUBLE, _INT64, _UINT64, _STRING, _MESSAGE, _BYTES, _FIXED32 = 1, 3, 4, 9, 11, 12, 7
_FIELDS: Final[dict[str, list[tuple[str, int, int, str]]]] = {
    # name: (field, number, type, message type; a "*" behind it means repeated)
    "Label": [("name", 1, _STRING, ""), ("value", 2, _STRING, "")],
    "Sample": [("value", 1, _DOUBLE, ""), ("timestamp", 2, _INT64, "")],
    "Exemplar": [("labels", 1, _MESSAGE, "Label*"), ("value", 2, _DOUBLE, ""), ("timestamp", 3, _INT64, "")],
    "Histogram": [("count_int", 1, _UINT64, ""), ("sum", 3, _DOUBLE, ""), ("timestamp", 15, _INT64, "")],
    "TimeSeries": [
        ("labels", 1, _MESSAGE, "Label*"),
        ("samples", 2, _MESSAGE, "Sample*"),
        ("exemplars", 3, _MESSAGE, "Exemplar*"),
        ("histograms", 4, _MESSAGE, "Histogram*"),
    ],
    "MetricMetadata": [("metric_family_name", 2, _STRING, ""), ("help", 4, _STRING, "")],
    "WriteRequest": [("timeseries", 1, _MESSAGE, "TimeSeries*"), ("metadata", 3, _MESSAGE, "MetricMetadata*")],
    # What a later version of the protocol might add: every wire type that is still in use.
    "Unknown": [
        ("varint", 100, _UINT64, ""),
        ("fixed64", 101, _DOUBLE, ""),
        ("fixed32", 102, _FIXED32, ""),
        ("text", 103, _BYTES, ""),
    ],
}


def _build() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="tests_write.proto", package="tests_prometheus", syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of in fields:
            added = message.field.add(name=field, number=number, type=kind, label=3 if of.endswith("*") else 1)
            if of:
                added.type_name = f".tests_prometheus.{of.rstrip('*')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tests_prometheus.{name}"))
        for name in _FIELDS
    }


_classes = _build()
Label, Sample, Exemplar, Histogram, TimeSeries, MetricMetadata, WriteRequest, Unknown = _classes.values()

STALE: Final = struct.unpack("<d", struct.pack("<Q", STALE_BITS))[0]


def bits(value: float) -> bytes:
    """For comparing doubles: NaN equals itself, and -0.0 is not 0.0."""
    return struct.pack("<d", value)


def series(name: str, samples: Iterable[tuple[int, float]], **labels: str) -> Any:
    """`samples` are (milliseconds, value). Labels are sorted, as the protocol demands."""
    pairs = sorted({"__name__": name, **labels}.items())
    return TimeSeries(
        labels=[Label(name=key, value=value) for key, value in pairs],
        samples=[Sample(timestamp=at, value=value) for at, value in samples],
    )


def gpu(slot: int, metric: str, samples: Iterable[tuple[int, float]], owner: str = "n", **labels: str) -> Any:
    """A series as dcgm-exporter labels it."""
    return series(
        metric, samples, UUID=f"GPU-{owner}-{slot:02d}", gpu=str(slot), modelName="Test", Hostname="lies", **labels
    )


def message(*parts: Any) -> bytes:
    return bytes(WriteRequest(timeseries=parts).SerializeToString())


def pack(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data))


def body(*parts: Any) -> bytes:
    """What a sender posts."""
    return pack(message(*parts))


def admitted(node_id: int, parts: Sequence[Any], now: float | None = None, hours: int = 72) -> Admitted:
    """The same way in as through the door."""
    at = time.time() if now is None else now
    return admit(node_id, gather(walk(message(*parts))), KnownSeries(), at, int((at - hours * 3600) * 1000))


SLATE: Final = Slate()


def admit_message(node_id: int, data: bytes, known: KnownSeries, now: float, oldest_ms: int) -> Admitted:
    """A message as the door takes it, on a slate that has seen others."""
    assert SLATE.fill(Encoding.SNAPPY, pack(data))
    for message_bytes in (None, data):
        found = admit_expected(node_id, SLATE, message_bytes, known, now, oldest_ms)
        if found is not None:
            return found
    return admit(node_id, gather(walk(data)), known, now, oldest_ms)


def batch(node_id: int, *parts: Any, now: float | None = None) -> Batch:
    """A batch of which nothing was refused."""
    found = admitted(node_id, parts, now)
    assert not found.refused, found.complaint
    return found.batch


def same(one: float | None, other: float | None) -> bool:
    """Equal, absent counting as absent."""
    absent = [value is None or math.isnan(value) for value in (one, other)]
    return all(absent) if any(absent) else one == other
