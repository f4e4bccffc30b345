"""The numbers by which DCGM says that a field has no value. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

BLANKS: Final = {"int32": 0x7FFFFFF0, "fp64": 1 << 47, "int64": 0x7FFF_FFFF_FFFF_FFF0}
"""DCGM's ways to say that a field has no value, by the type of the field: each of these numbers is "blank", and the
three after it are "not found", "not supported" and "not permitted". Source: dcgm_structs.h."""
LEAST_BLANK: Final = min(BLANKS.values())
_KINDS_OF_BLANK: Final = 4
_NO_NUMBER: Final = 9.22e18
"""From here on there are only blanks: as doubles those of int64 are one number, and shorter decimals are near it."""
DCGM_PREFIX: Final = "DCGM_"
"""How the metrics begin that tell them."""


def are_blank(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which values say that there is none, as DCGM told them: of other series the same are numbers."""
    found = values >= _NO_NUMBER
    for blank in (BLANKS["int32"], BLANKS["fp64"]):
        found |= (values >= blank) & (values < blank + _KINDS_OF_BLANK)
    return found
