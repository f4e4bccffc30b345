"""Postgres' window handed to the engine once more: when an engine is new, or lost what it had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from django.db import connection

from homes.models import Node
from telemetry import raw
from telemetry.catalogue import COLUMNS, Kind
from telemetry.store import RawStore
from telemetry.tables import OTHER_TABLE
from telemetry.wide_rows import Rows
from telemetry.widening import NO_OTHERS, Others

NODES_AT_ONCE: Final = 32
_HOUR: Final = 3600


def refill(store: RawStore, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Hand over everything in [start, end), Unix seconds, oldest first. After each hour: (its start, samples so far).

    What the engine has already stays as it is. Raises EngineAway or EngineRefused; starting again is harmless.
    """
    nodes = list(Node.objects.order_by("pk").values_list("pk", flat=True))
    samples = 0
    for hour in range(start, end, _HOUR):
        until = min(hour + _HOUR, end)
        for first in range(0, len(nodes), NODES_AT_ONCE):
            some = nodes[first : first + NODES_AT_ONCE]
            wide = [_rows(kind, some, hour, until) for kind in Kind]
            other = _others(some, hour, until)
            store.take(wide, other)
            samples += len(other[3]) + sum(int((~np.isnan(rows.values)).sum()) for rows in wide)
        yield hour, samples


def _rows(kind: Kind, node_ids: Sequence[int], start: int, end: int) -> Rows:
    found = raw.read(kind, node_ids, COLUMNS[kind], start, end)
    ended = np.zeros(found.values.shape, np.bool_)
    return Rows(kind, found.node_ids, found.subject_ids, found.at_ms, found.values, ended)


def _others(node_ids: Sequence[int], start: int, end: int) -> Others:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT node_id, series_id, (extract(epoch FROM at) * 1000)::bigint, value FROM {OTHER_TABLE}"  # noqa: S608
            " WHERE node_id = ANY(%s) AND at >= %s AND at < %s",
            [list(node_ids), datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)],
        )
        rows: list[Any] = cursor.fetchall()
    if not rows:
        return NO_OTHERS
    *keys, values = zip(*rows, strict=True)
    nodes, series_ids, at_ms = (np.array(key, np.int64) for key in keys)
    return nodes, series_ids, at_ms, np.array(values, np.float64)
