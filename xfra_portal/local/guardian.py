"""Outlive the supervisor just long enough to end what it left behind.

Run as a script with the supervisor's pipe as standard input: `+PID SIGNAL` announces a child, `-PID` forgets it.
When the pipe closes, however that came about, each child still listed gets its signal and, a moment later, its whole
process group is killed. The parent-death signal of launcher.py reaches a child alone; this reaches its children too.

The supervisor's lock on the data folder is inherited here, so a new supervisor cannot start on the same data before
the old one's processes are gone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

_GRACE_SECONDS = 3.0


def _exists(pid: int) -> bool:
    """Whether the process is there and not a zombie that somebody has yet to collect."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        if Path("/proc/self").exists():
            return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def end(children: dict[int, int]) -> None:
    """Signal every child, give it a moment, then kill its process group.

    A child whose signal is SIGKILL gets no moment: its group goes at once.
    """
    for pid, number in children.items():
        with contextlib.suppress(OSError):
            if number == signal.SIGKILL:
                os.killpg(pid, number)
            else:
                os.kill(pid, number)
    until = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < until and any(map(_exists, children)):
        time.sleep(0.02)
    for pid in children:
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    children: dict[int, int] = {}
    for line in sys.stdin:
        if line.startswith("+"):
            pid, number = line[1:].split()
            children[int(pid)] = int(number)
        else:
            children.pop(int(line[1:]), None)
    end(children)


if __name__ == "__main__":
    main()
