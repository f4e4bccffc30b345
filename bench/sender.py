"""The sender, a process of its own so that its cost is known: `python -m bench.sender PLAN`.

Hand-written HTTP/1.1 over a few kept connections and one `epoll`: what it costs is taken from the systems that are
measured on the same machine. A node stays on one connection, so its bodies arrive in order. It prints
`sent SAMPLES` about once a second and at last one line of JSON, a `Sent`.
"""

from __future__ import annotations

import json
import mmap
import resource
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

_PATIENCE_SECONDS: Final = 120.0
_AGAIN: Final = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True)
class SendPlan:
    """`tokens` holds each node's bearer token, in the order of their numbers; none: no authorisation is sent."""

    host: str
    port: int
    path: str
    bodies: str
    index: str
    connections: int
    tokens: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Sent:
    """What became of a plan. Instants are the system's monotonic clock, latencies are of acknowledged requests."""

    samples: int
    requests: int
    put_off: int
    refused: dict[str, int]
    started: float
    ended: float
    cpu_seconds: float
    p50_ms: float
    p99_ms: float
    worst_ms: float

    @property
    def seconds(self) -> float:
        return self.ended - self.started


class SendFailed(Exception):
    """The receiver cannot be sent to: nothing was acknowledged for two minutes, or it does not speak HTTP."""


Request = tuple[bytes, memoryview, int]
"""Head, body, samples."""


class Connection:
    """One connection with one request under way."""

    def __init__(self, plan: SendPlan, requests: Iterator[Request]) -> None:
        self._address = (plan.host, plan.port)
        self._requests = requests
        self._socket: socket.socket | None = None
        self._unsent: list[bytes | memoryview] = []
        self._answer = b""
        self._began = 0.0
        self.request: Request | None = None
        self.resume_at = 0.0
        self.latencies: list[float] = []
        self.samples = self.put_off = 0
        self.refused: dict[str, int] = {}

    def open(self) -> socket.socket:
        self.close()
        self._socket = socket.create_connection(self._address, timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        return self._socket

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @property
    def socket(self) -> socket.socket:
        """The connected socket. Raises OSError while there is none and none can be had."""
        return self._socket if self._socket is not None else self.open()

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    def begin(self) -> bool:
        """Start the next request, or again the one that was put off; False when there is none left."""
        if self.request is None:
            self.request = next(self._requests, None)
            if self.request is None:
                return False
        head, body, _ = self.request
        self._unsent, self._answer = [head, body], b""
        self._began = time.monotonic()
        return True

    def push(self) -> bool:
        """Send what the kernel takes; True when all is sent."""
        while self._unsent:
            try:
                taken = self.socket.sendmsg(self._unsent)
            except BlockingIOError:
                return False
            while self._unsent and taken >= len(self._unsent[0]):
                taken -= len(self._unsent.pop(0))
            if taken:
                self._unsent[0] = memoryview(self._unsent[0])[taken:]
        return True

    def pull(self) -> bool:
        """Read; True when the whole answer is there and has been dealt with."""
        data = self.socket.recv(65_536)
        if not data:
            raise ConnectionResetError
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end:
            return False
        status = int(head[9:12])
        if status == 204:
            self._acknowledge()
            return True
        headers = _headers(head)
        if len(body) < int(headers.get("content-length", 0)):
            return False
        self._hear(status, headers, body)
        return True

    def _hear(self, status: int, headers: dict[str, str], body: bytes) -> None:
        if status in _AGAIN:
            self.put_off += 1
            self.resume_at = time.monotonic() + float(headers.get("retry-after", 1))
        elif status < 300:
            self._acknowledge()
        else:
            reason = f"{status} {body[:160].decode(errors='replace').strip()}"
            self.refused[reason] = self.refused.get(reason, 0) + 1
            self.request = None

    def _acknowledge(self) -> None:
        if self.request is not None:
            self.latencies.append(time.monotonic() - self._began)
            self.samples += self.request[2]
            self.request = None


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


class Sender:
    """Sends a plan to its end."""

    def __init__(self, plan: SendPlan) -> None:
        file = Path(plan.bodies).open("rb")  # noqa: SIM115 (mapped for as long as this lives)
        self._map = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        sum(self._map[:: mmap.PAGESIZE])  # into memory before the clock starts
        index = np.load(plan.index)
        self._heads = [_head(plan, node) for node in range(int(index["node"].max()) + 1)]
        count = min(plan.connections, len(self._heads))
        self._connections = [Connection(plan, self._requests(index[index["node"] % count == i])) for i in range(count)]
        self._selector = selectors.DefaultSelector()

    def _requests(self, index: Any) -> Iterator[Request]:
        """Every node's first body, then every node's second ..., as agents that run side by side send them."""
        per_node = [deque(index[index["node"] == node].tolist()) for node in np.unique(index["node"])]
        while per_node:
            for waiting in per_node:
                node, samples, length, offset = waiting.popleft()
                head = self._heads[node] + b"%d\r\n\r\n" % length
                yield head, self._map[offset : offset + length], samples
            per_node = [waiting for waiting in per_node if waiting]

    def run(self) -> Sent:
        cpu, started = _cpu_seconds(), time.monotonic()
        paused: list[Connection] = []
        for connection in self._connections:
            self._selector.register(connection.open(), selectors.EVENT_READ, connection)
            self._begin(connection, paused)
        told, heard, before = started, started, 0
        while self._selector.get_map() or paused:
            for key, events in self._selector.select(0.05 if paused else 1.0):
                self._advance(key.data, events, paused)
            now = time.monotonic()
            due = [connection for connection in paused if connection.resume_at <= now]
            paused[:] = [connection for connection in paused if connection.resume_at > now]
            for connection in due:
                self._resume(connection, paused)
            if now - told >= 1:
                told, samples = now, sum(connection.samples for connection in self._connections)
                heard, before = (now, samples) if samples > before else (heard, before)
                print(f"sent {samples}", flush=True)
                if now - heard > _PATIENCE_SECONDS:
                    raise SendFailed(f"nothing was acknowledged for {_PATIENCE_SECONDS:.0f} s")
        return self._result(started, time.monotonic(), _cpu_seconds() - cpu)

    def _resume(self, connection: Connection, paused: list[Connection]) -> None:
        try:
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        except OSError:
            self._reconnect(connection, paused)
        else:
            self._begin(connection, paused)

    def _begin(self, connection: Connection, paused: list[Connection]) -> None:
        """Go on to the next request, if there is one."""
        try:
            if connection.begin():
                self._push(connection)
            else:
                self._selector.unregister(connection.socket)
                connection.close()
        except OSError:
            self._reconnect(connection, paused)

    def _push(self, connection: Connection) -> None:
        wanted = selectors.EVENT_READ if connection.push() else selectors.EVENT_READ | selectors.EVENT_WRITE
        if self._selector.get_key(connection.socket).events != wanted:
            self._selector.modify(connection.socket, wanted, connection)

    def _advance(self, connection: Connection, events: int, paused: list[Connection]) -> None:
        try:
            if events & selectors.EVENT_READ and connection.pull():
                if connection.resume_at > time.monotonic():
                    self._selector.unregister(connection.socket)
                    paused.append(connection)
                else:
                    self._begin(connection, paused)
            elif events & selectors.EVENT_WRITE:
                self._push(connection)
        except OSError:
            self._reconnect(connection, paused)

    def _reconnect(self, connection: Connection, paused: list[Connection]) -> None:
        """The receiver ended the connection: the request under way is repeated on a new one."""
        if connection.is_open and connection.socket in self._selector.get_map():
            self._selector.unregister(connection.socket)
        connection.close()
        connection.put_off += 1
        connection.resume_at = time.monotonic() + 0.2
        paused.append(connection)

    def _result(self, started: float, ended: float, cpu_seconds: float) -> Sent:
        latencies = np.sort(np.concatenate([connection.latencies for connection in self._connections])) * 1000
        refused: dict[str, int] = {}
        for connection in self._connections:
            for reason, count in connection.refused.items():
                refused[reason] = refused.get(reason, 0) + count
        p50, p99, worst = np.quantile(latencies, [0.5, 0.99, 1.0]).tolist() if len(latencies) else (0.0, 0.0, 0.0)
        return Sent(
            samples=sum(connection.samples for connection in self._connections),
            requests=len(latencies),
            put_off=sum(connection.put_off for connection in self._connections),
            refused=refused,
            started=started,
            ended=ended,
            cpu_seconds=cpu_seconds,
            p50_ms=p50,
            p99_ms=p99,
            worst_ms=worst,
        )


def _head(plan: SendPlan, node: int) -> bytes:
    lines = [
        f"POST {plan.path} HTTP/1.1",
        f"Host: {plan.host}:{plan.port}",
        "User-Agent: Prometheus/2.42.0",
        "Content-Type: application/x-protobuf",
        "Content-Encoding: snappy",
        "X-Prometheus-Remote-Write-Version: 0.1.0",
        *([f"Authorization: Bearer {plan.tokens[node]}"] if plan.tokens else []),
        "Content-Length: ",
    ]
    return "\r\n".join(lines).encode()


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    plan = SendPlan(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    print(json.dumps(asdict(Sender(plan).run())), flush=True)


if __name__ == "__main__":
    main()
