"""Endpoints about nodes, for the operator's staff. Everybody else gets 404."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.http import Http404, HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from redis import RedisError
from rest_framework.request import Request

from homes.models import InventoryEvent, Node
from telemetry import payloads, reads, refusals, roster
from telemetry.catalogue import COLUMNS, Kind
from telemetry.models import NodeStatusRow
from telemetry.node_state import SILENCE_SECONDS, State
from telemetry.readings import NodeStatus
from telemetry.views.fleet import totals
from xfra_portal.api import histories, metrics, queries, serializers
from xfra_portal.api.base import HISTORY_PARAMETERS, HistoryView, Response, View, operation, period_parameters
from xfra_portal.api.homes import states_json
from xfra_portal.api.pagination import PARAMETERS, CursorPagination

_KINDS = {"node": Kind.NODE, "gpu": Kind.GPU, "circuit": Kind.CIRCUIT}
_DEFAULTS = {"node": ("node_power_watts",), "gpu": ("power_watts",), "circuit": ("power_watts",)}
_COLUMNS = [column for kind in _KINDS.values() for column in COLUMNS[kind]]
_FILTERS = [
    OpenApiParameter("state", str, enum=[state.value for state in State], description="State of the node now."),
    OpenApiParameter("site_group", str, description="Exactly this site group."),
    OpenApiParameter("feeder", str, description="Exactly this feeder."),
    OpenApiParameter("q", str, description="Part of the hostname."),
    *PARAMETERS,
]


class Nodes(View):
    @operation("nodes_list", "Nodes of the fleet", serializers.NodePageSerializer, "nodes", _FILTERS)
    def get(self, request: Request) -> Response:
        if self.person.operator_role is None:
            raise Http404
        given = request.query_params
        nodes = Node.objects.visible_to(self.person).select_related("home").order_by("pk")
        for name, lookup in (("site_group", "home__site_group"), ("feeder", "home__feeder")):
            if given.get(name):
                nodes = nodes.filter(**{lookup: _text(given[name])})
        if given.get("q"):
            nodes = nodes.filter(Q(hostname__icontains=_text(given["q"])))
        if given.get("state"):
            state = queries.choice_of(request, "state", [state.value for state in State], "")
            nodes = nodes.filter(_is_in(state))
        pages = CursorPagination()
        found = pages.paginate_queryset(nodes, request, self) or []
        states = reads.statuses(node.pk for node in found)
        listed = serializers.NodeSerializer(found, many=True).data
        rows = [{**row, "state": _state(states[node.pk])} for node, row in zip(found, listed, strict=True)]
        return pages.get_paginated_response(rows)


def _is_in(state: str) -> Q:
    """As `reads.statuses` tells it: unknown is what nobody has confirmed for a minute, and who was never heard."""
    judged = NodeStatusRow.objects.filter(as_of__gte=timezone.now() - timedelta(seconds=SILENCE_SECONDS))
    if state == State.UNKNOWN:
        return ~Q(pk__in=judged.exclude(state=State.UNKNOWN).values("node"))
    return Q(pk__in=judged.filter(state=state).values("node"))


def _state(status: NodeStatus) -> payloads.StatePayload:
    return {
        "state": status.state.value,
        "cause": status.cause.value,
        "since": payloads.iso(status.since),
        "as_of": payloads.iso(status.as_of),
    }


def _text(value: str) -> str:
    """Postgres stores no NUL, so nothing matches one."""
    return value.replace("\x00", "")[:100] or "\N{REPLACEMENT CHARACTER}"


class NodeDetail(View):
    @operation("nodes_read", "A node and everything last heard of it", serializers.NodeDetailSerializer, "nodes")
    def get(self, request: Request, node_id: int) -> Response:
        node = self.node(node_id)
        latest = reads.latest([node.pk])[node.pk]
        facts = serializers.NodeSerializer(node).data
        return Response({**facts, "live": payloads.node_payload(latest), "refused": _refused(node)})


def _refused(node: Node) -> list[dict[str, Any]] | None:
    try:
        found = refusals.refused([node.pk])[node.pk]
    except RedisError:
        return None
    return [{**asdict(one), "since": payloads.iso(one.since), "at": payloads.iso(one.at)} for one in found]


class NodeTelemetry(HistoryView):
    @operation(
        "nodes_telemetry",
        "History of any metric of a node, its GPUs or its home's circuits",
        serializers.HistorySerializer,
        "nodes",
        [
            metrics.parameter(_COLUMNS, "node_power_watts; of GPUs and circuits power_watts"),
            *HISTORY_PARAMETERS,
            OpenApiParameter("kind", str, enum=list(_KINDS), description="Default node."),
            OpenApiParameter("subjects", str, description="GPU UUIDs or circuit names, separated by commas."),
        ],
        csv=True,
    )
    def get(self, request: Request, node_id: int) -> Response | HttpResponse:
        node = self.node(node_id)
        kind = queries.choice_of(request, "kind", list(_KINDS), "node")
        allowed = [column.name for column in COLUMNS[_KINDS[kind]]]
        asked = queries.metrics_of(request, allowed, _DEFAULTS[kind])
        return histories.answer(request, node, node.home.timezone, _KINDS[kind], asked)


class NodeStates(View):
    @operation(
        "nodes_states", "A node's states over time", serializers.StatesSerializer, "nodes", period_parameters("-7d")
    )
    def get(self, request: Request, node_id: int) -> Response:
        node, period = self.node(node_id), queries.period_of(request, default=timedelta(days=7))
        return Response({"states": states_json(node.pk, period)})


class NodeInventory(View):
    @operation(
        "nodes_inventory",
        "GPUs that appeared, went missing or moved",
        serializers.InventoryPageSerializer,
        "nodes",
        PARAMETERS,
    )
    def get(self, request: Request, node_id: int) -> Response:
        events = InventoryEvent.objects.filter(node=self.node(node_id)).order_by("pk")
        pages = CursorPagination()
        found = pages.paginate_queryset(events, request, self)
        return pages.get_paginated_response(serializers.InventoryEventSerializer(found, many=True).data)


class Fleet(View):
    @operation("fleet_read", "Every node in one glance, with the fleet's totals", serializers.FleetSerializer, "nodes")
    def get(self, request: Request) -> Response:
        if self.person.operator_role is None:
            raise Http404
        nodes = roster.read(self.person)
        cells = roster.cells(nodes, reads.glances([node.pk for node in nodes]))
        return Response({"type": "fleet", "cells": cells, "totals": asdict(totals(cells))})
