"""A remote-write sender that knows exactly what it sent and what was acknowledged.

Every value is a function of (node, series, tick), so the truth need not be kept, only which parts of which ticks were
answered 2xx. Like Prometheus it cuts a scrape into bodies without regard for what belongs together, keeps a body
until it is acknowledged, and repeats it when the connection ends before the answer.
"""

from __future__ import annotations

import http.client
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import cramjam

from telemetry.catalogue import LabelPairs
from telemetry.simulator.wire import label_bytes, varint

GPUS: Final = 16
PARTS: Final = 2
_PAUSE_S: Final = 0.2
_THREADS: Final = 4
_STOPPED = "the sender was stopped before everything was acknowledged"


@dataclass(frozen=True, slots=True)
class Series:
    """One series and where its samples belong: `table`, the subject's name there ("" is the node) and the column."""

    metric: str
    labels: LabelPairs
    table: str
    subject: str
    column: str
    is_counter: bool


def _gpu(gpu: int, metric: str, column: str, is_counter: bool = False) -> Series:
    labels = (("UUID", f"GPU-@-{gpu:02d}"), ("gpu", str(gpu)), ("modelName", "Test"), ("hostname", "@"))
    return Series(metric, labels, "telemetry_gpu_sample", f"GPU-@-{gpu:02d}", column, is_counter)


def _node(metric: str, labels: LabelPairs, column: str, is_counter: bool = False) -> Series:
    return Series(metric, labels, "telemetry_node_sample", "", column, is_counter)


def _all_series() -> tuple[Series, ...]:
    """Metric by metric, as exporters print them: half of a scrape holds some columns of every GPU."""
    found = [_gpu(i, "DCGM_FI_DEV_BOARD_POWER_WATTS", "power_watts") for i in range(GPUS)]
    found += [_gpu(i, "DCGM_FI_DEV_GPU_TEMP_CELSIUS", "temperature_celsius") for i in range(GPUS)]
    found += [_gpu(i, "DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL", "energy_joules", True) for i in range(GPUS)]
    for channel in ("site", "home", "node", "battery"):
        found.append(_node("xfra_panel_power_watts", (("channel", channel),), f"{channel}_power_watts"))
    for register in ("site_import", "node", "battery_in"):
        labels = (("register", register),)
        found.append(_node("xfra_panel_energy_joules_total", labels, f"{register}_energy_joules", True))
    for name in ("oven", "dryer"):
        labels = (("circuit", name),)
        found.append(Series("xfra_circuit_power_watts", labels, "telemetry_circuit_sample", name, "power_watts", False))
    for name in ("node_load1", "node_time_seconds"):
        found.append(Series(name, (("job", "node"),), "telemetry_other_sample", name, "value", True))
    return tuple(found)


SERIES: Final = _all_series()
_CUT: Final = -(-len(SERIES) // PARTS)
PART_OF: Final = tuple(index // _CUT for index in range(len(SERIES)))


def value_of(node: int, series: int, tick: int) -> float:
    """Different for neighbours in any direction, exact in the column's type, within every column's bounds."""
    if SERIES[series].is_counter:
        return tick * 1000.25 + series * 1e7 + node * 1e9 + 0.1
    return float((tick * 7 + series * 3 + node) % 199 + 1)


@dataclass(slots=True)
class Body:
    tick: int
    part: int
    at_ms: int
    data: bytes


@dataclass(slots=True)
class NodeLog:
    """One node: what it still has to send, and which parts of which instants were acknowledged."""

    number: int
    hostname: str
    token: str
    labels: list[bytes]
    waiting: deque[Body] = field(default_factory=deque)
    acknowledged: dict[int, tuple[int, set[int]]] = field(default_factory=dict)
    """By milliseconds since the epoch: the tick, and its parts that were answered 2xx."""
    newest_ms: int = 0
    """The newest instant that is acknowledged as a whole."""
    tick: int = 0


class Sender:
    """Sends for all nodes from a few threads. `stop` returns when everything that was made is acknowledged."""

    makes_up_s = 0.5
    """How much of the time in which nothing could be sent is made up for: more would give an instant two bodies."""

    def __init__(self, url: str, tokens: Mapping[str, str], interval_s: float = 0.5) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._address = (host, int(port))
        self._interval_s = interval_s
        self._is_making = True
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self.nodes = [NodeLog(i, name, token, _labels(name)) for i, (name, token) in enumerate(tokens.items())]
        self.outcomes: Counter[str] = Counter()
        """Answers by status; `unknown` counts requests whose connection ended before an answer."""
        self.refusals: list[str] = []
        self.slowest_s = 0.0
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(_THREADS)]

    def start(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def stop(self, seconds: float = 60.0) -> None:
        """Make no more, and wait until the last body is acknowledged."""
        self._is_making = False
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._is_over.set()
        assert not self.behind, f"{self.behind} bodies: {_STOPPED}; outcomes {dict(self.outcomes)}"

    def abandon(self) -> None:
        """End the threads without waiting, after a failure."""
        self._is_making = False
        self._is_over.set()

    def all_newer_than(self, at_ms: int) -> bool:
        """Whether every node had a whole instant after `at_ms` acknowledged."""
        return all(node.newest_ms > at_ms for node in self.nodes)

    @property
    def behind(self) -> int:
        """How many bodies were made and are not acknowledged."""
        return sum(len(node.waiting) for node in self.nodes)

    @property
    def samples(self) -> int:
        """How many were acknowledged."""
        sizes = Counter(PART_OF)
        logs = [list(node.acknowledged.values()) for node in self.nodes]  # copies: the threads go on
        return sum(sizes[part] for log in logs for _, parts in log for part in tuple(parts))

    def _run(self, first: int) -> None:
        mine = self.nodes[first::_THREADS]
        connection = http.client.HTTPConnection(*self._address, timeout=10)
        due = time.monotonic() + first * self._interval_s / _THREADS
        while not self._is_over.is_set():
            if self._is_making and time.monotonic() >= due:
                due = max(due + self._interval_s, time.monotonic() - self.makes_up_s)
                for node in mine:
                    self._make(node)
            elif not self._is_making and not any(node.waiting for node in mine):
                break
            if not all(self._send(connection, node) for node in mine):
                connection.close()
                time.sleep(_PAUSE_S)
            time.sleep(0.01)
        connection.close()

    def _make(self, node: NodeLog) -> None:
        at_ms, tick = time.time_ns() // 1_000_000, node.tick
        node.tick += 1
        for part in range(PARTS):
            message = b"".join(
                _time_series(node.labels[i], value_of(node.number, i, tick), at_ms)
                for i in range(len(SERIES))
                if PART_OF[i] == part
            )
            node.waiting.append(Body(tick, part, at_ms, bytes(cramjam.snappy.compress_raw(message))))

    def _send(self, connection: http.client.HTTPConnection, node: NodeLog) -> bool:
        """Send what waits, oldest first; False after the first body that was not acknowledged."""
        while node.waiting and not self._is_over.is_set():
            body = node.waiting[0]
            status = self._post(connection, node, body)
            if status is None or status >= 500:
                return False
            node.waiting.popleft()
            if status >= 300:
                continue  # counted as a refusal; a test fails on it
            self._acknowledge(node, body)
        return True

    def _acknowledge(self, node: NodeLog, body: Body) -> None:
        _, parts = node.acknowledged.setdefault(body.at_ms, (body.tick, set()))
        parts.add(body.part)
        if len(parts) == PARTS:
            node.newest_ms = body.at_ms

    def _post(self, connection: http.client.HTTPConnection, node: NodeLog, body: Body) -> int | None:
        headers = {
            "Authorization": f"Bearer {node.token}",
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }
        began = time.monotonic()
        try:
            connection.request("POST", "/api/v1/write", body.data, headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._count("refused connection" if isinstance(error, ConnectionRefusedError) else "unknown", began)
            return None
        self._count(str(answer.status), began)
        if 300 <= answer.status < 500:
            self.refusals.append(f"{node.hostname}: {answer.status} {text[:200]!r}")
        return answer.status

    def _count(self, outcome: str, began: float) -> None:
        with self._lock:
            self.outcomes[outcome] += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)


def _labels(hostname: str) -> list[bytes]:
    """The label bytes of each series of one node."""
    found = []
    for series in SERIES:
        labels = tuple((name, text.replace("@", hostname)) for name, text in series.labels)
        found.append(label_bytes((("__name__", series.metric), *labels)))
    return found


def _time_series(labels: bytes, value: float, at_ms: int) -> bytes:
    sample = b"\x09" + struct.pack("<d", value) + b"\x10" + varint(at_ms)
    content = labels + b"\x12" + varint(len(sample)) + sample
    return b"\x0a" + varint(len(content)) + content
