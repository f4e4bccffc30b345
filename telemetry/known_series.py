"""The series that one node sends, remembered: what each means, and which one usually follows which.

Pure. A node sends the same series in the same order for ever, cut into bodies anywhere. So each series
remembers the bytes it starts with and its successor: reading a body is comparing whole label sets with
what is expected there, and only the eight bytes of a value and the six of a timestamp are looked at.
Anything that is not exactly as expected makes `read` say None, and the plain decoder has the word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from telemetry.batch import OTHER, Float64s, GpuSubject, Int64s, Layout, OtherSubject
from telemetry.catalogue import CIRCUIT_LABEL, GPU_UUID_LABEL, Kind, find_source
from telemetry.remote_write import BadBody, BadSeries, label_span, parse_labels

SERIES_BUDGET: Final = 3000
IDLE_SECONDS: Final = 3600.0

_VALUE_AND_INSTANT: Final = 15  # eight bytes, a tag, and a varint of six: every millisecond from 2004 to 2109
_INSTANT: Final = 6
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
    """The memory of one node at one door. Series keep their number until they have been idle for an hour."""

    def __init__(self, budget: int = SERIES_BUDGET) -> None:
        self._budget = budget
        self._numbers: dict[bytes, int] = {}
        self._meanings: list[Meaning] = []
        self._with_value: list[bytes] = []
        self._with_zero: list[bytes] = []
        self._next: list[int] = []
        self._last = 0
        self._used_at = np.zeros(budget)
        self._layout: Layout | None = None
        self._scaling = np.empty((3, 0))

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, label_bytes: bytes, now: float) -> int:
        """The number of a series. Raises BadSeries for malformed labels and for a new series beyond the budget."""
        number = self._numbers.get(label_bytes)
        if number is None:
            number = self._learn(label_bytes, now)
        self._next[self._last] = self._last = number
        self._used_at[number] = now
        return number

    def _learn(self, label_bytes: bytes, now: float) -> int:
        meaning = _meaning(parse_labels(label_bytes))
        with_value = _head(label_bytes, b"\x12\x10\x09", _VALUE_AND_INSTANT)
        with_zero = _head(label_bytes, b"\x12\x07\x10", _INSTANT)
        number = len(self._meanings)
        if number < self._budget:
            self._meanings.append(meaning)
            self._with_value.append(with_value)
            self._with_zero.append(with_zero)
            self._next.append(0)
        else:
            number = self._free(now)
            self._meanings[number] = meaning
            self._with_value[number], self._with_zero[number] = with_value, with_zero
        self._numbers[label_bytes] = number
        self._layout = None
        return number

    def _free(self, now: float) -> int:
        """The number of a series that was not sent for an hour, which is forgotten."""
        number = int(self._used_at.argmin())
        if now - self._used_at[number] < IDLE_SECONDS:
            raise BadSeries(f"over the budget of {self._budget} series per node")
        self._numbers = {label_bytes: other for label_bytes, other in self._numbers.items() if other != number}
        return number

    def read(self, message: bytes, now: float) -> Found | None:
        """A WriteRequest of known series with one sample each, or None for anything else."""
        if not self._meanings:
            return None
        walked = self._walk(message)
        if walked is None:
            return None
        series, places = (np.array(column, np.int64) for column in walked)
        zero = places < 0
        instants = np.where(zero, -places, places + 9)
        words: Any = np.ndarray((len(message) - 7,), "<u8", message, 0, (1,))
        varints = words[instants - 2] >> np.uint64(16)
        values = np.where(zero, 0.0, words[np.where(zero, 0, places)].view("<f8"))
        octets = np.frombuffer(message, np.uint8)
        if (varints & _CONTINUES != _ENDS).any() or (octets[places[~zero] + 8] != 0x10).any():
            return None
        self._used_at[series] = now
        return Found(series.astype(np.uint16), _instants(varints), values)

    def _walk(self, message: bytes) -> tuple[list[int], list[int]] | None:
        """Series numbers, and where each value is (where its timestamp is, negative, if the value is zero)."""
        following, with_value, with_zero = self._next, self._with_value, self._with_zero
        series: list[int] = []
        places: list[int] = []
        position, end, last, looked_up = 0, len(message), self._last, False
        starts = message.startswith
        while position < end:
            number = following[last]
            if starts(with_value[number], position):
                position += len(with_value[number])
                places.append(position)
                position += _VALUE_AND_INSTANT
            elif starts(with_zero[number], position):
                position += len(with_zero[number])
                places.append(-position)
                position += _INSTANT
            elif looked_up:
                return None
            else:
                found = self._look_up(message, position)
                if found is None:
                    return None
                following[last], looked_up = found, True
                continue
            looked_up = False
            series.append(number)
            last = number
        if position != end or not series:
            return None
        self._last = last
        return series, places

    def _look_up(self, message: bytes, position: int) -> int | None:
        try:
            begin, end = label_span(message, position)
        except BadBody:
            return None
        return self._numbers.get(message[begin:end])

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


def _head(label_bytes: bytes, sample: bytes, rest: int) -> bytes:
    """The bytes from the start of a series up to its first sample's value, or timestamp."""
    return b"\x0a" + _varint(len(label_bytes) + len(sample) + rest) + label_bytes + sample


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
