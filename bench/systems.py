"""A system under test: started on loopback in a folder of its own, sent to, asked, stopped by its process id."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.bodies import Load
from bench.processes import cpu_seconds, family_of
from xfra_portal.local.child import Spec, launch_command


class BenchFailed(Exception):
    """The bench cannot go on with this system; the message is for a person."""


@dataclass(frozen=True)
class Target:
    """Where bodies go; `tokens` by node number, empty where nobody asks for one."""

    port: int
    path: str
    tokens: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Disk:
    """Bytes: what holds the samples, and what is only there until they are safely in it."""

    data: int
    log: int


class System(ABC):
    """`start` comes first and `stop` last, also when something failed between them."""

    name: str
    version: str = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def start(self, nodes: int) -> Target:
        """Ready to take bodies of so many nodes."""

    @abstractmethod
    def stop(self) -> None: ...

    @abstractmethod
    def has_newest(self, load: Load) -> bool:
        """Whether a query finds, for every node, the last metric's samples of its last scrape."""

    @abstractmethod
    def count(self, load: Load) -> int:
        """How many samples of the load queries find."""

    @abstractmethod
    def families(self) -> Mapping[str, Sequence[int]]:
        """All processes involved, by the part that they belong to."""

    @abstractmethod
    def disk(self) -> Disk: ...

    def is_settled(self) -> bool:
        """Whether all work is done that follows from what was stored. That it is quiet is asked elsewhere."""
        return True

    def tables(self) -> dict[str, int]:
        """What the bytes on disk are for, where the system can tell."""
        return {}

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by part."""
        return {name: cpu_seconds(pids) for name, pids in self.families().items()}


class Program:
    """One program that we start and stop; it ends with us, however that is."""

    def __init__(self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        spec = Spec(name, command, log, death_signal=signal.SIGTERM)
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                launch_command(spec, os.getpid()),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env) if env is not None else None,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def family(self) -> list[int]:
        return family_of(self.pid)

    def wait_until(self, is_so: Callable[[], bool], seconds: float) -> None:
        """Raises BenchFailed with the program's last words when it ends or takes too long."""
        until = time.monotonic() + seconds
        while not is_so():
            if self._process.poll() is not None or time.monotonic() > until:
                raise BenchFailed(f"{self.log.stem} did not start:\n{self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
