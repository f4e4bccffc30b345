"""What needs somebody now, most urgent first. Pure: from what is known of each node to a short list.

Making room is not down: a node that yields to its home needs nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final

from telemetry.node_state import Cause, State
from telemetry.readings import NodeGlance
from telemetry.xid import describe

UNKNOWN_MINUTES: Final = 10
HOT_MINUTES: Final = 30


class Severity(IntEnum):
    CRITICAL = 0
    MAJOR = 1
    MINOR = 2


@dataclass(frozen=True, slots=True)
class Item:
    """One thing for somebody to do. `lost_gpus` is how many GPU-hours each hour of waiting costs.

    `since` is None where only the present is known.
    """

    severity: Severity
    node_id: int
    hostname: str
    sentence: str
    action: str
    since: datetime | None
    lost_gpus: float


@dataclass(frozen=True, slots=True)
class Subject:
    """What attention is paid to: a node, its expected GPUs, and what was last heard."""

    hostname: str
    expected_gpus: int
    glance: NodeGlance


def needs(subjects: Iterable[Subject], now: datetime) -> list[Item]:
    """Items sorted by severity, then by what waiting costs, then by how long it has lasted."""
    items = [item for subject in subjects for item in _of(subject, now)]
    return sorted(items, key=lambda i: (i.severity, -i.lost_gpus, i.since.timestamp() if i.since else 0.0, i.hostname))


def _of(subject: Subject, now: datetime) -> list[Item]:
    status = subject.glance.status
    items = _safety(subject)
    minutes = (now - status.since).total_seconds() / 60 if status.since else 0.0
    if status.state is State.DOWN:
        words = "line up, node silent" if status.cause is Cause.SILENT_LINE_UP else "no GPU works"
        items.append(_item(subject, Severity.MAJOR, f"down: {words}", "power-cycle, then visit", subject.expected_gpus))
    elif status.state is State.UNKNOWN and minutes >= UNKNOWN_MINUTES:
        items.append(_item(subject, Severity.MAJOR, "nothing heard", "check line and power", subject.expected_gpus))
    elif status.state not in (State.UNKNOWN, State.SERVICE) and status.cause is not Cause.OUTAGE:
        items += _gpus(subject)
    if status.state is State.SLOWER and status.cause is Cause.HEAT and minutes >= HOT_MINUTES:
        outdoor = subject.glance.outdoor_celsius
        words = f"slower by heat, {outdoor:.0f} °C outside" if outdoor is not None else "slower by heat"
        items.append(_item(subject, Severity.MINOR, words, "check coolant flow and filter", 2.0))
    return items


def _safety(subject: Subject) -> list[Item]:
    glance = subject.glance
    return [
        Item(Severity.CRITICAL, glance.node_id, subject.hostname, words, action, None, 16.0)
        for is_so, words, action in (
            (glance.coolant_leak, "leak sensor wet", "drain work, send a technician"),
            (glance.enclosure_open, "enclosure open", "call the home; no visit is open"),
        )
        if is_so
    ]


def _gpus(subject: Subject) -> list[Item]:
    """A missing UUID is a stronger sign than any XID; an XID on a GPU that is there is worth a look."""
    seen = subject.glance.gpus_seen
    missing = subject.expected_gpus - seen
    items = []
    if seen and missing > 0:
        words = f"{seen} of {subject.expected_gpus} GPUs"
        items.append(_item(subject, Severity.MAJOR, words, describe(79).action, missing))
    for slot, code in subject.glance.xids:
        xid = describe(code)
        words = f"GPU {slot}: XID {xid.code}, {xid.meaning}"
        items.append(_item(subject, Severity.MINOR, words, xid.action, 1.0))
    return items


def _item(subject: Subject, severity: Severity, sentence: str, action: str, lost: float) -> Item:
    glance = subject.glance
    return Item(severity, glance.node_id, subject.hostname, sentence, action, glance.status.since, lost)
