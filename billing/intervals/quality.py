"""How good a quarter-hour's value is: one letter each, in the order in which one may stand in for another."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Quality(StrEnum):
    """What a reading's `qualities` consist of."""

    MISSING = "-"
    """Nothing is known. Its Wh are written 0 and mean nothing."""
    QUARANTINED = "q"
    """A value is there that nobody believes yet. Its Wh are written 0."""
    ESTIMATED = "e"
    """Between two register values that were measured; or estimated by the utility."""
    ROLLED = "r"
    """From register values kept per quarter-hour, whose instant within it is not known exactly."""
    MEASURED = "m"
    ACCEPTED = "a"
    """A person took responsibility for the value, with a reason."""


RANK: Final = {
    Quality.MISSING: 0,
    Quality.QUARANTINED: 1,
    Quality.ESTIMATED: 2,
    Quality.ROLLED: 3,
    Quality.MEASURED: 4,
    Quality.ACCEPTED: 5,
}
KNOWN: Final = frozenset({Quality.ESTIMATED, Quality.ROLLED, Quality.MEASURED, Quality.ACCEPTED})
"""Those whose Wh count."""
