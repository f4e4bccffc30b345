"""A row in every table of homes and telemetry, so that there is something to hide and to refuse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db import connection
from django.utils import timezone

from homes.access import acting_as_system
from homes.models import AppSession, Gpu, WorkOrder
from telemetry.models import Circuit, GpuXid, NodeClock, NodeStateSpan, NodeStatusRow, OtherSeries
from telemetry.tables import GUARDED, IDENTITIES_TABLE, PARTITION_SECONDS
from tests.cast import Cast


def fill(cast: Cast) -> None:
    """Of both homes what Django has models for, and of the first one what it has none for."""
    at = timezone.now()
    with acting_as_system():
        for node in (cast.node, cast.other_node):
            Circuit.objects.create(node=node, name="oven")
            OtherSeries.objects.create(node=node, name="up", labels={}, digest=bytes(16))
            NodeStatusRow.objects.create(node=node, state="working", since=at, as_of=at)
            GpuXid.objects.create(gpu=Gpu.objects.filter(node=node)[0], node=node, code=48, since=at)
            NodeClock.objects.create(node=node, ahead_ms=480_000, lag_ms=0, lag_since_ms=0)
            NodeStateSpan.objects.create(node=node, state="working", started_at=at)
        AppSession.objects.create(user=cast.people["owner"], session_key="k" * 32, current_id=uuid4())
        WorkOrder.objects.create(node=cast.other_node, technician=cast.people["idle_technician"], summary="x")
        _write_telemetry(cast.node.pk, at)


def _write_telemetry(node_id: int, at: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {IDENTITIES_TABLE} (version) VALUES (1)")  # noqa: S608
        for table, seconds in PARTITION_SECONDS.items():
            begin = datetime.fromtimestamp(int(at.timestamp()) // seconds * seconds, UTC)
            until = begin + timedelta(seconds=seconds)
            cursor.execute("SELECT telemetry_ensure_partition(%s, %s, %s)", [table, begin, until])
        for table in GUARDED:
            cursor.execute(
                "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute"
                " WHERE attrelid = %s::regclass AND attnum > 0 AND attnotnull AND NOT atthasdef",
                [table],
            )
            row = {name: node_id if name == "node_id" else _any(kind, at) for name, kind in cursor.fetchall()}
            marks = ", ".join(["%s"] * len(row))
            cursor.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))  # noqa: S608


def _any(kind: str, at: datetime) -> Any:
    if kind == "timestamp with time zone":
        return at
    return b"" if kind == "bytea" else [] if kind.endswith("[]") else 1
