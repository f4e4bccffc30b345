"""What needs somebody now: safety first, then severity, cost of waiting and age. Pure: from what is known of each node.

Making room is not down: a node that yields to its home needs nobody. Nor does one of which the portal, being behind,
has not looked at the samples (see alarms). The same trouble of several nodes at one place is one thing to do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Final

from telemetry.explanation import clock_words, duration
from telemetry.node_state import Cause, State
from telemetry.readings import NodeGlance
from telemetry.xid import describe

UNHEARD_MINUTES: Final = {
    Cause.SILENT_LINE_UP: 2,
    Cause.NO_READINGS: 2,
    Cause.SILENT: 10,
    Cause.LATE: 10,
    Cause.NEVER_HEARD: 10,
}
"""How long a node that is not heard is nobody's business: a line that went down explains it, an agent that was cut off
catches up, and most come back by themselves."""
UNTOLD_MINUTES: Final = 2
"""How long a node may work before it tells of its first GPU."""
HOT_MINUTES: Final = 30
MANY: Final = 3
"""From so many nodes on, trouble at one place is one row."""


class Severity(IntEnum):
    CRITICAL = 0
    MAJOR = 1
    MINOR = 2

    @property
    def word(self) -> str:
        return self.name.lower()


class Kind(StrEnum):
    """What is wrong, however it is worded."""

    LEAK = "leak"
    OPEN = "open"
    DOWN = "down"
    SILENT = "silent"
    LATE = "late"
    NO_READINGS = "no_readings"
    GPUS = "gpus"
    NO_GPUS = "no_gpus"
    XID = "xid"
    HEAT = "heat"
    CLOCK = "clock"


SAFETY: Final = frozenset({Kind.LEAK, Kind.OPEN})
BESIDE_THE_STATE: Final = frozenset({Kind.GPUS, Kind.NO_GPUS, Kind.XID, Kind.CLOCK})
"""What a node's state does not say, so that a sentence about the state has to say it too."""


class Visit(IntEnum):
    """Whether somebody has business at the node: nobody, a technician who is on the way, one who is there."""

    NONE = 0
    OPEN = 1
    THERE = 2


@dataclass(frozen=True, slots=True)
class Subject:
    """What attention is paid to: a node, where it is, and what was last heard. Empty places are not known."""

    hostname: str
    expected_gpus: int
    glance: NodeGlance
    feeder: str = ""
    site_group: str = ""
    visit: Visit = Visit.NONE


@dataclass(frozen=True, slots=True)
class Item:
    """One thing for somebody to do. `lost_gpus` is how many GPUs do nothing because of it, None where that is not
    known; of a node that is not heard it is how many those are `at_most`.

    `at` is when it began, or, of a sensor, when it last spoke (`is_last_word`); None where that is not known.
    """

    severity: Severity
    kind: Kind
    subject: Subject
    sentence: str
    action: str
    at: datetime | None
    lost_gpus: int | None
    is_last_word: bool = False
    at_most: bool = False

    @property
    def hostname(self) -> str:
        return self.subject.hostname


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list: an item, or those that share a cause at one place (`by`: feeder or site_group)."""

    items: tuple[Item, ...]
    by: str = ""
    place: str = ""

    @property
    def first(self) -> Item:
        return self.items[0]

    @property
    def severity(self) -> Severity:
        return min(item.severity for item in self.items)

    @property
    def is_safety(self) -> bool:
        return any(item.kind in SAFETY for item in self.items)

    @property
    def lost_gpus(self) -> int | None:
        known = [item.lost_gpus for item in self.items if item.lost_gpus is not None]
        return sum(known) if known else None

    @property
    def at_most(self) -> bool:
        return any(item.at_most for item in self.items)

    @property
    def at(self) -> datetime | None:
        return min((item.at for item in self.items if item.at), default=None)

    @property
    def title(self) -> str:
        if not self.place:
            return self.first.hostname
        is_named = self.by != "feeder" or self.place.lower().startswith("feeder")
        return self.place if is_named else f"feeder {self.place}"

    @property
    def sentence(self) -> str:
        return f"{len(self.items)} nodes: {_PLACES[self.first.kind][0]}" if self.place else self.first.sentence

    @property
    def action(self) -> str:
        return _PLACES[self.first.kind][1] if self.place else self.first.action


def cost_words(row: Row, dollars_a_gpu_hour: float) -> str:
    """16 GPUs idle, about $46 an hour; empty where what waiting costs is not known."""
    if not row.lost_gpus:
        return ""
    gpus = f"{row.lost_gpus:,} GPU{'' if row.lost_gpus == 1 else 's'}"
    dollars = row.lost_gpus * dollars_a_gpu_hour
    cost = f"${dollars:,.0f}" if dollars >= 10 else f"${dollars:.2f}"
    return f"{gpus} not heard from, up to {cost} an hour" if row.at_most else f"{gpus} idle, about {cost} an hour"


_PLACES: Final = {
    Kind.SILENT: ("nothing heard", "ask the utility and the internet provider about an outage there"),
    Kind.LATE: ("what they deliver is late", "wait if that shrinks, for they catch up after an interruption there"),
    Kind.HEAT: ("slower by heat", "see what the weather does there before anybody looks at a pump"),
}
"""What a place can be the cause of: the words for all of its nodes, and what to do."""


def rows(items: Iterable[Item]) -> list[Row]:
    """Sorted by safety, then severity, then what waiting costs as far as it is known, then how long it has lasted."""
    alone, found = list(items), []
    for by in ("feeder", "site_group"):
        alone, groups = _gathered(alone, by)
        found += groups
    found += [Row((item,)) for item in alone]
    return sorted(found, key=_urgency)


def _urgency(row: Row) -> tuple[bool, int, int, float, str]:
    age = row.at.timestamp() if row.at else 0.0
    return not row.is_safety, row.severity, -(row.lost_gpus or 0), age, row.first.hostname


def _gathered(items: list[Item], by: str) -> tuple[list[Item], list[Row]]:
    """Those that stay by themselves, and a row for each trouble that MANY nodes of one place share."""
    places: dict[tuple[Kind, str], list[Item]] = defaultdict(list)
    for item in items:
        if item.kind in _PLACES and (place := getattr(item.subject, by)):
            places[item.kind, place].append(item)
    shared = {key: some for key, some in places.items() if len(some) >= MANY}
    alone = [item for item in items if (item.kind, getattr(item.subject, by)) not in shared]
    return alone, [Row(tuple(some), by, place) for (_, place), some in shared.items()]


def needs(subjects: Iterable[Subject], now: datetime) -> list[Item]:
    """In the order of the subjects; `rows` puts them in order."""
    return [item for subject in subjects for item in _of(subject, now)]


def _of(subject: Subject, now: datetime) -> list[Item]:
    status = subject.glance.status
    items = _safety(subject)
    minutes = (now - status.since).total_seconds() / 60 if status.since else 0.0
    if status.state is State.DOWN:
        words = "down: no GPU works"
        items.append(_item(subject, Severity.MAJOR, Kind.DOWN, words, "power-cycle, then visit", subject.expected_gpus))
    elif status.state is State.UNKNOWN:
        items += _unheard(subject, minutes, now)
    elif status.state is not State.SERVICE and status.cause is not Cause.OUTAGE:
        items += [*_gpus(subject, minutes), *_xids(subject)]
    if status.state is State.SLOWER and status.cause is Cause.HEAT and minutes >= HOT_MINUTES:
        outdoor = subject.glance.outdoor_celsius
        words = f"slower by heat, {outdoor:.0f} °C outside" if outdoor is not None else "slower by heat"
        items.append(_item(subject, Severity.MINOR, Kind.HEAT, words, "check coolant flow and filter", None))
    if words := clock_words(status.clock_ahead_seconds):
        action = "set the node's clock; until then what it sends is dated by when it comes"
        items.append(Item(Severity.MINOR, Kind.CLOCK, subject, words, action, None, None))
    return items


def _safety(subject: Subject) -> list[Item]:
    """The sensors' last word stands, however old: the list says how old it is."""
    glance, found = subject.glance, []
    if glance.coolant_leak:
        words = ("leak sensor wet", "drain work, send a technician")
        found.append(
            Item(Severity.CRITICAL, Kind.LEAK, subject, *words, glance.coolant_leak_at, None, is_last_word=True)
        )
    if glance.enclosure_open and subject.visit is not Visit.THERE:
        severity, action = Severity.CRITICAL, "call the home; no visit is open"
        if subject.visit is Visit.OPEN:
            severity, action = Severity.MAJOR, "ask the technician of the open visit"
        at = glance.enclosure_open_at
        found.append(Item(severity, Kind.OPEN, subject, "enclosure open", action, at, None, is_last_word=True))
    return found


def _unheard(subject: Subject, minutes: float, now: datetime) -> list[Item]:
    cause = subject.glance.status.cause
    if minutes < UNHEARD_MINUTES.get(cause, float("inf")):
        return []
    if cause is Cause.LATE:
        return [_late(subject, now)]
    if cause is Cause.NO_READINGS:
        words = ("its agent delivers, but sends no reading of the node", "restart its exporters, then see their log")
        return [_item(subject, Severity.MAJOR, Kind.NO_READINGS, *words, subject.expected_gpus, at_most=True)]
    words = {
        Cause.SILENT_LINE_UP: ("nothing heard; the home's line was up at the last word", "power-cycle, then visit"),
        Cause.NEVER_HEARD: ("never heard", "check its token, line and power"),
    }.get(cause, ("nothing heard", "check line and power"))
    return [_item(subject, Severity.MAJOR, Kind.SILENT, *words, subject.expected_gpus, at_most=True)]


def _late(subject: Subject, now: datetime) -> Item:
    """It works, as far as anybody knows: nothing is lost by waiting but that nobody sees it."""
    heard_at = subject.glance.heard_at
    lag = f" {duration(max(0.0, (now - heard_at).total_seconds()))}" if heard_at else ""
    action = "wait if that shrinks, for it is catching up; if it does not, set the node's clock"
    return _item(subject, Severity.MINOR, Kind.LATE, f"what it delivers is{lag} late", action, None)


def _gpus(subject: Subject, minutes: float) -> list[Item]:
    """A missing UUID is a stronger sign than any XID. Who never told of a GPU is not known to have one that works."""
    gpus = subject.glance.status.gpus
    if gpus.is_unknown and minutes >= UNTOLD_MINUTES:
        never = "it has never told of a GPU", "see whether its GPU exporter runs and its agent scrapes it"
        return [_item(subject, Severity.MAJOR, Kind.NO_GPUS, *never, subject.expected_gpus, at_most=True)]
    if not gpus.missing:
        return []
    words = f"{gpus.seen} of {gpus.expected} GPUs answer"
    return [Item(Severity.MAJOR, Kind.GPUS, subject, words, describe(79).action, gpus.missing_since, gpus.missing)]


def _xids(subject: Subject) -> list[Item]:
    """Each on a GPU that is there is worth a look; whether that works is not known by it."""
    found = [(slot, describe(code), since) for slot, code, since in subject.glance.xids]
    return [
        Item(Severity.MINOR, Kind.XID, subject, f"GPU {slot}: XID {xid.code}, {xid.meaning}", xid.action, since, None)
        for slot, xid, since in found
    ]


def _item(
    subject: Subject,
    severity: Severity,
    kind: Kind,
    sentence: str,
    action: str,
    lost: int | None,
    at_most: bool = False,
) -> Item:
    """Of something that is as old as the node's state."""
    return Item(severity, kind, subject, sentence, action, subject.glance.status.since, lost, at_most=at_most)
