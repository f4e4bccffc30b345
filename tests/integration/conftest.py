"""Fixtures of the tests that use a complete running stack."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.integration.bench import Bench

BENCH_NODES = 20


@pytest.fixture(scope="session")
def kills(pytestconfig: pytest.Config) -> int:
    """How often something is killed under load: 20 times where it counts, 4 times while somebody waits."""
    asked: int | None = pytestconfig.getoption("--kills")
    return asked or (20 if os.environ.get("CI") == "true" else 4)


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    """One stack for all tests that hurt it."""
    made = Bench(BENCH_NODES)
    yield made
    made.close()
