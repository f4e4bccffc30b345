"""Work on foreign bytes in a process of its own: whatever it costs, pages, sockets and doors go on.

    found = run_apart(Limits(seconds=20, memory_bytes=512 << 20), parse_file, content)

A thread would not do: what Python walks, and a regular expression, hold the interpreter of all who share it. A child is
kept for the next call, so that a call costs two pipes and not a start of Python; one that overruns is killed.

For functions at the top of a module (they travel by name) that need no Django: children inherit neither settings nor
secrets. Arguments, results and exceptions are pickled between processes of ours, so keep them plain and small.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LENGTH: Final = struct.Struct("<Q")
"""Before each message through a pipe: how many bytes it has."""
STAYS: Final = b"+"
GOES: Final = b"-"
"""Before each answer: whether the child does more work after it."""
START_SECONDS: Final = 20.0
"""What a child may take to start and to import what it needs, on a busy machine."""
_KEPT: Final = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "TMPDIR")
_START: Final = "import sys; sys.path[:] = {path!r}; from homes.apart_child import serve; serve()"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may take: seconds by the clock, and bytes of memory beyond what the child had before."""

    seconds: float
    memory_bytes: int


_TOO_HEAVY: Final = {
    "time": "the work took longer than it may",
    "memory": "the work took more memory than it may",
    "life": "the process that did the work died of it",
}


class TooHeavy(Exception):
    """The work did not end within its limits. `limit` says which one: "time", "memory" or, when the system killed the
    child or a library crashed it, "life"."""

    def __init__(self, limit: str) -> None:
        super().__init__(_TOO_HEAVY[limit])
        self.limit = limit


class Crew:
    """At most `size` children at once; further calls wait for one. Of one process; safe from any of its threads."""

    def __init__(self, size: int) -> None:
        self._free = threading.Semaphore(size)
        self._idle: list[_Child] = []
        self._threads = ThreadPoolExecutor(size, "apart")

    def run(self, limits: Limits, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """What the function returns or raises. Blocks: for workers and threads. Raises TooHeavy."""
        work = pickle.dumps((function.__module__, function.__qualname__, arguments, named, limits))
        with self._free:
            child = self._take()
            try:
                is_good, found = child.ask(work, limits.seconds)
            except BaseException:
                child.end()
                raise
            if child.stays:
                self._idle.append(child)
            else:
                child.end()
        if is_good:
            return found  # type: ignore[no-any-return]
        raise found

    async def arun(self, limits: Limits, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """The same without blocking an event loop. Who gives up waiting does not end the work: its limits do."""
        run = lambda: self.run(limits, function, *arguments, **named)  # noqa: E731
        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    def _take(self) -> _Child:
        """The child that worked last, or a new one. One that died meanwhile, or belongs to whom we forked from, is
        none."""
        while self._idle:
            child = self._idle.pop()
            if child.is_ours():
                return child
            child.end()
        return _Child()

    def end(self) -> None:
        """Let idle children go."""
        while self._idle:
            self._idle.pop().end()


class _Child:
    """One process that does one piece of work after the other."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        path = [entry or os.getcwd() for entry in sys.path]  # noqa: PTH109
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START.format(path=path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**environment, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
            start_new_session=True,  # Ctrl-C is for whom we work for
        )
        self._is_new = True
        self.stays = True

    def is_ours(self) -> bool:
        return self._owner == os.getpid() and self._process.poll() is None

    def ask(self, work: bytes, seconds: float) -> tuple[bool, Any]:
        """(whether it returned, what it returned or raised). Raises TooHeavy."""
        until = time.monotonic() + seconds + (START_SECONDS if self._is_new else 0.0)
        try:
            self._send(LENGTH.pack(len(work)) + work, until)
            if self._is_new:  # it says when it has imported what the function needs
                self._receive(1, until)
                self._is_new, until = False, time.monotonic() + seconds
            (length,) = LENGTH.unpack(self._receive(LENGTH.size, until))
            told = self._receive(length, until)
        except (EOFError, BrokenPipeError):
            raise TooHeavy("life") from None
        self.stays = told.startswith(STAYS)
        answer: tuple[bool, Any] = pickle.loads(memoryview(told)[1:])  # noqa: S301 (from our own child)
        if not answer[0] and isinstance(answer[1], MemoryError):
            raise TooHeavy("memory")
        return answer

    def _send(self, data: bytes, until: float) -> None:
        pipe, rest = self._pipe(self._process.stdin), memoryview(data)
        os.set_blocking(pipe, False)
        while rest:
            _wait(until, write=pipe)
            rest = rest[os.write(pipe, rest) :]

    def _receive(self, length: int, until: float) -> bytes:
        pipe, found = self._pipe(self._process.stdout), bytearray()
        while len(found) < length:
            _wait(until, read=pipe)
            some = os.read(pipe, min(length - len(found), 1 << 20))
            if not some:
                raise EOFError
            found += some
        return bytes(found)

    @staticmethod
    def _pipe(file: Any) -> int:
        return int(file.fileno())

    def end(self) -> None:
        """Kill it, unless it is another process' child, and close its pipes."""
        for file in (self._process.stdin, self._process.stdout):
            if file is not None:
                file.close()
        if self._owner == os.getpid():
            self._process.kill()
            self._process.wait()


def _wait(until: float, *, read: int | None = None, write: int | None = None) -> None:
    """Until a pipe is ready. Raises TooHeavy when that takes too long."""
    poller = select.poll()
    if read is not None:
        poller.register(read, select.POLLIN)
    if write is not None:
        poller.register(write, select.POLLOUT)
    if not poller.poll(max(0.0, until - time.monotonic()) * 1000):
        raise TooHeavy("time")


_crew: Final = Crew(2)


def run_apart(limits: Limits, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """What the function returns or raises, from one of two children that this process shares. Raises TooHeavy."""
    return _crew.run(limits, function, *arguments, **named)
