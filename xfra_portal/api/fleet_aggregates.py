"""The endpoint about many nodes at once, for the operator's staff. Everybody else gets 404."""

from __future__ import annotations

import re
from typing import Any, Final

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from homes.models import Node
from telemetry import fleet_groups, reads
from telemetry.aggregates import Function
from telemetry.catalogue import COLUMNS, Kind
from telemetry.fleet_reads import MAX_K, Question
from telemetry.payloads import iso
from telemetry.readings import FleetHistory
from xfra_portal.api import metrics, queries, serializers
from xfra_portal.api.base import Response, View, operation, period_parameters

_KINDS: Final = {"node": Kind.NODE, "gpu": Kind.GPU}
_COLUMNS: Final = [column for kind in _KINDS.values() for column in COLUMNS[kind]]
_NUMBER: Final = re.compile(r"[01](\.\d{1,6})?$|\.\d{1,6}$", re.ASCII)
_PARAMETERS: Final = [
    metrics.choice("metric", _COLUMNS, "A metric of the kind. Default node_power_watts, or of GPUs power_watts."),
    OpenApiParameter("kind", str, enum=list(_KINDS), description="Of nodes, or of each GPU. Default node."),
    OpenApiParameter("function", str, enum=[one.value for one in Function], description="Default sum."),
    OpenApiParameter("quantile", float, description="Of function=quantile: 0 to 1, at most six decimals. Default 0.5."),
    OpenApiParameter("k", int, description=f"Of top and bottom: how many of each group, 1 to {MAX_K}. Default 10."),
    OpenApiParameter("by", str, enum=list(fleet_groups.CHOICES), description="Default fleet: one group."),
    *(
        OpenApiParameter(found.name, str, description=f"{found.description} Without start and end: latest values.")
        for found in period_parameters("-24h")
    ),
    OpenApiParameter("step", int, description="Bucket length in seconds, whole minutes; default about 100 buckets."),
]


class FleetAggregate(View):
    @operation(
        "fleet_aggregate",
        "One metric of the whole fleet, as sum, mean, extreme, quantile or ranking, by group",
        serializers.FleetAggregateSerializer,
        "nodes",
        _PARAMETERS,
        description="Without start and end, of latest values that are at most 60 seconds old; else of each bucket's"
        " average (of a counter: its increase). What is absent takes no part: a bucket to which nobody contributed is"
        " null, and `nodes` and `subjects` say how many did. A ranking orders by the mean over the range. Instants are"
        " ISO 8601 in UTC.",
    )
    def get(self, request: Request) -> Response:
        if self.person.operator_role is None:
            raise Http404
        question = _question(request)
        groups = fleet_groups.groups(
            Node.objects.visible_to(self.person),
            queries.choice_of(request, "by", fleet_groups.CHOICES, fleet_groups.EVERYBODY),
        )
        given = request.query_params
        try:
            if given.get("start") or given.get("end"):
                period = queries.period_of(request)
                found = reads.fleet(question, groups, period.start, period.end, queries.step_of(request))
            else:
                found = reads.fleet(question, groups)
        except ValueError as error:
            raise ValidationError({"step": str(error)}) from error
        return Response(_json(question, found, len(groups)))


def _question(request: Request) -> Question:
    kind = queries.choice_of(request, "kind", list(_KINDS), "node")
    allowed = [column.name for column in COLUMNS[_KINDS[kind]]]
    return Question(
        _KINDS[kind],
        queries.choice_of(request, "metric", allowed, "node_power_watts" if kind == "node" else "power_watts"),
        Function(queries.choice_of(request, "function", [one.value for one in Function], Function.SUM.value)),
        _quantile(request),
        _k(request),
    )


def _quantile(request: Request) -> float:
    text = request.query_params.get("quantile", "0.5")
    if not _NUMBER.match(text) or float(text) > 1:
        raise ValidationError({"quantile": "a number from 0 to 1, with at most six decimals"})
    return float(text)


def _k(request: Request) -> int:
    text = request.query_params.get("k", "10")
    if not text.isascii() or not text.isdigit() or len(text) > 4 or not 1 <= int(text) <= MAX_K:
        raise ValidationError({"k": f"a whole number from 1 to {MAX_K}"})
    return int(text)


def _json(question: Question, found: FleetHistory, nodes: int) -> dict[str, Any]:
    return {
        "metric": question.metric,
        "function": question.function.value,
        "start": iso(found.start),
        "end": iso(found.end),
        "step_seconds": found.step_seconds,
        "source_seconds": found.source_seconds,
        "nodes_asked": nodes,
        "at": [iso(at) for at in found.at],
        "series": [
            {
                "group": series.group,
                "node": series.node_id,
                "subject": series.subject,
                "values": series.values,
                "nodes": series.nodes,
                "subjects": series.subjects,
            }
            for series in found.series
        ],
    }
