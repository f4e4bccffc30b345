"""What every test under load does: wait until samples flow, and at the end count them, cell by cell."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.integration.bench import Bench
from tests.integration.sender import Sender
from tests.integration.stored import (
    assert_exactly_what_was_acknowledged,
    assert_streams_are_clean,
    stream_is_empty,
    wait_stored,
)
from tests.stack import Stack, wait_for


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def wait_flowing(bench: Bench, sender: Sender, seconds: float = 60.0) -> None:
    """Until what every node sends from now on is acknowledged and stored."""
    at_ms = now_ms()
    wait_for(lambda: sender.all_newer_than(at_ms), seconds, "every node to be heard")
    wait_stored(bench.stack, sender, at_ms, seconds)


def finish(
    bench: Bench,
    sender: Sender,
    seconds: float = 60.0,
    compare: Callable[[Stack, Any], int] = assert_exactly_what_was_acknowledged,
) -> int:
    """Acknowledged is stored, once; the stream returns to empty, nothing was buried. How many samples that are."""
    sender.stop(seconds)
    wait_for(lambda: stream_is_empty(bench.stack), seconds, "the stream to be empty")
    time.sleep(1)  # an entry leaves the stream a moment before the rest of its bookkeeping
    assert sender.refusals == []
    assert_streams_are_clean(bench.stack)
    count = compare(bench.stack, sender)
    assert count == sender.samples > 0
    return count
