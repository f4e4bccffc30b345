"""Pushes every node's samples by remote-write 1.0, as a Prometheus agent on each node would."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from telemetry.simulator.live import LiveFleet
from telemetry.simulator.series import NodeSeries
from telemetry.simulator.wire import BodyEncoder

log = logging.getLogger(__name__)

_KEEP_S = 300.0
_SLOTS = 8
_SENDERS = 4
_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 0.5, 15.0
_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
    "User-Agent": "xfra-fleet-simulator/1",
}


@dataclass(slots=True)
class Outbox:
    """What one node still has to send, oldest first."""

    hostname: str
    token: str
    encoder: BodyEncoder
    waiting: deque[tuple[bytes, int]] = field(default_factory=deque)
    busy: bool = False
    failures: int = 0
    not_before: float = 0.0
    dropped: int = 0


@dataclass(slots=True)
class PushTotals:
    """Counts since the start; whoever prints progress takes differences."""

    samples: int = 0
    bodies: int = 0
    rejected: int = 0
    failed: int = 0
    dropped: int = 0


class Pusher:
    """One thread makes bodies, spread over the interval; a few threads send them.

    Server errors and lost connections are tried again with a growing pause that honours
    Retry-After; bodies older than five minutes give way to newer ones and are counted.
    """

    def __init__(
        self, live: LiveFleet, nodes: Sequence[NodeSeries], tokens: Sequence[str], url: str, interval_s: float
    ):
        self.totals = PushTotals()
        self._live = live
        self._interval_s = interval_s
        self._url = f"{url.rstrip('/')}/api/v1/write"
        self._outboxes = [
            Outbox(node.hostname, token, BodyEncoder(node, home))
            for home, (node, token) in enumerate(zip(nodes, tokens, strict=True))
        ]
        self._slots = min(_SLOTS, len(self._outboxes))
        self._kept = max(1, int(_KEEP_S / interval_s))
        self._jobs: queue.SimpleQueue[Outbox | None] = queue.SimpleQueue()
        self._client = httpx.Client(headers=_HEADERS, timeout=httpx.Timeout(10.0, connect=3.0))
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._make_bodies, name="bodies", daemon=True)]
        self._threads += [
            threading.Thread(target=self._send_bodies, name=f"sender-{n}", daemon=True) for n in range(_SENDERS)
        ]

    @property
    def waiting(self) -> int:
        """Bodies made and not yet accepted."""
        return sum(len(outbox.waiting) for outbox in self._outboxes)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop at once; what is still waiting is lost, as when a node loses power."""
        self._stop.set()
        for _ in range(_SENDERS):
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(timeout=1.0)
        self._client.close()

    def _make_bodies(self) -> None:
        tick = 0
        start = time.monotonic()
        while not self._stop.wait(max(0.0, start + tick * self._interval_s / self._slots - time.monotonic())):
            try:
                self._make_slot(tick % self._slots)
            except Exception:
                log.exception("could not make bodies; trying again at the next tick")
            tick += 1
            late = time.monotonic() - start - tick * self._interval_s / self._slots
            if late > self._interval_s:  # after a pause, go on from now instead of catching up in a burst
                start += late

    def _make_slot(self, slot: int) -> None:
        snapshot = self._live.snapshot()
        now = time.monotonic()
        for outbox in self._outboxes[slot :: self._slots]:
            body = outbox.encoder.encode(snapshot)
            if body is not None:
                self._enqueue(outbox, body)
            if outbox.waiting and not outbox.busy and now >= outbox.not_before:
                outbox.busy = True
                self._jobs.put(outbox)

    def _enqueue(self, outbox: Outbox, body: bytes) -> None:
        outbox.waiting.append((body, outbox.encoder.samples))
        while len(outbox.waiting) > self._kept:
            outbox.waiting.popleft()
            outbox.dropped += 1
            self.totals.dropped += 1
            if outbox.dropped % 50 == 1:
                log.warning("%s: dropped %d bodies that nobody accepted", outbox.hostname, outbox.dropped)

    def _send_bodies(self) -> None:
        while (outbox := self._jobs.get()) is not None:
            try:
                while outbox.waiting and not self._stop.is_set():
                    if not self._send(outbox, *outbox.waiting[0]):
                        break
            except Exception:
                log.exception("%s: could not send", outbox.hostname)
            finally:
                outbox.busy = False

    def _send(self, outbox: Outbox, body: bytes, samples: int) -> bool:
        """Send the oldest body; False when it has to wait."""
        try:
            answer = self._client.post(self._url, content=body, headers={"Authorization": f"Bearer {outbox.token}"})
        except (httpx.HTTPError, OSError) as error:
            self._postpone(outbox, 0.0, type(error).__name__)
            return False
        if answer.status_code >= 500:
            self._postpone(outbox, _seconds(answer.headers.get("Retry-After")), f"HTTP {answer.status_code}")
            return False
        outbox.failures = 0
        if outbox.waiting and outbox.waiting[0][0] is body:  # it may have been dropped for age meanwhile
            outbox.waiting.popleft()
        if answer.is_success:
            self.totals.samples += samples
            self.totals.bodies += 1
        else:
            self.totals.rejected += 1
            log.warning("%s: HTTP %d: %s", outbox.hostname, answer.status_code, answer.text[:200].strip())
        return True

    def _postpone(self, outbox: Outbox, asked_s: float, reason: str) -> None:
        pause_s = max(asked_s, min(_FIRST_BACKOFF_S * 2.0**outbox.failures, _LONGEST_BACKOFF_S))
        outbox.not_before = time.monotonic() + pause_s
        outbox.failures = min(outbox.failures + 1, 10)
        self.totals.failed += 1
        if outbox.failures == 1:
            log.info("%s: %s; trying again in %.1f s", outbox.hostname, reason, pause_s)


def _seconds(text: str | None) -> float:
    try:
        return min(max(float(text or 0.0), 0.0), 60.0)
    except ValueError:
        return 0.0
