"""What the portal itself needs somebody for: a group of its own on the fleet page, below what nodes need."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final

import redis

from homes.models import Node
from telemetry import dead_letters, refusals, rollups, room, standstills
from telemetry.attention import MANY, Severity
from telemetry.explanation import duration
from telemetry.node_state import SILENT, Cause
from telemetry.readings import NodeStatus
from telemetry.refusals import Reason, Refused
from telemetry.room import Shortage
from telemetry.standstills import Standstill
from telemetry.stream import connect

_ACTIONS: Final = {
    "disk": "free disk space, or give the volume more; taking in begins again by itself",
    "memory": "see why the workers do not keep up, or give the ingest Redis more memory",
    "store": "free disk space where Postgres keeps its data; what was taken in waits in the stream",
}
_NAMED: Final = 3
"""So many nodes are named of which the door refuses something; a node's page says the rest."""
_NEARLY_ALL: Final = 0.9
_NO_WITNESS: Final = {Cause.NEVER_HEARD, Cause.VISIT}
UNWATCHED: Final = "Nobody has looked for a minute whether disk and memory suffice"
AWAY: Final = "The ingest Redis does not answer: nothing is taken in, senders keep what they have"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing for somebody to do. `place` is the name of the page where it is done, if there is one.

    `nodes` are the names of those that it is of and `more` counts the others; of what is refused `bodies` were, the
    last one at `at`. `explains_silence` where nothing is taken in, so that it is no wonder that nothing new is known.
    """

    severity: Severity
    words: str
    action: str
    place: str = ""
    explains_silence: bool = False
    nodes: tuple[str, ...] = ()
    more: int = 0
    bodies: int = 0
    at: datetime | None = None

    @property
    def sentence(self) -> str:
        if not self.nodes:
            return self.words
        return f"{', '.join(self.nodes)}{f' and {self.more:,} more' if self.more else ''}: {self.words}"


@cache
def _client() -> redis.Redis:
    return connect(patience_seconds=1)


def of_judging(statuses: Iterable[NodeStatus], now: datetime) -> list[Alarm]:
    """Whether the portal is behind itself: no worker says any more how the nodes are, or some of them. Pure."""
    known = [status for status in statuses if status.as_of]
    behind = [status.as_of for status in known if status.cause is Cause.NOT_JUDGED and status.as_of]
    if not behind:
        return []
    whom = "any node" if len(behind) == len(known) else f"{len(behind):,} of {len(known):,} nodes"
    seconds = (now - max(behind)).total_seconds()
    words = f"The portal is behind: for {duration(seconds)} it has not looked at {whom}. It is not the nodes"
    action = "start the workers, or see in their log what keeps them; what nodes send is kept meanwhile"
    return [Alarm(Severity.CRITICAL, words, action)]


def of_silence(known: Iterable[tuple[NodeStatus, str]], now: datetime) -> list[Alarm]:
    """Whether nearly all nodes are silent, which they are hardly by themselves. Pure.

    `known` are the state and the feeder of each. Nodes that were never heard or are in service say nothing here, and a
    fleet on one feeder may well be without power.
    """
    heard = [(status, feeder) for status, feeder in known if status.cause not in _NO_WITNESS]
    silent = [(status.since, feeder) for status, feeder in heard if status.cause in SILENT and status.since]
    if len(silent) < max(MANY, _NEARLY_ALL * len(heard)) or len({feeder for _, feeder in silent} - {""}) == 1:
        return []
    seconds = (now - max(since for since, _ in silent)).total_seconds()
    words = (
        f"Nothing is heard from {len(silent):,} of {len(heard):,} nodes for {duration(seconds)}: suspect our own side"
    )
    action = "see whether agents reach the portal's address: name, certificate, proxy, the web servers' log"
    return [Alarm(Severity.CRITICAL, words, action)]


def ringing() -> list[Alarm]:
    """The most urgent first. Answers within two seconds whatever is away."""
    try:
        shortages, count = room.shortages(_client()), dead_letters.count(_client())
        risks = room.risks(_client())
        refused = refusals.lately(_client())
        told = refusals.refused({node_id for ids in refused.values() for node_id in ids}) if refused else {}
        is_watched = room.is_watched(_client())
        still = standstills.lately(_client())
    except redis.RedisError:
        return [Alarm(Severity.CRITICAL, AWAY, "look at the ingest Redis and at its disk", explains_silence=True)]
    shut = [_of_shortage(short) for short in shortages]
    unsafe = [Alarm(Severity.CRITICAL, sentence, "set it up as docs/operations.md says") for sentence in risks]
    refusing = [_of_refusals(reason, ids, told) for reason, ids in refused.items()]
    watching = [*_of_watching(is_watched), *_of_standstills(still)]
    found = [*shut, *unsafe, *watching, *_of_letters(count), *_of_rollups(rollups.stuck()), *refusing]
    return sorted(found, key=lambda alarm: alarm.severity)


def _of_shortage(short: Shortage) -> Alarm:
    words = f"Nothing is taken in: {short.sentence}"
    return Alarm(Severity.CRITICAL, words, _ACTIONS[short.cause], explains_silence=True)


def _of_watching(is_watched: bool) -> list[Alarm]:
    """Whoever measures is who judges silence, rolls up and bills: the worker for everything but draining."""
    action = "see whether beat and a worker for the queue default run, and whether it keeps up"
    return [] if is_watched else [Alarm(Severity.MAJOR, UNWATCHED, action)]


def _of_standstills(found: list[Standstill]) -> list[Alarm]:
    """The longest of those lately, for all."""
    if not found:
        return []
    longest = max(found, key=lambda one: one.seconds)
    words = longest.sentence + (f", and {len(found) - 1:,} times more" if len(found) > 1 else "")
    action = "see the log of telemetry.standstills for what held it: such work belongs in a process of its own"
    return [Alarm(Severity.MAJOR, words, action)]


def _of_letters(count: dead_letters.Count) -> list[Alarm]:
    if not count.letters and not count.is_full:
        return []
    words = "1 body" if count.letters == 1 else f"{count.letters:,} bodies"
    found = [Alarm(Severity.MAJOR, f"{words} could not be stored", "read why, then retry or discard", "dead-letters")]
    if count.is_full:
        words = "The dead letters are full: what cannot be stored takes the room of what can"
        found.insert(0, Alarm(Severity.CRITICAL, words, "retry or discard what is there", "dead-letters"))
    return found


def _of_refusals(reason: Reason, node_ids: list[int], told: Mapping[int, list[Refused]]) -> Alarm:
    """One for all nodes: a release that is wrong everywhere is one thing to do."""
    named = node_ids[:_NAMED]
    names = dict(Node.objects.filter(pk__in=named).values_list("pk", "hostname"))
    counts = [one for node_id in node_ids for one in told.get(node_id, ()) if one.reason is reason]
    severity = Severity.MAJOR if refusals.loses_samples(reason) else Severity.MINOR
    return Alarm(
        Severity.CRITICAL if reason is Reason.CLAIMED else severity,
        reason.words if len(node_ids) == 1 else plural(reason.words),
        reason.remedy,
        nodes=tuple(names[node_id] for node_id in named if node_id in names),
        more=len(node_ids) - sum(node_id in names for node_id in named),
        bodies=sum(one.bodies for one in counts),
        at=max((one.at for one in counts), default=None),
    )


def plural(words: str) -> str:
    """As it is said of several: sends what ... -> send what ...; still sends -> still send."""
    return re.sub(r"^(still )?(\w+)s\b", r"\1\2", words)


def _of_rollups(stuck: int) -> list[Alarm]:
    if not stuck:
        return []
    words = "1 hour of a node" if stuck == 1 else f"{stuck:,} hours of nodes"
    action = "see the log of telemetry.rollups; they are tried again until their raw samples expire"
    return [Alarm(Severity.MAJOR, f"{words} cannot be rolled up, so charts and bills lack them", action)]
