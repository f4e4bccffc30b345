"""Every node that somebody sees, with what it can be filtered and grouped by: narrow queries, no objects of homes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, Value
from django.db.models.functions import Coalesce

from homes.models import Gpu, Node, User, WorkOrder
from telemetry import payloads
from telemetry.attention import Subject, Visit
from telemetry.fleet_groups import LOOKUPS
from telemetry.payloads import FleetCell
from telemetry.readings import NodeGlance


class Listed(NamedTuple):
    """A node in the list. Empty text is `not set`."""

    pk: int
    hostname: str
    expected_gpus: int
    site_group: str
    feeder: str
    isp: str
    firmware: str
    in_service_since: datetime | None
    has_open_order: bool

    @property
    def visit(self) -> Visit:
        if self.in_service_since:
            return Visit.THERE
        return Visit.OPEN if self.has_open_order else Visit.NONE


_FIELDS: Final = (
    *("pk", "hostname", "expected_gpus", "home__site_group", "home__feeder", "provider", "firmware"),
    *("in_service_since", "has_open_order"),
)


def read(user: User | AnonymousUser) -> list[Listed]:
    """In order of hostname."""
    nodes = Node.objects.visible_to(user).order_by("hostname")
    open_orders = WorkOrder.objects.filter(node=OuterRef("pk"), closed_at__isnull=True)
    named = nodes.annotate(provider=Coalesce(LOOKUPS["isp"], Value("")), has_open_order=Exists(open_orders))
    return [Listed._make(row) for row in named.values_list(*_FIELDS)]


def cells(nodes: Iterable[Listed], known: Mapping[int, NodeGlance]) -> list[FleetCell]:
    """What a grid and the API say of each node, in the same order."""
    return [payloads.fleet_cell(node.hostname, node.expected_gpus, known[node.pk]) for node in nodes]


def subjects(nodes: Iterable[Listed], known: Mapping[int, NodeGlance]) -> list[Subject]:
    """What attention is paid to, in the same order."""
    listed = list(nodes)
    short = [node.pk for node in listed if 0 < known[node.pk].gpus_seen < node.expected_gpus]
    gone: dict[int, list[datetime]] = defaultdict(list)
    missing = Gpu.objects.filter(node__in=short, gone_at__isnull=False).order_by("-gone_at")
    for gpu in missing.only("node_id", "gone_at"):
        if gpu.gone_at:
            gone[gpu.node_id].append(gpu.gone_at)
    return [
        Subject(
            node.hostname,
            node.expected_gpus,
            known[node.pk],
            node.feeder,
            node.site_group,
            node.visit,
            tuple(gone[node.pk]),
        )
        for node in listed
    ]
