"""The fleet: every node as a cell, totals, filters, and what needs somebody now."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from homes.models import Node, User
from homes.models.places import SEES_EVERY_HOME
from telemetry import alarms, attention, payloads, reads
from telemetry.aggregates import Function, combine
from telemetry.fleet_groups import LOOKUPS, NOT_SET
from telemetry.node_state import State
from telemetry.payloads import FleetCell
from telemetry.views.staff import staff_only

GROUPINGS = {
    "site_group": ("Site group", LOOKUPS["site_group"]),
    "feeder": ("Feeder", LOOKUPS["feeder"]),
    "isp": ("ISP", LOOKUPS["isp"]),
    "firmware": ("Firmware", LOOKUPS["firmware"]),
}
SORTS = {"hostname": "Name", "state": "State", "utilization_ratio": "Busy", "node_watts": "Power"}
_STATE_ORDER = {
    state: i for i, state in enumerate(("down", "unknown", "slower", "service", "paused", "making_room", "working"))
}


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over cells; a silent node adds nothing to the powers. `static/telemetry/js/fleet.js` sums alike."""

    nodes: int
    by_state: dict[str, int]
    gpus_seen: int
    gpus_expected: int
    watts: float
    spare_watts: float
    busy_ratio: float | None


def totals(cells: Iterable[FleetCell]) -> Totals:
    cells = list(cells)
    states = Counter(cell["state"] for cell in cells)
    return Totals(
        nodes=len(cells),
        by_state={state.value: states.get(state.value, 0) for state in State},
        gpus_seen=sum(cell["gpus_seen"] for cell in cells),
        gpus_expected=sum(cell["gpus_expected"] for cell in cells),
        watts=combine(Function.SUM, [cell["node_watts"] for cell in cells]) or 0.0,
        spare_watts=combine(Function.SUM, [cell["spare_watts"] for cell in cells]) or 0.0,
        busy_ratio=combine(Function.AVG, [cell["utilization_ratio"] for cell in cells]),
    )


@require_safe
@staff_only
@never_cache
def fleet(request: HttpRequest) -> HttpResponse:
    visible = nodes_of(request.user)
    nodes = list(_filtered(request, visible))
    known = reads.glances([node.pk for node in nodes])
    cells = {node.pk: payloads.fleet_cell(node.hostname, node.expected_gpus, known[node.pk]) for node in nodes}
    if (state := request.GET.get("state")) in _STATE_ORDER:
        nodes = [node for node in nodes if cells[node.pk]["state"] == state]
    shown = [cells[node.pk] for node in nodes]
    subjects = [attention.Subject(node.hostname, node.expected_gpus, known[node.pk]) for node in nodes]
    now = timezone.now()
    heard = [glance.heard_at for glance in known.values() if glance.heard_at]
    context = {
        "shell": "operator",
        "totals": totals(shown),
        "groups": _grouped(request, nodes, cells),
        "rows": _sorted(request, shown),
        "alarms": alarms.ringing() if getattr(request.user, "operator_role", None) in SEES_EVERY_HOME else [],
        "needs": attention.needs(subjects, now)[:40],
        "newest_at": max(heard, default=None),
        **_filter_choices(request, visible),
    }
    return render(request, "telemetry/fleet.html", context)


def nodes_of(user: User | AnonymousUser) -> QuerySet[Node]:
    """Every node that this person sees, with what it can be grouped by."""
    return Node.objects.visible_to(user).select_related("home", "home__internet_line")


def _filtered(request: HttpRequest, nodes: QuerySet[Node]) -> QuerySet[Node]:
    for key, (_, lookup) in GROUPINGS.items():
        if value := _plain(request.GET.get(key)):
            nodes = nodes.filter(**{lookup: value})
    if query := _plain(request.GET.get("q")):
        nodes = nodes.filter(hostname__icontains=query)
    return nodes


def _plain(value: str | None) -> str:
    """Postgres refuses NUL in text."""
    return (value or "").replace("\x00", "")[:100]


def _group_of(node: Node, key: str) -> str:
    line = getattr(node.home, "internet_line", None)
    found = {
        "site_group": node.home.site_group,
        "feeder": node.home.feeder,
        "isp": line.provider if line else "",
        "firmware": node.firmware,
    }[key]
    return found or NOT_SET


def _grouped(request: HttpRequest, nodes: list[Node], cells: dict[int, FleetCell]) -> list[dict[str, Any]]:
    key = request.GET.get("group", "site_group")
    groups: dict[str, list[FleetCell]] = defaultdict(list)
    for node in nodes:
        groups[_group_of(node, key if key in GROUPINGS else "site_group")].append(cells[node.pk])
    return [
        {"id": f"group-{i}", "name": name, "cells": found} for i, (name, found) in enumerate(sorted(groups.items()))
    ]


def _sorted(request: HttpRequest, cells: list[FleetCell]) -> list[FleetCell]:
    key = request.GET.get("sort", "state")
    if key == "hostname":
        return sorted(cells, key=lambda cell: cell["hostname"])
    if key == "node_watts":
        return sorted(cells, key=lambda cell: (-(cell["node_watts"] or -1.0), cell["hostname"]))
    if key == "utilization_ratio":
        return sorted(cells, key=lambda cell: (-(cell["utilization_ratio"] or -1.0), cell["hostname"]))
    return sorted(cells, key=lambda cell: (_STATE_ORDER[cell["state"]], cell["hostname"]))


def _filter_choices(request: HttpRequest, nodes: QuerySet[Node]) -> dict[str, Any]:
    facets = nodes.order_by().values_list(*(lookup for _, lookup in GROUPINGS.values()))
    distinct = [sorted({value for value in column if value}) for column in zip(*facets, strict=True)] or [[]] * 4
    filters = [
        {"key": key, "label": label, "values": values, "chosen": request.GET.get(key, "")}
        for (key, (label, _)), values in zip(GROUPINGS.items(), distinct, strict=True)
    ]
    return {
        "filters": filters,
        "states": list(_STATE_ORDER),
        "chosen_state": request.GET.get("state", ""),
        "groupings": [(key, label) for key, (label, _) in GROUPINGS.items()],
        "chosen_group": request.GET.get("group", "site_group"),
        "sorts": list(SORTS.items()),
        "chosen_sort": request.GET.get("sort", "state"),
        "query": request.GET.get("q", ""),
    }
