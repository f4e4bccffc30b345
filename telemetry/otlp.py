"""OTLP metrics as Prometheus series: an ExportMetricsServiceRequest in, RawSeries out.

Pure. Names and labels follow the OpenTelemetry specification "Prometheus and OpenMetrics Compatibility", as
Prometheus' own OTLP endpoint does: units and `_total` become suffixes, `service.name` is `job`,
`service.instance.id` is `instance`, other resource attributes are left out.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, DataPointFlags, Metric

from telemetry.remote_write import MAX_SAMPLES_PER_BODY, STALE, BadBody, RawSeries, TooLarge
from telemetry.remote_write_v2 import spell
from telemetry.units import SPELLED

_PER: Final = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
_NO_VALUE: Final = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK

Labels = dict[str, str]


@dataclass(slots=True)
class Translated:
    """Series of one request; what cannot be translated is counted in data points, by reason."""

    series: list[RawSeries] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)


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
        target = _target(_attributes(resource.resource.attributes))
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                _metric(metric, target, out)
                if len(out.series) > MAX_SAMPLES_PER_BODY:
                    raise TooLarge("too many samples in one body")
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
    name = _name(metric.name, metric.unit, is_total=is_total, is_gauge=kind == "gauge")
    for point in points:
        labels = {_label_name(key): value for key, value in _attributes(point.attributes).items()} | target
        at_ms = point.time_unix_nano // 1_000_000
        for suffix, extra, value in _values(kind, point):
            said = STALE if point.flags & _NO_VALUE else value
            out.series.append(RawSeries(_spelled({**labels, **extra, "__name__": name + suffix}), [(at_ms, said)]))


def _unfit(metric: Metric, kind: str) -> str:
    if kind == "exponential_histogram":
        return "exponential histograms are not kept"
    if kind in ("sum", "histogram"):
        temporality = getattr(metric, kind).aggregation_temporality
        if temporality != AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE:
            return "only cumulative temporality is kept"
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
            yield "_bucket", {"le": "+Inf" if bound == math.inf else f"{bound:g}"}, float(running)
    else:
        for quantile in point.quantile_values:
            yield "", {"quantile": f"{quantile.quantile:g}"}, quantile.value
    yield "_sum", {}, point.sum
    yield "_count", {}, float(point.count)


def _attributes(pairs: Iterable[Any]) -> Labels:
    return {pair.key: _text(pair.value) for pair in pairs if pair.key}


def _text(value: Any) -> str:
    kind = value.WhichOneof("value")
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    return "" if kind is None else str(getattr(value, kind))


def _target(resource: Labels) -> Labels:
    service, space = resource.get("service.name", ""), resource.get("service.namespace", "")
    found = {"job": f"{space}/{service}" if space and service else service}
    found["instance"] = resource.get("service.instance.id", "")
    return {name: value for name, value in found.items() if value}


def _name(name: str, unit: str, *, is_total: bool, is_gauge: bool) -> str:
    parts = [part for part in re.split(r"[^a-zA-Z0-9:]+", name) if part]
    main, _, per = re.sub(r"\{[^}]*\}", "", unit).strip().partition("/")
    suffixes = (["ratio"] if is_gauge else []) if main == "1" else [SPELLED.get(main, main)] if main else []
    if per:
        suffixes += ["per", _PER.get(per, per)]
    if all(re.fullmatch(r"[a-zA-Z0-9]+", suffix) for suffix in suffixes) and suffixes != parts[-len(suffixes) :]:
        parts += [suffix for suffix in suffixes if suffix not in parts]
    if is_total:
        parts = [*(part for part in parts if part != "total"), "total"]
    joined = "_".join(parts)
    return f"_{joined}" if joined[:1].isdigit() else joined


def _label_name(key: str) -> str:
    found = re.sub(r"[^a-zA-Z0-9_]", "_", key)
    return f"key_{found}" if found[:1].isdigit() else found


def _spelled(labels: Labels) -> bytes:
    """As a sender of remote-write 1.0 spells them, sorted."""
    out = []
    for name, value in sorted((n.encode(), v.encode()) for n, v in labels.items() if v):
        inner = b"\x0a" + spell(len(name)) + name + b"\x12" + spell(len(value)) + value
        out.append(b"\x0a" + spell(len(inner)) + inner)
    return b"".join(out)
