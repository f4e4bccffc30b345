"""The bytes that one node is expected to send next, in one piece: series after series, with zeros where samples vary.

Pure. A stretch of a body is compared with it by a few calls into C, however many series it holds. A series is the
protobuf field of a TimeSeries: its labels' bytes and one sample, whose value is left out on the wire where it is zero.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from telemetry.compression import Encoding, open_into, told_size

VALUED: Final = b"\x12\x10\x09"
"""How a sample begins, up to its value, which is followed by a tag and the timestamp."""
ZERO: Final = b"\x12\x07\x10"
"""How a sample whose value is zero begins, up to its timestamp."""
_TAG: Final = 0x10
"""What stands between a value and the timestamp."""
_TAILS: Final = {VALUED: bytes(8) + bytes([_TAG]) + bytes(6), ZERO: bytes(6)}
"""What follows. The timestamp is a varint of six bytes: every millisecond from 2004 to 2109."""

LONGEST: Final = 4 << 20
"""Longer messages are rare, and as much memory would be kept for them."""
LONGEST_ZSTD: Final = 512 << 10
"""Compressed: of longer ones, frames of nothing could take tens of milliseconds."""

Positions = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
_NOTHING: Final = np.empty(0, np.int64)


class Slate:
    """Where messages are put, one after the other, to be compared: memory that is in use already costs the least."""

    def __init__(self) -> None:
        self.size = 0
        self._resize(1 << 18)

    def _resize(self, size: int) -> None:
        self.octets = bytearray(size)
        self.words: Any = _words(self.octets, "<u8")
        """The eight bytes from each position on, overlapping."""

    def fill(self, encoding: Encoding, body: bytes) -> bool:
        """Put the message of a body here; False where it is too long, or does not say how long it is. Raises BadBody or
        TooLarge."""
        told = told_size(encoding, body)
        if told is None or told > LONGEST or (encoding is Encoding.ZSTD and len(body) > LONGEST_ZSTD):
            return False
        if told > len(self.octets):
            self._resize(2 * told)
        size = open_into(encoding, body, self.octets)
        if size is None:
            return False
        self.size = size
        return True


class ExpectedBytes:
    """The series of one node by number, each as it was last seen."""

    def __init__(self, budget: int) -> None:
        self._octets = np.empty(0, np.uint8)
        self._starts = np.zeros(budget + 1, np.int64)
        self._valued = np.zeros(budget, np.bool_)
        self._count = 0

    def put(self, number: int, label_bytes: bytes, sample: bytes) -> None:
        """Expect a series with this form of sample (VALUED or ZERO). A new number is the next one."""
        tail = _TAILS[sample]
        length = _varint(len(label_bytes) + len(sample) + len(tail))
        new = np.frombuffer(b"".join((b"\x0a", length, label_bytes, sample, tail)), np.uint8)
        if number == self._count:
            self._append(new)
        else:
            self._replace(number, new)
        self._valued[number] = sample == VALUED

    def _append(self, new: npt.NDArray[np.uint8]) -> None:
        begin = int(self._starts[self._count])
        end = begin + len(new)
        if end > len(self._octets):
            self._octets = np.concatenate([self._octets[:begin], np.empty(len(new) + end // 2 + 4096, np.uint8)])
        self._octets[begin:end] = new
        self._count += 1
        self._starts[self._count] = end

    def _replace(self, number: int, new: npt.NDArray[np.uint8]) -> None:
        begin, end = self._starts[number : number + 2].tolist()
        if len(new) == end - begin:
            self._octets[begin:end] = new
            return
        self._octets = np.concatenate([self._octets[:begin], new, self._octets[end:]])
        self._starts[number + 1 : self._count + 1] += len(new) - (end - begin)

    def match(self, message: bytes, position: int, number: int, at_most: int) -> tuple[Positions, Flags]:
        """Where each series ends that is as expected, from `number` on at `position`, and whether it has a value.

        Values, the tags that follow them and timestamps are not looked at.
        """
        begin = int(self._starts[number])
        if not self._begins(message, position, number, begin):
            return _NOTHING, self._valued[:0]
        stop = min(self._count, number + at_most)
        ends = self._starts[number + 1 : stop + 1] - begin
        ends = ends[: np.searchsorted(ends, len(message) - position, "right")]
        if len(ends) < 2:  # of one, all that is fixed has been looked at
            return ends + position, self._valued[number : number + len(ends)].copy()
        valued, size = self._valued[number : number + len(ends)].copy(), int(ends[-1])
        seen = bytearray(memoryview(message)[position : position + size])
        _blank(seen, ends, valued)
        count = len(ends)
        if seen != self._octets.data[begin : begin + size]:  # which is one memcmp
            differs = np.frombuffer(seen, np.uint8) != self._octets[begin : begin + size]
            count = int(np.searchsorted(ends, int(differs.argmax()), "right"))
        return ends[:count] + position, valued[:count]

    def fits(self, slate: Slate, stretches: list[tuple[int, int, int]]) -> bool:
        """Whether a message is these stretches of (first series, how many, position), blanked as they are here."""
        starts, octets = self._starts, self._octets.data
        for number, count, position in stretches:  # each is one memcmp
            if not slate.octets.startswith(octets[starts[number] : starts[number + count]], position):
                return False
        return True

    def _begins(self, message: bytes, position: int, number: int, begin: int) -> bool:
        """Whether this looks like the series: what is another one from its first bytes on costs no more than that."""
        if number >= self._count:
            return False
        fixed = int(self._starts[number + 1]) - begin - (15 if self._valued[number] else 6)
        return message.startswith(self._octets[begin : begin + fixed].tobytes(), position)


def _blank(octets: bytearray, ends: Positions, valued: Flags) -> None:
    """Zeros in place of each series' value and timestamp, and between the two the tag that belongs there."""
    if not valued.all():
        without = ends[~valued]
        _words(octets, "<u4")[without - 6] = 0
        _words(octets, "<u2")[without - 2] = 0
        ends = ends[valued]
    if len(ends):
        words = _words(octets, "<u8")
        words[ends - 15] = 0
        words[ends - 8] = _TAG << 8


def _words(octets: bytearray, dtype: str) -> Any:
    """A word at each byte, overlapping."""
    return np.ndarray((len(octets) - np.dtype(dtype).itemsize + 1,), dtype, octets, 0, (1,))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
