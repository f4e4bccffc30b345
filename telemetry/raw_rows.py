"""Raw wide rows as arrays: what comes out of storage, whichever form it was kept in. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class RawRows:
    """Wide rows of one kind, sorted by node, subject and instant: (n,) keys; (n, columns) values, NaN for absent."""

    node_ids: npt.NDArray[np.int64]
    subject_ids: npt.NDArray[np.int64]
    at_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.at_ms)

    def by_node(self) -> Iterator[tuple[int, RawRows]]:
        """(node id, its rows)"""
        return self._split(self.node_ids)

    def by_subject(self) -> Iterator[tuple[int, RawRows]]:
        """(subject id, its rows): for the rows of one node."""
        return self._split(self.subject_ids)

    def where(self, kept: npt.NDArray[np.bool_]) -> RawRows:
        """Some of the rows."""
        return RawRows(self.node_ids[kept], self.subject_ids[kept], self.at_ms[kept], self.values[kept])

    @classmethod
    def joined(cls, parts: Sequence[RawRows]) -> RawRows:
        """All rows of these parts, of the same columns and at least one. In a row that two have, a later part's
        values go before an earlier part's.
        """
        if len(parts) == 1:
            return parts[0]
        node_ids, subject_ids, at_ms, values = (
            np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__
        )
        order = np.lexsort((at_ms, subject_ids, node_ids))
        node_ids, subject_ids, at_ms, values = (a[order] for a in (node_ids, subject_ids, at_ms, values))
        again = np.zeros(len(at_ms), np.bool_)
        again[1:] = (np.diff(node_ids) == 0) & (np.diff(subject_ids) == 0) & (np.diff(at_ms) == 0)
        for row in np.flatnonzero(again).tolist():
            values[row] = np.where(np.isnan(values[row]), values[row - 1], values[row])
        last = np.ones(len(again), np.bool_)
        last[:-1] = ~again[1:]
        return cls(node_ids[last], subject_ids[last], at_ms[last], values[last])

    def _split(self, ids: npt.NDArray[np.int64]) -> Iterator[tuple[int, RawRows]]:
        edges = [0, *(np.flatnonzero(np.diff(ids)) + 1).tolist(), len(self)]
        for begin, end in itertools.pairwise(edges):
            if begin < end:
                some = slice(begin, end)
                yield (
                    int(ids[begin]),
                    RawRows(self.node_ids[some], self.subject_ids[some], self.at_ms[some], self.values[some]),
                )
