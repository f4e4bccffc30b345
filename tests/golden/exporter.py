"""An exporter of what the fleet simulator has not: a native histogram, and a counter with an exemplar.

Prometheus takes native histograms from the protobuf exposition only (io.prometheus.client.MetricFamily, each with
its length before it) and exemplars from OpenMetrics text or protobuf; both are served here as protobuf.
"""

from __future__ import annotations

import io
import itertools
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.proto import serialize_length_prefixed

_DOUBLE, _UINT64, _INT32, _STRING, _MESSAGE, _UINT32, _SINT32, _SINT64, _ENUM_AS_INT = 1, 4, 5, 9, 11, 13, 17, 18, 5
_FIELDS: Final[dict[str, list[tuple[str, int, int, str]]]] = {
    # name: (field, number, type, message type; a "*" behind it means repeated)
    "LabelPair": [("name", 1, _STRING, ""), ("value", 2, _STRING, "")],
    "Exemplar": [("label", 1, _MESSAGE, "LabelPair*"), ("value", 2, _DOUBLE, "")],
    "Counter": [("value", 1, _DOUBLE, ""), ("exemplar", 2, _MESSAGE, "Exemplar")],
    "BucketSpan": [("offset", 1, _SINT32, ""), ("length", 2, _UINT32, "")],
    "Histogram": [
        ("sample_count", 1, _UINT64, ""),
        ("sample_sum", 2, _DOUBLE, ""),
        ("schema", 5, _SINT32, ""),
        ("zero_threshold", 6, _DOUBLE, ""),
        ("zero_count", 7, _UINT64, ""),
        ("positive_span", 12, _MESSAGE, "BucketSpan*"),
        ("positive_delta", 13, _SINT64, "*"),
    ],
    "Metric": [
        ("label", 1, _MESSAGE, "LabelPair*"),
        ("counter", 3, _MESSAGE, "Counter"),
        ("histogram", 7, _MESSAGE, "Histogram"),
    ],
    "MetricFamily": [
        ("name", 1, _STRING, ""),
        ("help", 2, _STRING, ""),
        ("type", 3, _ENUM_AS_INT, ""),
        ("metric", 4, _MESSAGE, "Metric*"),
    ],
}
_COUNTER, _HISTOGRAM = 0, 4
_CONTENT_TYPE: Final = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"


def _build() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="tests_families.proto", package="tests_families", syntax="proto2")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of in fields:
            added = message.field.add(name=field, number=number, type=kind, label=3 if of.endswith("*") else 1)
            if of.rstrip("*"):
                added.type_name = f".tests_families.{of.rstrip('*')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tests_families.{name}")) for name in _FIELDS
    }


_classes = _build()
LabelPair, Exemplar, Counter, BucketSpan, Histogram, Metric, MetricFamily = _classes.values()


def page(number: int) -> bytes:
    """The `number`-th scrape, from 1."""
    exemplar = Exemplar(label=[LabelPair(name="trace_id", value=f"{number:032x}")], value=1.0)
    jobs = MetricFamily(name="jobs_done_total", help="Jobs done.", type=_COUNTER)
    jobs.metric.add(counter=Counter(value=3.0 * number, exemplar=exemplar))
    seconds = MetricFamily(name="job_seconds", help="How long jobs took.", type=_HISTOGRAM)
    buckets = Histogram(sample_count=3 * number, sample_sum=1.5 * number, schema=3, zero_threshold=2.0**-128)
    buckets.positive_span.add(offset=-8, length=2)
    buckets.positive_delta.extend([number, number])  # `number` in the first bucket, twice as many in the second
    seconds.metric.add(histogram=buckets)
    found = io.BytesIO()
    for family in (jobs, seconds):
        serialize_length_prefixed(family, found)
    return found.getvalue()


class Exporter(ThreadingHTTPServer):
    """Serves one page after another on loopback."""

    daemon_threads = True

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, name="exporter", daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: Exporter
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = page(next(self.server.numbers))
        self.send_response(200)
        self.send_header("Content-Type", _CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class names it so
        """A scrape a second is not news."""
