"""The fleet: every node as a cell, totals, filters, and what needs somebody now."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import compress
from typing import Any

import orjson
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from homes.models import User
from homes.models.places import SEES_EVERY_HOME
from telemetry import alarms, attention, reads, roster
from telemetry.aggregates import Function, combine
from telemetry.alarms import Alarm
from telemetry.node_state import State
from telemetry.payloads import FleetCell
from telemetry.readings import NodeStatus
from telemetry.roster import Listed
from telemetry.views.needs import needs_of
from telemetry.views.staff import staff_only

GROUPINGS = {"site_group": "Site group", "feeder": "Feeder", "isp": "ISP", "firmware": "Firmware"}
SORTS = {"hostname": "Name", "state": "State", "utilization_ratio": "Busy", "node_watts": "Power"}
ROWS = 25
"""So many nodes are on a page of the table."""

LIVE = "/ws/fleet/"
_IN_A_SCRIPT = ((b"&", b"\\u0026"), (b"<", b"\\u003c"), (b">", b"\\u003e"))
_STATE_ORDER = {
    state: i for i, state in enumerate(("down", "unknown", "slower", "service", "paused", "making_room", "working"))
}


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over cells; a node of which nothing is known now adds nothing, and where that is all, powers are unknown.

    `static/telemetry/js/fleet.js` sums alike.
    """

    nodes: int
    by_state: dict[str, int]
    gpus_seen: int
    gpus_expected: int
    watts: float | None
    spare_watts: float | None
    busy_ratio: float | None


def totals(cells: Iterable[FleetCell]) -> Totals:
    cells = list(cells)
    states = Counter(cell["state"] for cell in cells)
    return Totals(
        nodes=len(cells),
        by_state={state.value: states.get(state.value, 0) for state in State},
        gpus_seen=sum(cell["gpus_seen"] for cell in cells if cell["state"] != State.UNKNOWN),
        gpus_expected=sum(cell["gpus_expected"] for cell in cells),
        watts=combine(Function.SUM, [cell["node_watts"] for cell in cells]),
        spare_watts=combine(Function.SUM, [cell["spare_watts"] for cell in cells]),
        busy_ratio=combine(Function.AVG, [cell["utilization_ratio"] for cell in cells]),
    )


@require_safe
@staff_only
@never_cache
def fleet(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)  # noqa: S101  (staff_only saw to it)
    everybody, now = roster.read(request.user), timezone.now()
    known = reads.glances([node.pk for node in everybody], now)
    placed = _filtered(request, everybody)
    nodes, cells = _in_state(request, placed, roster.cells(placed, known))
    sees_every_home = request.user.operator_role in SEES_EVERY_HOME
    items = attention.needs(roster.subjects(everybody, known), now)
    groups = _grouped(request, nodes, cells)
    context = {
        "shell": "operator",
        "live": LIVE if sees_every_home else "",
        "totals": totals(cells),
        "groups": groups,
        "cells_json": cells_json(groups, _left_out(everybody, placed), _state_of(request)),
        "alarms": _alarms([(known[node.pk].status, node.feeder) for node in everybody], now) if sees_every_home else [],
        "needs": needs_of(items, {node.pk for node in nodes}, request.GET.get("needs") == "all"),
        "newest_at": max((at for node in nodes if (at := known[node.pk].heard_at)), default=None),
        **_table(request, cells),
        **_filter_choices(request, everybody),
    }
    return render(request, "telemetry/fleet.html", context)


def _alarms(known: list[tuple[NodeStatus, str]], now: datetime) -> list[Alarm]:
    ringing = alarms.ringing()
    if any(alarm.explains_silence for alarm in ringing):
        return ringing
    return [*alarms.of_judging((status for status, _ in known), now), *alarms.of_silence(known, now), *ringing]


def _state_of(request: HttpRequest) -> str:
    """The state that the page is filtered by, empty for all."""
    state = request.GET.get("state", "")
    return state if state in _STATE_ORDER else ""


def _in_state(
    request: HttpRequest, nodes: list[Listed], cells: list[FleetCell]
) -> tuple[list[Listed], list[FleetCell]]:
    state = _state_of(request)
    if not state:
        return nodes, cells
    kept = [cell["state"] == state for cell in cells]
    return list(compress(nodes, kept)), list(compress(cells, kept))


def _left_out(everybody: list[Listed], placed: list[Listed]) -> list[int]:
    """Whom the filters leave out whatever its state: the page need not ask again because of them."""
    here = {node.pk for node in placed}
    return [node.pk for node in everybody if node.pk not in here]


def _filtered(request: HttpRequest, nodes: list[Listed]) -> list[Listed]:
    wanted = [(key, value) for key in GROUPINGS if (value := request.GET.get(key))]
    part = request.GET.get("q", "").lower()
    if not wanted and not part:
        return nodes
    return [
        node
        for node in nodes
        if part in node.hostname.lower() and all(getattr(node, key) == value for key, value in wanted)
    ]


def _grouped(request: HttpRequest, nodes: list[Listed], cells: list[FleetCell]) -> list[dict[str, Any]]:
    key = request.GET.get("group", "site_group")
    key = key if key in GROUPINGS else "site_group"
    groups: dict[str, list[FleetCell]] = defaultdict(list)
    for node, cell in zip(nodes, cells, strict=True):
        groups[getattr(node, key) or f"{GROUPINGS[key]} not set"].append(cell)
    return [
        {"id": f"group-{i}", "name": name, "cells": found} for i, (name, found) in enumerate(sorted(groups.items()))
    ]


def cells_json(groups: list[dict[str, Any]], left_out: Sequence[int] = (), state: str = "") -> SafeString:
    """What the grids draw, each name once: a thousand nodes are then a third of the bytes. Safe within a script.

    Beside it what decides whether a node that is not drawn ought to be: those left out for good, and the state.
    """
    columns = list(FleetCell.__annotations__)
    rows = {group["id"]: [list(cell.values()) for cell in group["cells"]] for group in groups}
    text = orjson.dumps({"columns": columns, "groups": rows, "left_out": left_out, "state": state})
    for plain, escaped in _IN_A_SCRIPT:
        text = text.replace(plain, escaped)
    return SafeString(text.decode())


def _table(request: HttpRequest, cells: list[FleetCell]) -> dict[str, Any]:
    """One page of the table, in the order that was asked for."""
    pages = Paginator(_sorted(request, cells), ROWS)
    return {
        "rows": pages.get_page(request.GET.get("page")),
        "page_query": _query_without(request, "page"),
        "needs_query": _query_without(request, "needs"),
    }


def _query_without(request: HttpRequest, name: str) -> str:
    query = request.GET.copy()
    query.pop(name, None)
    return query.urlencode()


def _sorted(request: HttpRequest, cells: list[FleetCell]) -> list[FleetCell]:
    key = request.GET.get("sort", "state")
    if key == "hostname":
        return sorted(cells, key=lambda cell: cell["hostname"])
    if key == "node_watts":
        return sorted(cells, key=lambda cell: (-(cell["node_watts"] or -1.0), cell["hostname"]))
    if key == "utilization_ratio":
        return sorted(cells, key=lambda cell: (-(cell["utilization_ratio"] or -1.0), cell["hostname"]))
    return sorted(cells, key=lambda cell: (_STATE_ORDER[cell["state"]], cell["hostname"]))


def _filter_choices(request: HttpRequest, nodes: list[Listed]) -> dict[str, Any]:
    filters = [
        {
            "key": key,
            "label": label,
            "values": sorted({getattr(node, key) for node in nodes} - {""}),
            "chosen": request.GET.get(key, ""),
        }
        for key, label in GROUPINGS.items()
    ]
    return {
        "filters": filters,
        "states": list(_STATE_ORDER),
        "chosen_state": _state_of(request),
        "is_filtered": bool(request.GET.get("q") or _state_of(request) or any(f["chosen"] for f in filters)),
        "groupings": list(GROUPINGS.items()),
        "chosen_group": request.GET.get("group", "site_group"),
        "sorts": list(SORTS.items()),
        "chosen_sort": request.GET.get("sort", "state"),
        "query": request.GET.get("q", ""),
    }
