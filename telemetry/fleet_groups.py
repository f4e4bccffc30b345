"""What nodes of a fleet can be grouped by."""

from __future__ import annotations

from typing import Final

from django.db.models import QuerySet

from homes.models import Node
from telemetry import reads

LOOKUPS: Final = {
    "utility": "home__utility",
    "site_group": "home__site_group",
    "feeder": "home__feeder",
    "isp": "home__internet_line__provider",
    "firmware": "firmware",
    "node": "hostname",
}
EVERYBODY: Final = "fleet"
STATE: Final = "state"
CHOICES: Final = (EVERYBODY, STATE, *LOOKUPS)
NOT_SET: Final = "not set"


def groups(nodes: QuerySet[Node], by: str) -> dict[int, str]:
    """The name of each node's group, one of CHOICES; `state` is the state now. Raises KeyError for another."""
    if by == EVERYBODY:
        return dict.fromkeys(nodes.values_list("pk", flat=True), EVERYBODY)
    if by == STATE:
        states = reads.statuses(nodes.values_list("pk", flat=True))
        return {node_id: status.state.value for node_id, status in states.items()}
    return {node_id: name or NOT_SET for node_id, name in nodes.values_list("pk", LOOKUPS[by])}
