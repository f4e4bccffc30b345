"""Noise that is a function of (seed, time) and not of a sequence, so any instant can be computed alone."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Seeds = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_A: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B: Final = np.uint64(0x94D049BB133111EB)
_TO_UNIT: Final = 1.0 / (1 << 53)


def seed_of(*parts: object) -> int:
    """A 64-bit seed from anything printable, the same on every machine and in every process."""
    digest = hashlib.sha256(":".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big")


def seeds_of(names: list[str], *parts: object) -> Seeds:
    """One seed per name, shape (len(names),)."""
    return np.array([seed_of(*parts, name) for name in names], dtype=np.uint64)


def _mix(key: Seeds) -> Seeds:
    """The finaliser of splitmix64."""
    key = (key ^ (key >> np.uint64(30))) * _MIX_A
    key = (key ^ (key >> np.uint64(27))) * _MIX_B
    return key ^ (key >> np.uint64(31))


def uniform(seeds: Seeds, salt: int, index: npt.NDArray[Any]) -> Floats:
    """Uniform in [0, 1) for each (index, seed); `index` holds whole numbers and broadcasts with `seeds`."""
    whole = np.atleast_1d(index).astype(np.int64).view(np.uint64)
    salted = np.array([seed_of(salt)], dtype=np.uint64)
    key: Seeds = _mix(whole * _GOLDEN + salted) + seeds
    unit: Floats = (_mix(key * _GOLDEN) >> np.uint64(11)).astype(np.float64) * _TO_UNIT
    return unit


def smooth(seeds: Seeds, salt: int, position: npt.NDArray[Any]) -> Floats:
    """Smooth noise in [-1, 1] with a knot at each whole `position`; broadcasts with `seeds`."""
    knot = np.floor(position)
    blend = position - knot
    blend = blend * blend * (3.0 - 2.0 * blend)
    left = uniform(seeds, salt, knot)
    right = uniform(seeds, salt, knot + 1)
    return np.asarray(2.0 * (left + (right - left) * blend) - 1.0)


def clamp(values: Floats, low: npt.ArrayLike, high: npt.ArrayLike) -> Floats:
    """np.clip at a third of its price: on small arrays its checks cost more than its work."""
    return np.asarray(np.minimum(np.maximum(values, low), high))
