"""Fixtures of the tests that use a complete running stack."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.bench import Bench
from tests.integration.figures import Figures

BENCH_NODES = 20
_figures = Figures()


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


@pytest.fixture(scope="session")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Figures]:
    yield _figures
    _figures.write(tmp_path_factory.getbasetemp() / "figures.json")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _figures.lines:
        terminalreporter.section("measured, not asserted")
        for line in _figures.lines:
            terminalreporter.line(line)
