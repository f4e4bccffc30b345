"""The door through which billing reads meters: registers as they were sent, and which of them changed.

Values are joules as the panel counted them, never increases, never smoothed. Around each instant asked for there is
the last value at or before it and the first at or after it, from whatever still has them: raw samples, where the
instant is exact; minute rollups, whose `last` was read within that minute; quarter-hour rollups likewise.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from telemetry import chunk_reads, raw, register_marks
from telemetry.catalogue import BY_NAME, ENERGY_REGISTERS, Kind
from telemetry.register_marks import START, Changes

__all__ = ["ENERGY_REGISTERS", "START", "Changes", "RegisterEdges", "read_around", "registers_changed_since"]

MARKS_AT_ONCE: Final = 20_000
_NODES_AT_ONCE: Final = 8
"""A day and two hours of raw rows of each at a time: some ten megabytes at one row in ten seconds."""
_NEAR_SECONDS: Final = 3600
_WIDE_SECONDS: Final = 35 * 86_400
_FRESH_MS: Final = 60_000
_QUARTER_MS: Final = 900_000
_NEVER_BEFORE: Final = -(2**62)
_NEVER_AFTER: Final = 2**62

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RegisterEdges:
    """A node's registers around some instants: arrays of (registers, edges), registers as in ENERGY_REGISTERS.

    `before_ms` and `after_ms` are Unix milliseconds of the neighbouring readings. Where a reading is known only
    to lie within a bucket, its `slack_ms` is the bucket's length, else 0, and the instant given is the end of the
    bucket that is farther from the edge. No reading: joules are NaN and the instant means nothing.
    """

    node_id: int
    edges: Ints
    before_ms: Ints
    before_joules: Floats
    before_slack_ms: Ints
    after_ms: Ints
    after_joules: Floats
    after_slack_ms: Ints

    @classmethod
    def unknown(cls, node_id: int, edges: Ints) -> RegisterEdges:
        size = (len(ENERGY_REGISTERS), len(edges))
        return cls(
            node_id,
            edges,
            np.full(size, _NEVER_BEFORE),
            np.full(size, np.nan),
            np.zeros(size, np.int64),
            np.full(size, _NEVER_AFTER),
            np.full(size, np.nan),
            np.zeros(size, np.int64),
        )

    def consider(self, register: int, from_ms: Ints, to_ms: Ints, joules: Floats) -> None:
        """Take readings of a register, sorted, each known to lie in [from, to], where they are nearer to an edge."""
        edges_ms = self.edges * 1000
        place = np.searchsorted(to_ms, edges_ms, "right") - 1
        at = from_ms[place] if len(place) and len(from_ms) else np.full(len(edges_ms), _NEVER_BEFORE)
        slack = to_ms[place] - at if len(from_ms) else at
        nearer = at > self.before_ms[register]
        nearer |= (at == self.before_ms[register]) & (slack < self.before_slack_ms[register])
        nearer &= place >= 0
        self._put("before", register, nearer, place, at, from_ms, to_ms, joules)
        place = np.searchsorted(from_ms, edges_ms, "left")
        exists = place < len(from_ms)
        place = np.where(exists, place, 0)
        at = to_ms[place] if len(to_ms) else np.full(len(edges_ms), _NEVER_AFTER)
        slack = at - from_ms[place] if len(to_ms) else at
        nearer = at < self.after_ms[register]
        nearer |= (at == self.after_ms[register]) & (slack < self.after_slack_ms[register])
        self._put("after", register, exists & nearer, place, at, from_ms, to_ms, joules)

    def _put(
        self,
        side: str,
        register: int,
        chosen: npt.NDArray[np.bool_],
        place: npt.NDArray[np.intp],
        at: Ints,
        from_ms: Ints,
        to_ms: Ints,
        joules: Floats,
    ) -> None:
        some = place[chosen]
        getattr(self, f"{side}_ms")[register, chosen] = at[chosen]
        getattr(self, f"{side}_joules")[register, chosen] = joules[some]
        getattr(self, f"{side}_slack_ms")[register, chosen] = to_ms[some] - from_ms[some]


def registers_changed_since(cursor: str, limit: int = MARKS_AT_ONCE) -> Changes:
    """Which node-hours changed since a cursor (START: ever), in order; late data make an hour come again.

    Keep the returned cursor in the transaction in which the marks are acted upon. The same mark may come twice.
    """
    return register_marks.read_since(cursor, limit)


def read_around(node_ids: Sequence[int], edges: Sequence[int] | Ints) -> Iterator[RegisterEdges]:
    """For each node the readings around these instants, Unix seconds, sorted, whole quarter-hours, a few days at most.

    In the order asked for. Memory stays that of a few nodes.
    """
    instants = np.asarray(edges, np.int64)
    if (instants % 900).any():
        raise ValueError("edges are whole quarter-hours")
    for first in range(0, len(node_ids), _NODES_AT_ONCE):
        yield from _read_some(list(node_ids[first : first + _NODES_AT_ONCE]), instants)


def _read_some(node_ids: list[int], edges: Ints) -> list[RegisterEdges]:
    found = {node_id: RegisterEdges.unknown(node_id, edges) for node_id in node_ids}
    start, end = int(edges[0]) - _NEAR_SECONDS, int(edges[-1]) + _NEAR_SECONDS
    _consider_raw(found, start, end)
    rest = {node_id: around for node_id, around in found.items() if _has_gaps(around)}
    _consider_rollups(rest, 60, start, end)
    _consider_rollups(rest, 900, start - start % 28_800, end)
    silent = {node_id: around for node_id, around in rest.items() if _is_open(around)}
    _consider_rollups(silent, 900, start - _WIDE_SECONDS, min(end + _WIDE_SECONDS, int(time.time()) + 900))
    for node_id, around in rest.items():
        for bucket in _ends_of_gaps(around):  # where a gap begins and ends is known better while raw samples are there
            _consider_rollups({node_id: around}, 60, bucket, bucket + 900)
            _consider_raw({node_id: around}, bucket, bucket + 900)
    return [found[node_id] for node_id in node_ids]


def _consider_raw(found: dict[int, RegisterEdges], start: int, end: int) -> None:
    columns = [BY_NAME[Kind.NODE][f"{name}_energy_joules"] for name in ENERGY_REGISTERS]
    # From Postgres, which has what may still change, and not from an engine beside it, which may be away or behind.
    rows = raw.read(Kind.NODE, list(found), columns, start, end, [0])
    for node_id, mine in rows.by_node():
        for register in range(len(columns)):
            known = ~np.isnan(mine.values[:, register])
            at_ms = mine.at_ms[known]
            found[node_id].consider(register, at_ms, at_ms, mine.values[known, register])


def _has_gaps(around: RegisterEdges) -> bool:
    """Whether an edge has no reading shortly before it, of a register that is sent at all; or none is."""
    sent = ~np.isnan(around.before_joules).all(axis=1)
    stale = np.isnan(around.before_joules) | (around.edges * 1000 - around.before_ms > _FRESH_MS)
    return bool(not sent.any() or stale[sent].any())


def _is_open(around: RegisterEdges) -> bool:
    """Whether the gap before or after some edge has no end yet, of a register that is sent at all; or none is.

    A register that its node never sends, as where there is no solar, is not searched for.
    """
    unknown = np.isnan(around.before_joules), np.isnan(around.after_joules)
    sent = ~(unknown[0] & unknown[1]).all(axis=1)
    return bool(not sent.any() or unknown[0][sent].any() or unknown[1][sent].any())


def _ends_of_gaps(around: RegisterEdges) -> list[int]:
    """Starts of the quarter-hours in which lie, somewhere, the readings that are the neighbours of an edge in a gap."""
    in_gap = around.edges * 1000 - around.before_ms > _QUARTER_MS
    found = set()
    for ms, slack, side in (
        (around.before_ms, around.before_slack_ms, 0),
        (around.after_ms, around.after_slack_ms, _QUARTER_MS),
    ):
        found.update((ms[in_gap & (slack == _QUARTER_MS)] - side).tolist())
    return sorted(begin // 1000 for begin in found)


def _consider_rollups(found: dict[int, RegisterEdges], resolution: int, start: int, end: int) -> None:
    if not found:
        return
    for register, name in enumerate(ENERGY_REGISTERS):
        column = BY_NAME[Kind.NODE][f"{name}_energy_joules"]
        begins: dict[int, list[Ints]] = {node_id: [] for node_id in found}
        values: dict[int, list[Floats]] = {node_id: [] for node_id in found}
        for piece in chunk_reads.read_column(column, list(found), resolution, start, end):
            for buckets in (piece.buckets.of(int(place)) for place in np.flatnonzero(piece.subject_ids == 0)):
                known = np.flatnonzero(buckets.count)
                begins[piece.node_id].append(piece.begin + known * resolution)
                values[piece.node_id].append(buckets.fields["last"][known])
        for node_id, parts in begins.items():
            if parts:
                from_ms = np.concatenate(parts) * 1000
                found[node_id].consider(register, from_ms, from_ms + resolution * 1000, np.concatenate(values[node_id]))
