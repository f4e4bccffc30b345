"""Prometheus remote-write 2.0, decoded: the protobuf message io.prometheus.write.v2.Request, decompressed.

Pure. Labels are references into one table of strings. Each series comes out with its labels spelled as
remote-write 1.0 spells them, sorted, so that a series means the same and counts once however it is sent.
Source: the Prometheus Remote-Write 2.0 specification (experimental).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from telemetry.remote_write import (
    MAX_ELEMENTS_PER_BODY,
    MAX_FIELDS,
    MAX_LABELS,
    MAX_LABELS_BYTES,
    MAX_SAMPLES_PER_BODY,
    MAX_SERIES_PER_BODY,
    BadBody,
    BadSeries,
    RawSeries,
    Room,
    TooLarge,
    read_sample,
    skip,
    varint,
)

MAX_SYMBOLS: Final = 200_000

_SERIES_OF_V1, _SYMBOL, _SERIES = 0x0A, 0x22, 0x2A
_REFS, _SAMPLE, _HISTOGRAM, _EXEMPLAR, _METADATA = 0x0A, 0x12, 0x1A, 0x22, 0x2A
_HELP, _UNIT = 0x18, 0x20


@dataclass(slots=True)
class _Symbols:
    """The strings of a request, and the labels that were already spelled from them."""

    texts: list[bytes] = field(default_factory=list)
    spelled: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def label_bytes(self, refs: list[int]) -> bytes:
        """The labels as 1.0 has them. Raises BadSeries."""
        if len(refs) % 2:
            raise BadSeries("odd number of label references")
        if len(refs) > 2 * MAX_LABELS:
            raise BadSeries(f"more than {MAX_LABELS} labels")
        if refs and max(refs) >= len(self.texts):
            raise BadSeries("label reference beyond the symbols")
        if any(not self.texts[ref] for ref in refs[1::2]):
            raise BadSeries("label with an empty value")
        if sum(len(self.texts[ref]) for ref in refs) > MAX_LABELS_BYTES:  # a long symbol may be meant a thousand times
            raise BadSeries(f"labels of more than {MAX_LABELS_BYTES} bytes")
        pairs = sorted(zip(refs[::2], refs[1::2], strict=True), key=lambda pair: self.texts[pair[0]])
        return b"".join([self.spelled.get(pair) or self._spell(pair) for pair in pairs])

    def check_metadata(self, message: bytes, position: int, stop: int) -> None:
        """Help and unit are not kept, but have to be there. Raises BadSeries."""
        fields = 0
        while position < stop:
            fields += 1
            if fields > MAX_FIELDS:
                raise BadSeries(f"metadata of more than {MAX_FIELDS} fields")
            tag, position = varint(message, position)
            if tag not in (_HELP, _UNIT):
                position = skip(message, position, tag)
                continue
            ref, position = varint(message, position)
            if ref >= len(self.texts):
                raise BadSeries("metadata reference beyond the symbols")

    def _spell(self, pair: tuple[int, int]) -> bytes:
        name, value = (self.texts[ref] for ref in pair)
        inner = b"\x0a" + spell(len(name)) + name + b"\x12" + spell(len(value)) + value
        found = self.spelled[pair] = b"\x0a" + spell(len(inner)) + inner
        return found


def walk(message: bytes, room: Room | None = None) -> Iterator[RawSeries]:
    """Every TimeSeries of a Request in order. Raises BadBody or TooLarge. `room` is as in remote_write.walk."""
    room = room or Room(MAX_ELEMENTS_PER_BODY, MAX_SAMPLES_PER_BODY)
    symbols, spans = _parts(message, room)
    if not symbols.texts and spans:
        raise BadBody("series without symbols")
    if symbols.texts and symbols.texts[0]:
        raise BadBody("the first symbol must be empty")
    for begin, end in spans:
        yield _series(message, begin, end, symbols, room)


def _parts(message: bytes, room: Room) -> tuple[_Symbols, list[tuple[int, int]]]:
    """The symbols, and where each series lies. Symbols may come after the series that refer to them."""
    symbols, spans, position = _Symbols(), list[tuple[int, int]](), 0
    while position < len(message):
        room.elements -= 1
        room.check()
        tag, position = varint(message, position)
        if tag == _SERIES_OF_V1:
            raise BadBody("this is a 1.0 message under the content type of 2.0")
        if tag not in (_SYMBOL, _SERIES):
            position = skip(message, position, tag)
            continue
        begin, position = _span(message, position, len(message))
        if tag == _SERIES:
            spans.append((begin, position))
        else:
            symbols.texts.append(message[begin:position])
        if len(spans) > MAX_SERIES_PER_BODY or len(symbols.texts) > MAX_SYMBOLS:
            raise TooLarge("too many series or symbols in one body")
    return symbols, spans


@dataclass(slots=True)
class _Fields:
    """What is found in a series, before the symbols are looked at."""

    refs: list[int] = field(default_factory=list)
    samples: list[tuple[int, float]] = field(default_factory=list)
    histograms: int = 0
    exemplars: int = 0
    metadata: tuple[int, int] = (0, 0)
    """Where it begins and ends. Of several the last one is the one."""

    def take(self, message: bytes, tag: int, begin: int, end: int, room: Room) -> None:
        if tag == _REFS:
            self.refs += _packed(message, begin, end, room)
        elif tag == _SAMPLE:
            room.samples -= 1
            self.samples.append(read_sample(message, begin, end))
        elif tag == _HISTOGRAM:
            self.histograms += 1
        elif tag == _EXEMPLAR:
            self.exemplars += 1
        else:
            self.metadata = begin, end

    def series(self, label_bytes: bytes, fault: str = "") -> RawSeries:
        return RawSeries(label_bytes, self.samples, self.histograms, self.exemplars, fault)


def _series(message: bytes, position: int, stop: int, symbols: _Symbols, room: Room) -> RawSeries:
    found = _Fields()
    while position < stop:
        room.elements -= 1
        room.check()
        tag, position = varint(message, position)
        if tag & 7 == 0 and tag >> 3 == 1:  # a reference by itself: protobuf allows a packed field unpacked
            ref, position = varint(message, position)
            found.refs.append(ref)
            continue
        if tag not in (_REFS, _SAMPLE, _HISTOGRAM, _EXEMPLAR, _METADATA):
            position = skip(message, position, tag)
            continue
        begin, position = _span(message, position, stop)
        found.take(message, tag, begin, position, room)
    if position != stop:
        raise BadBody("protobuf message is malformed")
    try:
        symbols.check_metadata(message, *found.metadata)
        return found.series(symbols.label_bytes(found.refs))
    except BadSeries as error:
        return found.series(b"", str(error))


def _packed(message: bytes, position: int, stop: int, room: Room) -> list[int]:
    refs = []
    while position < stop:
        room.elements -= 1
        room.check()
        ref, position = varint(message, position)
        refs.append(ref)
    if position != stop:
        raise BadBody("protobuf message is malformed")
    return refs


def _span(message: bytes, position: int, stop: int) -> tuple[int, int]:
    """Where a length-delimited field begins and ends."""
    length, begin = varint(message, position)
    if begin + length > stop:
        raise BadBody("protobuf message is truncated")
    return begin, begin + length


def spell(number: int) -> bytes:
    """A varint."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
