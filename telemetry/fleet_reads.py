"""Aggregates over the fleet: one metric of many nodes or of all their GPUs, by group, now or over a range."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from homes.models import Gpu
from telemetry import aggregates, chunk_reads, chunks, fleet_latest, fleet_rollups
from telemetry.aggregates import RANKING, Function
from telemetry.catalogue import BY_NAME, Column, Kind
from telemetry.chunks import Buckets
from telemetry.range_reads import NICE_STEPS, is_kept, refuse_finer_than_kept, source_of
from telemetry.readings import FleetHistory, FleetSeries
from telemetry.slabs import FIELD
from telemetry.tables import FLEET_BLOCK

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MAX_CHUNKS: Final = 40_000
"""How many stored chunks or slabs one question may open: about two seconds' work."""

MAX_VALUES: Final = 100_000
"""How many values an answer may have."""

MAX_K: Final = 100
FEW_NODES: Final = 32
"""Of so many nodes the chunks are opened sooner than the slabs of all that share them."""

_MAX_CELLS: Final = 6_000_000
_FEWEST_SECONDS: Final = 60
_TARGET_BUCKETS: Final = 100
_SUBJECTS_OF_A_NODE: Final = {Kind.NODE: 1, Kind.GPU: 16}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a column of nodes or of GPUs, and how its values become one.

    `quantile` is for QUANTILE, `k` for TOP and BOTTOM. Raises ValueError for what cannot be asked.
    """

    kind: Kind
    metric: str
    function: Function
    quantile: float = 0.5
    k: int = 10

    def __post_init__(self) -> None:
        if self.kind not in _SUBJECTS_OF_A_NODE:
            raise ValueError("only metrics of nodes and GPUs are aggregated")
        if self.metric not in BY_NAME[self.kind]:
            raise ValueError(f"unknown metric {self.metric}; known are {', '.join(sorted(BY_NAME[self.kind]))}")
        if not 0 <= self.quantile <= 1:
            raise ValueError("a quantile is from 0 to 1")
        if not 1 <= self.k <= MAX_K:
            raise ValueError(f"k is from 1 to {MAX_K}")

    @property
    def column(self) -> Column:
        return BY_NAME[self.kind][self.metric]


@dataclass(frozen=True, slots=True)
class _Matrix:
    """(subjects, slots) values, and whose they are."""

    node_ids: Ints
    subject_ids: Ints
    values: Floats


def now(question: Question, groups: Mapping[int, str], at: datetime) -> FleetHistory:
    """From latest values. `groups` names the group of each node that is asked about.

    What is older than SILENCE_SECONDS, a series that ended, and a GPU that is gone take no part.
    """
    found = fleet_latest.read(question.kind, list(groups), [question.column])
    matrix = _Matrix(found.node_ids, found.subject_ids, fleet_latest.fresh(found, at))
    return FleetHistory(at, at, None, None, [at], _answer(question, groups, matrix))


def over(
    question: Question, groups: Mapping[int, str], start: datetime, end: datetime, step_seconds: int | None
) -> FleetHistory:
    """Over [start, end) from rollups, `step_seconds` a whole number of minutes; None picks about a hundred buckets.

    What is aggregated of a bucket is a gauge's average and a counter's increase. Raises ValueError for too much.
    """
    if end <= start:
        raise ValueError("end must be after start")
    whole = len(groups) > FEW_NODES and fleet_rollups.may_read()
    step = _step(question, groups, start, end, step_seconds, whole)
    first = int(start.timestamp()) // step * step
    slots = -(-(int(np.ceil(end.timestamp())) - first) // step)
    source = _source(step, whole)
    read = _read_slabs if source in fleet_rollups.RESOLUTIONS and whole else _read_chunks
    matrix = read(question.column, list(groups), source, first, slots, step)
    at = [datetime.fromtimestamp(first + i * step, UTC) for i in range(slots)]
    return FleetHistory(start, end, step, source, at, _answer(question, groups, matrix))


def _source(step: int, whole: bool) -> int:
    """The stored resolution that is read: of the whole fleet's slabs where they are read, else of nodes' chunks."""
    return (fleet_rollups.resolution_of(step) if whole else None) or source_of(step)


def _step(
    question: Question, groups: Mapping[int, str], start: datetime, end: datetime, asked: int | None, whole: bool
) -> int:
    """The step that was asked for, or the finest nice one that is not too much. Raises ValueError."""
    seconds = (end - start).total_seconds()
    if asked is not None:
        if asked < _FEWEST_SECONDS or asked % 60:
            raise ValueError("step must be a whole number of minutes, in seconds")
        if trouble := _trouble(question, groups, seconds, asked, whole):
            raise ValueError(trouble)
        refuse_finer_than_kept(asked, start)
        return asked
    kept = [step for step in NICE_STEPS if step >= _FEWEST_SECONDS and is_kept(step, start)]
    nice = [step for step in kept if seconds / step <= _TARGET_BUCKETS]
    for step in nice or NICE_STEPS[-1:]:
        trouble = _trouble(question, groups, seconds, step, whole)
        if not trouble:
            return step
    raise ValueError(trouble)


def _trouble(question: Question, groups: Mapping[int, str], seconds: float, step: int, whole: bool) -> str:
    """What is too much about such a step; empty when nothing is."""
    slots, source = seconds // step + 2, _source(step, whole)
    if whole and source in fleet_rollups.RESOLUTIONS:
        opened = len({node_id // FLEET_BLOCK for node_id in groups}) * (seconds // source + 2)
    else:
        opened = len(groups) * (seconds // chunks.span_seconds(source) + 2)
    series = len(set(groups.values())) * (question.k if question.function in RANKING else 1)
    if slots * series > MAX_VALUES:
        return f"{slots * series:,.0f} values; at most {MAX_VALUES:,}: ask for a longer step, fewer groups or less time"
    if opened > MAX_CHUNKS or slots * len(groups) * _SUBJECTS_OF_A_NODE[question.kind] > _MAX_CELLS:
        return "too much at once for so many nodes: ask for a longer step or a shorter range"
    return ""


def _read_slabs(column: Column, node_ids: Sequence[int], source: int, first: int, slots: int, step: int) -> _Matrix:
    factor = step // source
    nodes, subjects, fine = fleet_rollups.read(column, node_ids, source, first, slots * factor)
    return _Matrix(nodes, subjects, chunks.coarsen(fine, factor).fields[FIELD[column.shape]])


def _read_chunks(column: Column, node_ids: Sequence[int], source: int, first: int, slots: int, step: int) -> _Matrix:
    found = chunk_reads.read_column(column, node_ids, source, first, first + slots * step)
    nodes, subjects, values = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty((0, slots))]
    for node_id, pieces in itertools.groupby(found, key=lambda piece: piece.node_id):
        ids, fine = _side_by_side(column, list(pieces), source, first, slots * (step // source))
        nodes.append(np.full(len(ids), node_id, np.int64))
        subjects.append(ids)
        values.append(chunks.coarsen(fine, step // source).fields[FIELD[column.shape]])
    return _Matrix(np.concatenate(nodes), np.concatenate(subjects), np.concatenate(values))


def _side_by_side(
    column: Column, pieces: Sequence[chunk_reads.Piece], source: int, first: int, slots: int
) -> tuple[Ints, Buckets]:
    """Subject ids of one node and their buckets from `first` on, of the one field that is aggregated."""
    name, end = FIELD[column.shape], first + slots * source
    ids = np.unique(np.concatenate([piece.subject_ids for piece in pieces]))
    whole = Buckets(column.shape, np.zeros((len(ids), slots), np.uint32), {name: np.full((len(ids), slots), np.nan)})
    for piece in pieces:
        low, high = max(piece.begin, first), min(piece.begin + chunks.span_seconds(source), end)
        rows, at = np.searchsorted(ids, piece.subject_ids), slice((low - first) // source, (high - first) // source)
        part = piece.buckets.part(slice((low - piece.begin) // source, (high - piece.begin) // source))
        whole.count[rows, at], whole.fields[name][rows, at] = part.count, part.fields[name]
    return ids, whole


def _answer(question: Question, groups: Mapping[int, str], matrix: _Matrix) -> list[FleetSeries]:
    """In order of groups' names, a ranking's best first."""
    names = sorted(set(groups.values()))
    place = {name: i for i, name in enumerate(names)}
    group = np.array([place[groups[node_id]] for node_id in matrix.node_ids.tolist()], np.int64)
    if question.function in RANKING:
        chosen = aggregates.ranked(question.function, matrix.values, group, question.k)
        return _ranking(question.kind, matrix, chosen, [names[i] for i in group[chosen].tolist()])
    found = aggregates.grouped(question.function, matrix.values, group, matrix.node_ids, len(names), question.quantile)
    return [
        FleetSeries(name, None, "", _plain(found.values[i]), found.nodes[i].tolist(), found.subjects[i].tolist())
        for i, name in enumerate(names)
    ]


def _ranking(kind: Kind, matrix: _Matrix, chosen: Ints, groups: Sequence[str]) -> list[FleetSeries]:
    ids = matrix.subject_ids[chosen].tolist()
    uuids = dict(Gpu.objects.filter(pk__in=ids).values_list("pk", "uuid")) if kind is Kind.GPU else {}
    series = []
    for row, subject, group in zip(chosen.tolist(), ids, groups, strict=True):
        values = matrix.values[row]
        counts = (~np.isnan(values)).astype(np.int64).tolist()
        series.append(
            FleetSeries(group, int(matrix.node_ids[row]), uuids.get(subject, ""), _plain(values), counts, counts)
        )
    return series


def _plain(values: Floats) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]
