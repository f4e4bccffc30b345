"""Minimum, maximum, average, last and increase per bucket, for many columns at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from telemetry.catalogue import Shape
from telemetry.simulator.noise import Floats, Integers

Values = npt.NDArray[np.float32] | Floats


@dataclass(frozen=True, slots=True)
class Stats:
    """Arrays of shape (T, N, S), or None where the column has no such thing.

    Gauges and flags (float32): minimum, maximum, average, last. Counters (float64): last and increase,
    which is what was added since the last sample before the bucket. count (int32) is the number of samples;
    where it is 0 everything else is NaN.
    """

    last: Values
    minimum: Values | None = None
    maximum: Values | None = None
    average: Values | None = None
    increase: Floats | None = None
    count: npt.NDArray[np.int32] | None = None

    @classmethod
    def joined(cls, parts: Sequence[Stats]) -> Stats:
        """Later buckets after earlier ones."""
        if len(parts) == 1:
            return parts[0]
        joined = {}
        for one in fields(cls):
            arrays = [getattr(part, one.name) for part in parts]
            joined[one.name] = None if arrays[0] is None else np.concatenate(arrays)
        return cls(**joined)


class KindRollup:
    """Rolls up the columns of one kind at one resolution; remembers counters across calls."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self._shapes = shapes
        self._counters = np.array([code for code, shape in enumerate(shapes) if shape is Shape.COUNTER], dtype=np.intp)
        self._gauges = np.array(
            [code for code, shape in enumerate(shapes) if shape is not Shape.COUNTER], dtype=np.intp
        )
        self._before: Floats | None = None

    def skip(self, table: Floats) -> None:
        """Take note of where counters stand after (T, columns, N, S) without rolling anything up."""
        counters = table[:, self._counters]
        if np.isnan(counters[-1]).any():
            self._lasts(counters, np.zeros(1, dtype=np.intp))
        else:
            self._before = counters[-1]

    def buckets(self, at_s: Floats, table: Floats, resolution_s: int) -> tuple[Integers, list[Stats]]:
        """Bucket starts in seconds and the statistics of each column, from (T, columns, N, S) at instants (T,)."""
        bucket = (at_s // resolution_s).astype(np.int64)
        first = np.flatnonzero(np.diff(bucket, prepend=bucket[0] - 1))
        sizes = np.diff(first, append=len(bucket))
        stats: list[Stats | None] = [None] * len(self._shapes)
        for code, one in zip(
            self._gauges.tolist(), self._gauge_stats(table[:, self._gauges], first, sizes), strict=True
        ):
            stats[code] = one
        counted = self._counter_stats(table[:, self._counters], first, sizes)
        for code, one in zip(self._counters.tolist(), counted, strict=True):
            stats[code] = one
        return bucket[first] * resolution_s, [one for one in stats if one is not None]

    @staticmethod
    def _gauge_stats(gauges: Floats, first: npt.NDArray[np.intp], sizes: npt.NDArray[np.intp]) -> list[Stats]:
        narrow = gauges.astype(np.float32)
        if len(first) == len(gauges) and not np.isnan(narrow).any():
            ones = np.ones(narrow[:, 0].shape, dtype=np.int32)
            return [
                Stats(narrow[:, n], narrow[:, n], narrow[:, n], narrow[:, n], None, ones)
                for n in range(narrow.shape[1])
            ]
        minimum = np.fmin.reduceat(narrow, first)
        maximum = np.fmax.reduceat(narrow, first)
        count = _counts(narrow, first, sizes)
        with np.errstate(invalid="ignore", divide="ignore"):
            # Summed in float64: a day of watts in float32 would lose the last digits of an energy.
            average = (np.add.reduceat(np.nan_to_num(gauges, copy=True), first) / count).astype(np.float32)
        last = _last(narrow, first, sizes, count)
        return [
            Stats(last[:, n], minimum[:, n], maximum[:, n], average[:, n], None, count[:, n])
            for n in range(narrow.shape[1])
        ]

    def _counter_stats(self, counters: Floats, first: npt.NDArray[np.intp], sizes: npt.NDArray[np.intp]) -> list[Stats]:
        count = _counts(counters, first, sizes)
        last = _last(counters, first, sizes, count)
        before, self._before = self._fill(last)
        increase = np.where(count > 0, np.nan_to_num(last - before), np.nan)
        return [Stats(last[:, n], increase=increase[:, n], count=count[:, n]) for n in range(counters.shape[1])]

    def _lasts(self, counters: Floats, first: npt.NDArray[np.intp]) -> None:
        sizes = np.array([len(counters)], dtype=np.intp)
        self._fill(_last(counters, first, sizes, _counts(counters, first, sizes)))

    def _fill(self, last: Floats) -> tuple[Floats, Floats]:
        """For each bucket the last value known before it, and the last value known at the end."""
        known = np.full_like(last[0], np.nan) if self._before is None else self._before
        before = np.empty_like(last)
        for position, values in enumerate(last):
            before[position] = known
            known = np.where(np.isnan(values), known, values)
        self._before = known
        return before, known


def _counts(values: Values, first: npt.NDArray[np.intp], sizes: npt.NDArray[np.intp]) -> npt.NDArray[np.int32]:
    known = ~np.isnan(values)
    if known.all():
        shaped = sizes.astype(np.int32).reshape(-1, *([1] * (values.ndim - 1)))
        return np.broadcast_to(shaped, (len(first), *values.shape[1:]))
    return np.add.reduceat(known.astype(np.int32), first)


def _last(
    values: Floats, first: npt.NDArray[np.intp], sizes: npt.NDArray[np.intp], count: npt.NDArray[np.int32]
) -> Floats:
    """The last known value of each bucket; looks further back only where the last sample is missing."""
    ends = first + sizes - 1
    last = values[ends]
    missing = np.isnan(last) & (count > 0)
    if missing.any():
        for position in np.flatnonzero(missing.reshape(len(first), -1).any(axis=1)).tolist():
            for sample in range(ends[position] - 1, first[position] - 1, -1):
                last[position] = np.where(np.isnan(last[position]), values[sample], last[position])
    return last
