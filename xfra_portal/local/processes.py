"""Processes at the operating system's level: adopting orphans, ending groups."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Collection
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Have descendants whose parent died handed to this process instead of to process 1.

    That is how the supervisor finds what a killed child left behind, such as Postgres' backends, which are each in a
    process group of their own.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def parent_and_state(pid: int) -> tuple[int, str] | None:
    """The parent's id and the state letter of a process, or None where it is gone or /proc does not exist."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), fields[0]


def is_alive(pid: int) -> bool:
    found = parent_and_state(pid)
    return found is not None and found[1] != "Z"


def children_of(parent: int) -> list[int]:
    """Ids of all direct children, zombies included."""
    if sys.platform != "linux":
        return []
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if (found := parent_and_state(pid)) is not None and found[0] == parent]


def end_orphans(known: Collection[int], patience_seconds: float = 2.0) -> None:
    """Kill and collect every child of this process that it did not start itself.

    A killed orphan hands its own children over, so this goes on until none is left.
    """
    until = time.monotonic() + patience_seconds
    while time.monotonic() < until:
        orphans = [pid for pid in children_of(os.getpid()) if pid not in known]
        if not orphans:
            return
        for pid in orphans:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.02)


def kill_group(pid: int, number: int = signal.SIGKILL) -> None:
    """Signal a child's whole process group; one that is gone is no error."""
    with contextlib.suppress(OSError):
        os.killpg(pid, number)
