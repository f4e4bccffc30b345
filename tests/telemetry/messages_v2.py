"""Remote-write 2.0 requests made by the protobuf library, from descriptors that are built here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_DOUBLE, _INT64, _UINT64, _STRING, _MESSAGE, _UINT32, _ENUM = 1, 3, 4, 9, 11, 13, 5
_FIELDS: Final[dict[str, list[tuple[str, int, int, str]]]] = {
    # name: (field, number, type, message type; a "*" behind it means repeated)
    "Sample": [("value", 1, _DOUBLE, ""), ("timestamp", 2, _INT64, ""), ("start_timestamp", 3, _INT64, "")],
    "Exemplar": [("labels_refs", 1, _UINT32, "*"), ("value", 2, _DOUBLE, ""), ("timestamp", 3, _INT64, "")],
    "Histogram": [("count_int", 1, _UINT64, ""), ("sum", 3, _DOUBLE, ""), ("timestamp", 15, _INT64, "")],
    "Metadata": [("type", 1, _ENUM, ""), ("help_ref", 3, _UINT32, ""), ("unit_ref", 4, _UINT32, "")],
    "TimeSeries": [
        ("labels_refs", 1, _UINT32, "*"),
        ("samples", 2, _MESSAGE, "Sample*"),
        ("histograms", 3, _MESSAGE, "Histogram*"),
        ("exemplars", 4, _MESSAGE, "Exemplar*"),
        ("metadata", 5, _MESSAGE, "Metadata"),
        ("created_timestamp", 6, _INT64, ""),
    ],
    "Request": [("symbols", 4, _STRING, "*"), ("timeseries", 5, _MESSAGE, "TimeSeries*")],
}


def _build() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="tests_write_v2.proto", package="tests_v2", syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of in fields:
            added = message.field.add(name=field, number=number, type=kind, label=3 if of.endswith("*") else 1)
            if of.rstrip("*"):
                added.type_name = f".tests_v2.{of.rstrip('*')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tests_v2.{name}")) for name in _FIELDS}


_classes = _build()
Sample, Exemplar, Histogram, Metadata, TimeSeries, Request = _classes.values()


class Book:
    """A request under construction: symbols are noted as they are used."""

    def __init__(self) -> None:
        self.symbols = [""]
        self.series: list[Any] = []

    def ref(self, text: str) -> int:
        if text not in self.symbols:
            self.symbols.append(text)
        return self.symbols.index(text)

    def add(self, labels: Iterable[tuple[str, str]], samples: Sequence[tuple[int, float]] = (), **rest: Any) -> None:
        refs = [self.ref(part) for pair in labels for part in pair]
        found = [Sample(timestamp=at, value=value) for at, value in samples]
        self.series.append(TimeSeries(labels_refs=refs, samples=found, **rest))

    def message(self) -> bytes:
        return bytes(Request(symbols=self.symbols, timeseries=self.series).SerializeToString())
