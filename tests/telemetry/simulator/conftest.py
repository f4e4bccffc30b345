"""Small fleets that step fast, and plain readers of what they send."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from telemetry.simulator.faults import Fault, FaultKind
from telemetry.simulator.fleet import Fleet
from telemetry.simulator.profiles import profiles_for

START_AT = datetime(2026, 7, 14, 3, 0, tzinfo=UTC)
HOSTNAMES = [f"xfra-{number:05d}" for number in range(1, 9)]

MakeFleet = Callable[..., Fleet]
Sample = tuple[str, dict[str, str], float]


@pytest.fixture(scope="session")
def make_fleet() -> MakeFleet:
    def make(*faults: Fault, seed: int = 7, hostnames: list[str] = HOSTNAMES, start_at: datetime = START_AT) -> Fleet:
        return Fleet(profiles_for(hostnames, seed), seed, start_at, faults)

    return make


@pytest.fixture(scope="session")
def make_fault() -> Callable[..., Fault]:
    """A fault that begins and ends so many minutes after the fleet's start."""

    def make(kind: FaultKind, begin: float = 10, end: float = 40, hostname: str = HOSTNAMES[2], code: int = 0) -> Fault:
        minutes = [START_AT + timedelta(minutes=m) for m in (begin, end)]
        return Fault(hostname, kind, *minutes, gpu_index=5, code=code)

    return make


@pytest.fixture(scope="session")
def parse_text() -> Callable[[str], list[Sample]]:
    """A small reader of the Prometheus text format; refuses samples of a family that no TYPE line opened."""

    def parse(text: str) -> list[Sample]:
        samples: list[Sample] = []
        opened: set[str] = set()
        family = ""
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                family = line.split()[2]
                assert family not in opened, f"{family} is not in one group"
                opened.add(family)
            elif not line.startswith("#"):
                found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
                assert found, line
                assert found[1] == family
                labels = dict(re.findall(r'(\w+)="([^"]*)"', found[2] or ""))
                samples.append((found[1], labels, float(found[3])))
        return samples

    return parse


@pytest.fixture(scope="session")
def walk_write_request() -> Callable[[bytes], list[tuple[dict[str, str], bytes, int]]]:
    """Decodes a WriteRequest by the protobuf rules alone: labels, the eight bytes of the value, timestamp."""

    def fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
        position = 0
        while position < len(message):
            key, position = _varint(message, position)
            kind = key & 7
            if kind == 0:
                value, position = _varint(message, position)
                yield key >> 3, value
            elif kind == 1:
                yield key >> 3, message[position : position + 8]
                position += 8
            else:
                assert kind == 2
                length, position = _varint(message, position)
                yield key >> 3, message[position : position + length]
                position += length

    def walk(body: bytes) -> list[tuple[dict[str, str], bytes, int]]:
        found = []
        for number, series in fields(body):
            assert number == 1 and isinstance(series, bytes)
            labels: list[tuple[str, str]] = []
            value, stamp = b"", 0
            for field, content in fields(series):
                assert isinstance(content, bytes)
                if field == 1:
                    pair = dict(fields(content))
                    labels.append((bytes(pair[1]).decode(), bytes(pair[2]).decode()))  # type: ignore[arg-type]
                else:
                    sample = dict(fields(content))
                    value, stamp = bytes(sample[1]), int(sample[2])  # type: ignore[arg-type]
            assert [name for name, _ in labels] == sorted({name for name, _ in labels})
            found.append((dict(labels), value, stamp))
        return found

    return walk


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position


@pytest.fixture(scope="session")
def as_float() -> Callable[[bytes], float]:
    return lambda raw: struct.unpack("<d", raw)[0]
