"""pytest plugin: what tests measured. Shown at the end of the run and left as JSON in pytest's temporary folder, never
asserted. Where several workers share the tests, figures are of a busy machine; what was noted in a worker is told to
the process that hands out the tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class Figures:
    """By test; each line is for people, the numbers are for programs."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._numbers: dict[str, Any] = {}

    def note(self, name: str, line: str, numbers: Any) -> None:
        self.lines.append(f"{name}: {line}")
        self._numbers[name] = numbers

    def told(self) -> str:
        return json.dumps([self.lines, self._numbers])

    def hear(self, told: str) -> None:
        """Add what another process has `told`."""
        lines, numbers = json.loads(told)
        self.lines += lines
        self._numbers |= numbers

    def write(self, file: Path) -> None:
        if self._numbers:
            file.write_text(json.dumps(self._numbers, indent=1))


def spread(seconds: list[float]) -> str:
    """Median and worst, as people read them."""
    ordered = sorted(seconds)
    return f"median {ordered[len(ordered) // 2]:.2f} s, worst {ordered[-1]:.2f} s of {len(ordered)}"


_figures = Figures()


@pytest.fixture(scope="session")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Figures]:
    yield _figures
    _figures.write(tmp_path_factory.getbasetemp() / "figures.json")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["figures"] = _figures.told()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker has ended; one that crashed tells nothing."""
    _figures.hear(getattr(node, "workeroutput", {}).get("figures", "[[], {}]"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _figures.lines:
        terminalreporter.section("measured, not asserted")
        for line in _figures.lines:
            terminalreporter.line(line)
