"""What a stack consists of. The supervisor runs any plan; portal.py makes the portal's, tests make their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from xfra_portal.local.child import Spec


class Server(Protocol):
    """A database or broker that the stack runs itself."""

    @property
    def name(self) -> str: ...

    def prepare(self) -> Spec:
        """Make everything ready on disk; called once, before the first start."""
        ...

    def is_ready(self) -> bool:
        """Whether it answers a real request now."""
        ...

    def env(self) -> Mapping[str, str]:
        """How others reach it; valid after `prepare`."""
        ...

    def describe(self) -> str: ...

    def tidy_up(self) -> None:
        """Called after it stopped."""
        ...


@dataclass(frozen=True)
class Step:
    """A command that runs to its end before the processes start; what it prints is its progress."""

    name: str
    doing: str
    command: Sequence[str]


@dataclass(frozen=True)
class Process:
    """A process that runs as long as the stack. The lower `stop_rank`, the earlier it is stopped."""

    name: str
    command: Sequence[str]
    stop_rank: int
    stop_seconds: float
    stop_signal: int = 15


@dataclass(frozen=True)
class Plan:
    """`env` is what all commands get; what the servers report comes on top and is also written to `env_file`."""

    data_dir: Path
    env: Mapping[str, str]
    servers: Sequence[Server]
    steps: Sequence[Step] = ()
    processes: Sequence[Process] = ()
    ready_url: str | None = None
    ready_seconds: float = 120.0
    crash_limit: int = 5
    cwd: Path | None = None
    announce: Callable[[], list[str]] = field(default=list)
