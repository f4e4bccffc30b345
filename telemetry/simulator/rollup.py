"""Minimum, maximum, average, last and increase per bucket, for all columns of a kind at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from telemetry.catalogue import Shape
from telemetry.simulator.noise import Floats, Integers

Narrow = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int32]
Positions = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Stats:
    """Arrays of shape (T, N, S), or None where the column has no such thing.

    Gauges and flags (float32): minimum, maximum, average, last. Counters (float64): last and increase,
    which is what was added since the last sample before the bucket. count (int32) is the number of samples;
    where it is 0 everything else is NaN.
    """

    last: Narrow | Floats
    minimum: Narrow | None = None
    maximum: Narrow | None = None
    average: Narrow | None = None
    increase: Floats | None = None
    count: Counts | None = None


@dataclass(frozen=True, slots=True)
class Buckets:
    """Some buckets of one kind: gauge arrays (T, gauges, N, S), counter arrays (T, counters, N, S)."""

    start_s: Integers
    minimum: Narrow
    maximum: Narrow
    average: Narrow
    last: Narrow
    count: Counts
    counter: Floats
    counter_count: Counts

    @classmethod
    def joined(cls, parts: Sequence[Buckets]) -> Buckets:
        """Later buckets after earlier ones."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            start_s=np.concatenate([part.start_s for part in parts]),
            minimum=np.concatenate([part.minimum for part in parts]),
            maximum=np.concatenate([part.maximum for part in parts]),
            average=np.concatenate([part.average for part in parts]),
            last=np.concatenate([part.last for part in parts]),
            count=np.concatenate([part.count for part in parts]),
            counter=np.concatenate([part.counter for part in parts]),
            counter_count=np.concatenate([part.counter_count for part in parts]),
        )


def split(table: Floats, shapes: Sequence[Shape]) -> tuple[Narrow, Floats]:
    """Gauges and flags as float32, counters as float64: (T, gauges, N, S) and (T, counters, N, S)."""
    gauges = [code for code, shape in enumerate(shapes) if shape is not Shape.COUNTER]
    counters = [code for code, shape in enumerate(shapes) if shape is Shape.COUNTER]
    narrow = np.empty((len(table), len(gauges), *table.shape[2:]), dtype=np.float32)
    for position, code in enumerate(gauges):
        narrow[:, position] = table[:, code]
    return narrow, table[:, counters]


def from_samples(at_s: Floats, gauge: Narrow, counter: Floats, resolution_s: int) -> Buckets:
    """Buckets [start, start + resolution) of samples at instants (T,)."""
    ones = np.ones(1, dtype=np.int32)
    samples = Buckets(
        start_s=np.floor(at_s).astype(np.int64),
        minimum=gauge,
        maximum=gauge,
        average=gauge,
        last=gauge,
        count=_known(gauge) if np.isnan(gauge).any() else np.broadcast_to(ones, gauge.shape),
        counter=counter,
        counter_count=_known(counter) if np.isnan(counter).any() else np.broadcast_to(ones, counter.shape),
    )
    return coarser(samples, resolution_s)


def coarser(fine: Buckets, resolution_s: int) -> Buckets:
    """Buckets of a longer resolution made of finer ones, each weighted by its samples."""
    number = fine.start_s // resolution_s
    first = np.flatnonzero(np.diff(number, prepend=number[:1] - 1))
    ends = np.append(first[1:], len(number)) - 1
    count, counter_count = _sum(fine.count, first, ends), _sum(fine.counter_count, first, ends)
    return Buckets(
        start_s=number[first] * resolution_s,
        minimum=_extreme(np.fmin, fine.minimum, first, ends),
        maximum=_extreme(np.fmax, fine.maximum, first, ends),
        average=_average(fine.average, fine.count, count, first, ends),
        last=_last(fine.last, first, ends),
        count=count,
        counter=_last_counter(fine.counter, first, ends),
        counter_count=counter_count,
    )


def stats_of(buckets: Buckets, before: Floats | None, shapes: Sequence[Shape]) -> tuple[list[Stats], Floats]:
    """Statistics of each column in catalogue order, and where the counters stand at the end.

    `before` (counters, N, S) is where the counters stood before these buckets.
    """
    known = np.full_like(buckets.counter[0], np.nan) if before is None else before
    increase = np.empty_like(buckets.counter)
    for position, last in enumerate(buckets.counter):
        missing = np.isnan(last)
        increase[position] = np.where(missing, np.nan, np.nan_to_num(last - known))
        known = np.where(missing, known, last)
    stats = []
    gauge = counter = 0
    for shape in shapes:
        if shape is Shape.COUNTER:
            count = buckets.counter_count[:, counter]
            stats.append(Stats(buckets.counter[:, counter], increase=increase[:, counter], count=count))
            counter += 1
        else:
            minimum, maximum = buckets.minimum[:, gauge], buckets.maximum[:, gauge]
            average, count = buckets.average[:, gauge], buckets.count[:, gauge]
            stats.append(Stats(buckets.last[:, gauge], minimum, maximum, average, None, count))
            gauge += 1
    return stats, known


def _known(values: Narrow | Floats) -> Counts:
    return (~np.isnan(values)).astype(np.int32)


def _rows_each(first: Positions, ends: Positions) -> int:
    """How many rows each group has, or 0 when they differ: equal groups can be reshaped, which is far quicker."""
    sizes = ends - first + 1
    return int(sizes[0]) if (sizes == sizes[0]).all() else 0


def _grouped(values: npt.NDArray[np.generic], rows: int) -> npt.NDArray[np.generic]:
    return values.reshape(len(values) // rows, rows, *values.shape[1:])


def _sum(values: Counts, first: Positions, ends: Positions) -> Counts:
    if values.strides[1:] == (0,) * (values.ndim - 1) and values.size and values.strides[0] == 0:
        # Every sample is there: the number of rows says it all.
        sizes = (ends - first + 1).astype(np.int32) * values.flat[0]
        return np.broadcast_to(sizes.reshape(-1, *([1] * (values.ndim - 1))), (len(first), *values.shape[1:]))
    rows = _rows_each(first, ends)
    if rows:
        return np.asarray(np.add.reduce(_grouped(values, rows), axis=1), dtype=np.int32)
    return np.asarray(np.add.reduceat(values, first), dtype=np.int32)


def _extreme(which: np.ufunc, values: Narrow, first: Positions, ends: Positions) -> Narrow:
    rows = _rows_each(first, ends)
    if rows == 1:
        return values
    if rows:
        return np.asarray(which.reduce(_grouped(values, rows), axis=1), dtype=np.float32)
    return np.asarray(which.reduceat(values, first), dtype=np.float32)


def _average(values: Narrow, counts: Counts, total: Counts, first: Positions, ends: Positions) -> Narrow:
    rows = _rows_each(first, ends)
    if rows == 1:
        return values
    if rows and counts.strides == (0,) * counts.ndim:
        return np.asarray(np.add.reduce(_grouped(values, rows), axis=1) * np.float32(1.0 / rows), dtype=np.float32)
    weighed = np.where(counts > 0, values, np.float32(0)).astype(np.float64) * counts
    summed = np.add.reduce(_grouped(weighed, rows), axis=1) if rows else np.add.reduceat(weighed, first)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(summed / total, dtype=np.float32)


def _last(values: Narrow, first: Positions, ends: Positions) -> Narrow:
    return np.asarray(_latest_known(values, first, ends), dtype=np.float32)


def _last_counter(values: Floats, first: Positions, ends: Positions) -> Floats:
    return np.asarray(_latest_known(values, first, ends), dtype=np.float64)


def _latest_known(values: Narrow | Floats, first: Positions, ends: Positions) -> Narrow | Floats:
    """The last known value of each group; looks further back only where the last one is missing."""
    last: Narrow | Floats = values[ends]
    for position in np.flatnonzero(np.isnan(last).reshape(len(first), -1).any(axis=1)).tolist():
        for row in range(ends[position] - 1, first[position] - 1, -1):
            last[position] = np.where(np.isnan(last[position]), values[row], last[position])
    return last
