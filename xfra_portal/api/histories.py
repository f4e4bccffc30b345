"""History out of telemetry, as JSON or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from homes.models import Node
from telemetry import reads
from telemetry.catalogue import Kind
from telemetry.payloads import iso
from telemetry.readings import History, Series
from xfra_portal.api import queries
from xfra_portal.api.renderers import JSONRenderer

FIELDS = ("minimum", "maximum", "average", "last", "increase")


def answer(request: Request, node: Node, timezone: str, kind: Kind, metrics: Sequence[str]) -> Response | HttpResponse:
    """The history that the request asks for. Raises ValidationError for what cannot be served."""
    period, step, wants_csv = queries.period_of(request), queries.step_of(request), _wants_csv(request)
    try:
        found = reads.history(node.pk, kind, metrics, period.start, period.end, step, queries.subjects_of(request))
    except ValueError as error:
        raise ValidationError({"step": str(error)}) from error
    if wants_csv:
        return as_csv(found, node.hostname)
    request.accepted_renderer = JSONRenderer()
    return Response(as_json(found, timezone), content_type="application/json")


def _wants_csv(request: Request) -> bool:
    """`format` decides; without it, what the Accept header prefers."""
    return queries.choice_of(request, "format", ["json", "csv"], request.accepted_renderer.format) == "csv"


def as_json(found: History, timezone: str) -> dict[str, Any]:
    return {
        "start": iso(found.start),
        "end": iso(found.end),
        "step_seconds": found.step_seconds,
        "source_seconds": found.source_seconds,
        "timezone": timezone,
        "at": [iso(at) for at in found.at],
        "series": [_series(series) for series in found.series],
    }


def _series(series: Series) -> dict[str, Any]:
    fields = {name: getattr(series, name) for name in FIELDS if getattr(series, name)}
    return {"metric": series.column, "subject": series.subject, "shape": series.shape.value, **fields}


def as_csv(found: History, name: str) -> HttpResponse:
    """One row per instant, in base units; an empty cell is a gap."""
    text = io.StringIO()
    writer = csv.writer(text)
    columns = [(s, f) for s in found.series for f in FIELDS if getattr(s, f)]
    writer.writerow(["at", *(".".join(filter(None, (s.column, s.subject, f))) for s, f in columns)])
    for i, at in enumerate(found.at):
        writer.writerow([iso(at), *("" if (v := getattr(s, f)[i]) is None else v for s, f in columns)])
    disposition = f'attachment; filename="{name}-{found.start:%Y%m%dT%H%M}.csv"'
    return HttpResponse(
        text.getvalue(), content_type="text/csv; charset=utf-8", headers={"Content-Disposition": disposition}
    )
