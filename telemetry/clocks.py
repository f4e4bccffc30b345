"""What can be believed of when a sample was measured, where the clock of its node is wrong.

What has arrived was measured before: by our clock, which the stream's entries carry. So no latest value is of later
than it came. A node whose newest samples are ahead of their arrival, or behind it, by as much for STEADY_MS has a wrong
clock, and from then on all that it sends is dated by that. Who catches up after an interruption comes nearer instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from telemetry import copying
from telemetry.batch import Batch, Instants
from telemetry.node_state import SILENCE_SECONDS

TOLERANCE_MS: Final = 5_000
"""So much ahead of us a clock may be that is set by the network."""
LATE_MS: Final = int(SILENCE_SECONDS * 1000)
"""What arrives later than that is either sent late or dated wrongly."""
STEADY_MS: Final = 60_000
"""A lag that has not shrunk nor grown for so long is a clock's."""
_NEARER_MS: Final = 5_000
_FARTHER_MS: Final = 45_000
"""How much less and more a lag may be and still be the same: a body may be sent a scrape later than the one before."""


@dataclass(frozen=True, slots=True)
class Clock:
    """What is known of a node's clock, in milliseconds. `ahead_ms` is 0 where it is right, negative where it is behind.

    While that is not clear, `lag_ms` is how late was what came at `lag_since_ms`, and all since is about as late; below
    zero: too early.
    """

    ahead_ms: int = 0
    lag_ms: int = 0
    lag_since_ms: int = 0

    @property
    def is_doubtful(self) -> bool:
        return self.lag_ms > 0

    def after(self, newest_ms: int, came_ms: int) -> Clock:
        """What is known after a body that came then, whose newest sample is of then by the node's clock."""
        lag_ms = came_ms - newest_ms
        if -TOLERANCE_MS <= lag_ms <= LATE_MS:
            return RIGHT
        if self.ahead_ms and _is_same(lag_ms, -self.ahead_ms):
            return Clock(max(self.ahead_ms, -lag_ms))
        if not self.lag_ms or not _is_same(lag_ms, self.lag_ms):
            return Clock(0, lag_ms, came_ms)
        is_steady = came_ms - self.lag_since_ms >= STEADY_MS
        return Clock(-min(lag_ms, self.lag_ms)) if is_steady else self


RIGHT: Final = Clock()


def _is_same(lag_ms: int, before_ms: int) -> bool:
    return -_NEARER_MS <= lag_ms - before_ms <= _FARTHER_MS


def believe(batches: Sequence[Batch], clocks: dict[int, Clock]) -> list[Batch]:
    """The same batches, in order of arrival, dated by what can be believed; the clocks are brought up to date."""
    found = []
    for batch in batches:
        if not len(batch):
            found.append(batch)
            continue
        clock = clocks[batch.node_id] = clocks.get(batch.node_id, RIGHT).after(batch.newest_ms, batch.arrived_ms)
        found.append(_shifted(batch, clock.ahead_ms) if clock.ahead_ms else batch)
    return found


def _shifted(batch: Batch, ahead_ms: int) -> Batch:
    came_ms = batch.arrived_ms
    return replace(batch, instants=Instants(batch.instants.at_ms - ahead_ms, batch.instants.lengths), came_ms=came_ms)


def arrivals(batches: Iterable[Batch]) -> dict[int, int]:
    """When the last of each node's came."""
    found: dict[int, int] = {}
    for batch in batches:
        found[batch.node_id] = max(found.get(batch.node_id, 0), batch.arrived_ms)
    return found


def load(node_ids: Iterable[int]) -> dict[int, Clock]:
    """Of those whose clock is not simply right."""
    rows = copying.fetch(
        "SELECT node_id, ahead_ms, lag_ms, lag_since_ms FROM telemetry_nodeclock WHERE node_id = ANY(%s::bigint[])",
        [copying.ints(node_ids)],
    )
    return {node_id: Clock(*fields) for node_id, *fields in rows}


def save(before: Mapping[int, Clock], after: Mapping[int, Clock]) -> None:
    """Remember what has changed. The caller holds the lock of the nodes' shard."""
    changed = {node_id: clock for node_id, clock in after.items() if clock != before.get(node_id, RIGHT)}
    if right := [node_id for node_id, clock in changed.items() if clock == RIGHT]:
        copying.execute("DELETE FROM telemetry_nodeclock WHERE node_id = ANY(%s::bigint[])", [copying.ints(right)])
    wrong = {node_id: clock for node_id, clock in changed.items() if clock != RIGHT}
    if wrong:
        columns = [list(wrong), *([getattr(clock, name) for clock in wrong.values()] for name in Clock.__slots__)]
        copying.execute(
            "INSERT INTO telemetry_nodeclock (node_id, ahead_ms, lag_ms, lag_since_ms)"
            " SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])"
            " ON CONFLICT (node_id) DO UPDATE SET ahead_ms = EXCLUDED.ahead_ms, lag_ms = EXCLUDED.lag_ms,"
            " lag_since_ms = EXCLUDED.lag_since_ms",
            columns,
        )
