"""What a reading must satisfy to be believed; whatever does not is a question for a person, never a guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

NODE_LIMIT_WH: Final = 4_800
"""80 A x 240 V for a quarter of an hour."""
VOLTS: Final = 240
SUPPLY_TOLERANCE_RATIO: Final = 0.02
SUPPLY_TOLERANCE_WH: Final = 20
"""By how much a node may seem to draw more than flows into the house: two meters of class 1 and their rounding."""


class Problem(StrEnum):
    """Why nobody believes it yet."""

    TOO_LARGE = "too_large"
    REGISTER_FELL = "register_fell"
    DEVICE_CHANGED = "device_changed"
    NODE_ABOVE_SUPPLY = "node_above_supply"
    OFF_GRID = "off_grid"
    FUTURE = "future"
    OVERLAP = "overlap"
    NEGATIVE = "negative"
    DOUBTED = "doubted"


@dataclass(frozen=True, slots=True)
class Question:
    """Quarter-hours [first, last) of a day, and what would have been read in each, empty if that cannot be told."""

    problem: Problem
    first: int
    last: int
    wh: tuple[int, ...]
    detail: str


def limit_wh(channel: str, service_amperes: int) -> int:
    """What a channel can carry in a quarter-hour: the node its own circuit, everything else the service."""
    return NODE_LIMIT_WH if channel == "node" else service_amperes * VOLTS // 4


def above_supply(wh: Mapping[str, npt.NDArray[np.int64]]) -> npt.NDArray[np.bool_]:
    """Where the node drew more than flowed in from the grid, the roof and the battery together. Wh by channel."""
    supply = wh["site_import"] + wh["solar"] + wh["battery_out"]
    tolerance = np.maximum(SUPPLY_TOLERANCE_WH, (supply * SUPPLY_TOLERANCE_RATIO).astype(np.int64))
    found: npt.NDArray[np.bool_] = wh["node"] > supply + tolerance
    return found
