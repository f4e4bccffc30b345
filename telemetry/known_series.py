"""The series that one node sends, remembered: what each means, and which one usually follows which.

Pure. A node sends the same series in the same order for ever, cut into bodies anywhere. So reading a body is comparing
it with the bytes that are expected there, and only the eight bytes of a value and the six of a timestamp are looked at.
A series that is new is learned on the way; anything that is not in the usual form makes `read` say None, and the plain
decoder has the word.
"""

from __future__ import annotations

import hashlib
import struct
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from telemetry.batch import OTHER, Float64s, Instants, Int64s, Layout, runs
from telemetry.catalogue import Kind
from telemetry.expected_bytes import VALUED, ZERO, ExpectedBytes, Slate
from telemetry.meanings import Meaning, meaning_of
from telemetry.remote_write import BadBody, BadSeries, label_span
from telemetry.rivals import Rivals

SERIES_BUDGET: Final = 3000
OVER_BUDGET: Final = "over the budget of"
"""How the complaint about a series too many begins."""
IDLE_SECONDS: Final = 3600.0
LABEL_BYTES_BUDGET: Final = 4 << 20
"""Of all series of a node together. They are remembered, compared, and travel with its batches."""
MAX_SURPRISES: Final = 64
"""So often may a body differ from what is expected before the plain decoder has the word."""
MAX_LEARNED_BYTES: Final = 128 << 10
"""Labels of so many bytes are learned from one body on the way."""

_WINDOW: Final = 64
"""So many series are compared at once after a surprise, and twice as many each time that there is none."""
_SHAPES: Final = 32
_SHAPED_SERIES: Final = _SHAPES * SERIES_BUDGET
"""Of bodies that cut a scrape anywhere so many forms are remembered, of so many series together."""
_FEW: Final = 16
"""Fewer numbers than that are dealt with faster one by one."""
_USED_SECONDS: Final = IDLE_SECONDS / 60
_DOUBLE: Final = struct.Struct("<d")
_TAG: Final = np.uint64(0xFF00)
_TAG_BITS: Final = np.uint64(0x1000)
_BEFORE_INSTANT: Final = np.uint64(0xFFFF)
"""Of the last eight bytes of a series: what is before its instant, and the tag that has to be the second of them."""
_INSTANT_BYTES: Final = np.uint64(16)
_MORE: Final = 0x8080_80808080
_MORE_BITS: Final = 0x0080_80808080
"""A varint of six bytes says so."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a body says, before it is believed: (n,) arrays. Values as sent.

    `scaling` (4, n): factor to base units, lowest and highest believable value in them, and whether some values say
    that there is none.
    """

    series: npt.NDArray[np.uint16]
    instants: Instants
    values: Float64s
    scaling: Float64s
    repeats: bool
    """Whether a series comes more than once."""


@dataclass(slots=True)
class _Shape:
    """A body that was read: where everything is in the next one of its length that begins with the same series."""

    stretches: list[tuple[int, int, int]]
    """(first series, how many, where in the body they begin)"""
    series: npt.NDArray[np.uint16]
    last_words: Int64s
    """Where the last eight bytes of each series begin."""
    values: Int64s
    """Where the value of each series begins that has one."""
    valued: npt.NDArray[np.bool_] | None
    """Which have; None: all of them."""
    scaling: Float64s
    repeats: bool
    used_at: float


class KnownSeries:
    """The memory of one node at one door. Series keep their number until they have been idle for an hour.

    Numbers are given in the order of first sight, so the series after number 7 is expected to be number 8, unless it
    was another one the last time, as after the last of a scrape.
    """

    def __init__(self, budget: int = SERIES_BUDGET) -> None:
        self._budget = budget
        self._numbers: dict[bytes, int] = {}
        self._meanings: list[Meaning] = []
        self.rivals = Rivals()
        self._keys: list[bytes] = []
        self._sizes: list[int] = []
        """By number: by what a series is known, and of how many bytes its labels are."""
        self._expected = ExpectedBytes(budget)
        self._follower: dict[int, int] = {}
        self._last = -1
        self._used_at = np.zeros(budget)
        self._layout: Layout | None = None
        self._scaling = np.empty((4, 0))
        self._shapes: dict[tuple[int, int], _Shape] = {}
        self.label_bytes = 0
        """Of all series together."""
        self.learned = 0
        """How often a series was new."""

    def __len__(self) -> int:
        return len(self._numbers)

    def find(self, key: bytes) -> int | None:
        """The number of a series that is known, by its `key_of`."""
        return self._numbers.get(key)

    def use(self, numbers: npt.NDArray[np.int64], now: float) -> None:
        """Samples of these are kept."""
        self._used_at[numbers] = now

    def is_full(self, now: float) -> bool:
        """Whether a new series would be one too many."""
        return len(self._meanings) >= self._budget and now - self._used_at.min() < IDLE_SECONDS

    def learn(self, label_bytes: bytes, meaning: Meaning, now: float, sample: bytes = VALUED) -> int:
        """The number of a series that is new, of which a sample is kept. Raises BadSeries beyond a budget."""
        number = len(self._meanings)
        if number >= self._budget:
            number = int(self._used_at.argmin())
            if now - self._used_at[number] < IDLE_SECONDS:
                raise BadSeries(self.too_many)
        before = self._sizes[number] if number < len(self._sizes) else 0
        if self.label_bytes - before + len(label_bytes) > LABEL_BYTES_BUDGET:
            raise BadSeries(f"{OVER_BUDGET} {LABEL_BYTES_BUDGET} bytes of labels per node")
        self.label_bytes += len(label_bytes) - before
        self.learned += 1
        key = key_of(label_bytes)
        if number < len(self._meanings):  # of one that was not sent for an hour, which is forgotten
            del self._numbers[self._keys[number]]
            self._meanings[number], self._keys[number], self._sizes[number] = meaning, key, len(label_bytes)
        else:
            self._meanings.append(meaning)
            self._keys.append(key)
            self._sizes.append(len(label_bytes))
        self._put(number, label_bytes, sample)
        self._numbers[key] = number
        self._used_at[number] = now
        self._layout = None
        return number

    @property
    def too_many(self) -> str:
        """The complaint about a series beyond the budget."""
        return f"{OVER_BUDGET} {self._budget} series per node"

    def meaning(self, number: int) -> Meaning:
        return self._meanings[number]

    def recognise(self, slate: Slate, now: float) -> Found | None:
        """A WriteRequest of a form that came before, and None for any other. It is gone from the slate after."""
        shape = self._shapes.get((self._last, slate.size))
        if shape is None:
            return None
        words = slate.words
        values = words[shape.values].view("<f8")
        words[shape.values] = 0
        last_words = words[shape.last_words]
        words[shape.last_words] = last_words & _BEFORE_INSTANT
        if not self._expected.fits(slate, shape.stretches):
            return None
        return self._found(shape, last_words, values, now)

    def read(self, message: bytes, now: float, window_ms: tuple[int, int]) -> Found | None:
        """A WriteRequest of series with one sample each in the usual form, or None for anything else.

        `window_ms` are the oldest and the newest instant that can be kept: what is not kept is not learned.
        """
        key = self._last, len(message)
        shape = self._walk(message, now, window_ms)
        if shape is None:
            return None
        if len(self._shapes) >= _SHAPES or sum(len(s.series) for s in self._shapes.values()) > _SHAPED_SERIES:
            self._shapes.clear()
        self._shapes[key] = shape
        words: Any = np.ndarray((len(message) - 7,), "<u8", message, 0, (1,))
        last_words, values = words[shape.last_words], words[shape.values].view("<f8")
        if (last_words & _TAG != _TAG_BITS).any():
            return None
        return self._found(shape, last_words, values, now)

    def _found(self, shape: _Shape, last_words: Any, values: Float64s, now: float) -> Found | None:
        first, count, _ = shape.stretches[-1]
        self._last = first + count - 1
        instants = _instants(last_words)
        if instants is None:
            return None
        if shape.valued is not None:
            some, values = values, np.zeros(len(shape.series))
            values[shape.valued] = some
        if now > shape.used_at + _USED_SECONDS:
            self._used_at[shape.series], shape.used_at = now, now
        return Found(shape.series, instants, values, shape.scaling, shape.repeats)

    def _walk(self, message: bytes, now: float, window_ms: tuple[int, int]) -> _Shape | None:
        """Which series these are, where each ends, and whether its sample has a value (zero is left out on the wire).

        Where a stretch is not as expected, the place decides: the same series with the other form of sample, another
        series, or a new one.
        """
        position, previous, window = 0, self._last, SERIES_BUDGET
        surprises, most_label_bytes = 0, self.label_bytes + MAX_LEARNED_BYTES
        stretches, parts = [], []
        while position < len(message):
            number = self._follower.get(previous, previous + 1)
            ends, valued = self._expected.match(message, position, number, window)
            if not len(ends):
                expected, surprises = self._expect(message, position, now, window_ms), surprises + 1
                if expected is None or surprises > MAX_SURPRISES or self.label_bytes > most_label_bytes:
                    return None
                number, window = expected
                self._follower[previous] = number
                ends, valued = self._expected.match(message, position, number, window)
                if not len(ends):
                    return None
            else:
                window *= 2
            stretches.append((number, len(ends), position))
            parts.append((ends, valued))
            position, previous = int(ends[-1]), number + len(ends) - 1
        if not parts:
            return None
        series = np.concatenate([np.arange(first, first + count, dtype=np.uint16) for first, count, _ in stretches])
        self._used_at[series] = now
        ends, valued = (np.concatenate(some) for some in zip(*parts, strict=True))
        have = None if valued.all() else valued
        repeats = len(np.unique(series)) < len(series)
        return _Shape(stretches, series, ends - 8, ends[valued] - 15, have, self.scaling(series), repeats, now)

    def _expect(self, message: bytes, position: int, now: float, window_ms: tuple[int, int]) -> tuple[int, int] | None:
        """Which series begins here and how many follow it as they are here; None where that is not the usual form.

        Where it is new, so probably are those that come after it: they are learned together.
        """
        first, count = -1, 0
        most_label_bytes = self.label_bytes + MAX_LEARNED_BYTES
        try:
            while position < len(message) and self.label_bytes <= most_label_bytes:
                begin, end = label_span(message, position)
                label_bytes, sample = message[begin:end], message[end : end + 3]
                if sample not in (VALUED, ZERO):
                    break
                number = self.find(key_of(label_bytes))
                if number is not None:
                    if count:
                        break
                    self._put(number, label_bytes, sample)
                    return number, _WINDOW
                meaning, after = meaning_of(label_bytes), end + (18 if sample == VALUED else 9)
                if not meaning.is_plain(*_sample(message[end:after]), window_ms):
                    break
                number = self.learn(label_bytes, meaning, now, sample)
                if count and number != first + count:  # it took the number of one that is gone
                    break
                first, count, position = number - count, count + 1, after
        except (BadBody, BadSeries):
            pass
        return (first, count) if count else None

    def _put(self, number: int, label_bytes: bytes, sample: bytes) -> None:
        self._expected.put(number, label_bytes, sample)
        self._shapes.clear()

    @property
    def layout(self) -> Layout:
        """What the numbers mean now."""
        if self._layout is None:
            subjects, tables = _subject_index(self._meanings)
            self._scaling = np.array([m.scaling for m in self._meanings]).reshape(-1, 4).T.copy()
            self._layout = Layout(
                np.array([m.kind for m in self._meanings], np.uint8),
                np.array([m.code for m in self._meanings], np.uint16),
                subjects,
                tuple(tables[Kind.GPU]),
                tuple(tables[Kind.CIRCUIT]),
                tuple(tables[OTHER]),
            )
            self._compare()
        return self._layout

    def _compare(self) -> None:
        """Find the series that tell of the same."""
        by_cell: dict[Hashable, list[int]] = defaultdict(list)
        for number, meaning in enumerate(self._meanings):
            by_cell[meaning.cell].append(number)
        shared = {number: cell for cell, numbers in by_cell.items() if len(numbers) > 1 for number in numbers}
        names = {number: self._meanings[number].labels for number in shared}
        alarms = (cell for number, cell in shared.items() if self._meanings[number].is_alarm)
        self.rivals.know(shared, names, alarms, len(self._meanings))

    def scaling(self, series: npt.NDArray[np.uint16]) -> Float64s:
        """See Found.scaling."""
        _ = self.layout
        return self._scaling[:, series]


def key_of(label_bytes: bytes) -> bytes:
    """What a series is known by: a tenth of the memory that its labels would take."""
    return hashlib.blake2b(label_bytes, digest_size=16).digest()


def _instants(last_words: npt.NDArray[np.uint64]) -> Instants | None:
    """From the last eight bytes of each series; None where they are something else. A scrape has one for all."""
    varints = last_words >> _INSTANT_BYTES
    if (varints == varints[0]).all():
        one = int(varints[0])
        return Instants(np.array([_milliseconds(one)]), np.array([len(varints)])) if one & _MORE == _MORE_BITS else None
    if (varints & np.uint64(_MORE) != np.uint64(_MORE_BITS)).any():
        return None
    starts, lengths = runs(varints)
    if len(starts) <= _FEW:
        return Instants(np.array([_milliseconds(varint) for varint in varints[starts].tolist()], np.int64), lengths)
    out = np.zeros(len(starts), np.uint64)
    for byte in range(6):
        out |= varints[starts] >> np.uint64(byte) & np.uint64(0x7F << 7 * byte)
    return Instants(out.astype(np.int64), lengths)


def _milliseconds(varint: int) -> int:
    """From the six bytes of a varint: seven bits of each, joined by halves."""
    pairs = varint & 0x007F_007F_007F | (varint & 0x7F00_7F00_7F00) >> 1
    return pairs & 0x3FFF | (pairs >> 16 & 0x3FFF) << 14 | pairs >> 32 << 28


def _sample(sample: bytes) -> tuple[float, int]:
    """Value and milliseconds of a sample in the usual form."""
    (value,) = _DOUBLE.unpack_from(sample, 3) if len(sample) == 18 else (0.0,)
    return value, _milliseconds(int.from_bytes(sample[-6:], "little"))


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
