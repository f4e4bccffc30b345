"""Counters that read back bit for bit, also from an engine that keeps decimals. Pure.

VictoriaMetrics turns a double into a decimal of 12 to 15 digits, fewer where a block mixes large and small values.
Integers below 2^53 and numbers of at most three decimals survive that. For any other value of a counter its mantissa,
an integer, is sent as a sample of its own; what came back then only has to be near enough to tell the power of two.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_MANTISSA: Final = np.uint64((1 << 52) - 1)
_LARGEST_INTEGER: Final = float(1 << 53)
_LARGEST_THOUSANDTH: Final = 1e11


def mantissas(values: Floats) -> Floats:
    """The mantissas of those that need it, NaN for the others and for NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        magnitudes = np.abs(values)
        whole = (values == np.rint(values)) & (magnitudes <= _LARGEST_INTEGER)
        short = (np.rint(values * 1000) / 1000 == values) & (magnitudes < _LARGEST_THOUSANDTH)
    needed = ~(whole | short | ~np.isfinite(values))
    return np.where(needed, (_bits(values) & _MANTISSA).astype(np.float64), np.nan)


def restore(values: Floats, found: Floats) -> Floats:
    """What was sent: of the doubles with this mantissa (NaN: take the value as it is) the one nearest to each value."""
    known = ~np.isnan(found) & ~np.isnan(values)
    mantissa = np.where(known, found, 0.0).astype(np.uint64)
    upper = _bits(values) >> np.uint64(52)
    best = values.copy()
    error = np.where(known, np.inf, -1.0)
    for step in (-1, 0, 1):
        candidate: Any = ((upper + np.uint64(step % (1 << 64))) << np.uint64(52) | mantissa).view(np.float64)
        distance = np.abs(candidate - values)
        nearer = known & (distance < error)
        best, error = np.where(nearer, candidate, best), np.where(nearer, distance, error)
    return best


def _bits(values: Floats) -> npt.NDArray[np.uint64]:
    return np.ascontiguousarray(values, np.float64).view(np.uint64)
