"""The only writer of node state: gathers evidence, asks node_state.classify, records what changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from django.db import connection, transaction
from django.utils import timezone

from homes.models import Node
from telemetry import fleet_latest, latest, presence, xid_changes
from telemetry.catalogue import Kind
from telemetry.evidence import Delivery, Served, gather, gpu_sightings, heard_ms
from telemetry.models import NodeStateSpan, NodeStatusRow
from telemetry.node_state import SILENCE_SECONDS, SILENT, Cause, Evidence, State, Verdict, classify

_SINCE_THE_LAST_WORD: Final = SILENT | {Cause.NO_READINGS}
KEPT_DAYS: Final = 10 * 365
"""As long as hours of rollups: what a node was doing then goes with what it measured."""


def judge(
    node_ids: Iterable[int],
    now: datetime | None = None,
    delivered: Mapping[int, Delivery] | None = None,
    listens_since: datetime | None = None,
) -> set[int]:
    """Bring the state of these nodes up to date. Returns the ids whose state or cause changed.

    `now` is up to when what came in has been looked at; whoever has been judged as of later, is so again. `delivered`
    says of nodes from which something has just come when that was. `listens_since` is since when the portal does so
    without a gap: a longer silence before that is recorded as its own. None: it has listened all along.
    """
    ids, today = sorted(set(node_ids)), timezone.now()
    with transaction.atomic():
        found = Node.objects.filter(pk__in=ids).order_by("pk")
        known = list(found.values_list("pk", "expected_gpus", "in_service_since"))
        rows = _locked([node_id for node_id, _, _ in known])
        nodes = [
            Served(node_id, expected, since is not None, _latest(rows.get(node_id), (delivered or {}).get(node_id)))
            for node_id, expected, since in known
        ]
        instants = [_as_of(now or today, rows.get(node.node_id), today) for node in nodes]
        tables = latest.read_tables([node.node_id for node in nodes])
        presence.note(*gpu_sightings(tables[Kind.GPU]))
        xid_changes.note([node.node_id for node in nodes], tables[Kind.GPU])
        heard = heard_ms(np.array([node.node_id for node in nodes], np.int64), tables)
        evidence = gather(nodes, tables, heard, instants, fleet_latest.gpus_there([node.node_id for node in nodes]))
        judged = [
            _judge(node, one, heard_at, rows.get(node.node_id), at, listens_since)
            for node, one, heard_at, at in zip(nodes, evidence, heard.tolist(), instants, strict=True)
        ]
        changed = [one for one in judged if one.since]
        _record(changed)
        _confirm([one for one in judged if not one.since])
        return {one.node.node_id for one in changed}


@dataclass(frozen=True, slots=True)
class _Judged:
    """`since` is when the verdict began to hold, None where it is what was said last.

    `blind_since` is where nobody had looked for longer than a silence: what the node did till now is not known.
    """

    node: Served
    gpus_seen: int | None
    verdict: Verdict
    since: datetime | None
    heard_at: datetime | None
    as_of: datetime
    blind_since: datetime | None = None

    @property
    def found(self) -> tuple[datetime | int | None, ...]:
        """As of when, when it was heard, when it delivered last, of when the newest of that is, and its GPUs."""
        delivery = self.node.delivery
        delivered = (delivery.came_at, delivery.newest_at) if delivery else (None, None)
        return self.as_of, self.heard_at, *delivered, self.node.expected_gpus, self.gpus_seen


@dataclass(frozen=True, slots=True)
class _Row:
    state: str
    cause: str
    since: datetime
    as_of: datetime
    delivery: Delivery | None


def _locked(ids: list[int]) -> dict[int, _Row]:
    """What was said last. In order of id, so that two judges of overlapping nodes take turns instead of deadlocking."""
    rows = NodeStatusRow.objects.select_for_update().filter(node__in=ids).order_by("node")
    said = rows.values_list("node_id", "state", "cause", "since", "as_of", "delivered_at", "newest_at")
    return {
        node_id: _Row(state, cause, since, as_of, Delivery(came_at, newest_at) if came_at and newest_at else None)
        for node_id, state, cause, since, as_of, came_at, newest_at in said
    }


def _latest(row: _Row | None, fresh: Delivery | None) -> Delivery | None:
    """The later one: what is stored after it has waited for days is no news."""
    known = [delivery for delivery in (row.delivery if row else None, fresh) if delivery]
    return max(known, key=lambda delivery: delivery.came_at, default=None)


def _as_of(at: datetime, row: _Row | None, today: datetime) -> datetime:
    """Not back in time, unless the last judge's clock was ahead."""
    return max(at, min(row.as_of, today)) if row else at


def _judge(
    node: Served, evidence: Evidence, heard: int, row: _Row | None, at: datetime, listens_since: datetime | None
) -> _Judged:
    verdict = classify(evidence)
    heard_at = datetime.fromtimestamp(heard / 1000, UTC) if heard else None
    is_said = row is not None and (row.state, row.cause) == (verdict.state, verdict.cause)
    spoke_at = node.delivery.came_at if verdict.cause in SILENT and node.delivery else heard_at
    began = _began(verdict, spoke_at, row, at)
    is_late = row is not None and (at - row.as_of).total_seconds() > SILENCE_SECONDS
    if row and is_late and listens_since and listens_since > row.as_of:
        began = min(max(began, listens_since), at)
        return _Judged(node, evidence.gpus_seen, verdict, began, heard_at, at, blind_since=row.as_of)
    return _Judged(node, evidence.gpus_seen, verdict, None if is_said else began, heard_at, at)


def _record(changed: list[_Judged]) -> None:
    """What is new is said, and a new span begins: a few statements, for a portal that comes back judges all anew.

    What was last known ends where nobody looked any more; the time till now is recorded as the portal's own silence.
    """
    if not changed:
        return
    known_until = [one.blind_since or one.since for one in changed]
    ids, since = [one.node.node_id for one in changed], [one.since for one in changed]
    states, causes = [str(one.verdict.state) for one in changed], [str(one.verdict.cause) for one in changed]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO telemetry_nodestatusrow AS s (node_id, state, cause, since, as_of, heard_at, delivered_at,"
            " newest_at, gpus_expected, gpus_seen) SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[],"
            " %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::int[],"
            " %s::int[])"
            " ON CONFLICT (node_id) DO UPDATE SET state = EXCLUDED.state, cause = EXCLUDED.cause,"
            " since = EXCLUDED.since, as_of = EXCLUDED.as_of, heard_at = EXCLUDED.heard_at,"
            " delivered_at = EXCLUDED.delivered_at, newest_at = EXCLUDED.newest_at,"
            " gpus_expected = EXCLUDED.gpus_expected, gpus_seen = EXCLUDED.gpus_seen",
            [ids, states, causes, since, *_found(changed)],
        )
        cursor.execute(
            "DELETE FROM telemetry_nodestatespan s USING unnest(%s::bigint[], %s::timestamptz[]) AS new(n, since)"
            " WHERE s.node_id = new.n AND s.ended_at IS NULL AND s.started_at >= new.since",
            [ids, known_until],
        )
        cursor.execute(
            "UPDATE telemetry_nodestatespan s SET ended_at = new.since"
            " FROM unnest(%s::bigint[], %s::timestamptz[]) AS new(n, since)"
            " WHERE s.node_id = new.n AND s.ended_at IS NULL",
            [ids, known_until],
        )
        cursor.execute(
            "INSERT INTO telemetry_nodestatespan (node_id, state, cause, started_at)"
            " SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[])",
            [ids, states, causes, since],
        )
    NodeStateSpan.objects.bulk_create(
        NodeStateSpan(
            node_id=one.node.node_id, state=State.UNKNOWN, cause=Cause.NOT_JUDGED, started_at=one.blind_since,
            ended_at=one.since,
        )
        for one in changed
        if one.blind_since
    )  # fmt: skip


def _confirm(judged: list[_Judged]) -> None:
    """Nothing changed for these but that it was looked at: one statement, for this is nearly every node every time."""
    if not judged:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE telemetry_nodestatusrow s SET as_of = new.as_of, heard_at = new.heard_at,"
            " delivered_at = new.delivered_at, newest_at = new.newest_at, gpus_expected = new.gpus_expected,"
            " gpus_seen = new.gpus_seen FROM unnest(%s::int[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[],"
            " %s::timestamptz[], %s::int[], %s::int[])"
            " AS new(node_id, as_of, heard_at, delivered_at, newest_at, gpus_expected, gpus_seen)"
            " WHERE s.node_id = new.node_id",
            [[one.node.node_id for one in judged], *_found(judged)],
        )


def _found(judged: list[_Judged]) -> list[list[datetime | int | None]]:
    """What was `found` of each, side by side."""
    return [list(column) for column in zip(*(one.found for one in judged), strict=True)]


def _began(verdict: Verdict, spoke_at: datetime | None, row: _Row | None, at: datetime) -> datetime:
    """When a new state began: unheard since the last word, anything else now. Never before the last change."""
    began = spoke_at if verdict.cause in _SINCE_THE_LAST_WORD and spoke_at else at
    return max(began, row.since) if row else began


def unconfirmed(before: datetime) -> list[int]:
    """Nodes that have not been judged as of this instant or later, new ones too."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n.id FROM homes_node n LEFT JOIN telemetry_nodestatusrow s ON s.node_id = n.id"
            " WHERE s.node_id IS NULL OR s.as_of < %s",
            [before],
        )
        return [row[0] for row in cursor.fetchall()]


def forget(before: datetime) -> int:
    """Drop the spans that ended before an instant. Returns how many went."""
    return NodeStateSpan.objects.filter(ended_at__lt=before).delete()[0]
