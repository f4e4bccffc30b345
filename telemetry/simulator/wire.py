"""Bodies of Prometheus remote-write 1.0: a protobuf WriteRequest in a snappy block.

A node repeats the same series for ever, so the body is a template in which only values and
timestamps change; it is rebuilt when a series comes or goes.
"""

from __future__ import annotations

import struct
from typing import Final

import cramjam
import numpy as np
import numpy.typing as npt

from telemetry.catalogue import LabelPairs
from telemetry.simulator.noise import Floats
from telemetry.simulator.readings import Snapshot
from telemetry.simulator.series import NodeSeries

STALE_MARKER: Final = struct.pack("<Q", 0x7FF0000000000002)
_GPU_JOB, _NODE_JOB = "dcgm-exporter", "node"
_GPU_PORT, _NODE_PORT = 9400, 9100
_TIMESTAMP_BYTES: Final = 6  # a varint of milliseconds since the epoch has six bytes from 2004 to 2109
_SAMPLE_HEAD: Final = bytes((0x12, 1 + 8 + 1 + _TIMESTAMP_BYTES, 0x09))


def varint(value: int) -> bytes:
    """Protobuf's base-128 integer."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def label_bytes(labels: LabelPairs) -> bytes:
    """The Label messages of a TimeSeries, sorted by name as the protocol demands."""
    out = bytearray()
    for name, value in sorted(labels):
        name_bytes, value_bytes = name.encode(), value.encode()
        pair = b"\x0a" + varint(len(name_bytes)) + name_bytes + b"\x12" + varint(len(value_bytes)) + value_bytes
        out += b"\x0a" + varint(len(pair)) + pair
    return bytes(out)


class BodyEncoder:
    """Encodes one node's scrapes, and ends vanished series with a stale marker as Prometheus does."""

    def __init__(self, node: NodeSeries, home: int) -> None:
        self._node = node
        self._home = home
        self._labels: dict[tuple[int, float], bytes] = {}
        self._sent: dict[bytes, None] = {}
        self._shape = b""
        self._present: npt.NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        self._template: npt.NDArray[np.uint8] = np.zeros(0, dtype=np.uint8)
        self._value_slots: npt.NDArray[np.intp] = np.zeros((0, 8), dtype=np.intp)
        self._time_slots: npt.NDArray[np.intp] = np.zeros((0, _TIMESTAMP_BYTES), dtype=np.intp)

    @property
    def samples(self) -> int:
        """How many series the last body carried, stale markers aside."""
        return len(self._present)

    def encode(self, snapshot: Snapshot) -> bytes | None:
        """The compressed body of this instant, or None while the node is silent."""
        if snapshot.silent[self._home]:
            return None
        return bytes(cramjam.snappy.compress_raw(self.write_request(snapshot)))

    def write_request(self, snapshot: Snapshot) -> bytes:
        """The WriteRequest message of this instant."""
        values = self._node.values(snapshot, self._home)
        present = ~np.isnan(values)
        shape = present.tobytes() + values[self._node.is_xid].tobytes()
        gone: list[bytes] = []
        if shape != self._shape:
            gone = self._rebuild(values, present)
            self._shape = shape
        stamp = varint(snapshot.at_ms)
        body = self._template
        body[self._value_slots] = values[self._present].astype("<f8").view(np.uint8).reshape(-1, 8)
        body[self._time_slots] = np.frombuffer(stamp, dtype=np.uint8)
        ended = b"".join(_time_series(labels, STALE_MARKER, stamp)[0] for labels in gone)
        return body.tobytes() + ended

    def _rebuild(self, values: Floats, present: npt.NDArray[np.bool_]) -> list[bytes]:
        """Lay out the template for the series present now; returns the labels of those that ended."""
        self._present = np.flatnonzero(present)
        body = bytearray()
        slots = []
        sent: dict[bytes, None] = {}
        for index in self._present.tolist():
            labels = self._series_labels(index, float(values[index]))
            message, value_at = _time_series(labels, bytes(8), bytes(_TIMESTAMP_BYTES))
            slots.append(len(body) + value_at)
            body += message
            sent[labels] = None
        self._template = np.frombuffer(bytes(body), dtype=np.uint8).copy()
        starts = np.array(slots, dtype=np.intp)[:, None]
        self._value_slots = starts + np.arange(8)
        self._time_slots = starts + 9 + np.arange(_TIMESTAMP_BYTES)
        gone = [labels for labels in self._sent if labels not in sent]
        self._sent = sent
        return gone

    def _series_labels(self, index: int, value: float) -> bytes:
        key = (index, value if self._node.is_xid[index] else 0.0)
        if key not in self._labels:
            metric = self._node.series[index].metric
            job, port = (_GPU_JOB, _GPU_PORT) if metric.startswith("DCGM_") else (_NODE_JOB, _NODE_PORT)
            scraped: LabelPairs = (
                ("__name__", metric),
                ("instance", f"{self._node.hostname}:{port}"),
                ("job", job),
            )
            self._labels[key] = label_bytes(scraped + self._node.labels_of(index, value))
        return self._labels[key]


def _time_series(labels: bytes, value: bytes, stamp: bytes) -> tuple[bytes, int]:
    """A TimeSeries with one sample as a field of WriteRequest, and where its value begins."""
    content = labels + _SAMPLE_HEAD + value + b"\x10" + stamp
    head = b"\x0a" + varint(len(content))
    return head + content, len(head) + len(labels) + len(_SAMPLE_HEAD)
