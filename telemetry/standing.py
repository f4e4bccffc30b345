"""A node's facts, evaluated once: whether it is well, what of it needs somebody, and the sentence that says why. Pure.

Whoever tells of one node (its page, its home's story, the API) tells it from here, by the same rules as the fleet's
list of what needs somebody: so nobody reads that all is well while something is open.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from telemetry import attention, explanation
from telemetry.attention import BESIDE_THE_STATE, Item, Kind, Subject, Visit
from telemetry.explanation import Sentence
from telemetry.node_state import State
from telemetry.readings import NodeGlance, NodeLatest, ToldXid


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a node at `now`, and all of it that needs somebody."""

    latest: NodeLatest
    items: tuple[Item, ...]
    now: datetime

    @property
    def is_well(self) -> bool:
        """It works, all of its GPUs are known to answer, and nothing needs anybody."""
        gpus = self.latest.status.gpus
        return self.latest.status.state is State.WORKING and not (self.items or gpus.missing or gpus.seen is None)

    @property
    def sentence(self) -> Sentence:
        beside = [item.sentence for item in self.items if item.kind in BESIDE_THE_STATE]
        return explanation.explain(self.latest, beside, self.now, self.is_well)

    def has(self, *kinds: Kind) -> bool:
        return any(item.kind in kinds for item in self.items)


def stand(hostname: str, expected_gpus: int, latest: NodeLatest, now: datetime, is_in_service: bool) -> Standing:
    """`latest` has to be read with its GPUs, or faults of theirs are not known."""
    visit = Visit.THERE if is_in_service else Visit.NONE
    subject = Subject(hostname, expected_gpus, _glance(latest), visit=visit)
    return Standing(latest, tuple(attention.needs([subject], now)), now)


def _glance(latest: NodeLatest) -> NodeGlance:
    leak, door = latest.cells.get("coolant_leak"), latest.cells.get("enclosure_open")
    xids = [ToldXid(gpu.slot, int(cell.value), None) for gpu in latest.gpus if (cell := gpu.cells.get("xid"))]
    return NodeGlance(
        latest.node_id,
        latest.status,
        latest.heard_at,
        outdoor_celsius=latest.value("outdoor_celsius"),
        coolant_leak=leak.value > 0 if leak else None,
        enclosure_open=door.value > 0 if door else None,
        coolant_leak_at=leak.at if leak else None,
        enclosure_open_at=door.at if door else None,
        xids=tuple(xid for xid in xids if xid.code > 0),
    )
