"""From batches to wide rows: one row for each subject and instant, one column for each metric. Pure but for ids.

All batches of a call become one set of arrays, so that the work is per call and not per body or sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from telemetry import registry
from telemetry.batch import OTHER, Batch, Instants, Layout
from telemetry.catalogue import COLUMNS, Kind
from telemetry.wide_rows import Rows

Ints = npt.NDArray[np.int64]
Others = tuple[Ints, Ints, Ints, npt.NDArray[np.float64]]
"""(node ids, series ids, milliseconds, values) of what is outside the catalogue."""

_NOTHING: Final[Ints] = np.empty(0, np.int64)
NO_OTHERS: Final[Others] = (_NOTHING, _NOTHING, _NOTHING, np.empty(0))

_REFUSED: Final = np.uint8(255)
"""The kind of a series whose subject the registry refuses."""
_GRID_CELLS_PER_SAMPLE = 8
"""Up to this many cells per sample, marking cells in a grid is cheaper than sorting the samples."""


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of some batches, in order of arrival: (n,) arrays, of which `series` are positions in the others."""

    series: Ints
    at_ms: Ints
    values: npt.NDArray[np.float64]
    kinds: npt.NDArray[np.uint8]
    codes: npt.NDArray[np.uint16]
    node_ids: Ints
    subject_ids: Ints


def gather(batches: Sequence[Batch]) -> Samples:
    """Everything in one place, subjects resolved to ids (which registers new ones)."""
    offsets: dict[tuple[int, Layout], int] = {}
    parts: list[tuple[Batch, Ints]] = []
    total, starts = 0, []
    for batch, ids in zip(batches, registry.subject_ids(batches), strict=True):
        key = (batch.node_id, batch.layout)
        start = offsets.get(key)
        if start is None:
            start = offsets[key] = total
            parts.append((batch, ids))
            total += len(batch.layout)
        starts.append(start)
    lengths = [len(batch) for batch in batches]
    return Samples(
        np.concatenate([batch.series for batch in batches]) + np.repeat(np.array(starts, np.int64), lengths),
        Instants(
            np.concatenate([batch.instants.at_ms for batch in batches]),
            np.concatenate([batch.instants.lengths for batch in batches]),
        ).each(),
        np.concatenate([batch.values for batch in batches]),
        np.concatenate([_kinds(batch.layout, ids) for batch, ids in parts]),
        np.concatenate([batch.layout.codes for batch, _ in parts]),
        np.repeat([batch.node_id for batch, _ in parts], [len(batch.layout) for batch, _ in parts]),
        np.concatenate([ids for _, ids in parts]),
    )


def _kinds(layout: Layout, ids: Ints) -> npt.NDArray[np.uint8]:
    """What the series are, but nothing where their subject is refused: only the node itself needs no id."""
    return np.where((ids != 0) | (layout.kinds == Kind.NODE), layout.kinds, _REFUSED)


def widen(kind: Kind, samples: Samples) -> Rows:
    """Pivot the samples of one kind into wide rows. Of two values for one cell, the later to arrive stays.

    A value outlives an end at the same instant: when a label changes, an agent sends the new series' first sample
    and the old one's stale marker with one timestamp, and both are this cell.
    """
    series, at_ms, values = _of_kind(kind, samples)
    nodes, subjects, subject_of = _subjects(kind, samples)
    instants, instant_of = _ranks(at_ms)
    cells, row = _rows(subject_of[series] * len(instants) + instant_of, len(nodes) * len(instants))
    subject, instant = np.divmod(cells, max(1, len(instants)))
    codes = samples.codes[series]
    shape = (len(cells), len(COLUMNS[kind]))
    matrix, ended = np.full(shape, np.nan), np.zeros(shape, np.bool_)
    missing = np.isnan(values)
    if missing.any():
        ended[row[missing], codes[missing]] = True
        row, codes, values = row[~missing], codes[~missing], values[~missing]
    matrix.reshape(-1)[row * shape[1] + codes] = values  # one index is half the work of two
    ended &= np.isnan(matrix)
    return Rows(kind, nodes[subject], subjects[subject], instants[instant], matrix, ended)


def others(samples: Samples) -> Others:
    """What is outside the catalogue, where NaN is a value."""
    series, at_ms, values = _of_kind(OTHER, samples)
    return samples.node_ids[series], samples.subject_ids[series], at_ms, values


def _of_kind(kind: int, samples: Samples) -> tuple[Ints, Ints, npt.NDArray[np.float64]]:
    mine = (samples.kinds == kind)[samples.series]
    if mine.all():
        return samples.series, samples.at_ms, samples.values
    return samples.series[mine], samples.at_ms[mine], samples.values[mine]


def _subjects(kind: Kind, samples: Samples) -> tuple[Ints, Ints, Ints]:
    """Node and subject ids of each subject of this kind, sorted, and for each series which of them it is about."""
    mine = np.flatnonzero(samples.kinds == kind)
    keys, which = np.unique(samples.node_ids[mine] << 32 | samples.subject_ids[mine], return_inverse=True)
    subject_of = np.zeros(len(samples.kinds), np.int64)
    subject_of[mine] = which
    return keys >> 32, keys & 0xFFFFFFFF, subject_of


def _ranks(at_ms: Ints) -> tuple[Ints, Ints]:
    """The instants that occur, sorted, and for each sample which it is. Samples of one scrape follow each other."""
    starts = np.flatnonzero(np.diff(at_ms, prepend=at_ms[:1] - 1))
    instants, which = np.unique(at_ms[starts], return_inverse=True)
    return instants, np.repeat(which, np.diff(starts, append=len(at_ms)))


def _rows(cells: Ints, size: int) -> tuple[Ints, Ints]:
    """The cells that occur, sorted, and for each sample the number of its row among them."""
    if size > _GRID_CELLS_PER_SAMPLE * len(cells):
        found, row = np.unique(cells, return_inverse=True)
        return found, row
    marked = np.zeros(size, np.bool_)
    marked[cells] = True
    found = np.flatnonzero(marked)
    place = np.empty(size, np.int64)  # filled in only where it is looked at
    place[found] = np.arange(len(found))
    return found, place[cells]
