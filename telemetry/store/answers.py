"""What a query API answers, brought into wide rows: many series of single values become rows of one instant each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from telemetry.catalogue import Column, Kind, Shape
from telemetry.raw_rows import RawRows
from telemetry.store import exact, names, subjects
from telemetry.widening import Ints

Floats = npt.NDArray[np.float64]


def places(columns: Sequence[Column]) -> dict[str, int]:
    """Where the values of each metric go: first the columns, behind them the mantissas of those that are counters."""
    metrics = [names.metric(column) for column in columns]
    metrics += [names.mantissa_metric(columns[i]) for i in _counters(columns)]
    return {metric: place for place, metric in enumerate(metrics)}


def rows_of(
    kind: Kind,
    columns: Sequence[Column],
    result: Sequence[dict[str, Any]],
    first_ms: int,
    end_ms: int,
    wanted: frozenset[int] | None,
) -> RawRows:
    """Rows in [first_ms, end_ms) of the wanted subjects (None: all) that are known here."""
    known, label = places(columns), names.SUBJECT_LABELS.get(kind)
    about = [(int(s["metric"][names.NODE_LABEL]), s["metric"][label] if label else "") for s in result]
    ids = subjects.ids(kind, about)
    samples = _Samples()
    for who, series in zip(about, result, strict=True):
        if who in ids and (wanted is None or ids[who] in wanted):
            samples.add(who[0], ids[who], known[series["metric"]["__name__"]], series["values"])
    keys, place, values = samples.sorted(first_ms, end_ms)
    new = np.append(True, (np.diff(keys) != 0).any(axis=0))[: len(values)]
    matrix = np.full((int(new.sum()), len(known)), np.nan)
    matrix[np.cumsum(new) - 1, place] = values
    node_ids, subject_ids, at_ms = keys[:, new]
    return RawRows(node_ids, subject_ids, at_ms, _typed(columns, matrix))


class _Samples:
    """The samples of all series in one place."""

    def __init__(self) -> None:
        self._keys: list[Ints] = [np.empty((4, 0), np.int64)]
        self._values: list[Floats] = [np.empty(0)]

    def add(self, node_id: int, subject_id: int, place: int, samples: Sequence[Sequence[Any]]) -> None:
        """Of one series, as pairs of seconds and text."""
        size = len(samples)
        at_ms = np.rint(np.fromiter((at for at, _ in samples), np.float64, size) * 1000).astype(np.int64)
        about = np.repeat(np.array([[node_id], [subject_id], [place]]), size, axis=1)
        self._keys.append(np.concatenate([about, at_ms[None]]))
        self._values.append(np.fromiter((float(value) for _, value in samples), np.float64, size))

    def sorted(self, first_ms: int, end_ms: int) -> tuple[Ints, Ints, Floats]:
        """Those in [first_ms, end_ms): (3, n) node ids, subject ids and instants, sorted; (n,) places and values."""
        keys, values = np.concatenate(self._keys, axis=1), np.concatenate(self._values)
        node_ids, subject_ids, place, at_ms = keys
        order = np.lexsort((at_ms, subject_ids, node_ids))
        order = order[(at_ms[order] >= first_ms) & (at_ms[order] < end_ms)]
        return np.stack([node_ids, subject_ids, at_ms])[:, order], place[order], values[order]


def _typed(columns: Sequence[Column], matrix: Floats) -> Floats:
    """Counters bit for bit, all others as precise as the tables have them."""
    counters, width = _counters(columns), len(columns)
    values = matrix[:, :width].astype(np.float32).astype(np.float64)
    values[:, counters] = exact.restore(matrix[:, counters], matrix[:, width:])
    return values


def _counters(columns: Sequence[Column]) -> list[int]:
    return [i for i, column in enumerate(columns) if column.shape is Shape.COUNTER]
