"""Sums and maxima of a matrix's columns by bin, exact in integers, with all index work done beforehand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from billing.rating.period import Ints


@dataclass(frozen=True, eq=False)
class Grouping:
    """Reduces runs of equal bins where they lie, and then the few runs by bin."""

    starts: Ints
    order: Ints
    bin_starts: Ints

    @classmethod
    def of(cls, bins: npt.NDArray[np.int64], count: int) -> Grouping:
        """`bins` has a bin from 0 to count - 1 for each column, or -1 for none; every bin occurs."""
        starts = np.flatnonzero(np.diff(bins, prepend=bins[0] - 1))
        of_run = bins[starts]
        order = np.argsort(of_run, kind="stable")
        order = order[of_run[order] >= 0]
        bin_starts = np.searchsorted(of_run[order], np.arange(count))
        return cls(starts, order, bin_starts)

    def sums(self, matrix: Ints) -> Ints:
        """(rows, columns) -> (rows, bins)."""
        runs: Ints = np.add.reduceat(matrix, self.starts, axis=1)
        return np.add.reduceat(runs.take(self.order, axis=1), self.bin_starts, axis=1)

    def maxima(self, matrix: Ints) -> Ints:
        """(rows, columns) -> (rows, bins)."""
        runs: Ints = np.maximum.reduceat(matrix, self.starts, axis=1)
        return np.maximum.reduceat(runs.take(self.order, axis=1), self.bin_starts, axis=1)
