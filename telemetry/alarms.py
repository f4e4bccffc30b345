"""What the portal itself needs somebody for: shown above the nodes' needs on the fleet page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final

import redis

from homes.models import Node
from telemetry import dead_letters, refusals, rollups, room
from telemetry.attention import Severity
from telemetry.explanation import duration
from telemetry.node_state import SILENCE_SECONDS
from telemetry.readings import NodeStatus
from telemetry.refusals import Reason
from telemetry.stream import connect

_ACTIONS: Final = {
    "disk": "free disk space, or give the volume more; taking in begins again by itself",
    "memory": "see why the workers do not keep up, or give the ingest Redis more memory",
    "store": "free disk space where Postgres keeps its data; what was taken in waits in the stream",
}
_NAMED: Final = 3
"""So many nodes are named of which the door refuses something; a node's page says the rest."""
UNWATCHED: Final = "Nobody has looked for a minute whether disk and memory suffice"
AWAY: Final = "The ingest Redis does not answer: nothing is taken in, senders keep what they have"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing for somebody to do. `place` is the name of the page where it is done, if there is one."""

    severity: Severity
    sentence: str
    action: str
    place: str = ""


@cache
def _client() -> redis.Redis:
    return connect(patience_seconds=1)


def of_judging(statuses: Iterable[NodeStatus], now: datetime) -> list[Alarm]:
    """Whether the portal has fallen silent itself: no worker says any more how the nodes are. Pure."""
    newest = max((status.as_of for status in statuses if status.as_of), default=None)
    seconds = (now - newest).total_seconds() if newest else 0.0
    if seconds <= SILENCE_SECONDS:
        return []
    words = f"The portal is behind: for {duration(seconds)} it has not looked at any node. It is not the nodes"
    action = "start the workers, or see in their log what keeps them; what nodes send is kept meanwhile"
    return [Alarm(Severity.CRITICAL, words, action)]


def ringing() -> list[Alarm]:
    """The most urgent first. Answers within two seconds whatever is away."""
    try:
        shortages, count = room.shortages(_client()), dead_letters.count(_client())
        risks = room.risks(_client())
        refused = refusals.lately(_client())
        is_watched = room.is_watched(_client())
    except redis.RedisError:
        return [Alarm(Severity.CRITICAL, AWAY, "look at the ingest Redis and at its disk")]
    shut = [
        Alarm(Severity.CRITICAL, f"Nothing is taken in: {short.sentence}", _ACTIONS[short.cause]) for short in shortages
    ]
    unsafe = [Alarm(Severity.CRITICAL, sentence, "set it up as docs/operations.md says") for sentence in risks]
    refusing = [_of_refusals(reason, ids) for reason, ids in refused.items()]
    return [*shut, *unsafe, *_of_watching(is_watched), *_of_letters(count), *_of_rollups(rollups.stuck()), *refusing]


def _of_watching(is_watched: bool) -> list[Alarm]:
    """Whoever measures is who judges silence, rolls up and bills: the worker for everything but draining."""
    action = "see whether beat and a worker for the queue default run, and whether it keeps up"
    return [] if is_watched else [Alarm(Severity.MAJOR, UNWATCHED, action)]


def _of_letters(count: dead_letters.Count) -> list[Alarm]:
    if not count.letters and not count.is_full:
        return []
    words = "1 body" if count.letters == 1 else f"{count.letters:,} bodies"
    found = [Alarm(Severity.MAJOR, f"{words} could not be stored", "read why, then retry or discard", "dead-letters")]
    if count.is_full:
        words = "The dead letters are full: what cannot be stored takes the room of what can"
        found.insert(0, Alarm(Severity.CRITICAL, words, "retry or discard what is there", "dead-letters"))
    return found


def _of_refusals(reason: Reason, node_ids: list[int]) -> Alarm:
    """One for all nodes: a release that is wrong everywhere is one thing to do."""
    named = node_ids[:_NAMED]
    names = dict(Node.objects.filter(pk__in=named).values_list("pk", "hostname"))
    who = ", ".join(names.get(node_id, f"node {node_id}") for node_id in named)
    if more := len(node_ids) - len(named):
        who += f" and {more:,} more"
    severity = Severity.MAJOR if refusals.loses_samples(reason) else Severity.MINOR
    return Alarm(severity, f"{who}: {reason.words}", reason.remedy)


def _of_rollups(stuck: int) -> list[Alarm]:
    if not stuck:
        return []
    words = "1 hour of a node" if stuck == 1 else f"{stuck:,} hours of nodes"
    action = "see the log of telemetry.rollups; they are tried again until their raw samples expire"
    return [Alarm(Severity.MAJOR, f"{words} cannot be rolled up, so charts and bills lack them", action)]
