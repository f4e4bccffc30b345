"""Latest values: per subject one row with an instant and a value for each column. Never moves back.

Arrays are indexed by column code. NaN with an instant says that the series ended then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from django.db import connection

from telemetry.catalogue import COLUMNS, Kind
from telemetry.readings import Cell

if TYPE_CHECKING:
    from telemetry.storage import Rows

Key = tuple[int, int, int]
"""(node id, kind, subject id)"""


@dataclass(slots=True)
class State:
    """Newest instants (0: never) and values of one subject, by column code."""

    at_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    def take(self, at_ms: int, values: npt.NDArray[np.float64], told: npt.NDArray[np.bool_]) -> None:
        """Accept what is told unless newer is known; at the same instant a value overwrites, an end does not."""
        newer = told & ((at_ms > self.at_ms) | ((at_ms == self.at_ms) & ~np.isnan(values)))
        self.at_ms[newer] = at_ms
        self.values[newer] = values[newer]

    def cells(self, kind: Kind) -> dict[str, Cell]:
        """What has a value now, by column name."""
        return {
            column.name: Cell(
                float(self.values[column.code]), datetime.fromtimestamp(self.at_ms[column.code] / 1000, UTC)
            )
            for column in COLUMNS[kind][: len(self.values)]
            if self.at_ms[column.code] and not np.isnan(self.values[column.code])
        }


def advance(cursor: Any, rows: Rows) -> None:
    """Bring latest values forward with these rows. The caller holds the shard's lock."""
    width = len(COLUMNS[rows.kind])
    keys = sorted(set(zip(rows.node_ids.tolist(), rows.subject_ids.tolist(), strict=True)))
    known = _load(cursor, int(rows.kind), sorted({node for node, _ in keys}), width)
    told = rows.ended | ~np.isnan(rows.values)
    for i, key in enumerate(zip(rows.node_ids.tolist(), rows.subject_ids.tolist(), strict=True)):
        state = known.setdefault(key, State(np.zeros(width, np.int64), np.full(width, np.nan)))
        state.take(int(rows.at_ms[i]), rows.values[i], told[i])
    cursor.executemany(
        "INSERT INTO telemetry_latest (node_id, kind, subject_id, at_ms, value) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (node_id, kind, subject_id) DO UPDATE SET at_ms = EXCLUDED.at_ms, value = EXCLUDED.value",
        [
            (node, int(rows.kind), subject, known[node, subject].at_ms.tolist(), known[node, subject].values.tolist())
            for node, subject in keys
        ],
    )


def _load(cursor: Any, kind: int, node_ids: list[int], width: int) -> dict[tuple[int, int], State]:
    cursor.execute(
        "SELECT node_id, subject_id, at_ms, value FROM telemetry_latest WHERE node_id = ANY(%s) AND kind = %s",
        [node_ids, kind],
    )
    return {(node, subject): _state(at_ms, values, width) for node, subject, at_ms, values in cursor.fetchall()}


def _state(at_ms: list[int], values: list[float], width: int) -> State:
    """From storage, grown to today's number of columns."""
    grown_at, grown = np.zeros(width, np.int64), np.full(width, np.nan)
    grown_at[: len(at_ms)], grown[: len(values)] = at_ms, values
    return State(grown_at, grown)


def read(node_ids: Iterable[int]) -> dict[Key, State]:
    """Latest states of all subjects of these nodes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT node_id, kind, subject_id, at_ms, value FROM telemetry_latest WHERE node_id = ANY(%s)",
            [list(node_ids)],
        )
        rows = cursor.fetchall()
    return {
        (node, kind, subject): _state(at_ms, values, len(COLUMNS[Kind(kind)]))
        for node, kind, subject, at_ms, values in rows
    }
