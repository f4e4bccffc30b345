"""The one query module: what pages, the API, alerts and billing read of telemetry.

Callers authorise first (`visible_to`); row-level security is the second wall. Everything is in base
units with aware UTC instants. Absence stays absence: None, never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from telemetry.catalogue import Kind
from telemetry.readings import Energy, History, NodeLatest, NodeStatus, StateSpan


def latest(node_ids: Iterable[int]) -> dict[int, NodeLatest]:
    """Latest values and state of each node; a node never heard of is there with no cells."""
    raise NotImplementedError


def statuses(node_ids: Iterable[int]) -> dict[int, NodeStatus]:
    """Just the state of each node."""
    raise NotImplementedError


def history(
    node_id: int,
    kind: Kind,
    columns: Sequence[str],
    start: datetime,
    end: datetime,
    step_seconds: int | None = None,
    subjects: Sequence[str] | None = None,
) -> History:
    """Values over [start, end). `step_seconds` None picks about 300 buckets; 0 asks for raw samples.

    `subjects` limits GPUs (by UUID) or circuits (by name). The coarsest stored resolution that still
    gives the step is read. Raises ValueError for an unknown column, an empty range or > 5,000 buckets.
    """
    raise NotImplementedError


def energy(node_id: int, start: datetime, end: datetime) -> Energy:
    """Watt-hours by register in [start, end) from the registers' reset-aware increase."""
    raise NotImplementedError


def energy_by_bucket(node_id: int, edges: Sequence[datetime]) -> list[Energy]:
    """`energy` between each pair of neighbouring edges (local midnights, say), in one read."""
    raise NotImplementedError


def state_spans(node_id: int, start: datetime, end: datetime) -> list[StateSpan]:
    """The node's states that overlap [start, end), oldest first."""
    raise NotImplementedError


def usual_home_watts(node_id: int, now: datetime) -> float | None:
    """The household's mean draw in the same three hours of the day over the last week; None without data."""
    raise NotImplementedError
