"""Work that nobody waits for yields to work that somebody waits for, and leaves nothing behind."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

import pytest

from telemetry import rollups, sealing, tasks


@pytest.mark.parametrize(
    ("task", "module", "work"), [(tasks.roll_up, rollups, "roll_up_dirty"), (tasks.seal, sealing, "seal")]
)
@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux only")
def test_upkeep_has_a_lower_priority_than_its_worker(
    monkeypatch: pytest.MonkeyPatch, task: Callable[[], None], module: object, work: str
) -> None:
    found: list[int] = []

    def look(**kwargs: float) -> int:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return 0

    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    monkeypatch.setattr(module, work, look)
    task()
    assert found == [max(before, tasks.BACKGROUND_NICENESS)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


def test_what_goes_wrong_in_the_background_is_the_tasks_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**kwargs: float) -> int:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(rollups, "roll_up_dirty", fail)
    with pytest.raises(RuntimeError, match="no such luck"):
        tasks.roll_up()
