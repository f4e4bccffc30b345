"""Whose word counts where several series of one node tell of the same cell: two exporters of one GPU, say.

Pure. A cell is a column of a GPU, a circuit or the node, or a series outside the catalogue. Most have one series for
ever. A series that is new, or comes back after it had ended, takes the cell over: labels change when an exporter
restarts or a workload begins. Of two that go on beside each other one is kept, always the same one, and what the other
tells is refused, except where both say the same.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from telemetry.batch import OTHER, Batch, Float64s, Int64s

SILENT_MS: Final = 300_000
"""A series of which nothing came for so long has left its cell, though it never said so."""
_CLOSE: Final = 1e-9
"""Two exporters that print one number in two units differ by no more than that."""

Flags = npt.NDArray[np.bool_]


class Verdict(IntEnum):
    KEEP = 0
    LEAVE = 1
    """It says nothing that is news: the end of a series whose cell is another's."""
    REFUSE = 2


@dataclass(slots=True)
class _Claim:
    """When one series spoke of the cell last."""

    last_ms: int
    has_ended: bool = False

    def is_live(self, at_ms: int) -> bool:
        return not self.has_ended and at_ms - self.last_ms <= SILENT_MS


@dataclass(slots=True)
class _Cell:
    """Series are known here by a digest of their labels, which is also the order among them."""

    holder: bytes = b""
    begin_ms: int = 0
    """Since when the holder has the cell."""
    value: float = math.nan
    """What it said last."""
    is_agreed: bool = False
    """Whether those who spoke at one instant said the same the last time."""
    claims: dict[bytes, _Claim] = field(default_factory=dict)

    def hear(self, series: bytes, at_ms: int, value: float) -> None:
        """All values of an instant are heard before any of them is judged."""

    def judge(self, series: bytes, at_ms: int, value: float) -> Verdict:
        """Of a value. Samples of one body come by instant, and at one instant by series."""
        claim, holder = self.claims.get(series), self.claims.get(self.holder)
        self.claims[series] = _Claim(max(at_ms, claim.last_ms) if claim else at_ms)
        if holder is None or (at_ms > holder.last_ms and self._may_take(series, claim, holder, at_ms)):
            self.holder, self.begin_ms, self.value = series, at_ms, value
            return Verdict.KEEP
        if series == self.holder:
            self.value = value if at_ms >= holder.last_ms else self.value
            return Verdict.KEEP
        if at_ms == holder.last_ms and not holder.has_ended:
            self.is_agreed = are_close(value, self.value)
            return Verdict.KEEP if self.is_agreed else Verdict.REFUSE
        return Verdict.KEEP if holder.has_ended or at_ms < self.begin_ms else Verdict.REFUSE

    def _may_take(self, series: bytes, claim: _Claim | None, holder: _Claim, at_ms: int) -> bool:
        """Whether another series than the holder has the cell from now on."""
        if series == self.holder:
            return False
        lives_beside = claim is not None and claim.is_live(at_ms) and holder.is_live(at_ms)
        return not lives_beside or self.is_agreed or series < self.holder

    def end(self, series: bytes, at_ms: int) -> Verdict:
        """Of the end of a series."""
        claim = self.claims.setdefault(series, _Claim(at_ms))
        if at_ms >= claim.last_ms:
            claim.last_ms, claim.has_ended = at_ms, True
        return Verdict.KEEP if self.holder in (series, b"") else Verdict.LEAVE


@dataclass(slots=True)
class _Alarm(_Cell):
    """A cell in which a number other than 0 says that something is wrong: whoever says so outlasts others."""

    said: dict[bytes, float] = field(default_factory=dict)

    def hear(self, series: bytes, at_ms: int, value: float) -> None:
        claim = self.claims.get(series)
        if claim is None or at_ms >= claim.last_ms:
            self.claims[series], self.said[series] = _Claim(at_ms), value

    def judge(self, series: bytes, at_ms: int, value: float) -> Verdict:
        is_wrong = any(self.said[other] > 0 for other in self._others(series, at_ms))
        return Verdict.REFUSE if is_wrong and value <= 0 else Verdict.KEEP

    def end(self, series: bytes, at_ms: int) -> Verdict:
        super(_Alarm, self).end(series, at_ms)
        self.said.setdefault(series, 0.0)
        return Verdict.LEAVE if self._others(series, at_ms) else Verdict.KEEP

    def _others(self, series: bytes, at_ms: int) -> list[bytes]:
        return [other for other, claim in self.claims.items() if other != series and claim.is_live(at_ms)]


class _Row(NamedTuple):
    """A sample, in the order in which they are judged."""

    at_ms: int
    has_value: bool
    series: bytes
    place: int
    cell: Hashable
    value: float


class Rivals:
    """The cells of one node that more than one series tells of."""

    def __init__(self) -> None:
        self._cell_of: dict[int, Hashable] = {}
        self._names: dict[int, bytes] = {}
        self._cells: dict[Hashable, _Cell] = {}
        self._is_shared: Flags = np.zeros(0, np.bool_)

    def know(
        self, cells: Mapping[int, Hashable], names: Mapping[int, bytes], alarms: Iterable[Hashable], count: int
    ) -> None:
        """Which of `count` series, by number, share which cells, and a digest of each one's labels.

        `alarms` are those of the cells in which a number other than 0 says that something is wrong.
        """
        self._cell_of, self._names = dict(cells), dict(names)
        known, before = set(names.values()), self._cells
        alarming = set(alarms)
        self._cells = {
            cell: before.get(cell) or (_Alarm() if cell in alarming else _Cell()) for cell in set(cells.values())
        }
        for found in self._cells.values():
            for gone in found.claims.keys() - known:
                del found.claims[gone]
        self._is_shared = np.zeros(count, np.bool_)
        self._is_shared[list(cells)] = True

    def judge(self, batch: Batch) -> npt.NDArray[np.uint8] | None:
        """A verdict on each sample of a batch; None where all are kept, which is nearly always."""
        if not self._cell_of:
            return None
        shared = np.flatnonzero(self._is_shared[batch.series])
        if not len(shared):
            return None
        verdicts = np.zeros(len(batch), np.uint8)
        for _, rows in groupby(self._in_order(batch, shared), key=lambda row: row.at_ms):
            together = list(rows)
            for row in together:
                if row.has_value:
                    self._cells[row.cell].hear(row.series, row.at_ms, row.value)
            said: dict[Hashable, float] = {}
            for row in together:
                verdicts[row.place] = self._verdict(row, said)
        return verdicts

    def _verdict(self, row: _Row, said: dict[Hashable, float]) -> Verdict:
        """`said` is what is kept of this instant so far, by cell."""
        found = self._cells[row.cell]
        if not row.has_value:
            return found.end(row.series, row.at_ms)
        verdict = found.judge(row.series, row.at_ms, row.value)
        if verdict is Verdict.KEEP and not are_close(row.value, said.setdefault(row.cell, row.value)):
            return Verdict.REFUSE
        return verdict

    def _in_order(self, batch: Batch, shared: Int64s) -> list[_Row]:
        """By instant, ends first, then by series."""
        values = batch.values[shared]
        ends = np.isnan(values) & (batch.kinds[shared] != OTHER)
        columns = shared, batch.series[shared], batch.at_ms[shared], values, ends
        rows = [
            _Row(at_ms, not is_end, self._names[number], place, self._cell_of[number], value)
            for place, number, at_ms, value, is_end in zip(*(column.tolist() for column in columns), strict=True)
        ]
        return sorted(rows, key=lambda row: row[:4])


def repeated(series: npt.NDArray[np.uint16], at_ms: Int64s, values: Float64s) -> Flags:
    """Which samples say something else than an earlier one of the same series and instant. Ends contradict nobody."""
    order = np.lexsort((at_ms, series))
    same = (series[order][1:] == series[order][:-1]) & (at_ms[order][1:] == at_ms[order][:-1])
    found = np.zeros(len(series), np.bool_)
    for place in np.flatnonzero(same).tolist():
        earlier, later = order[place], order[place + 1]
        if not are_close(values[earlier], values[later]) and not np.isnan(values[[earlier, later]]).any():
            found[later] = True
    return found


def are_close(one: float, other: float) -> bool:
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return math.isclose(one, other, rel_tol=_CLOSE)
