"""How fast one node may send, so that none can fill the stream of all who share its shard. Pure but for settings.

A node that was cut off may catch up far faster than it measures: what counts is the mean over BURST_SECONDS. Each web
process keeps accounts of its own, which costs a body a few look-ups and nothing of Redis; behind several processes a
node may send so many times as much.
"""

from __future__ import annotations

from typing import Final

from django.conf import settings

BURST_SECONDS: Final = 30.0
"""A node may be so far ahead of its rate: what it may send at once after it was silent for a while."""
OPENED_PER_BYTE: Final = 16
"""For each byte that a node may send, so many may come of it: a scrape is a tenth of its size on the wire."""
ELEMENTS_PER_SAMPLE: Final = 20
"""And for each sample so many labels and other fields may be looked at one by one."""

AHEAD_SECONDS: Final = 0.25
"""A node that is so far ahead of its elements has its bodies read apart, however small they are."""


class Pace:
    """The accounts of one process. Time is in monotonic seconds."""

    def __init__(self) -> None:
        self._bytes_until: dict[int, float] = {}
        self._samples_until: dict[int, float] = {}
        self._opened_until: dict[int, float] = {}
        self._elements_until: dict[int, float] = {}
        """By node: when all that it has sent will have been sent at its rate."""

    def wait_seconds(self, node_id: int, now: float) -> float:
        """How long the node has to wait before its next body; 0 where it need not."""
        accounts = (self._bytes_until, self._samples_until, self._opened_until, self._elements_until)
        return max(0.0, max(account.get(node_id, 0.0) for account in accounts) - now - BURST_SECONDS)

    def is_ahead(self, node_id: int, now: float) -> bool:
        """Whether its bodies have taken much time lately."""
        return self._elements_until.get(node_id, 0.0) > now + AHEAD_SECONDS

    def charge_bytes(self, node_id: int, now: float, size_bytes: int) -> None:
        """What was taken, however much it was: the next body waits for it."""
        _charge(self._bytes_until, node_id, now, size_bytes, settings.NODE_BYTES_PER_SECOND)

    def charge_samples(self, node_id: int, now: float, samples: int) -> None:
        _charge(self._samples_until, node_id, now, samples, settings.NODE_SAMPLES_PER_SECOND)

    def charge_work(self, node_id: int, now: float, opened_bytes: int, elements: int) -> None:
        """What a body took to read, whatever was answered: decompressed bytes, and elements looked at one by one."""
        _charge(self._opened_until, node_id, now, opened_bytes, settings.NODE_BYTES_PER_SECOND * OPENED_PER_BYTE)
        _charge(self._elements_until, node_id, now, elements, settings.NODE_SAMPLES_PER_SECOND * ELEMENTS_PER_SAMPLE)


def _charge(until: dict[int, float], node_id: int, now: float, amount: int, rate: int) -> None:
    """A rate of 0 is no limit."""
    if rate:
        until[node_id] = max(until.get(node_id, 0.0), now) + amount / rate
