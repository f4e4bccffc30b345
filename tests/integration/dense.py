"""A sender for high rates: a body holds many instants, and what was stored is compared within Postgres.

A tick is the milliseconds since the sender began, so that what a stored sample has to be follows from its instant.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from math import inf
from typing import Any, Final

import cramjam
import numpy as np
import numpy.typing as npt

from telemetry.simulator.wire import varint
from tests.integration.sender import PART_OF, PARTS, SERIES, Body, NodeLog, Sender
from tests.integration.stored import SUBJECT, assert_as_many, database
from tests.stack import Stack

_INSTANTS: Final = 10
_SAMPLE_BYTES: Final = 18
_VARINT_BYTES: Final = 6
"""Of milliseconds since the epoch, until 2109."""
_INDICES: Final = [np.array([i for i in range(len(SERIES)) if PART_OF[i] == part]) for part in range(PARTS)]
_IS_COUNTER: Final = np.array([series.is_counter for series in SERIES])


class DenseSender(Sender):
    """On average `rate` samples a second: what it could not send while the portal was away, it sends afterwards."""

    makes_up_s = inf

    def __init__(self, url: str, tokens: Mapping[str, str], rate: float) -> None:
        super().__init__(url, tokens, interval_s=len(tokens) * len(SERIES) * _INSTANTS / rate)
        self.began_ms = time.time_ns() // 1_000_000
        self._made_ms = dict.fromkeys(range(len(tokens)), self.began_ms)

    def _make(self, node: NodeLog) -> None:
        at_ms = self._instants(node)
        for part in range(PARTS):
            message = self._message(node, part, at_ms)
            data = bytes(cramjam.snappy.compress_raw(message))
            node.waiting.append(Body(int(at_ms[0]), part, int(at_ms[-1]), data))

    def _instants(self, node: NodeLog) -> npt.NDArray[np.int64]:
        """As many as a body holds, spread over the time since the last one: no two of a node are the same."""
        first, now = self._made_ms[node.number] + 1, time.time_ns() // 1_000_000
        step = max(1, (now - first) // _INSTANTS)
        at_ms = first + np.arange(_INSTANTS, dtype=np.int64) * step
        self._made_ms[node.number] = int(at_ms[-1])
        return at_ms

    def _message(self, node: NodeLog, part: int, at_ms: npt.NDArray[np.int64]) -> bytes:
        samples = np.empty((len(at_ms), _SAMPLE_BYTES), np.uint8)
        samples[:, 0:3], samples[:, 11] = (0x12, _SAMPLE_BYTES - 2, 0x09), 0x10
        for place in range(_VARINT_BYTES):
            last = place == _VARINT_BYTES - 1
            samples[:, 12 + place] = (at_ms >> 7 * place) & 0x7F | (0 if last else 0x80)
        found = []
        values = self._values(node.number, _INDICES[part], at_ms - self.began_ms)
        for index, row in zip(_INDICES[part].tolist(), values, strict=True):
            samples[:, 3:11] = row.view(np.uint8).reshape(-1, 8)
            content = node.labels[index] + samples.tobytes()
            found.append(b"\x0a" + varint(len(content)) + content)
        return b"".join(found)

    @staticmethod
    def _values(node: int, series: npt.NDArray[np.int64], ticks: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """What `value_of` says, for all of these series and ticks: (series, ticks)."""
        of_series = series[:, None]
        counters = ticks * 1000.25 + of_series * 1e7 + node * 1e9 + 0.1
        gauges = (ticks * 7 + of_series * 3 + node) % 199 + 1.0
        return np.ascontiguousarray(np.where(_IS_COUNTER[series][:, None], counters, gauges))

    def _acknowledge(self, node: NodeLog, body: Body) -> None:
        for at_ms in np.linspace(body.tick, body.at_ms, _INSTANTS).round().astype(np.int64).tolist():
            _, parts = node.acknowledged.setdefault(at_ms, (at_ms - self.began_ms, set()))
            parts.add(body.part)
        if len(parts) == PARTS:
            node.newest_ms = body.at_ms


def assert_stored(stack: Stack, sender: DenseSender) -> int:
    """Every acknowledged sample once and with its value, nothing else; how many there are."""
    with database(stack) as connection:
        count = assert_as_many(connection, sender)
        ids = dict(connection.execute("SELECT hostname, id FROM homes_node").fetchall())
        for node in sender.nodes:
            instants = _instants_of_parts(node)
            for subject in sorted({(series.table, series.subject) for series in SERIES}):
                indices = [i for i, series in enumerate(SERIES) if (series.table, series.subject) == subject]
                found = _summaries(connection, ids[node.hostname], node, indices, sender.began_ms)
                assert found == [(*instants[PART_OF[i]], 0) for i in indices], f"{node.hostname} {subject}"
    return count


def _instants_of_parts(node: NodeLog) -> list[tuple[int, int]]:
    """For each part of a scrape: of how many instants it was acknowledged, and their sum in ms."""
    found = []
    for part in range(PARTS):
        instants = [at_ms for at_ms, (_, parts) in node.acknowledged.items() if part in parts]
        found.append((len(instants), sum(instants)))
    return found


def _summaries(
    connection: Any, node_id: int, node: NodeLog, indices: list[int], began_ms: int
) -> list[tuple[int, int, int]]:
    """Of series of one subject: how many samples, the sum of their instants, and how many were not sent so."""
    table, subject = SERIES[indices[0]].table, SERIES[indices[0]].subject.replace("@", node.hostname)
    aggregates = ", ".join(_aggregates(node, index, began_ms) for index in indices)
    (row,) = connection.execute(
        f"SELECT {aggregates} FROM (SELECT *, (extract(epoch FROM at) * 1000)::bigint AS ms FROM {table}"  # noqa: S608
        f" WHERE node_id = %s AND {SUBJECT[table]} = %s) s",
        [node_id, subject],
    ).fetchall()
    return [tuple(row[i : i + 3]) for i in range(0, len(row), 3)]


def _aggregates(node: NodeLog, index: int, began_ms: int) -> str:
    column, tick = SERIES[index].column, f"(ms - {began_ms})"
    sent = f"({tick} * 7 + {index * 3 + node.number}) %% 199 + 1"
    if SERIES[index].is_counter:
        sent = (
            f"{tick}::float8 * 1000.25::float8 + {index * 1e7!r}::float8 + {node.number * 1e9!r}::float8 + 0.1::float8"
        )
    is_there = f"FILTER (WHERE {column} IS NOT NULL)"
    total = f"coalesce(sum(ms) {is_there}, 0)::bigint"
    return f"count({column}), {total}, count(*) FILTER (WHERE {column} <> {sent})"
