"""The series that one node sends, remembered: what each means, and which one usually follows which.

Pure. A node sends the same series in the same order for ever, cut into bodies anywhere. So each series
remembers the bytes it starts with, in the order of first sight: reading a body is comparing whole label sets with
what is expected there, and only the eight bytes of a value and the six of a timestamp are looked at.
Anything that is not exactly as expected makes `read` say None, and the plain decoder has the word.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from telemetry.batch import OTHER, Float64s, GpuSubject, Int64s, Layout, OtherSubject
from telemetry.catalogue import CIRCUIT_LABEL, GPU_UUID_LABEL, Kind, find_source
from telemetry.remote_write import BadBody, BadSeries, label_span, parse_labels

SERIES_BUDGET: Final = 3000
IDLE_SECONDS: Final = 3600.0

_VALUE: Final = b"\x12\x10\x09"
_ZERO: Final = b"\x12\x07\x10"
"""How a sample begins, up to its value; and, as protobuf leaves out a zero, up to its timestamp."""
_INSTANT: Final = 6  # a varint of six bytes: every millisecond from 2004 to 2109
_AFTER: Final = {_VALUE: 8 + 1 + _INSTANT, _ZERO: _INSTANT}
"""How many bytes follow in the series."""
_BLOCK: Final = 64
_CONTINUES: Final = np.uint64(0x808080808080)
_ENDS: Final = np.uint64(0x008080808080)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the samples of one series are: the column they feed, or their place in the generic table."""

    kind: int
    code: int
    subject: GpuSubject | OtherSubject | str | None
    scale: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Found:
    """What a body says, before it is believed: (n,) arrays. Values as sent."""

    series: npt.NDArray[np.uint16]
    at_ms: Int64s
    values: Float64s


class KnownSeries:
    """The memory of one node at one door. Series keep their number until they have been idle for an hour.

    Numbers are given in the order of first sight, so the series after number 7 is expected to be number 8.
    """

    def __init__(self, budget: int = SERIES_BUDGET) -> None:
        self._budget = budget
        self._numbers: dict[bytes, int] = {}
        self._meanings: list[Meaning] = []
        self._heads: list[bytes] = []
        self._steps: list[int] = []
        self._valued: list[bool] = []
        self._used_at = np.zeros(budget)
        self._layout: Layout | None = None
        self._scaling = np.empty((3, 0))

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, label_bytes: bytes, now: float) -> int:
        """The number of a series. Raises BadSeries for malformed labels and for a new series beyond the budget."""
        key = _key(label_bytes)
        number = self._numbers.get(key)
        if number is None:
            number = self._learn(key, label_bytes, now)
        self._used_at[number] = now
        return number

    def _learn(self, key: bytes, label_bytes: bytes, now: float) -> int:
        meaning = _meaning(parse_labels(label_bytes))
        number = len(self._meanings)
        if number < self._budget:
            self._meanings.append(meaning)
            self._heads.append(b"")
            self._steps.append(0)
            self._valued.append(True)
        else:
            number = self._free(now)
            self._meanings[number] = meaning
        self._set_head(number, label_bytes, _VALUE)
        self._numbers[key] = number
        self._layout = None
        return number

    def _free(self, now: float) -> int:
        """The number of a series that was not sent for an hour, which is forgotten."""
        number = int(self._used_at.argmin())
        if now - self._used_at[number] < IDLE_SECONDS:
            raise BadSeries(f"over the budget of {self._budget} series per node")
        self._numbers = {key: other for key, other in self._numbers.items() if other != number}
        return number

    def read(self, message: bytes, now: float) -> Found | None:
        """A WriteRequest of known series with one sample each, or None for anything else."""
        walked = self._walk(message)
        if walked is None:
            return None
        series, after, valued = walked
        words: Any = np.ndarray((len(message) - 7,), "<u8", message, 0, (1,))
        varints = words[after - 8] >> np.uint64(16)
        values = np.where(valued, words[np.where(valued, after - _AFTER[_VALUE], 0)].view("<f8"), 0.0)
        octets = np.frombuffer(message, np.uint8)
        if (varints & _CONTINUES != _ENDS).any() or (octets[after - 7] != 0x10).any():
            return None
        self._used_at[series] = now
        return Found(series.astype(np.uint16), _instants(varints), values)

    def _walk(self, message: bytes) -> tuple[Int64s, Int64s, npt.NDArray[np.bool_]] | None:
        """Series numbers, where each series ends, and whether its sample has a value (zero is left out on the wire).

        In blocks of series that follow each other, each block compared by a few calls into C. Where a block is not as
        expected, the place decides: the same series with the other form of sample, or another series that is known.
        """
        end, position, number, missed = len(message), 0, 0, -1
        series: list[int] = []
        ends: list[int] = []
        valued: list[bool] = []
        while position < end:
            block = slice(number, number + _BLOCK)
            places = list(accumulate(self._steps[block], initial=position))
            good = list(map(message.startswith, self._heads[block], places))
            count = len(good) if all(good) else good.index(False)
            series += range(number, number + count)
            ends += places[1 : count + 1]
            valued += self._valued[number : number + count]
            position, number = places[count], number + count
            if position < end and (count < len(good) or number == len(self._heads)):
                expected = self._expect(message, position) if position != missed else None
                if expected is None:
                    return None
                number, missed = expected, position
        if position != end or not series:
            return None
        return np.array(series, np.int64), np.array(ends, np.int64), np.array(valued)

    def _expect(self, message: bytes, position: int) -> int | None:
        """Which series begins here, its head set to the form that it has here; None for one that is not known."""
        try:
            begin, end = label_span(message, position)
        except BadBody:
            return None
        label_bytes, sample = message[begin:end], message[end : end + 3]
        number = self._numbers.get(_key(label_bytes)) if sample in _AFTER else None
        if number is not None:
            self._set_head(number, label_bytes, sample)
        return number

    def _set_head(self, number: int, label_bytes: bytes, sample: bytes) -> None:
        head = b"\x0a" + _varint(len(label_bytes) + len(sample) + _AFTER[sample]) + label_bytes + sample
        self._heads[number], self._steps[number] = head, len(head) + _AFTER[sample]
        self._valued[number] = sample == _VALUE

    @property
    def layout(self) -> Layout:
        """What the numbers mean now."""
        if self._layout is None:
            subjects, tables = _subject_index(self._meanings)
            self._scaling = np.array([(m.scale, m.low, m.high) for m in self._meanings]).reshape(-1, 3).T.copy()
            self._layout = Layout(
                np.array([m.kind for m in self._meanings], np.uint8),
                np.array([m.code for m in self._meanings], np.uint16),
                subjects,
                tuple(tables[Kind.GPU]),
                tuple(tables[Kind.CIRCUIT]),
                tuple(tables[OTHER]),
            )
        return self._layout

    def scaling(self, series: npt.NDArray[np.uint16]) -> Float64s:
        """(3, n): factor to base units, lowest and highest believable value in them."""
        _ = self.layout
        return self._scaling[:, series]


def _key(label_bytes: bytes) -> bytes:
    """What a series is known by: a tenth of the memory that its labels would take."""
    return hashlib.blake2b(label_bytes, digest_size=16).digest()


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _instants(varints: npt.NDArray[np.uint64]) -> Int64s:
    """Milliseconds from varints of six bytes, in the lower 48 bits."""
    out = np.zeros(len(varints), np.uint64)
    for byte in range(_INSTANT):
        out |= (varints >> np.uint64(8 * byte) & np.uint64(0x7F)) << np.uint64(7 * byte)
    return out.astype(np.int64)


def _meaning(labels: dict[str, str]) -> Meaning:
    name = labels["__name__"]
    source = find_source(name, labels)
    column = source.column if source else None
    subject: GpuSubject | str | None = None
    if column is not None and column.kind is Kind.GPU:
        subject = _gpu(labels)
    elif column is not None and column.kind is Kind.CIRCUIT:
        subject = labels.get(CIRCUIT_LABEL, "")[:60] or None
    if column is None or source is None or (column.kind is not Kind.NODE and subject is None):
        rest = {key: value for key, value in sorted(labels.items()) if key != "__name__"}
        return Meaning(OTHER, 0, OtherSubject(name, rest), 1.0, -np.inf, np.inf)
    return Meaning(int(column.kind), column.code, subject, source.scale, column.low, column.high)


def _gpu(labels: dict[str, str]) -> GpuSubject | None:
    uuid = labels.get(GPU_UUID_LABEL, "")
    slot = labels.get("gpu", "")
    if not uuid or len(uuid) > 64:
        return None
    return GpuSubject(uuid, int(slot) if slot.isdecimal() and len(slot) < 4 else 0, labels.get("modelName", "")[:120])


def _subject_index(meanings: list[Meaning]) -> tuple[npt.NDArray[np.uint32], dict[int, list[Any]]]:
    """For each series the position of its subject among those of its kind, and those lists."""
    tables: dict[int, list[Any]] = {OTHER: [], Kind.NODE: [], Kind.GPU: [], Kind.CIRCUIT: []}
    places: dict[tuple[int, object], int] = {}
    index = np.zeros(len(meanings), dtype=np.uint32)
    for i, meaning in enumerate(meanings):
        if meaning.subject is None:
            continue
        key = (meaning.kind, id(meaning.subject) if meaning.kind == OTHER else meaning.subject)
        place = places.get(key)
        if place is None:
            place = places[key] = len(tables[meaning.kind])
            tables[meaning.kind].append(meaning.subject)
        index[i] = place
    return index, tables
