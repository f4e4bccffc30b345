"""A soak: a steady rate while something at random is killed again and again, and every sample is counted afterwards.

    pytest tests/integration/test_soak.py --soak-seconds 600 --soak-rate 0 --log-cli-level=info

Seconds and samples per second, 0 for half of what the same sender reaches flat out; without options a short one. A
kill every 30 s, in a short soak every 10 s: every part has its turn in every round, in random order, and of a part it
may hit any process.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.figures import Figures
from tests.integration.bench import Bench, family_of
from tests.integration.dense import DenseSender, assert_stored
from tests.integration.flow import finish, wait_flowing
from tests.integration.sender import SERIES, Sender
from tests.integration.stored import assert_exactly_what_was_acknowledged, stream_is_empty
from tests.stack import Stack, wait_for

pytestmark = pytest.mark.stack

log = logging.getLogger(__name__)

LONG_S, KILL_EVERY_S, KILL_EVERY_SHORT_S = 300, 30.0, 10.0
PARTS = ("beat", "guardian", "ingest", "postgres", "redis", "web", "worker")  # all but the supervisor
SEED = 2026
ONE_INSTANT_A_BODY, FLAT_OUT, MEASURED_S = 10_000, 1e9, 30.0
CATCH_UP_S = 180.0
DENSE_NODES = 200


@pytest.fixture
def portal(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Iterator[Bench]:
    """A fleet that such a rate could come from: ten instants a second of each of 200 nodes, not 100 of each of 20."""
    if 0 < pytestconfig.getoption("--soak-rate") <= ONE_INSTANT_A_BODY:
        yield request.getfixturevalue("bench")
        return
    made = Bench(DENSE_NODES)
    yield made
    made.close()


def test_a_soak_loses_and_repeats_nothing(portal: Bench, pytestconfig: pytest.Config, figures: Figures) -> None:
    seconds, rate = pytestconfig.getoption("--soak-seconds"), pytestconfig.getoption("--soak-rate")
    every = KILL_EVERY_S if seconds >= LONG_S else KILL_EVERY_SHORT_S
    most = 0.0
    if not rate:
        most = _most(portal)
        rate = most / 2
    portal.start_over()
    chance, killed, left = random.Random(SEED), Counter[str](), list[str]()
    sender, compare = _sender(portal, rate)
    sender.start()
    try:
        wait_flowing(portal, sender)
        began = time.monotonic()
        for turn in range(1, int(seconds / every)):
            time.sleep(max(0.0, began + turn * every - time.monotonic()))
            if not left:
                left = chance.sample(PARTS, len(PARTS))
            part = left.pop()
            done = f"{sender.samples:,} samples are acknowledged, {sender.behind} bodies wait"
            log.info("after %.0f s %s; now %s is killed", turn * every, done, part)
            _kill(portal, part, chance)
            killed[part] += 1
        time.sleep(max(0.0, began + seconds - time.monotonic()))
        wait_flowing(portal, sender)
        took = time.monotonic() - began
        count = finish(portal, sender, CATCH_UP_S, compare)
    finally:
        sender.abandon()
    portal.stack.wait_ready(60)
    assert killed.total() == int(seconds / every) - 1 > 0
    line = f"{count:,} samples in {took:.0f} s ({count / took:,.0f}/s) acknowledged and stored once;"
    line += f" killed {dict(killed)}; answers {dict(sender.outcomes)}"
    line += f"; flat out the sender reached {most:,.0f}/s" if most else ""
    figures.note("soak", line)


def _sender(bench: Bench, rate: float) -> tuple[Sender, Callable[[Stack, Any], int]]:
    """One for this rate, and how what it sent is compared."""
    if rate > ONE_INSTANT_A_BODY:
        return DenseSender(bench.stack.url, bench.tokens, rate), assert_stored
    interval_s = len(bench.tokens) * len(SERIES) / rate
    return Sender(bench.stack.url, bench.tokens, interval_s), assert_exactly_what_was_acknowledged


def _most(bench: Bench) -> float:
    """Samples a second until all are stored, of a sender that sends as fast as it can."""
    bench.start_over()
    sender = DenseSender(bench.stack.url, bench.tokens, FLAT_OUT).start()
    try:
        wait_flowing(bench, sender)
        before, began = sender.samples, time.monotonic()
        time.sleep(MEASURED_S)
        sender.stop(CATCH_UP_S)
        wait_for(lambda: stream_is_empty(bench.stack), CATCH_UP_S, "the stream to be empty")
        return (sender.samples - before) / (time.monotonic() - began)
    finally:
        sender.abandon()


def _kill(bench: Bench, part: str, chance: random.Random) -> None:
    """kill -9 of any process of a part: its own or one that it forked."""
    while True:
        try:
            return os.kill(chance.choice(sorted(family_of(bench.stack.pids[part]))), signal.SIGKILL)
        except (KeyError, ProcessLookupError, FileNotFoundError):
            time.sleep(0.05)  # it is between an end and its restart
