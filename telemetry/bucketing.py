"""Raw samples into buckets, all subjects and columns of a node at once. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from telemetry.catalogue import Shape
from telemetry.chunks import Buckets

LOOKBACK_SECONDS: Final = 300
"""How far back a counter's previous value may be for its increase to be believed (as Prometheus does)."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def bucket(shape: Shape, at_ms: Ints, values: Floats, start_ms: int, step_ms: int, slots: int) -> Buckets:
    """`bucket_rows` for one column of one subject: (slots,) arrays."""
    (found,) = bucket_rows([shape], np.zeros(len(at_ms), np.int64), at_ms, values[:, None], start_ms, step_ms, 1, slots)
    return Buckets(shape, found.count[0], {name: field[0] for name, field in found.fields.items()})


def bucket_rows(
    shapes: Sequence[Shape],
    subject: Ints,
    at_ms: Ints,
    values: Floats,
    start_ms: int,
    step_ms: int,
    subjects: int,
    slots: int,
) -> list[Buckets]:
    """Rows sorted by (subject, time) into buckets [start + i*step, start + (i+1)*step): (subjects, slots) a column.

    `subject` (n,) counts from 0, `values` are (n, columns) with NaN for absent. Samples before `start_ms` only
    serve as the counter's previous value: the increase of a bucket runs from the last sample before it, if that
    is not LOOKBACK_SECONDS older; so what a bucket says does not depend on how much before it was read. A counter
    that falls was reset and counts from zero, as in Prometheus.
    """
    slot = (at_ms - start_ms) // step_ms
    inside = np.flatnonzero((slot >= 0) & (slot < slots))
    group = subject[inside] * slots + slot[inside]
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    cells = group[starts]
    is_counter = np.array([shape is Shape.COUNTER for shape in shapes], np.bool_)
    grown = _grown(subject, at_ms, values[:, is_counter])[inside]
    known = values[inside]
    counted = iter(range(int(is_counter.sum())))
    counts, lasts = _count_and_last(known, starts)
    with np.errstate(invalid="ignore"):
        lows, highs = (_reduce(ufunc, known, starts) for ufunc in (np.fmin, np.fmax))
        sums = _reduce(np.add, np.nan_to_num(known, nan=0.0, posinf=np.inf, neginf=-np.inf), starts)
    increases = _reduce(np.add, grown, starts)
    out = []
    for column, shape in enumerate(shapes):
        count = counts[:, column]
        fields = {"last": lasts[:, column]}
        if shape is Shape.COUNTER:
            fields["increase"] = np.where(count > 0, increases[:, next(counted)], np.nan)
        else:
            fields["minimum"], fields["maximum"] = lows[:, column], highs[:, column]
            fields["average"] = np.divide(sums[:, column], count, out=np.full(len(count), np.nan), where=count > 0)
        out.append(_spread(shape, cells, count, fields, subjects, slots))
    return out


def _spread(shape: Shape, cells: Ints, count: Any, fields: dict[str, Floats], subjects: int, slots: int) -> Buckets:
    whole = Buckets.empty(shape, subjects * slots)
    whole.count[cells] = count
    for name, values in fields.items():
        whole.fields[name][cells] = values
    return Buckets(
        shape,
        whole.count.reshape(subjects, slots),
        {name: field.reshape(subjects, slots) for name, field in whole.fields.items()},
    )


def _count_and_last(known: Floats, starts: Ints) -> tuple[npt.NDArray[np.uint32], Floats]:
    """For each group of rows and column how many have a value, and the newest of them."""
    some = ~np.isnan(known)
    row = np.where(some, np.arange(len(known))[:, None], -1)
    newest = _reduce(np.maximum, row, starts)
    last = np.where(
        newest >= 0, np.take_along_axis(known, np.maximum(newest, 0), axis=0) if len(known) else 0.0, np.nan
    )
    return _reduce(np.add, some.astype(np.uint32), starts), last


def _grown(subject: Ints, at_ms: Ints, values: Floats) -> Floats:
    """By how much each sample of a counter is above the one before it of the same subject; 0 where none is near."""
    rows = np.arange(len(values))[:, None]
    some = ~np.isnan(values)
    newest = np.maximum.accumulate(np.where(some, rows, -1), axis=0)
    before = np.full(values.shape, -1)
    before[1:] = newest[:-1]
    first_row = np.searchsorted(subject, subject)[:, None]
    usable = some & (before >= first_row)
    before = np.where(usable, before, 0)
    usable &= at_ms[:, None] - at_ms[before] <= LOOKBACK_SECONDS * 1000
    previous = np.take_along_axis(values, before, axis=0) if len(values) else values
    with np.errstate(invalid="ignore"):
        grown = np.where(values >= previous, values - previous, values)
    return np.where(usable, grown, 0.0)


def _reduce(ufunc: Any, values: Any, starts: Ints) -> Any:
    """ufunc over each group of rows; with no rows, no groups."""
    return ufunc.reduceat(values, starts, axis=0) if len(starts) else values[:0]
