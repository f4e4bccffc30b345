"""History that a simulator lived through, into the same tables that live samples and rollups use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction

from telemetry import chunks, fleet_rollups, partitions, register_marks, states, storage
from telemetry.catalogue import BY_NAME, COLUMNS, CURTAIL_REASONS, Kind
from telemetry.chunks import FIELDS, Buckets, Chunk
from telemetry.models import Circuit, NodeStateSpan
from telemetry.node_state import Evidence, Verdict, classify
from telemetry.simulator.history import HistoryBlock
from telemetry.tables import FLEET_TABLE, ROLLUP_TABLES, SAMPLE_TABLES
from telemetry.wide_rows import Rows
from telemetry.windows import Window

SubjectIds = Mapping[Kind, npt.NDArray[np.int64]]
"""Per kind an (N, S) array of subject ids, nodes in the order of the fleet."""

_POWER: Final = "power_watts"


class Backfill:
    """Takes blocks in order of time for each resolution. Call `finish` at the end."""

    def __init__(self, node_ids: Sequence[int], gpu_ids: npt.NDArray[np.int64], gpus_expected: int) -> None:
        self._node_ids = np.array(node_ids, dtype=np.int64)
        self._gpu_ids = gpu_ids
        self._ids: dict[Kind, npt.NDArray[np.int64]] = {
            Kind.NODE: np.zeros((len(node_ids), 1), np.int64),
            Kind.GPU: gpu_ids,
        }
        self._open: dict[tuple[int, Kind], _OpenChunk] = {}
        self._story = _Story(len(node_ids), gpus_expected)

    def take(self, block: HistoryBlock) -> None:
        if block.kind is Kind.CIRCUIT and Kind.CIRCUIT not in self._ids:
            self._ids[Kind.CIRCUIT] = self._circuit_ids(block.subjects)
        if block.resolution_seconds == 0:
            self._take_raw(block)
            return
        self._story.take(block)
        key = (block.resolution_seconds, block.kind)
        for at in range(len(block.at_ms)):
            second = int(block.at_ms[at]) // 1000
            begin = chunks.chunk_start(block.resolution_seconds, second)
            held = self._open.get(key)
            if held is None or held.begin != begin:
                if held:
                    self._write(held)
                held = self._open[key] = _OpenChunk(block.resolution_seconds, block.kind, begin)
            held.put((second - begin) // block.resolution_seconds, block, at)

    def finish(self) -> None:
        for held in self._open.values():
            self._write(held)
        self._open.clear()
        self._story.write(self._node_ids)
        states.judge(self._node_ids.tolist())

    def _circuit_ids(self, names: Iterable[str]) -> npt.NDArray[np.int64]:
        return np.array(
            [
                [Circuit.objects.get_or_create(node_id=node, name=name)[0].pk for name in names]
                for node in self._node_ids.tolist()
            ],
            dtype=np.int64,
        )

    def _take_raw(self, block: HistoryBlock) -> None:
        ids = self._ids[block.kind]
        count, subjects = len(block.at_ms), ids.size
        values = np.full((count, subjects, len(COLUMNS[block.kind])), np.nan)
        for name, stats in block.columns.items():
            values[:, :, BY_NAME[block.kind][name].code] = stats.last.reshape(count, subjects)
        values = np.concatenate(list(values.transpose(1, 0, 2)))  # by subject first, by time second
        node_ids = np.repeat(np.repeat(self._node_ids, ids.shape[1]), count)
        at_ms = np.tile(block.at_ms, subjects)
        some = ~np.isnan(values).all(axis=1)
        start, end = int(block.at_ms[0]) // 1000, int(block.at_ms[-1]) // 1000
        partitions.ensure_range(SAMPLE_TABLES[block.kind], start, end)
        ended = np.zeros((int(some.sum()), values.shape[1]), np.bool_)
        subject_ids = np.repeat(ids.reshape(-1), count)[some]
        storage.write_rows(Rows(block.kind, node_ids[some], subject_ids, at_ms[some], values[some], ended))

    def _write(self, held: _OpenChunk) -> None:
        table, ids = ROLLUP_TABLES[held.resolution], self._ids[held.kind]
        partitions.ensure_range(table, held.begin, held.begin + 1)
        at = datetime.fromtimestamp(held.begin, UTC)
        with transaction.atomic(), connection.cursor() as cursor:
            # A table with row-level security takes no COPY, so the rows go by way of a temporary one.
            cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS new_{table} (LIKE {table}) ON COMMIT DELETE ROWS")
            cursor.execute(f"DELETE FROM new_{table}")  # noqa: S608  (the caller's transaction may go on)
            with cursor.copy(f"COPY new_{table} FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["int4", "int2", "timestamptz", "bytea"])
                for n, node_id in enumerate(self._node_ids.tolist()):
                    copy.write_row((node_id, int(held.kind), at, chunks.encode(held.kind, held.chunk(n, ids[n]))))
            cursor.execute(f"INSERT INTO {table} SELECT * FROM new_{table}")  # noqa: S608
            if held.resolution == 3600:
                self._write_fleet(held)
            if (held.kind, held.resolution) == (Kind.NODE, 900):
                register_marks.note(self._node_ids.tolist(), held.hours())

    def _write_fleet(self, held: _OpenChunk) -> None:
        end = held.begin + chunks.span_seconds(held.resolution)
        partitions.ensure_range(FLEET_TABLE, held.begin, held.begin + 1)
        ids = self._ids[held.kind]
        found = {
            node_id: Window(held.resolution, held.begin, end, chunk.subject_ids, chunk.grid)
            for n, node_id in enumerate(self._node_ids.tolist())
            for chunk in [held.chunk(n, ids[n])]
        }
        fleet_rollups.save({held.kind: found}, held.begin, end)


class _OpenChunk:
    """The chunk of all subjects of one kind and resolution that is being filled: arrays (slots, N, S)."""

    def __init__(self, resolution: int, kind: Kind, begin: int) -> None:
        self.resolution, self.kind, self.begin = resolution, kind, begin
        self._columns: dict[int, dict[str, npt.NDArray[Any]]] = {}

    def put(self, slot: int, block: HistoryBlock, at: int) -> None:
        for name, stats in block.columns.items():
            column = BY_NAME[self.kind][name]
            fields = {"count": stats.count, **{field: getattr(stats, field) for field in FIELDS[column.shape]}}
            held = self._columns.get(column.code)
            if held is None:
                shape = (chunks.SLOTS[self.resolution], *stats.last.shape[1:])
                held = self._columns[column.code] = {
                    field: np.zeros(shape, np.uint32) if field == "count" else np.full(shape, np.nan)
                    for field in fields
                }
            for field, values in fields.items():
                held[field][slot] = values[at]

    def hours(self) -> list[datetime]:
        """The hours that it covers."""
        end = self.begin + chunks.span_seconds(self.resolution)
        return [datetime.fromtimestamp(second, UTC) for second in range(self.begin, end, 3600)]

    def chunk(self, node: int, subject_ids: npt.NDArray[np.int64]) -> Chunk:
        order = np.argsort(subject_ids)
        grid = {}
        for code, fields in self._columns.items():
            mine = {field: np.ascontiguousarray(values[:, node].T[order]) for field, values in fields.items()}
            grid[code] = Buckets(COLUMNS[self.kind][code].shape, mine.pop("count"), mine)
        return Chunk(subject_ids[order], grid)


class _Story:
    """Which states the nodes went through, judged from the finest rollup of each stretch of time."""

    def __init__(self, nodes: int, gpus_expected: int) -> None:
        self._expected = gpus_expected
        self._gpus: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        self._nodes: dict[tuple[int, int], list[tuple[bool, frozenset[str]]]] = {}
        self._verdicts: list[dict[int, Verdict]] = [{} for _ in range(nodes)]
        self._fine_from: int | None = None

    def take(self, block: HistoryBlock) -> None:
        if block.resolution_seconds == 3600 or block.kind is Kind.CIRCUIT:
            return
        if block.resolution_seconds == 60 and self._fine_from is None:
            self._fine_from = int(block.at_ms[0]) // 1000
        for at, at_ms in enumerate(block.at_ms.tolist()):
            key = (block.resolution_seconds, at_ms // 1000)
            if block.kind is Kind.GPU:
                self._gpus[key] = _gpu_evidence(block, at)
            else:
                self._nodes[key] = _flags(block, at)
            self._join(key)

    def _join(self, key: tuple[int, int]) -> None:
        """When both kinds of a bucket are there, judge every node in it."""
        if key not in self._gpus or key not in self._nodes:
            return
        gpus, nodes = self._gpus.pop(key), self._nodes.pop(key)
        for n, ((seen, busy, throttle), (heard, curtailed)) in enumerate(zip(gpus, nodes, strict=True)):
            evidence = Evidence(0.0 if heard else 3600.0, None, False, self._expected, seen, busy, throttle, curtailed)
            if key[0] == 60 or self._fine_from is None or key[1] < self._fine_from:
                self._verdicts[n][key[1]] = classify(evidence)

    def write(self, node_ids: npt.NDArray[np.int64]) -> None:
        spans = [span for n, node in enumerate(node_ids.tolist()) for span in _spans(node, self._verdicts[n])]
        NodeStateSpan.objects.bulk_create(spans, batch_size=1000)


def _flags(block: HistoryBlock, at: int) -> list[tuple[bool, frozenset[str]]]:
    """For each node whether it was heard at all and which curtailments were on for most of the bucket."""
    on = {reason: block.columns[f"curtailed_{reason}"].average for reason in CURTAIL_REASONS}
    heard = block.columns["site_power_watts"].count
    if heard is None:
        raise ValueError("a rolled-up block without counts")
    return [
        (
            bool(heard[at, n, 0]),
            frozenset(reason for reason, share in on.items() if share is not None and share[at, n, 0] > 0.5),
        )
        for n in range(heard.shape[1])
    ]


def _gpu_evidence(block: HistoryBlock, at: int) -> list[tuple[int, int, int]]:
    """For each node: GPUs seen, GPUs drawing power, OR of their throttle reasons."""
    watts, reasons = block.columns[_POWER].last[at], block.columns["throttle_reasons"].last[at]
    bits = np.bitwise_or.reduce(np.nan_to_num(reasons).astype(np.int64), axis=1)
    seen, busy = (~np.isnan(watts)).sum(axis=1), (np.nan_to_num(watts) > 1.0).sum(axis=1)
    return list(zip(seen.tolist(), busy.tolist(), bits.tolist(), strict=True))


def _spans(node_id: int, verdicts: Mapping[int, Verdict]) -> list[NodeStateSpan]:
    """One span per unbroken run of the same verdict; the last one stays open."""
    spans: list[NodeStateSpan] = []
    previous: Verdict | None = None
    for second, verdict in sorted(verdicts.items()):
        if verdict == previous:
            continue
        at = datetime.fromtimestamp(second, UTC)
        if spans:
            spans[-1].ended_at = at
        spans.append(NodeStateSpan(node_id=node_id, state=verdict.state, cause=verdict.cause, started_at=at))
        previous = verdict
    return spans
