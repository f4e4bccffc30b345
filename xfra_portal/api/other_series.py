"""What a node sends outside the catalogue, for the operator's staff. Everybody else gets 404."""

from __future__ import annotations

from typing import Final

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from telemetry import reads
from telemetry.models import OtherSeries
from telemetry.payloads import iso
from xfra_portal.api import pagination, queries, serializers
from xfra_portal.api.base import Response, View, operation, period_parameters

_FILTERS: Final = [
    OpenApiParameter("name", str, description="Exactly this name."),
    *pagination.PARAMETERS,
]


class OtherSeriesList(View):
    @operation(
        "nodes_other_series",
        "Series outside the catalogue: names, labels, and when each was heard last",
        serializers.OtherSeriesPageSerializer,
        "nodes",
        _FILTERS,
    )
    def get(self, request: Request, node_id: int) -> Response:
        node = self.node(node_id)
        known = OtherSeries.objects.filter(node=node).order_by("pk")
        if name := request.query_params.get("name"):
            known = known.filter(name=name.replace("\x00", "\N{REPLACEMENT CHARACTER}")[:256])
        pages = pagination.CursorPagination()
        found = pages.paginate_queryset(known, request, self) or []
        heard = reads.other_heard(node.pk, [one.pk for one in found])
        rows = [
            {"id": one.pk, "name": one.name, "labels": one.labels, "heard_at": iso(heard.get(one.pk))} for one in found
        ]
        return pages.get_paginated_response(rows)


class OtherSeriesSamples(View):
    @operation(
        "nodes_other_series_samples",
        "Raw samples of a series outside the catalogue",
        serializers.OtherSamplesSerializer,
        "nodes",
        period_parameters("-24h"),
    )
    def get(self, request: Request, node_id: int, series_id: int) -> Response:
        node, period = self.node(node_id), queries.period_of(request)
        series = get_object_or_404(OtherSeries, node=node, pk=min(series_id, (1 << 63) - 1))
        try:
            found = reads.other_samples(series, period.start, period.end)
        except ValueError as error:
            raise ValidationError({"start": str(error)}) from error
        return Response(
            {
                "name": found.name,
                "labels": found.labels,
                "at": [iso(at) for at in found.at],
                "values": [_plain(value) for value in found.values],
            }
        )


def _plain(value: float) -> float | str:
    """JSON has no word for these: they are told in Prometheus' own."""
    if value != value:
        return "NaN"
    return value if abs(value) != float("inf") else ("+Inf" if value > 0 else "-Inf")
