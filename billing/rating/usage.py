"""What was used: integer Wh for each quarter-hour of a period, and what of it would have been without the node."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from billing.rating.period import Ints, Period


class UnusableUsage(ValueError):
    """The arrays do not describe the period: wrong length, not integers, or negative."""


@dataclass(frozen=True, eq=False)
class Usage:
    """Wh per quarter-hour; each array is as long as the period has intervals.

    `solar_wh` is what the panels made; only buy-all-sell-all tariffs ask for it.
    """

    period: Period
    site_import_wh: Ints
    site_export_wh: Ints
    node_wh: Ints
    solar_wh: Ints | None = None

    def __post_init__(self) -> None:
        count = self.period.interval_count
        for name in ("site_import_wh", "site_export_wh", "node_wh", "solar_wh"):
            if (values := getattr(self, name)) is not None:
                object.__setattr__(self, name, _checked(name, values, count))

    def without_node(self) -> Usage:
        """The same home without the node: what it did not use is imported less, and beyond that exported more.

        A quarter-hour may have both import and export; where the node used nothing, both stay as they were.
        """
        import_wh = self.site_import_wh - self.node_wh
        return replace(
            self,
            site_import_wh=np.maximum(import_wh, 0),
            site_export_wh=self.site_export_wh + np.maximum(-import_wh, 0),
            node_wh=np.zeros_like(import_wh),
        )


def _checked(name: str, values: npt.ArrayLike, count: int) -> Ints:
    array = np.asarray(values)
    if array.shape != (count,):
        raise UnusableUsage(f"{name} has {array.shape}, the period {count} quarter-hours")
    if not np.issubdtype(array.dtype, np.integer):
        raise UnusableUsage(f"{name} is not of integers")
    if array.min() < 0:
        raise UnusableUsage(f"{name} is negative somewhere")
    return array.astype(np.int64, copy=False)
