"""Wide rows of one kind: one for each subject and instant, one column for each metric. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from telemetry.catalogue import Kind

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Keys sorted by (node, subject, at), values (rows, columns) with NaN for not sent."""

    kind: Kind
    node_ids: Ints
    subject_ids: Ints
    at_ms: Ints
    values: npt.NDArray[np.float64]
    ended: npt.NDArray[np.bool_]
    """True where the series said, at that instant, that it has no value (a stale marker or an unsupported field)."""
