"""Raw samples into buckets. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from telemetry.catalogue import Shape
from telemetry.chunks import Buckets

LOOKBACK_SECONDS: Final = 300
"""How far back a counter's previous value may be for its increase to be believed (as Prometheus does)."""


def bucket(
    shape: Shape,
    at_ms: npt.NDArray[np.int64],
    values: npt.NDArray[np.float64],
    start_ms: int,
    step_ms: int,
    slots: int,
) -> Buckets:
    """Samples sorted by time into buckets [start + i*step, start + (i+1)*step).

    Samples before `start_ms` only serve as the counter's previous value: the increase of a bucket runs
    from the last sample before it, if that is not LOOKBACK_SECONDS older; so what a bucket says does not depend
    on how much before it was read. A counter that falls was reset and counts from zero, as in Prometheus.
    """
    out = Buckets.empty(shape, slots)
    known = ~np.isnan(values)
    at_ms, values = at_ms[known], values[known]
    slot = (at_ms - start_ms) // step_ms
    inside = (slot >= 0) & (slot < slots)
    if shape is Shape.COUNTER:
        grown = np.diff(values, prepend=values[:1])
        grown = np.where(grown < 0, values, grown)
        grown[np.diff(at_ms, prepend=at_ms[:1]) > LOOKBACK_SECONDS * 1000] = 0.0
        out.fields["increase"] = _sum(slot[inside], grown[inside], slots)
    slot, values = slot[inside], values[inside]
    out.count = np.bincount(slot, minlength=slots).astype(np.uint32)
    out.fields["last"][slot] = values  # sorted by time: the last assignment stays
    if shape is not Shape.COUNTER:
        out.fields["average"] = _divide(_sum(slot, values, slots), out.count)
        low, high = np.full(slots, np.inf), np.full(slots, -np.inf)
        np.minimum.at(low, slot, values)
        np.maximum.at(high, slot, values)
        out.fields["minimum"] = np.where(out.count > 0, low, np.nan)
        out.fields["maximum"] = np.where(out.count > 0, high, np.nan)
    else:
        out.fields["increase"] = np.where(out.count > 0, out.fields["increase"], np.nan)
    return out


def _sum(slot: npt.NDArray[np.int64], values: npt.NDArray[np.float64], slots: int) -> npt.NDArray[np.float64]:
    return np.asarray(np.bincount(slot, weights=values, minlength=slots), dtype=np.float64)


def _divide(total: npt.NDArray[np.float64], count: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
    some = count > 0
    out = np.full(len(total), np.nan)
    out[some] = total[some] / count[some]
    return out
