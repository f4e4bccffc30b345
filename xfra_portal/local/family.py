"""All children of one stack: kept running, listed for others, stopped in order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from xfra_portal.local import files, processes
from xfra_portal.local.child import Child, describe_exit
from xfra_portal.local.console import Console
from xfra_portal.local.errors import StackError
from xfra_portal.local.watch import Guardian

_KEPT_FOR_SERVERS_SECONDS = 3.0
SERVER_RANK = 100  # children of this rank and above are servers, on which the others depend to the last


class Family:
    """Invariant: every living process below this one is a child listed here, the guardian, or descends from a child.

    `pids_file` always holds what runs now: {name: pid}.
    """

    def __init__(self, pids_file: Path, console: Console, guardian: Guardian) -> None:
        self._pids_file = pids_file
        self._console = console
        self._guardian = guardian
        self._children: dict[str, tuple[int, Child]] = {}
        self._passing: Child | None = None
        self._write_pids()

    def __getitem__(self, name: str) -> Child:
        return self._children[name][1]

    def add(self, child: Child, rank: int) -> None:
        """Start a child that is to run until the stack stops; lower ranks are stopped first."""
        self._children[child.spec.name] = (rank, child)
        self._start(child)

    def _start(self, child: Child) -> None:
        pid = child.start()
        self._guardian.add(pid, child.spec.death_signal)
        self._write_pids()

    def run_once(self, child: Child, wait: Callable[[Callable[[], bool]], bool]) -> int:
        """Run a child that ends by itself; its exit code. However `wait` is left, the child is gone afterwards."""
        codes: list[int] = []

        def has_ended() -> bool:
            code = child.exit_code()
            codes.extend([] if code is None else [code])
            return code is not None

        pid = child.start()
        self._passing = child
        self._guardian.add(pid, child.spec.death_signal)
        try:
            wait(has_ended)
        finally:
            child.ask_to_stop()
            child.wait_or_kill(1.0)
            self._passing = None
            self._forget(pid)
        return codes[0]

    def look_after(self) -> None:
        """Notice what ended since the last look, start again what is due. Called many times a second."""
        if self._guardian.revive():
            self._write_pids()
        for _, child in self._children.values():
            pid = child.pid
            code = child.exit_code()
            if pid is not None and code is not None:
                self._forget(pid)
                self._note_crash(child, code)
            elif child.is_due():
                self._start(child)

    def _note_crash(self, child: Child, code: int) -> None:
        name = child.spec.name
        pause = child.crashes.pause_seconds(time.monotonic())
        if pause is None:
            self._console.quote(child.log_tail())
            raise StackError(
                f"{name} keeps crashing (the last time it {describe_exit(code)}); stopping everything."
                f" Its log is {child.spec.log}"
            )
        self._console.say(f"{name} {describe_exit(code)}; starting it again in {pause:.2g} s")
        self._console.quote(child.log_tail()[-5:])
        child.restart_at = time.monotonic() + pause

    def _forget(self, pid: int) -> None:
        """A child is gone: whatever it left behind goes too."""
        self._guardian.remove(pid)
        processes.end_orphans(self._known())
        self._write_pids()

    def _known(self) -> set[int]:
        children = [child for _, child in self._children.values()]
        if self._passing is not None:
            children.append(self._passing)
        return {self._guardian.pid, *(child.pid for child in children if child.pid is not None)}

    def _write_pids(self) -> None:
        running = {name: child.pid for name, (_, child) in self._children.items() if child.pid is not None}
        pids = {"supervisor": os.getpid(), "guardian": self._guardian.pid, **running}
        files.write_json(self._pids_file, pids)

    def stop(self, seconds: float, is_hurried: Callable[[], bool]) -> None:
        """Stop everything by rank. Servers keep some of the time; who overstays is killed with its group."""
        deadline = time.monotonic() + seconds
        for rank in sorted({rank for rank, _ in self._children.values()}):
            children = [child for of_rank, child in self._children.values() if of_rank == rank]
            for child in children:
                child.ask_to_stop()
            reserve = 0.0 if rank >= SERVER_RANK else _KEPT_FOR_SERVERS_SECONDS
            for child in children:
                self._await_stop(child, deadline - reserve, is_hurried)
        processes.end_orphans(self._known())
        self._pids_file.unlink(missing_ok=True)

    def _await_stop(self, child: Child, deadline: float, is_hurried: Callable[[], bool]) -> None:
        pid = child.pid
        if pid is None:
            return
        until = min(deadline, time.monotonic() + child.spec.stop_seconds)
        while time.monotonic() < until and not is_hurried() and processes.is_alive(pid):
            time.sleep(0.02)
        if not child.wait_or_kill(0.0):
            self._console.say(f"{child.spec.name} did not stop in time and was killed")
        self._forget(pid)
