"""Prometheus remote-write 1.0, decoded: snappy block, then the protobuf message prometheus.WriteRequest.

Pure. A hand-written walk over the wire format instead of generated classes: it looks at each series'
label bytes once as a whole, so that a known series costs a dictionary look-up, and it cannot be made
to allocate much more than the body's own size. Source: the Prometheus Remote-Write 1.0 specification.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cramjam

MAX_COMPRESSED_BYTES: Final = 4 << 20
MAX_DECOMPRESSED_BYTES: Final = 64 << 20
MAX_SERIES_PER_BODY: Final = 100_000
MAX_SAMPLES_PER_BODY: Final = 250_000
MAX_ELEMENTS_PER_BODY: Final = 1_000_000
"""Fields of any kind: 64 MiB can hold 32 million of two bytes, each of which would become an object."""
MAX_SAMPLE_BYTES: Final = 1024
MAX_FIELDS: Final = 16
"""Of a sample or a label: what neither has yet may come with a later version of the protocol."""
MAX_LABELS: Final = 64
MAX_LABEL_NAME_BYTES: Final = 256
MAX_LABEL_VALUE_BYTES: Final = 4096
MAX_COMMON_LABEL_BYTES: Final = 128
COMMON_LABELS: Final = 32_768
MAX_LABELS_BYTES: Final = 16_384
"""All labels of one series together; the door remembers them for every known series."""

STALE_BITS: Final = 0x7FF0000000000002
"""Prometheus' stale marker: this exact NaN says that the series ended."""
STALE: Final = struct.unpack("<d", struct.pack("<Q", STALE_BITS))[0]

_DOUBLE = struct.Struct("<d")
_SERIES_OF_V2: Final = 0x2A


class BadBody(ValueError):
    """The body as a whole cannot be read: answer 400, nothing of it is kept."""


class TooLarge(ValueError):
    """The body is over a cap: answer 413."""


class BadSeries(ValueError):
    """One series is malformed: it is refused with this reason, the valid rest is kept."""


@dataclass(frozen=True, slots=True)
class RawSeries:
    """One TimeSeries message: its label messages' bytes as sent, its samples, and how much else it carried."""

    label_bytes: bytes
    samples: list[tuple[int, float]]
    """(milliseconds since the epoch, value) as sent."""
    histograms: int = 0
    """How many samples of native histograms, which are not kept."""
    exemplars: int = 0
    """How many exemplars, which are not kept."""
    fault: str = ""
    """Why the series is refused as a whole, where its labels cannot even be told."""


def declared_size(body: bytes) -> int:
    """How long the message of a snappy block says it is: known before anything is allocated for it."""
    declared, _ = varint(body, 0)
    if declared > MAX_DECOMPRESSED_BYTES:
        raise TooLarge(f"decompressed size {declared} is over the limit of {MAX_DECOMPRESSED_BYTES} bytes")
    if declared > 32 + len(body) * 64:  # snappy cannot expand further than this
        raise BadBody("declared decompressed size is impossible for this body")
    return declared


def decompress(body: bytes) -> bytes:
    """Snappy block format. Raises BadBody or TooLarge."""
    declared_size(body)
    try:
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise BadBody("body is not a snappy block") from error


def decompress_into(body: bytes, memory: bytearray) -> int:
    """The same to the beginning of memory that is large enough; returns the length. Raises BadBody."""
    try:
        return int(cramjam.snappy.decompress_raw_into(body, memory))
    except cramjam.DecompressionError as error:
        raise BadBody("body is not a snappy block") from error


def walk(message: bytes, room: Room | None = None) -> Iterator[RawSeries]:
    """Every TimeSeries of a WriteRequest in order; metadata is skipped. Raises BadBody or TooLarge.

    `room` says afterwards how much of it was left.
    """
    end, position, series = len(message), 0, 0
    room = room or Room(MAX_ELEMENTS_PER_BODY, MAX_SAMPLES_PER_BODY)
    while position < end:
        room.elements -= 1
        tag, position = varint(message, position)
        if tag == _SERIES_OF_V2:
            raise BadBody("this is a 2.0 message under the content type of 1.0")
        if tag != 0x0A:
            position = skip(message, position, tag)
            room.check()
            continue
        length, position = varint(message, position)
        stop = position + length
        if stop > end:
            raise BadBody("protobuf message is truncated")
        found = _series(message, position, stop, room)
        series, position = series + 1, stop
        if series > MAX_SERIES_PER_BODY:
            raise TooLarge("too many series in one body")
        yield found


@dataclass(slots=True)
class Room:
    """How many more elements and samples this body may have."""

    elements: int
    samples: int

    def check(self) -> None:
        if self.elements < 0 or self.samples < 0:
            raise TooLarge("too many samples or other elements in one body")


def label_span(message: bytes, position: int) -> tuple[int, int]:
    """Where the labels of the series at `position` begin and end, if they come first and together. Raises BadBody."""
    if message[position : position + 1] != b"\x0a":
        raise BadBody("not a series")
    _, begin = varint(message, position + 1)
    end = begin
    try:
        while message[end] == 0x0A:
            length = message[end + 1]
            if length > 0x7F:  # short ones, which nearly all are, are read where they stand
                length, end = varint(message, end + 1)
                end -= 2
            end += 2 + length
    except IndexError:
        pass  # nothing after the labels
    return begin, end


def parse_labels(label_bytes: bytes) -> dict[str, str]:
    """Labels of a series from their raw bytes. Raises BadSeries with the reason."""
    labels: dict[str, str] = {}
    position, end = 0, len(label_bytes)
    if end > MAX_LABELS_BYTES:
        raise BadSeries(f"labels of more than {MAX_LABELS_BYTES} bytes")
    while position < end:
        length = label_bytes[position + 1]
        position += 2
        if length > 0x7F:
            length, position = varint(label_bytes, position - 1)
        message = label_bytes[position : position + length]
        name, value = _common_label(message) if length <= MAX_COMMON_LABEL_BYTES else _label(message)
        position += length
        if not name:
            raise BadSeries("label with an empty name")
        if name in labels:
            raise BadSeries("duplicate label")
        if value:  # an empty value is the same as no label
            labels[name] = value
        if len(labels) > MAX_LABELS:
            raise BadSeries(f"more than {MAX_LABELS} labels")
    if not labels.get("__name__"):
        raise BadSeries("series without __name__")
    return labels


def _series(message: bytes, position: int, stop: int, room: Room) -> RawSeries:
    labels: list[bytes] = []
    samples: list[tuple[int, float]] = []
    histograms = exemplars = 0
    elements, most_elements, most_samples = 0, room.elements, room.samples
    label_bytes = 0
    while position < stop:
        start = position
        elements += 1
        if elements > most_elements or len(samples) > most_samples:
            break
        tag, position = varint(message, position)
        if tag & 7 != 2:
            position = skip(message, position, tag)
            continue
        length, position = varint(message, position)
        inner_stop = position + length
        if inner_stop > stop:
            raise BadBody("protobuf message is truncated")
        if tag == 0x0A:
            if label_bytes <= MAX_LABELS_BYTES:  # of more, the series is refused
                labels.append(message[start:inner_stop])
            label_bytes += inner_stop - start
        elif tag == 0x12:
            samples.append(read_sample(message, position, inner_stop))
        elif tag == 0x1A:
            exemplars += 1
        elif tag == 0x22:
            histograms += 1
        position = inner_stop
    room.elements -= elements
    room.samples -= len(samples)
    room.check()
    if position != stop:
        raise BadBody("protobuf message is malformed")
    return RawSeries(b"".join(labels), samples, histograms, exemplars)


def read_sample(message: bytes, position: int, stop: int) -> tuple[int, float]:
    value, at_ms = 0.0, 0
    if stop - position > MAX_SAMPLE_BYTES:
        raise TooLarge(f"a sample of more than {MAX_SAMPLE_BYTES} bytes")
    fields = 0
    while position < stop:
        fields += 1
        if fields > MAX_FIELDS:
            raise TooLarge(f"a sample of more than {MAX_FIELDS} fields")
        tag, position = varint(message, position)
        if tag == 0x09:
            if position + 8 > stop:
                raise BadBody("protobuf message is truncated")
            (value,) = _DOUBLE.unpack_from(message, position)
            position += 8
        elif tag == 0x10:
            at_ms, position = varint(message, position)
            at_ms &= (1 << 64) - 1
            if at_ms >= 1 << 63:
                at_ms -= 1 << 64
        else:
            position = skip(message, position, tag)
    if position != stop:
        raise BadBody("protobuf message is malformed")
    return at_ms, value


@lru_cache(maxsize=COMMON_LABELS)
def _common_label(message: bytes) -> tuple[str, str]:
    """A fleet's first scrape has a million labels, of which but a few thousand differ."""
    return _label(message)


def _label(data: bytes) -> tuple[str, str]:
    name, value = b"", b""
    position, stop, fields = 0, len(data), 0
    while position < stop:
        fields += 1
        if fields > MAX_FIELDS:
            raise BadSeries(f"label of more than {MAX_FIELDS} fields")
        tag, position = varint(data, position)
        if tag not in (0x0A, 0x12):
            position = skip(data, position, tag)
            continue
        length, position = varint(data, position)
        field = data[position : position + length]
        position += length
        name, value = (field, value) if tag == 0x0A else (name, field)
    if position != stop:
        raise BadSeries("label is malformed")
    if len(name) > MAX_LABEL_NAME_BYTES or len(value) > MAX_LABEL_VALUE_BYTES:
        raise BadSeries("label name or value is too long")
    if b"\0" in name or b"\0" in value:  # legal UTF-8, but nothing that Postgres could keep as text
        raise BadSeries("label with a NUL character")
    try:
        return name.decode(), value.decode()
    except UnicodeDecodeError:
        raise BadSeries("label is not UTF-8") from None


def varint(data: bytes, position: int) -> tuple[int, int]:
    """The unsigned varint at `position` and the position after it."""
    result = shift = 0
    while True:
        try:
            byte = data[position]
        except IndexError:
            raise BadBody("protobuf message is truncated") from None
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7
        if shift > 63:
            raise BadBody("varint is too long")


def skip(data: bytes, position: int, tag: int) -> int:
    wire = tag & 7
    if wire == 0:
        _, position = varint(data, position)
    elif wire == 1:
        position += 8
    elif wire == 2:
        length, position = varint(data, position)
        position += length
    elif wire == 5:
        position += 4
    else:
        raise BadBody(f"unknown protobuf wire type {wire}")
    if position > len(data):
        raise BadBody("protobuf message is truncated")
    return position
