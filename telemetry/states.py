"""The only writer of node state: gathers evidence, asks node_state.classify, records what changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.utils import timezone

from homes.models import Node
from telemetry import latest, registry
from telemetry.catalogue import BY_NAME, CURTAIL_REASONS, Kind
from telemetry.models import NodeStateSpan, NodeStatusRow
from telemetry.node_state import SILENCE_SECONDS, Evidence, Verdict, classify

_BUSY_WATTS: Final = 1.0
_POWER = BY_NAME[Kind.GPU]["power_watts"].code
_THROTTLE = BY_NAME[Kind.GPU]["throttle_reasons"].code
_LINE_UP = BY_NAME[Kind.NODE]["internet_home_up"].code
_CURTAILED = {reason: BY_NAME[Kind.NODE][f"curtailed_{reason}"].code for reason in CURTAIL_REASONS}

States = dict[int, dict[int, latest.State]]
"""Latest states of one node: by kind, then by subject id."""


def judge(node_ids: Iterable[int], now: datetime | None = None) -> set[int]:
    """Bring the state of these nodes up to date. Returns the ids whose state or cause changed."""
    at = now or timezone.now()
    ids = sorted(set(node_ids))
    with transaction.atomic():
        nodes = list(Node.objects.filter(pk__in=ids))
        # In order of id, so that two judges of overlapping nodes take turns instead of deadlocking.
        rows = {
            row.node_id: row for row in NodeStatusRow.objects.select_for_update().filter(node__in=ids).order_by("node")
        }
        everything = _group(latest.read(ids))
        registry.note_presence({node.pk: _seen_at(everything.get(node.pk, {}).get(Kind.GPU, {})) for node in nodes})
        judged = [_judge(node, everything.get(node.pk, {}), rows.get(node.pk), at) for node in nodes]
        _confirm([one for one in judged if not one.changed], at)
        return {one.node_id for one in judged if one.changed}


@dataclass(frozen=True, slots=True)
class _Judged:
    node_id: int
    changed: bool
    heard_at: datetime | None


def _group(read: dict[latest.Key, latest.State]) -> dict[int, States]:
    grouped: dict[int, States] = {}
    for (node, kind, subject), state in read.items():
        grouped.setdefault(node, {}).setdefault(kind, {})[subject] = state
    return grouped


def _judge(node: Node, states: States, row: NodeStatusRow | None, at: datetime) -> _Judged:
    heard_ms = max((int(state.at_ms.max()) for of_kind in states.values() for state in of_kind.values()), default=0)
    heard_at = datetime.fromtimestamp(heard_ms / 1000, UTC) if heard_ms else None
    verdict = classify(_evidence(node, states, heard_ms, at))
    if row is not None and (row.state, row.cause) == (verdict.state, verdict.cause):
        return _Judged(node.pk, False, heard_at)
    since = _began(verdict, heard_at, row, at)
    NodeStatusRow.objects.update_or_create(
        node=node,
        defaults={"state": verdict.state, "cause": verdict.cause, "since": since, "as_of": at, "heard_at": heard_at},
    )
    _turn_page(node, verdict, since)
    return _Judged(node.pk, True, heard_at)


def _confirm(judged: list[_Judged], at: datetime) -> None:
    """Nothing changed for these but that it was looked at: one statement, for this is nearly every node every time."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE telemetry_nodestatusrow s SET as_of = %s, heard_at = new.heard_at"
            " FROM unnest(%s::int[], %s::timestamptz[]) AS new(node_id, heard_at) WHERE s.node_id = new.node_id",
            [at, [one.node_id for one in judged], [one.heard_at for one in judged]],
        )


def _began(verdict: Verdict, heard_at: datetime | None, row: NodeStatusRow | None, at: datetime) -> datetime:
    """When a new state began: silence since the last word, anything else now. Never before the last change."""
    silent = verdict.cause.startswith("silent")
    began = heard_at if silent and heard_at else at
    return max(began, row.since) if row else began


def _turn_page(node: Node, verdict: Verdict, since: datetime) -> None:
    NodeStateSpan.objects.filter(node=node, ended_at__isnull=True, started_at__gte=since).delete()
    NodeStateSpan.objects.filter(node=node, ended_at__isnull=True).update(ended_at=since)
    NodeStateSpan.objects.create(node=node, state=verdict.state, cause=verdict.cause, started_at=since)


def _seen_at(gpus: dict[int, latest.State]) -> dict[int, datetime]:
    """When each GPU last had a power reading. A series that ended counts as last seen when it ended."""
    return {
        gpu: datetime.fromtimestamp(int(state.at_ms[_POWER]) / 1000, UTC)
        for gpu, state in gpus.items()
        if state.at_ms[_POWER]
    }


def _evidence(node: Node, states: States, heard_ms: int, at: datetime) -> Evidence:
    own = states.get(Kind.NODE, {}).get(0)
    cutoff = heard_ms - int(SILENCE_SECONDS * 1000)
    gpus = [s for s in states.get(Kind.GPU, {}).values() if s.at_ms[_POWER] >= cutoff and s.values[_POWER] >= 0]
    throttle = 0
    for gpu in gpus:
        if gpu.values[_THROTTLE] >= 0:
            throttle |= int(gpu.values[_THROTTLE])
    silent = (at - datetime.fromtimestamp(heard_ms / 1000, UTC)).total_seconds() if heard_ms else None
    return Evidence(
        silent_seconds=silent,
        home_line_up=_line_up(own, at),
        in_service=node.in_service_since is not None,
        gpus_expected=node.expected_gpus if states.get(Kind.GPU) else 0,
        gpus_seen=len(gpus),
        gpus_busy=sum(1 for gpu in gpus if gpu.values[_POWER] > _BUSY_WATTS),
        throttle_reasons=throttle,
        curtailed=frozenset(reason for reason, code in _CURTAILED.items() if own is not None and own.values[code] > 0),
    )


def _line_up(own: latest.State | None, at: datetime) -> bool | None:
    """Whether the home's internet line is known to be up now; None when that is not fresh knowledge."""
    if own is None or not own.values[_LINE_UP] >= 0:
        return None
    age = at - datetime.fromtimestamp(int(own.at_ms[_LINE_UP]) / 1000, UTC)
    return bool(own.values[_LINE_UP] > 0) if age <= timedelta(seconds=SILENCE_SECONDS) else None


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
