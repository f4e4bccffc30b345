"""pytest plugin: what tests measured, shown at the end of the run and never asserted."""

from __future__ import annotations

from typing import Any

import pytest


class Figures:
    """Lines for people, in the order in which they were measured."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, name: str, line: str) -> None:
        self.lines.append(f"{name}: {line}")


_figures = Figures()


@pytest.fixture(scope="session")
def figures() -> Figures:
    return _figures


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of several sends its lines to the process that reports for all."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["figures"] = _figures.lines


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    _figures.lines += getattr(node, "workeroutput", {}).get("figures", [])


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _figures.lines:
        terminalreporter.section("measured, not asserted")
        for line in _figures.lines:
            terminalreporter.line(line)


def spread(seconds: list[float]) -> str:
    """Median and worst, as people read them."""
    ordered = sorted(seconds)
    return f"median {ordered[len(ordered) // 2]:.2f} s, worst {ordered[-1]:.2f} s of {len(ordered)}"
