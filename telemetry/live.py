"""Live state to whoever watches: whole payloads to Channels groups, one per node, per home, and the fleet.

A message carries the whole latest state, so a lost one is healed by the next. Payloads are made only
for groups that somebody is subscribed to, and become JSON here, once, however many sockets pass them on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final, TypedDict

import orjson
import redis
from channels.layers import get_channel_layer
from django.conf import settings

from homes.models import Node
from telemetry import payloads, reads
from telemetry.readings import NodeLatest

logger = logging.getLogger("telemetry.live")

FLEET_GROUP: Final = "fleet"


class StateMessage(TypedDict):
    """To the group of a node or of a home: its whole payload as JSON."""

    type: str
    payload: bytes


class CellsMessage(TypedDict):
    """To the fleet: each node's cell as JSON, so that a socket can merge what came without reading it."""

    type: str
    nodes: list[int]
    cells: list[bytes]


Message = StateMessage | CellsMessage


def node_group(node_id: int) -> str:
    """Operators only: field terms and serial numbers."""
    return f"node.{node_id}"


def home_group(home_id: object) -> str:
    """The household, whoever they are: no money, no address in it."""
    return f"home.{str(home_id).replace('-', '')}"


def publish(node_ids: Iterable[int]) -> None:
    """Tell watchers how these nodes are now. Failing to tell loses nothing: the next one tells all."""
    try:
        _publish(sorted(set(node_ids)))
    except (redis.RedisError, OSError) as error:
        logger.warning("nobody could be told: %s", error)


def _publish(node_ids: list[int]) -> None:
    nodes = list(Node.objects.filter(pk__in=node_ids))
    wanted = _watched([FLEET_GROUP, *(g for n in nodes for g in (node_group(n.pk), home_group(n.home_id)))])
    if not wanted:
        return
    messages: list[tuple[str, Message]] = []
    if FLEET_GROUP in wanted:
        messages.append((FLEET_GROUP, cells_message(fleet_payload(nodes)["cells"])))
    known = reads.latest([node.pk for node in nodes if node_group(node.pk) in wanted])
    messages += [(node_group(pk), state_message(payloads.node_payload(latest))) for pk, latest in known.items()]
    inhabited = [node for node in nodes if home_group(node.home_id) in wanted]
    known |= reads.households([node.pk for node in inhabited if node.pk not in known])
    messages += [(home_group(node.home_id), state_message(home_payload(node, known[node.pk]))) for node in inhabited]
    _send(messages)


def state_message(payload: Any) -> StateMessage:
    return {"type": "live.state", "payload": orjson.dumps(payload)}


def cells_message(cells: Sequence[payloads.FleetCell]) -> CellsMessage:
    return {
        "type": "live.cells",
        "nodes": [cell["node"] for cell in cells],
        "cells": [orjson.dumps(cell) for cell in cells],
    }


def fleet_payload(nodes: Sequence[Node]) -> payloads.FleetPayload:
    known = reads.glances([node.pk for node in nodes])
    cells = [payloads.fleet_cell(node.hostname, node.expected_gpus, known[node.pk]) for node in nodes]
    return {"type": "fleet", "cells": cells}


def home_payload(node: Node, known: NodeLatest) -> payloads.HomePayload:
    return payloads.home_payload(str(node.home_id), known, reads.usual_home_watts(node.pk))


def _watched(groups: list[str]) -> set[str]:
    names = {group: _channel(group) for group in groups}
    counts: Any = _redis().pubsub_numsub(*names.values())
    listened = {name for name, count in counts if count}
    return {group for group, name in names.items() if name.encode() in listened}


def _channel(group: str) -> str:
    """How channels-redis names a group's channel."""
    return f"{settings.CHANNEL_PREFIX}__group__{group}"


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)


def _send(messages: list[tuple[str, Message]]) -> None:
    """All in one turn: as the layer's own sends, one after the other, each would wait for Redis to flush its log."""
    layer, pipeline = get_channel_layer(), _redis().pipeline(transaction=False)
    for group, message in messages:
        pipeline.publish(_channel(group), layer.serialize(message))
    pipeline.execute()
