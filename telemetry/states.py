"""The only writer of node state: gathers evidence, asks node_state.classify, records what changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from django.db import connection, transaction
from django.utils import timezone

from homes.models import Node
from telemetry import latest, registry, xid_changes
from telemetry.catalogue import Kind
from telemetry.evidence import Served, gather, gpu_sightings, heard_ms
from telemetry.models import NodeStateSpan, NodeStatusRow
from telemetry.node_state import Verdict, classify

KEPT_DAYS: Final = 10 * 365
"""As long as hours of rollups: what a node was doing then goes with what it measured."""


def judge(node_ids: Iterable[int], now: datetime | None = None) -> set[int]:
    """Bring the state of these nodes up to date. Returns the ids whose state or cause changed."""
    at = now or timezone.now()
    ids = sorted(set(node_ids))
    with transaction.atomic():
        nodes = [
            Served(node_id, expected, since is not None)
            for node_id, expected, since in Node.objects.filter(pk__in=ids)
            .order_by("pk")
            .values_list("pk", "expected_gpus", "in_service_since")
        ]
        rows = _locked([node.node_id for node in nodes])
        tables = latest.read_tables([node.node_id for node in nodes])
        registry.note_presence(*gpu_sightings(tables[Kind.GPU]))
        xid_changes.note([node.node_id for node in nodes], tables[Kind.GPU])
        heard = heard_ms(np.array([node.node_id for node in nodes], np.int64), tables)
        evidence = gather(nodes, tables, heard, at)
        judged = [
            _judge(node.node_id, classify(known), heard_at, rows.get(node.node_id), at)
            for node, known, heard_at in zip(nodes, evidence, heard.tolist(), strict=True)
        ]
        changed = [one for one in judged if one.since]
        _record(changed, at)
        _confirm([one for one in judged if not one.since], at)
        return {one.node_id for one in changed}


@dataclass(frozen=True, slots=True)
class _Judged:
    """`since` is when the verdict began to hold, None where it is what was said last."""

    node_id: int
    verdict: Verdict
    since: datetime | None
    heard_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Row:
    state: str
    cause: str
    since: datetime


def _locked(ids: list[int]) -> dict[int, _Row]:
    """What was said last. In order of id, so that two judges of overlapping nodes take turns instead of deadlocking."""
    rows = NodeStatusRow.objects.select_for_update().filter(node__in=ids).order_by("node")
    said = rows.values_list("node_id", "state", "cause", "since")
    return {node_id: _Row(state, cause, since) for node_id, state, cause, since in said}


def _judge(node_id: int, verdict: Verdict, heard: int, row: _Row | None, at: datetime) -> _Judged:
    heard_at = datetime.fromtimestamp(heard / 1000, UTC) if heard else None
    is_said = row is not None and (row.state, row.cause) == (verdict.state, verdict.cause)
    return _Judged(node_id, verdict, None if is_said else _began(verdict, heard_at, row, at), heard_at)


def _record(changed: list[_Judged], at: datetime) -> None:
    """What is new is said, and a new span begins: a few statements, for a portal that comes back judges all anew."""
    if not changed:
        return
    ids, since = [one.node_id for one in changed], [one.since for one in changed]
    states, causes = [str(one.verdict.state) for one in changed], [str(one.verdict.cause) for one in changed]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO telemetry_nodestatusrow AS s (node_id, state, cause, since, as_of, heard_at)"
            " SELECT n, state, cause, since, %s, heard_at FROM unnest(%s::bigint[], %s::text[], %s::text[],"
            " %s::timestamptz[], %s::timestamptz[]) AS new(n, state, cause, since, heard_at)"
            " ON CONFLICT (node_id) DO UPDATE SET state = EXCLUDED.state, cause = EXCLUDED.cause,"
            " since = EXCLUDED.since, as_of = EXCLUDED.as_of, heard_at = EXCLUDED.heard_at",
            [at, ids, states, causes, since, [one.heard_at for one in changed]],
        )
        cursor.execute(
            "DELETE FROM telemetry_nodestatespan s USING unnest(%s::bigint[], %s::timestamptz[]) AS new(n, since)"
            " WHERE s.node_id = new.n AND s.ended_at IS NULL AND s.started_at >= new.since",
            [ids, since],
        )
        cursor.execute(
            "UPDATE telemetry_nodestatespan s SET ended_at = new.since"
            " FROM unnest(%s::bigint[], %s::timestamptz[]) AS new(n, since)"
            " WHERE s.node_id = new.n AND s.ended_at IS NULL",
            [ids, since],
        )
        cursor.execute(
            "INSERT INTO telemetry_nodestatespan (node_id, state, cause, started_at)"
            " SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[])",
            [ids, states, causes, since],
        )


def _confirm(judged: list[_Judged], at: datetime) -> None:
    """Nothing changed for these but that it was looked at: one statement, for this is nearly every node every time."""
    if not judged:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE telemetry_nodestatusrow s SET as_of = %s, heard_at = new.heard_at"
            " FROM unnest(%s::int[], %s::timestamptz[]) AS new(node_id, heard_at) WHERE s.node_id = new.node_id",
            [at, [one.node_id for one in judged], [one.heard_at for one in judged]],
        )


def _began(verdict: Verdict, heard_at: datetime | None, row: _Row | None, at: datetime) -> datetime:
    """When a new state began: silence since the last word, anything else now. Never before the last change."""
    silent = verdict.cause.startswith("silent")
    began = heard_at if silent and heard_at else at
    return max(began, row.since) if row else began


def silent_nodes(now: datetime | None = None) -> list[int]:
    """Nodes whose state was last judged before their silence became long enough to matter."""
    at = now or timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n.id FROM homes_node n LEFT JOIN telemetry_nodestatusrow s ON s.node_id = n.id"
            " WHERE s.node_id IS NULL OR s.as_of < %s",
            [at - timedelta(seconds=5)],
        )
        return [row[0] for row in cursor.fetchall()]


def forget(before: datetime) -> int:
    """Drop the spans that ended before an instant. Returns how many went."""
    return NodeStateSpan.objects.filter(ended_at__lt=before).delete()[0]
