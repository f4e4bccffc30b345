"""Work in a process of its own ends within its limits, and says how it ended."""

from __future__ import annotations

import asyncio
import json
import math
import operator
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from homes.apart import Crew, Limits, TooHeavy

PLENTY = Limits(seconds=30.0, memory_bytes=512 << 20)
SHORT = Limits(seconds=0.3, memory_bytes=512 << 20)
MIB = 1 << 20


@pytest.fixture
def crew() -> Iterator[Crew]:
    made = Crew(2)
    yield made
    made.end()


def test_what_is_returned_and_what_is_raised_comes_back(crew: Crew) -> None:
    assert crew.run(PLENTY, math.hypot, 3.0, 4.0) == 5.0
    assert crew.run(PLENTY, json.loads, "[1]" + " " * MIB, parse_int=str) == ["1"]
    with pytest.raises(json.JSONDecodeError, match="Expecting value"):
        crew.run(PLENTY, json.loads, "nonsense")
    with pytest.raises(RecursionError):
        crew.run(PLENTY, json.loads, "[" * 100_000)


def test_a_child_is_kept_and_knows_no_secrets(crew: Crew) -> None:
    first, second = (crew.run(PLENTY, os.getpid) for _ in range(2))
    assert first == second != os.getpid()
    assert "SECRET_KEY" in os.environ
    assert crew.run(PLENTY, os.getenv, "SECRET_KEY") is None


def test_a_child_that_has_grown_goes(crew: Crew) -> None:
    first = crew.run(PLENTY, os.getpid)
    assert len(crew.run(Limits(30.0, 2048 * MIB), operator.mul, b"x", 300 * MIB)) == 300 * MIB
    assert first != crew.run(PLENTY, os.getpid)


HEAVY: dict[str, tuple[Any, tuple[Any, ...], Limits, str]] = {
    "time": (time.sleep, (60,), SHORT, "time"),
    "a regular expression": (re.match, (r"(a+)+$", "a" * 64 + "b"), SHORT, "time"),
    "memory": (bytearray, (256 * MIB,), Limits(30.0, 64 * MIB), "memory"),
    "a child that dies": (os._exit, (9,), PLENTY, "life"),
}


@pytest.mark.parametrize(("function", "arguments", "limits", "which"), HEAVY.values(), ids=HEAVY)
def test_what_is_too_heavy_ends_and_the_next_goes_on(
    crew: Crew, function: Any, arguments: tuple[Any, ...], limits: Limits, which: str
) -> None:
    with pytest.raises(TooHeavy) as told:
        crew.run(limits, function, *arguments)
    assert told.value.limit == which
    assert crew.run(PLENTY, math.hypot, 3.0, 4.0) == 5.0


def test_no_more_run_at_once_than_there_are_places_and_the_loop_goes_on(crew: Crew) -> None:
    async def story() -> tuple[int, int]:
        ticks = 0
        working = [asyncio.create_task(crew.arun(PLENTY, os.getpid)) for _ in range(8)]
        while not all(task.done() for task in working):
            await asyncio.sleep(0.01)
            ticks += 1
        return ticks, len({task.result() for task in working})

    ticks, children = asyncio.run(story())
    assert ticks > 0 and children <= 2


def test_a_child_goes_with_its_parent_and_a_fork_starts_its_own(crew: Crew) -> None:
    mine = crew.run(PLENTY, os.getpid)
    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        os.write(write, b"%d" % crew.run(PLENTY, os.getpid))
        os._exit(0)
    os.waitpid(pid, 0)
    theirs = int(os.read(read, 32))
    assert theirs != mine == crew.run(PLENTY, os.getpid)
    until = time.monotonic() + 10
    while _is_running(theirs) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _is_running(theirs)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_work_whose_parent_is_gone_ends_by_itself() -> None:
    """Killed while it waits for a regular expression that would take for ever."""
    words = (
        "import re, sys; from homes.apart import *; crew = Crew(1); limits = Limits(1.0, 1 << 29);"
        " crew.run(limits, abs, 1); print(crew._idle[0]._process.pid, flush=True);"
        r" crew.run(limits, re.match, r'(a+)+$', 'a' * 64 + 'b')"
    )
    with subprocess.Popen([sys.executable, "-c", words], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        time.sleep(0.3)
        parent.kill()
    until = time.monotonic() + 60
    while _is_running(child) and time.monotonic() < until:
        time.sleep(0.1)
    assert not _is_running(child)


def test_threads_share_a_crew(crew: Crew) -> None:
    found: list[float] = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(crew.run(PLENTY, math.sqrt, float(n * n)))) for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [float(n) for n in range(12)]
