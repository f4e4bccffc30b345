"""Every node that somebody sees, with what it can be filtered and grouped by: narrow queries, no objects of homes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from django.contrib.auth.models import AnonymousUser
from django.db.models import Value
from django.db.models.functions import Coalesce

from homes.models import Node, User, WorkOrder
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


_FIELDS: Final = (
    *("pk", "hostname", "expected_gpus", "home__site_group", "home__feeder", "provider", "firmware"),
    "in_service_since",
)


def read(user: User | AnonymousUser) -> list[Listed]:
    """In order of hostname."""
    nodes = Node.objects.visible_to(user).order_by("hostname")
    named = nodes.annotate(provider=Coalesce(LOOKUPS["isp"], Value("")))
    return [Listed._make(row) for row in named.values_list(*_FIELDS)]


def cells(nodes: Iterable[Listed], known: Mapping[int, NodeGlance]) -> list[FleetCell]:
    """What a grid and the API say of each node, in the same order."""
    return [payloads.fleet_cell(node.hostname, node.expected_gpus, known[node.pk]) for node in nodes]


def subjects(nodes: Iterable[Listed], known: Mapping[int, NodeGlance]) -> list[Subject]:
    """What attention is paid to, in the same order."""
    visited = set(WorkOrder.objects.filter(closed_at__isnull=True).values_list("node_id", flat=True))
    return [
        Subject(
            node.hostname,
            node.expected_gpus,
            known[node.pk],
            node.feeder,
            node.site_group,
            Visit.THERE if node.in_service_since else Visit.OPEN if node.pk in visited else Visit.NONE,
        )
        for node in nodes
    ]
