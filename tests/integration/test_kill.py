"""kill -9 of each part under load: nothing acknowledged is lost, nothing is stored twice.

What is counted are samples: cells, not rows. See 5-trust's table of faults for what is allowed to take how long.
"""

from __future__ import annotations

import random
import time

import pytest

from tests.figures import Figures, spread
from tests.integration.bench import Bench
from tests.integration.flow import finish, now_ms, wait_flowing
from tests.integration.sender import Sender
from tests.integration.stored import wait_stored
from tests.stack import wait_for

pytestmark = pytest.mark.stack

PARTS = ("web", "ingest", "worker", "redis", "postgres")
SEED = 2026
RECOVERY_S = 60.0
Recovery = dict[str, float | str]


def test_killing_any_part_loses_and_repeats_no_acknowledged_sample(bench: Bench, kills: int, figures: Figures) -> None:
    bench.start_over()
    order = [part for part in PARTS for _ in range(-(-kills // len(PARTS)))][: max(kills, len(PARTS))]
    chance = random.Random(SEED)
    chance.shuffle(order)
    sender = Sender(bench.stack.url, bench.tokens).start()
    try:
        wait_flowing(bench, sender, RECOVERY_S)
        recoveries = [_kill(bench, sender, part, chance) for part in order]
        count = finish(bench, sender)
    finally:
        sender.abandon()
    _note(figures, recoveries, sender, count)


def _kill(bench: Bench, sender: Sender, part: str, chance: random.Random) -> Recovery:
    """Kill a part; the seconds until everything is acknowledged, stored and ready again."""
    time.sleep(chance.uniform(0.5, 1.5))
    began, at_ms = time.monotonic(), now_ms()
    bench.stack.wait_replaced(part, bench.stack.kill(part), RECOVERY_S)
    found: Recovery = {"part": part, "restarted": time.monotonic() - began}
    wait_for(lambda: sender.all_newer_than(at_ms), RECOVERY_S, f"samples to be accepted after {part} was killed")
    found["acknowledged"] = time.monotonic() - began
    wait_stored(bench.stack, sender, at_ms, RECOVERY_S)
    found["stored"] = time.monotonic() - began
    bench.stack.wait_ready(RECOVERY_S)
    found["ready"] = time.monotonic() - began
    return found


def _note(figures: Figures, recoveries: list[Recovery], sender: Sender, count: int) -> None:
    line = f"{count:,} samples acknowledged and stored; answers {dict(sender.outcomes)}"
    figures.note("kill -9", line)
    for part in PARTS:
        of_part = [found for found in recoveries if found["part"] == part]
        for name in ("restarted", "acknowledged", "stored", "ready"):
            seconds = [float(found[name]) for found in of_part]
            figures.note(f"kill -9, {part}, {name}", spread(seconds))
