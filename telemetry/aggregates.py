"""Many subjects' values as one value for each group: sums, means, extremes, quantiles, and who is on top. Pure.

Values are (subjects, slots) with NaN for absent. What is absent takes no part, and a group of which nobody takes part
in a slot has no value there: never zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Function(StrEnum):
    SUM = "sum"
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    QUANTILE = "quantile"
    TOP = "top"
    BOTTOM = "bottom"


RANKING: Final = (Function.TOP, Function.BOTTOM)


@dataclass(frozen=True, slots=True)
class Groups:
    """One value for each group and slot, and how many subjects and nodes it is of: all (groups, slots)."""

    values: Floats
    subjects: Ints
    nodes: Ints


def grouped(
    function: Function, values: Floats, group: Ints, node: Ints, groups: int, quantile: float | None = None
) -> Groups:
    """`group` (subjects,) counts from 0 to `groups`; `node` (subjects,) says whose each subject is.

    A quantile is interpolated between the two nearest values. Raises ValueError for a function that ranks.
    """
    if not len(values):
        nobody = np.zeros((groups, values.shape[1]), np.int64)
        return Groups(np.full(nobody.shape, np.nan), nobody, nobody)
    order = np.lexsort((node, group))
    values, group, node = values[order], group[order], node[order]
    some = ~np.isnan(values)
    new_group = np.diff(group, prepend=-1) != 0
    begins, of_node = np.flatnonzero(new_group), np.flatnonzero(new_group | (np.diff(node, prepend=-1) != 0))
    heard = np.logical_or.reduceat(some, of_node, axis=0)
    subjects = np.add.reduceat(some.astype(np.int64), begins, axis=0)
    nodes = np.add.reduceat(heard.astype(np.int64), np.searchsorted(of_node, begins), axis=0)
    found = _combined(function, values, begins, subjects, quantile)
    present = group[begins]
    return Groups(
        _spread(found, present, groups, np.nan),
        _spread(subjects, present, groups, 0),
        _spread(nodes, present, groups, 0),
    )


def combine(function: Function, values: Sequence[float | None], quantile: float | None = None) -> float | None:
    """One value of all those that are known; None when none is."""
    column = np.array([np.nan if value is None else value for value in values], np.float64)[:, None]
    alone = np.zeros(len(column), np.int64)
    found = float(grouped(function, column, alone, alone, 1, quantile).values[0, 0])
    return None if np.isnan(found) else found


def _combined(function: Function, values: Floats, begins: Ints, count: Ints, quantile: float | None) -> Floats:
    if function is Function.MIN:
        return np.fmin.reduceat(values, begins, axis=0)
    if function is Function.MAX:
        return np.fmax.reduceat(values, begins, axis=0)
    if function is Function.QUANTILE:
        if quantile is None or not 0 <= quantile <= 1:
            raise ValueError("a quantile is from 0 to 1")
        parts = np.split(values, begins[1:])
        return np.array([_quantile(np.sort(part, axis=0), n, quantile) for part, n in zip(parts, count, strict=True)])
    total = np.add.reduceat(np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf), begins, axis=0)
    if function is Function.SUM:
        return np.where(count > 0, total, np.nan)
    if function is Function.AVG:
        return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))
    raise ValueError(f"{function} ranks subjects, it does not combine them")


def _quantile(ordered: Floats, count: Ints, quantile: float) -> Floats:
    """Of each slot; NaNs come last, after `count` values."""
    place = np.maximum(count - 1, 0) * quantile
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    lower, upper = (np.take_along_axis(ordered, at[None], axis=0)[0] for at in (low, high))
    return np.asarray(np.where(place > low, lower + (upper - lower) * (place - low), lower))


def ranked(function: Function, values: Floats, group: Ints, k: int) -> Ints:
    """Positions of the k subjects of each group whose mean over the slots is highest (or lowest), the first foremost.

    A subject without any value is on no list.
    """
    if function not in RANKING:
        raise ValueError(f"{function} does not rank")
    some = ~np.isnan(values)
    count = some.sum(axis=1)
    mean = np.divide(np.where(some, values, 0.0).sum(axis=1), count, out=np.full(len(values), np.nan), where=count > 0)
    order = np.lexsort((-mean if function is Function.TOP else mean, group))
    order = order[count[order] > 0]
    begins = np.searchsorted(group[order], group[order])
    return np.asarray(order[np.arange(len(order)) - begins < k])


def _spread(found: Any, present: Ints, groups: int, empty: float) -> Any:
    whole = np.full((groups, found.shape[1]), empty, found.dtype)
    whole[present] = found
    return whole
