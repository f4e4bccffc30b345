"""The supervisor's end of the guardian: tells it which children there are."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import IO

_GUARDIAN = Path(__file__).with_name("guardian.py")


class Guardian:
    """Keeps guardian.py running and informed. Should it be killed, another takes over with the whole list."""

    def __init__(self, lock: int) -> None:
        self._lock = lock
        self._children: dict[int, int] = {}
        self._process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(_GUARDIAN)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[self._lock],
            start_new_session=True,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def _pipe(self) -> IO[str]:
        if self._process.stdin is None:
            raise RuntimeError("the guardian was started without a pipe")
        return self._process.stdin

    def _tell(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._pipe.write(line + "\n")
            self._pipe.flush()

    def add(self, pid: int, death_signal: int) -> None:
        self._children[pid] = int(death_signal)
        self._tell(f"+{pid} {int(death_signal)}")

    def remove(self, pid: int) -> None:
        if self._children.pop(pid, None) is not None:
            self._tell(f"-{pid}")

    def revive(self) -> bool:
        """Start another one if it died; whether that was so."""
        if self._process.poll() is None:
            return False
        with contextlib.suppress(OSError):
            self._pipe.close()
        self._process = self._start()
        for pid, number in self._children.items():
            self._tell(f"+{pid} {number}")
        return True

    def close(self) -> None:
        """Let it go: it ends what is still listed, which after an orderly stop is nothing."""
        with contextlib.suppress(OSError):
            self._pipe.close()
        self._process.wait()
