"""What the doors refuse of each node, by reason: counted beside the stream, shown to operators for a day.

A door counts in its own memory and tells Redis once a second, so that a node that sends nothing but nonsense costs no
more than its bodies. What it counted since then is lost with it: these are numbers to act on, not to bill by.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, Final

import redis
import redis.asyncio

from telemetry.admission import CONTRADICTED, EXEMPLARS, HISTOGRAMS, OUT_OF_BOUNDS, TOO_NEW, TOO_OLD
from telemetry.known_series import OVER_BUDGET
from telemetry.stream import connect

logger = logging.getLogger("telemetry.refusals")

KEPT_SECONDS: Final = 86_400
LATELY_SECONDS: Final = 900
PAUSE_SECONDS: Final = 1.0
_KEY: Final = "xfra:ingest:refused"
"""A sorted set of `node:reason` by when it happened last; the counts of each are a hash of their own."""


class Reason(StrEnum):
    """Why something was refused. The most urgent first."""

    TOKEN = "token"  # noqa: S105  (a reason)
    CLAIMED = "claimed"
    FUTURE = "future"
    PAST = "past"
    BUDGET = "budget"
    SUBJECTS = "subjects"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    FORMAT = "format"
    BOUNDS = "bounds"
    RIVALS = "rivals"
    RATE = "rate"
    NOT_KEPT = "not_kept"

    @property
    def words(self) -> str:
        return _WORDS[self][0]

    @property
    def remedy(self) -> str:
        return _WORDS[self][1]


_WORDS: Final = {
    Reason.TOKEN: ("still sends with a revoked token", "give its agent the new token, or switch the agent off"),
    Reason.CLAIMED: (
        "names GPUs that are live behind another node",
        "see in both nodes' inventory which, and revoke the token of the one that has not got them",
    ),
    Reason.FUTURE: ("sends samples of more than 10 minutes ahead", "correct the node's clock"),
    Reason.PAST: (
        "sends samples older than raw samples are kept",
        "see whether the node's clock is behind, or its agent empties a queue of days ago",
    ),
    Reason.BUDGET: ("sends more series than a node may have", "see which exporter has labels that ever change"),
    Reason.SUBJECTS: (
        "names more GPUs or circuits than a node may have",
        "see which exporter has labels that ever change; what is no longer sent makes room after 30 days",
    ),
    Reason.MALFORMED: ("sends what cannot be read", "see the door's log for the reason, and the agent's version"),
    Reason.TOO_LARGE: ("sends bodies that are too large", "let its agent send fewer samples at a time"),
    Reason.FORMAT: ("sends in another format", "let its agent send remote-write, or OTLP to its own address"),
    Reason.BOUNDS: ("sends values that cannot be", "see which exporter prints another unit, and the sensor"),
    Reason.RIVALS: (
        "sends two series that tell different values of one thing",
        "see whether two exporters or agents tell of the same GPU, circuit or meter, and stop one",
    ),
    Reason.RATE: ("sends faster than a node may", "see whether its agent catches up, or sends everything again"),
    Reason.NOT_KEPT: ("sends native histograms, exemplars or deltas, which are not kept", ""),
}
_OF_COMPLAINTS: Final = {
    TOO_OLD: Reason.PAST,
    TOO_NEW: Reason.FUTURE,
    OUT_OF_BOUNDS: Reason.BOUNDS,
    CONTRADICTED: Reason.RIVALS,
    HISTOGRAMS: Reason.NOT_KEPT,
    EXEMPLARS: Reason.NOT_KEPT,
}


@dataclass(frozen=True, slots=True)
class Refused:
    """How often something of a node was refused for one reason, and how many samples that were as far as is known."""

    reason: Reason
    bodies: int
    samples: int
    since: datetime
    at: datetime
    """When it happened last."""


def loses_samples(reason: Reason) -> bool:
    """Whether the sender does not come again with them, though it should have been stored."""
    return reason not in (Reason.RATE, Reason.NOT_KEPT)


def reason_of(complaint: str) -> Reason:
    """Of a complaint about some samples of a body, as `Admitted.refused` has them."""
    found = _OF_COMPLAINTS.get(complaint)
    return found or (Reason.BUDGET if complaint.startswith(OVER_BUDGET) else Reason.MALFORMED)


Counts = Mapping[tuple[int, Reason], tuple[int, int]]
"""(bodies, samples) by node and reason."""


class Teller:
    """Counts for one process and event loop, and tells Redis in the background."""

    def __init__(self, connect: Callable[[], redis.asyncio.Redis]) -> None:
        self._connect = connect
        self._counts: dict[tuple[int, Reason], tuple[int, int]] = {}
        self._telling: asyncio.Task[None] | None = None

    def note(self, node_id: int, reason: Reason, samples: int = 0) -> None:
        """One body, of which so many samples were refused for this reason."""
        key = node_id, reason
        bodies, before = self._counts.get(key, (0, 0))
        self._counts[key] = bodies + 1, before + samples
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        try:
            while self._counts:
                counts, self._counts = self._counts, {}
                async with self._connect().pipeline(transaction=False) as pipe:
                    _add(pipe, counts, time.time())
                    await pipe.execute()
                await asyncio.sleep(PAUSE_SECONDS)
        except (redis.RedisError, OSError) as error:  # the senders hear of it, and /readyz shows it
            logger.warning("refusals cannot be counted: %s", error)
        finally:
            self._telling = None


def tell(client: redis.Redis, counts: Counts) -> None:
    """As a door tells, for workers."""
    pipe = client.pipeline(transaction=False)
    _add(pipe, counts, time.time())
    pipe.execute()


def _add(pipe: Any, counts: Counts, now: float) -> None:
    for (node_id, reason), (bodies, samples) in counts.items():
        key = _key(node_id, reason)
        pipe.hincrby(key, "bodies", bodies)
        pipe.hincrby(key, "samples", samples)
        pipe.hsetnx(key, "since", now)
        pipe.hset(key, "at", now)
        pipe.expire(key, KEPT_SECONDS)
    pipe.zadd(_KEY, {f"{node_id}:{reason}": now for node_id, reason in counts})
    pipe.zremrangebyscore(_KEY, "-inf", now - KEPT_SECONDS)


def _key(node_id: int, reason: Reason) -> str:
    return f"{_KEY}:{node_id}:{reason}"


@cache
def _client() -> redis.Redis:
    return connect(patience_seconds=1)


def refused(node_ids: Iterable[int]) -> dict[int, list[Refused]]:
    """What was refused of each of these nodes within a day of the last time, most urgent first.

    Raises redis.RedisError when the ingest Redis is away.
    """
    ids = list(node_ids)
    pipe = _client().pipeline(transaction=False)
    for node_id in ids:
        for reason in Reason:
            pipe.hgetall(_key(node_id, reason))
    answers = iter(pipe.execute())
    return {node_id: [_read(reason, held) for reason in Reason if (held := next(answers))] for node_id in ids}


def _read(reason: Reason, held: Mapping[bytes, bytes]) -> Refused:
    since, at = (datetime.fromtimestamp(float(held[name]), UTC) for name in (b"since", b"at"))
    return Refused(reason, int(held[b"bodies"]), int(held[b"samples"]), since, at)


def lately(client: redis.Redis) -> dict[Reason, list[int]]:
    """The nodes of which something was refused within LATELY_SECONDS, by reason, the last one first.

    What is not kept of anybody is no news and left out. Raises redis.RedisError.
    """
    members: Any = client.zrevrangebyscore(_KEY, "+inf", time.time() - LATELY_SECONDS)
    found: dict[Reason, list[int]] = defaultdict(list)
    for member in members:
        node_id, _, reason = member.decode().partition(":")
        found[Reason(reason)].append(int(node_id))
    return {reason: found[reason] for reason in Reason if reason in found and reason is not Reason.NOT_KEPT}
