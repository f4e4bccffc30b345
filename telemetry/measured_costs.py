"""What samples and buckets cost in the tables at hand: of each table its largest partition is weighed and counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from django.db import connection

from telemetry import chunks, sealed, slabs
from telemetry.capacity import Costs
from telemetry.catalogue import COLUMNS, Kind
from telemetry.tables import (
    FLEET_TABLE,
    OTHER_TABLE,
    PARTITION_SECONDS,
    ROLLUP_TABLES,
    SAMPLE_TABLES,
    SEALED_TABLE,
)

LEAST_SAMPLES: Final = 50_000
"""Below so many samples, or buckets, what a table weighs is mostly what an empty one does."""
_BODIES_LOOKED_INTO: Final = 200


@dataclass(frozen=True, slots=True)
class _Partition:
    bytes: int
    start: datetime
    end: datetime


def measure(costs: Costs) -> tuple[Costs, list[str]]:
    """`costs` with what could be measured here, and the names of what could not for want of data."""
    weighed = {
        "raw": _per_sample([(table, [c.name for c in COLUMNS[kind]]) for kind, table in SAMPLE_TABLES.items()]),
        "sealed": _per_item(SEALED_TABLE, _samples),
        "other": _per_sample([(OTHER_TABLE, ["value"])]),
        "slab": _per_bucket_of_slabs(),
        "latest": _latest(),
    }
    buckets = {resolution: _per_item(table, _buckets) for resolution, table in ROLLUP_TABLES.items()}
    missing = [name for name, found in weighed.items() if found is None]
    missing += [f"rollup of {resolution} s" for resolution, found in buckets.items() if found is None]
    known = {name: found for name, found in weighed.items() if found is not None}
    bucket = {resolution: found or costs.bucket[resolution] for resolution, found in buckets.items()}
    return replace(costs, bucket=bucket, **known), missing


def _per_sample(tables: Sequence[tuple[str, Sequence[str]]]) -> float | None:
    """Bytes for each value in these tables together."""
    size = samples = 0
    for table, columns in tables:
        partition = _largest(table)
        if partition is None:
            continue
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT coalesce(sum(num_nonnulls({', '.join(columns)})), 0) FROM {table}"  # noqa: S608
                " WHERE at >= %s AND at < %s",
                [partition.start, partition.end],
            )
            found = int(cursor.fetchone()[0])
        samples += found
        size += partition.bytes if found else 0
    return size / samples if samples >= LEAST_SAMPLES else None


def _per_item(table: str, count: Callable[[Kind, bytes], int]) -> float | None:
    """Bytes for each sample or bucket in the bodies of a table, from how many some of the bodies hold."""
    partition = _largest(table)
    if partition is None:
        return None
    where, span = f"FROM {table} WHERE at >= %s AND at < %s", [partition.start, partition.end]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) {where}", span)
        rows = int(cursor.fetchone()[0])
        cursor.execute(f"SELECT kind, body {where} ORDER BY random() LIMIT %s", [*span, _BODIES_LOOKED_INTO])
        found = cursor.fetchall()
    held = sum(count(Kind(kind), bytes(body)) for kind, body in found)
    items = held / len(found) * rows if found else 0
    return partition.bytes / items if items >= LEAST_SAMPLES else None


def _per_bucket_of_slabs() -> float | None:
    """Bytes for each bucket of a series that is in the fleet's slabs."""
    partition = _largest(FLEET_TABLE)
    if partition is None:
        return None
    where, span = f"FROM {FLEET_TABLE} WHERE at >= %s AND at < %s", [partition.start, partition.end]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) {where}", span)
        rows = int(cursor.fetchone()[0])
        cursor.execute(
            f"SELECT kind, codes, ends, body {where} ORDER BY random() LIMIT %s", [*span, _BODIES_LOOKED_INTO]
        )
        found = [
            slabs.unpack(Kind(kind), slabs.Packed(codes, ends, bytes(body)))
            for kind, codes, ends, body in cursor.fetchall()
        ]
    held = sum(int((count > 0).sum()) for slab in found for count, _ in slab.columns.values())
    items = held / len(found) * rows if found else 0
    return partition.bytes / items if items >= LEAST_SAMPLES else None


def _samples(kind: Kind, body: bytes) -> int:
    """How many values there are."""
    return int((~np.isnan(sealed.decode(kind, body, COLUMNS[kind]).values)).sum())


def _buckets(kind: Kind, body: bytes) -> int:
    """How many buckets of how many series have a value."""
    return sum(int((held.count > 0).sum()) for held in chunks.decode(kind, body).grid.values())


def _latest() -> float | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(DISTINCT node_id), pg_total_relation_size('telemetry_latest') FROM telemetry_latest"
        )
        nodes, weight = cursor.fetchone()
    return float(weight / nodes) if nodes else None


def _largest(table: str) -> _Partition | None:
    """Indexes and TOAST included."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT substring(pg_get_expr(relpartbound, oid) FROM $r$FROM \\('([^']+)'$r$)::timestamptz,"
            " pg_total_relation_size(oid) AS size FROM pg_inherits JOIN pg_class ON oid = inhrelid"
            " WHERE inhparent = %s::regclass ORDER BY size DESC LIMIT 1",
            [table],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    return _Partition(int(row[1]), row[0], row[0] + timedelta(seconds=PARTITION_SECONDS[table]))
