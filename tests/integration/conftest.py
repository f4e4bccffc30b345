"""Fixtures of the tests that use a complete running stack."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.integration.bench import Bench
from tests.integration.sender import Sender

BENCH_NODES = 20
SenderFactory = Callable[..., Sender]


@pytest.fixture(scope="session")
def kills(pytestconfig: pytest.Config) -> int:
    """How often something is killed under load: 20 times where it counts, 4 times while somebody waits."""
    asked: int | None = pytestconfig.getoption("--kills")
    return asked or (20 if os.environ.get("CI") == "true" else 4)


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    """One stack for all tests that hurt it. Each leaves it ready, with an empty stream."""
    made = Bench(BENCH_NODES)
    yield made
    made.close()


@pytest.fixture
def sender(bench: Bench) -> Iterator[SenderFactory]:
    """Makes senders to the bench; `count` limits the nodes. All that were ever made are in `everything`."""
    mine: list[Sender] = []

    def make(interval_s: float = 0.5) -> Sender:
        made = Sender(bench.stack.url, bench.tokens, interval_s)
        mine.append(made)
        return made.start()

    yield make
    for made in mine:
        made.abandon()
