"""What the latest values say about many nodes at once, as node_state.classify asks for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from telemetry.catalogue import BY_NAME, CURTAIL_REASONS, SENSORS, Kind
from telemetry.latest import Table
from telemetry.node_state import SILENCE_SECONDS, Evidence

_BUSY_WATTS: Final = 1.0
_POWER = BY_NAME[Kind.GPU]["power_watts"].code
_THROTTLE = BY_NAME[Kind.GPU]["throttle_reasons"].code
_LINE_UP = BY_NAME[Kind.NODE]["internet_home_up"].code
_CURTAILED = [BY_NAME[Kind.NODE][f"curtailed_{reason}"].code for reason in CURTAIL_REASONS]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Delivery:
    """When something last came from a node, by the portal's clock, and of when the newest sample of it is, whatever its
    family, by the node's."""

    came_at: datetime
    newest_at: datetime


@dataclass(frozen=True, slots=True)
class Served:
    """What the portal itself knows of a node."""

    node_id: int
    expected_gpus: int
    in_service: bool
    delivery: Delivery | None = None


def heard_ms(node_ids: Ints, tables: Mapping[Kind, Table]) -> Ints:
    """When each of these nodes, sorted, was last heard about anything, in milliseconds; 0 is never.

    A sensor's word alone is no sign that the rest is silent: it is believed where a clock is so wrong that the rest is
    refused.
    """
    heard, sensed = np.zeros(len(node_ids), np.int64), np.zeros(len(node_ids), np.int64)
    for kind, table in tables.items():
        place, newest = np.searchsorted(node_ids, table.node_ids), table.at_ms.max(axis=1, initial=0)
        np.maximum.at(sensed, place, newest)
        if kind is Kind.NODE:
            newest = np.delete(table.at_ms, SENSORS, axis=1).max(axis=1, initial=0)
        np.maximum.at(heard, place, newest)
    return np.where(heard > 0, heard, sensed)


def gather(
    nodes: Sequence[Served], tables: Mapping[Kind, Table], heard: Ints, at: Sequence[datetime], there: Ints
) -> list[Evidence]:
    """One for each of these nodes, sorted by id, as of an instant each; the tables hold all columns of no other.

    Of GPUs only those count that the inventory has in their node, `there` (node << 32 | GPU, sorted).
    """
    node_ids = np.array([node.node_id for node in nodes], np.int64)
    gpus, size = tables[Kind.GPU], len(nodes)
    place = np.searchsorted(node_ids, gpus.node_ids)
    watts, throttle = gpus.values[:, _POWER], gpus.values[:, _THROTTLE]
    alive = (gpus.at_ms[:, _POWER] >= heard[place] - int(SILENCE_SECONDS * 1000)) & (watts >= 0)
    alive &= np.isin(gpus.keys, there)
    ever, seen, busy = (
        np.bincount(place[mask], minlength=size) for mask in (slice(None), alive, alive & (watts > _BUSY_WATTS))
    )
    reasons = np.zeros(size, np.int64)
    known = alive & (throttle >= 0)
    np.bitwise_or.at(reasons, place[known], throttle[known].astype(np.int64))
    line_was_up, curtailed = _own(node_ids, tables[Kind.NODE], heard)
    return [
        Evidence(
            silent_seconds=at[i].timestamp() - heard_at / 1000 if heard_at else None,
            line_was_up=line_was_up[i],
            in_service=node.in_service,
            gpus_expected=node.expected_gpus,
            gpus_seen=int(seen[i]) if ever[i] else None,
            gpus_busy=int(busy[i]),
            throttle_reasons=int(reasons[i]),
            curtailed=curtailed[i],
            delivered_seconds=(at[i] - node.delivery.came_at).total_seconds() if node.delivery else None,
            newest_seconds=(at[i] - node.delivery.newest_at).total_seconds() if node.delivery else None,
        )
        for i, (node, heard_at) in enumerate(zip(nodes, heard.tolist(), strict=True))
    ]


def _own(node_ids: Ints, own: Table, heard: Ints) -> tuple[list[bool | None], list[frozenset[str]]]:
    """Whether each home's line was up when its node was last heard, None if not told then; why each is curtailed."""
    line_was_up: list[bool | None] = [None] * len(node_ids)
    curtailed: list[frozenset[str]] = [frozenset()] * len(node_ids)
    place = np.searchsorted(node_ids, own.node_ids)
    up = own.values[:, _LINE_UP]
    told = (up >= 0) & (own.at_ms[:, _LINE_UP] >= heard[place] - int(SILENCE_SECONDS * 1000))
    for row in np.flatnonzero(told).tolist():
        line_was_up[place[row]] = bool(up[row] > 0)
    limits = own.values[:, _CURTAILED] > 0
    for row in np.flatnonzero(limits.any(axis=1)).tolist():
        curtailed[place[row]] = frozenset(
            reason for reason, on in zip(CURTAIL_REASONS, limits[row].tolist(), strict=True) if on
        )
    return line_was_up, curtailed


def gpu_sightings(gpus: Table) -> tuple[Ints, Ints, Ints]:
    """(node id, GPU id, milliseconds) of the last power reading of each GPU that ever had one.

    A series that ended counts as last seen when it ended.
    """
    some = gpus.at_ms[:, _POWER] != 0
    return gpus.node_ids[some], gpus.subject_ids[some], gpus.at_ms[some, _POWER]
