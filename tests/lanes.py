"""pytest plugin: what runs beside what when several workers share the tests (`pytest -n 3 --dist loadgroup`).

Much of the time goes in waiting: for agents, for parts that were killed to come back, for a browser. A lane is what
one worker runs from end to end, one test after another. All tests that kill, freeze, outrun or time a running stack
are one lane: none of them finds the processors taken by another of its kind. Every other module is a lane of its own.
The longest begin first. Each worker has a Postgres and a Redis of its own, see tests.servers.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
_TESTS = Path(__file__).resolve().parent
_LONGEST = ("harm", "browser", "integration", "local", "api", "access")
"""Lanes, then folders, in the order in which they begin; the rest follows as it is collected."""


def lane_of(item: pytest.Item) -> str:
    """The name of the lane that a test belongs to."""
    module = item.path.relative_to(_TESTS).with_suffix("")
    if module.parts[0] == "integration" and item.get_closest_marker("stack"):
        return "harm"
    if module.parts[0] == "browser":
        return "browser"  # all of it visits one portal
    return ".".join(module.parts)


def _rank(item: pytest.Item) -> int:
    folder = lane_of(item).partition(".")[0]
    return _LONGEST.index(folder) if folder in _LONGEST else len(_LONGEST)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if IS_WORKER:
        items.sort(key=_rank)
        for item in items:
            item.add_marker(pytest.mark.xdist_group(lane_of(item)))
