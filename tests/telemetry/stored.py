"""What is in the tables, for comparing with what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from django.db import connection

from telemetry import latest
from telemetry.catalogue import COLUMNS, Kind
from telemetry.tables import OTHER_TABLE, SAMPLE_TABLES

Cells = dict[tuple[int, int, str], float]
"""Values by (subject id, milliseconds, column)."""


def _fetch(sql: str, *params: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def cells(kind: Kind, node_id: int) -> Cells:
    """Every cell that has a value."""
    names = [column.name for column in COLUMNS[kind]]
    rows = _fetch(
        f"SELECT subject_id, (extract(epoch FROM at) * 1000)::bigint, {', '.join(names)} FROM {SAMPLE_TABLES[kind]}"  # noqa: S608
        " WHERE node_id = %s",
        node_id,
    )
    return {
        (subject, at, name): value
        for subject, at, *values in rows
        for name, value in zip(names, values, strict=True)
        if value is not None
    }


def column(kind: Kind, node_id: int, name: str) -> dict[int, float]:
    """One column's values by milliseconds, where there is one subject."""
    return {at: value for (_, at, column), value in cells(kind, node_id).items() if column == name}


def rows(kind: Kind, node_id: int) -> int:
    return int(_fetch(f"SELECT count(*) FROM {SAMPLE_TABLES[kind]} WHERE node_id = %s", node_id)[0][0])  # noqa: S608


def others(node_id: int) -> dict[tuple[str, int], float]:
    """Values outside the catalogue by (metric, milliseconds)."""
    found = _fetch(
        "SELECT s.name, (extract(epoch FROM o.at) * 1000)::bigint, o.value"  # noqa: S608
        f" FROM {OTHER_TABLE} o JOIN telemetry_otherseries s ON s.id = o.series_id WHERE o.node_id = %s",
        node_id,
    )
    return {(name, at): value for name, at, value in found}


def other_bits(node_id: int) -> dict[tuple[str, int], int]:
    """The same, each as the 64 bits that it is: one NaN is not another."""
    found = _fetch(
        "SELECT s.name, (extract(epoch FROM o.at) * 1000)::bigint, float8send(o.value)"  # noqa: S608
        f" FROM {OTHER_TABLE} o JOIN telemetry_otherseries s ON s.id = o.series_id WHERE o.node_id = %s",
        node_id,
    )
    return {(name, at): int.from_bytes(value) for name, at, value in found}


def put_latest(node_id: int, kind: Kind, subjects: Mapping[int, latest.State]) -> None:
    """Replace what is known of one node and kind, whatever its age."""
    ids = np.array(sorted(subjects), np.int64)
    table = latest.Table.never(np.full(len(ids), node_id, np.int64), ids, len(COLUMNS[kind]))
    for i, subject in enumerate(ids.tolist()):
        table.at_ms[i], table.values[i] = subjects[subject].at_ms, subjects[subject].values
    latest.store(kind, table)
