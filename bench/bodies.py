"""Remote-write 1.0 bodies, prepared before anything is timed: one file of compressed bodies and an index of them.

A node's samples form one endless stream, scrape after scrape, which an agent cuts wherever its send queue is full.
`TICKS` scrapes are encoded once and repeated with new timestamps, and with an energy counter that goes on counting.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cramjam
import numpy as np
import numpy.typing as npt

from bench.scrapes import ENERGY, GPUS, INTERVAL_MS, METRICS, SAMPLES_PER_SCRAPE, hostname, labels, values

TICKS: Final = 30
_TIMESTAMP_BYTES: Final = 6  # milliseconds between 2004 and 2109 take six bytes as a varint
_VALUE: Final = struct.Struct("<d")

INDEX: Final = np.dtype([("node", "<u4"), ("samples", "<u4"), ("length", "<u4"), ("offset", "<u8")])

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Cut:
    """Where an agent cuts its stream: after so many samples."""

    name: str
    samples: int


CUTS: Final = {
    "scrape": Cut("one scrape a body", SAMPLES_PER_SCRAPE),
    "500": Cut("cut at 500", 500),
    "2000": Cut("cut at 2,000", 2000),
}


@dataclass(frozen=True)
class Load:
    """Prepared bodies. Within `index` a node's bodies are in the order in which they have to be sent."""

    cut: Cut
    bodies: Path
    index: Path
    nodes: int
    ticks: int
    first_ms: int
    end_ms: int
    compressed_bytes: int

    @property
    def samples(self) -> int:
        return self.nodes * self.ticks * SAMPLES_PER_SCRAPE

    @property
    def requests(self) -> int:
        return self.nodes * -(-self.ticks * SAMPLES_PER_SCRAPE // self.cut.samples)

    def last_ms(self) -> dict[str, int]:
        """When each node was last scraped, by hostname."""
        return {hostname(node): int(instants_ms(node, self.ticks, self.end_ms)[-1]) for node in range(self.nodes)}


def ticks_for(samples: int, nodes: int) -> int:
    """How many scrapes of each node give at least so many samples."""
    return max(1, -(-samples // (nodes * SAMPLES_PER_SCRAPE)))


def instants_ms(node: int, ticks: int, end_ms: int) -> npt.NDArray[np.int64]:
    """When a node is scraped: every five seconds, each node at its own moment within them; none after `end_ms`."""
    return end_ms - node * 1_299_709 % INTERVAL_MS - INTERVAL_MS * np.arange(ticks - 1, -1, -1, dtype=np.int64)


def prepare(folder: Path, cut: Cut, nodes: int, ticks: int, end_ms: int, say: Progress) -> Load:
    """Write `bodies` and `index` to the folder."""
    bodies, index = folder / f"bodies-{cut.samples}.bin", folder / f"index-{cut.samples}.npy"
    rows: list[tuple[int, int, int, int]] = []
    offset = 0
    with bodies.open("wb") as file:
        for node in range(nodes):
            for message, samples in cut_stream(_cycles(node, ticks, end_ms), cut.samples):
                body = bytes(cramjam.snappy.compress_raw(message))
                file.write(body)
                rows.append((node, samples, len(body), offset))
                offset += len(body)
            if node % 20 == 19:
                say(f"prepared {node + 1} of {nodes} nodes, {offset / 1e6:,.0f} MB")
    np.save(index, np.array(rows, INDEX))
    first = end_ms - (ticks + 1) * INTERVAL_MS
    return Load(cut, bodies, index, nodes, ticks, first, end_ms, offset)


class Template:
    """The encoded scrapes of one node, all ticks in a row: where each series begins and what has to be patched.

    Of one tick only, the energy counter stands still.
    """

    def __init__(self, node: int, ticks: int = TICKS) -> None:
        table = values(node, ticks)
        heads = [_heads(node, metric, gpu) for metric in METRICS for gpu in range(GPUS)]
        stamp = bytes(_TIMESTAMP_BYTES)
        parts = [
            # proto3 leaves zero out: so do the agents.
            full + _VALUE.pack(value) + b"\x10" + stamp if value else empty + stamp
            for tick in range(ticks)
            for (full, empty), value in zip(heads, table[tick].ravel().tolist(), strict=True)
        ]
        self.starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
        self._bytes = np.frombuffer(bytearray(b"".join(parts)), np.uint8)
        ends = self.starts[1:].reshape(ticks, len(METRICS), GPUS)
        self._stamps = self.starts[1:, None] - _TIMESTAMP_BYTES + np.arange(_TIMESTAMP_BYTES)
        self._energy_at = ends[:, ENERGY, :, None] - _TIMESTAMP_BYTES - 9 + np.arange(8)
        self._energy = table[:, ENERGY, :]
        self._gain = (self._energy[-1] - self._energy[0]) * (ticks / max(1, ticks - 1))

    def at(self, instants: npt.NDArray[np.int64], cycle: int) -> bytes:
        """The encoded scrapes at up to `TICKS` instants; the energy counter has lived through `cycle` rounds."""
        known = len(instants) * SAMPLES_PER_SCRAPE
        self._bytes[self._stamps[:known]] = np.repeat(_varints(instants), SAMPLES_PER_SCRAPE, axis=0)
        energy = (self._energy + (cycle * self._gain).round()).astype("<f8")
        self._bytes[self._energy_at] = energy.view(np.uint8).reshape(-1, GPUS, 8)
        return self._bytes[: self.starts[known]].tobytes()


def series(names: Mapping[str, str], value: float, at_ms: int) -> bytes:
    """One encoded series of one sample that is not zero, its labels in the given order."""
    sample = b"\x09" + _VALUE.pack(value) + b"\x10" + _varint(at_ms)
    return _field(0x0A, _labels(names) + _field(0x12, sample))


def _labels(names: Mapping[str, str]) -> bytes:
    return b"".join(
        _field(0x0A, _field(0x0A, name.encode()) + _field(0x12, value.encode())) for name, value in names.items()
    )


def _heads(node: int, metric: str, gpu: int) -> tuple[bytes, bytes]:
    """What comes before a series' value, and, where the value is zero, before its timestamp."""
    body = _labels(labels(node, metric, gpu))
    timestamp = 1 + _TIMESTAMP_BYTES
    full, empty = 9 + timestamp, timestamp
    return (
        b"\x0a" + _varint(len(body) + 2 + full) + body + bytes((0x12, full, 0x09)),
        b"\x0a" + _varint(len(body) + 2 + empty) + body + bytes((0x12, empty, 0x10)),
    )


def _field(tag: int, body: bytes) -> bytes:
    return bytes((tag,)) + _varint(len(body)) + body


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _varints(instants: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """A row of six bytes for each instant in milliseconds."""
    shifted = instants[:, None] >> (7 * np.arange(_TIMESTAMP_BYTES))
    more = np.array([0x80] * (_TIMESTAMP_BYTES - 1) + [0])
    rows: npt.NDArray[np.uint8] = (shifted & 0x7F | more).astype(np.uint8)
    return rows


Encoded = tuple[bytes, npt.NDArray[np.int64], int]
"""Series messages in a row, where each begins and the last one ends, and how many they are."""


def _cycles(node: int, ticks: int, end_ms: int) -> Iterator[Encoded]:
    template, instants = Template(node), instants_ms(node, ticks, end_ms)
    for cycle, first in enumerate(range(0, ticks, TICKS)):
        some = instants[first : first + TICKS]
        yield template.at(some, cycle), template.starts, len(some) * SAMPLES_PER_SCRAPE


def cut_stream(stream: Iterable[Encoded], size: int) -> Iterator[tuple[bytes, int]]:
    """Bodies of `size` samples, uncompressed, the last one of what is left; one sample per series."""
    held, have = b"", 0
    for message, starts, count in stream:
        at = 0
        while count - at >= size - have:
            until = at + size - have
            yield held + message[starts[at] : starts[until]], size
            held, have, at = b"", 0, until
        held += message[starts[at] : starts[count]]
        have += count - at
    if have:
        yield held, have
