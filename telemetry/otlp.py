"""OTLP metrics as Prometheus series: an ExportMetricsServiceRequest in, RawSeries out.

Pure. Names and labels follow the OpenTelemetry specification "Prometheus and OpenMetrics Compatibility", as
Prometheus' own OTLP endpoint does: units and `_total` become suffixes, `service.name` is `job`,
`service.instance.id` is `instance`, other resource attributes are left out.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, DataPointFlags, Metric

from telemetry.remote_write import (
    MAX_DECOMPRESSED_BYTES,
    MAX_LABEL_NAME_BYTES,
    MAX_LABEL_VALUE_BYTES,
    MAX_LABELS,
    MAX_SAMPLES_PER_BODY,
    STALE,
    BadBody,
    BadSeries,
    RawSeries,
    TooLarge,
)
from telemetry.remote_write_v2 import spell
from telemetry.units import SPELLED

_PER: Final = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
_NO_VALUE: Final = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK

MAX_UNIT: Final = 63
"""Characters. Source: the OpenTelemetry metrics API, "Instrument unit"."""

Labels = dict[str, str]


@dataclass(slots=True)
class Translated:
    """Series of one request; what cannot be translated is counted in data points, by reason."""

    series: list[RawSeries] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    label_bytes: int = 0
    """Of all series: buckets of a histogram each have all labels of their data point."""

    def add(self, labels: bytes, at_ms: int, value: float, fault: str = "", exemplars: int = 0) -> None:
        """One sample, and how many exemplars came with it. Raises TooLarge."""
        self.label_bytes += len(labels)
        if len(self.series) >= MAX_SAMPLES_PER_BODY or self.label_bytes > MAX_DECOMPRESSED_BYTES:
            raise TooLarge("too many samples in one body, or with too many labels")
        self.series.append(RawSeries(labels, [(at_ms, value)], exemplars=exemplars, fault=fault))


def parse(body: bytes, is_json: bool) -> ExportMetricsServiceRequest:
    """Raises BadBody."""
    request = ExportMetricsServiceRequest()
    try:
        if is_json:
            Parse(body, request, ignore_unknown_fields=True)
        else:
            request.ParseFromString(body)
    except (DecodeError, ParseError, UnicodeDecodeError, RecursionError) as error:
        raise BadBody("body is not an ExportMetricsServiceRequest") from error
    return request


def translate(request: ExportMetricsServiceRequest) -> Translated:
    """Raises TooLarge for more samples than a body may have."""
    out = Translated()
    for resource in request.resource_metrics:
        target = _target(resource.resource.attributes)
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                _metric(metric, target, out)
    return out


def _metric(metric: Metric, target: Labels, out: Translated) -> None:
    kind = metric.WhichOneof("data")
    if kind is None:
        return
    points: Sequence[Any] = getattr(metric, kind).data_points
    reason = _unfit(metric, kind)
    if reason:
        out.rejected[reason] += len(points)
        return
    is_total = kind == "sum" and metric.sum.is_monotonic
    unit = metric.unit if len(metric.unit) <= MAX_UNIT else ""
    name = _name(metric.name, unit, is_total=is_total, is_gauge=kind == "gauge")
    for point in points:
        _point(kind, point, name, target, out)


def _point(kind: str, point: Any, name: str, target: Labels, out: Translated) -> None:
    at_ms, is_over = point.time_unix_nano // 1_000_000, point.flags & _NO_VALUE
    try:
        labels, fault = _Spelled({**_labels(point.attributes), **target}), ""
    except BadSeries as error:
        labels, fault = _Spelled({}), str(error)
    exemplars = 0 if kind == "summary" else len(point.exemplars)
    for suffix, extra, value in _values(kind, point):
        spelled = labels.with_more({**extra, "__name__": name + suffix})
        out.add(spelled, at_ms, STALE if is_over else value, fault, exemplars)
        exemplars = 0  # told once


def _unfit(metric: Metric, kind: str) -> str:
    if kind == "exponential_histogram":
        return "exponential histograms are not kept"
    if kind in ("sum", "histogram"):
        temporality = getattr(metric, kind).aggregation_temporality
        if temporality != AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE:
            return "only cumulative temporality is kept"
    if len(metric.name) > MAX_LABEL_VALUE_BYTES:
        return "metric with a name that is too long"
    return "" if metric.name else "metric without a name"


def _values(kind: str, point: Any) -> Iterator[tuple[str, Labels, float]]:
    """(suffix of the name, further labels, value) of each sample of a data point."""
    if kind in ("gauge", "sum"):
        yield "", {}, float(point.as_int if point.WhichOneof("value") == "as_int" else point.as_double)
        return
    if kind == "histogram":
        running = 0
        for bound, count in zip([*point.explicit_bounds, math.inf], point.bucket_counts, strict=False):
            running += count
            yield "_bucket", {"le": "+Inf" if bound == math.inf else _decimal(bound)}, float(running)
    else:
        for quantile in point.quantile_values:
            yield "", {"quantile": _decimal(quantile.quantile)}, quantile.value
    yield "_sum", {}, point.sum
    yield "_count", {}, float(point.count)


def _labels(attributes: Sequence[Any]) -> Labels:
    """Of a data point. Raises BadSeries for too many of them, or too long ones."""
    if len(attributes) > MAX_LABELS:
        raise BadSeries(f"more than {MAX_LABELS} labels")
    if any(len(pair.key) > MAX_LABEL_NAME_BYTES for pair in attributes):
        raise BadSeries("label name or value is too long")
    texts = {pair.key: _text(pair.value) for pair in attributes if pair.key}
    found: dict[str, list[str]] = defaultdict(list)
    for key in sorted(texts):  # of keys that are one name in Prometheus, the values stand side by side
        found[_label_name(key)].append(texts[key])
    return {name: ";".join(values) for name, values in found.items()}


def _text(value: Any) -> str:
    """Raises BadSeries for what is too long for a label, before it becomes text."""
    kind = value.WhichOneof("value")
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    if value.ByteSize() > MAX_LABEL_VALUE_BYTES + 8:
        raise BadSeries("label name or value is too long")
    return "" if kind is None else str(getattr(value, kind))


def _target(attributes: Iterable[Any]) -> Labels:
    """Of a resource; whatever else it says is not looked at."""
    resource = {pair.key: pair.value for pair in attributes if pair.key.startswith("service.")}
    space, service, instance = (
        _short(resource.get(f"service.{name}")) for name in ("namespace", "name", "instance.id")
    )
    found = {"job": f"{space}/{service}" if space and service else service, "instance": instance}
    return {name: value for name, value in found.items() if value}


def _short(value: Any) -> str:
    """Empty for what is too long for a label."""
    try:
        return "" if value is None else _text(value)
    except BadSeries:
        return ""


def _name(name: str, unit: str, *, is_total: bool, is_gauge: bool) -> str:
    parts = [part for part in re.split(r"[^a-zA-Z0-9:]+", name) if part]
    main, _, per = re.sub(r"\{[^{}]*\}", "", unit).strip().partition("/")
    suffixes = (["ratio"] if is_gauge else []) if main == "1" else [SPELLED.get(main, main)] if main else []
    if per:
        suffixes += ["per", _PER.get(per, per)]
    if all(re.fullmatch(r"[a-zA-Z0-9]+", suffix) for suffix in suffixes) and suffixes != parts[-len(suffixes) :]:
        parts += [suffix for suffix in suffixes if suffix not in parts]
    if is_total:
        parts = [*(part for part in parts if part != "total"), "total"]
    joined = "_".join(parts)
    return f"_{joined}" if joined[:1].isdigit() else joined


def _decimal(value: float) -> str:
    """All the digits that tell it from others, without an exponent: 10 and 0.00001."""
    if not math.isfinite(value):
        return str(value)
    digits = f"{Decimal(repr(value)):f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _label_name(key: str) -> str:
    found = re.sub(r"[^a-zA-Z0-9_]", "_", key)
    return f"key_{found}" if found[:1].isdigit() else found


class _Spelled:
    """Labels as a sender of remote-write 1.0 spells them, sorted; those of a data point are spelled once."""

    def __init__(self, labels: Labels) -> None:
        self._parts = {name: _spell(name, value) for name, value in labels.items()}

    def with_more(self, labels: Labels) -> bytes:
        """With these beside them, or instead."""
        parts = self._parts | {name: _spell(name, value) for name, value in labels.items()}
        return b"".join([parts[name] for name in sorted(parts)])


def _spell(name: str, value: str) -> bytes:
    if not value:
        return b""
    key, text = name.encode(), value.encode()
    inner = b"\x0a" + spell(len(key)) + key + b"\x12" + spell(len(text)) + text
    return b"\x0a" + spell(len(inner)) + inner
