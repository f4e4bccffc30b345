"""One supervised process: started, watched, restarted with backoff, stopped with its whole process group."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedWriter
from pathlib import Path

from xfra_portal.local import files
from xfra_portal.local.processes import kill_group

LAUNCHER = Path(__file__).with_name("launcher.py")
_LOG_KEPT_BYTES = 8 * 1024 * 1024
_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True)
class Spec:
    """How a process is started and stopped.

    `death_signal` is what it gets when the supervisor dies without stopping it. `identity` is launcher.py's.
    """

    name: str
    command: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 5.0
    death_signal: int = signal.SIGKILL
    identity: str = "self"


def launch_command(spec: Spec, parent: int) -> list[str]:
    """The command that becomes `spec.command`, tied to the life of `parent`."""
    python = [sys.executable, "-I", "-S", str(LAUNCHER)]
    return [*python, str(parent), str(int(spec.death_signal)), spec.identity, *spec.command]


class CrashCount:
    """Decides how long to wait after a crash, and when to give up: `limit` crashes within `window_seconds`."""

    def __init__(self, limit: int = 5, window_seconds: float = 60.0) -> None:
        self._limit = limit
        self._window_seconds = window_seconds
        self._crashes: deque[float] = deque()

    def pause_seconds(self, now: float) -> float | None:
        """Note a crash at `now`; the pause before the next start, or None when it is time to give up."""
        self._crashes.append(now)
        while self._crashes[0] <= now - self._window_seconds:
            self._crashes.popleft()
        if len(self._crashes) >= self._limit:
            return None
        return min(float(0.25 * 2 ** (len(self._crashes) - 1)), _LONGEST_PAUSE_SECONDS)


class Child:
    """A process of the stack. At most one run of it exists at any time.

    Start it from the supervisor's main thread only: the kernel ties a parent-death signal to the thread that forked.
    """

    def __init__(self, spec: Spec, crash_limit: int = 5) -> None:
        self.spec = spec
        self.crashes = CrashCount(crash_limit)
        self.restart_at: float | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The process's id, which is its group's id too; None while it does not run."""
        return self._process.pid if self._process is not None else None

    def start(self) -> int:
        self.restart_at = None
        with self._open_log() as handle:
            self._process = subprocess.Popen(
                launch_command(self.spec, os.getpid()),
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.spec.env},
                cwd=self.spec.cwd,
                start_new_session=True,
            )
        return self._process.pid

    def _open_log(self) -> BufferedWriter:
        path = self.spec.log
        if path.exists() and path.stat().st_size > _LOG_KEPT_BYTES:
            path.replace(path.with_suffix(".log.1"))
        handle = path.open("ab")
        self._log_start = handle.tell()
        return handle

    def exit_code(self) -> int | None:
        """Collect the process if it ended by itself, together with what is left of its group; its code, or None."""
        if self._process is None or (code := self._process.poll()) is None:
            return None
        kill_group(self._process.pid)
        self._process = None
        return code

    def log_tail(self) -> list[str]:
        """The last lines that the present or latest run wrote."""
        return files.last_lines(self.spec.log, self._log_start)

    def ask_to_stop(self) -> None:
        self.restart_at = None
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self.spec.stop_signal)

    def wait_or_kill(self, seconds: float) -> bool:
        """Wait for a child that was asked to stop, then kill its group; whether it went by itself."""
        if self._process is None:
            return True
        try:
            self._process.wait(max(seconds, 0.05))
            went = True
        except subprocess.TimeoutExpired:
            went = False
        kill_group(self._process.pid)
        self._process.wait()
        self._process = None
        return went

    def is_due(self) -> bool:
        """Whether a crashed child's pause is over."""
        return self.restart_at is not None and time.monotonic() >= self.restart_at


def describe_exit(code: int) -> str:
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
