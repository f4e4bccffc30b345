"""Runs a plan: servers, then steps, then processes; keeps them running; leaves nothing behind."""

from __future__ import annotations

import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from types import FrameType

from xfra_portal.local import files, processes
from xfra_portal.local.child import Child, Spec, describe_exit
from xfra_portal.local.console import Console
from xfra_portal.local.errors import StackError, StopRequested
from xfra_portal.local.family import SERVER_RANK, Family
from xfra_portal.local.plan import Plan, Server, Step
from xfra_portal.local.watch import Guardian

_TICK_SECONDS = 0.05
_SERVER_SECONDS = 60.0
_STOP_SECONDS = 10.0
_RELAY_SECONDS = 5.0


class Supervisor:
    """One run of one plan.

    Everything happens in the main thread (see child.Child), in waits that each look after all children: a wait is
    left by StopRequested or by a StackError, and either stops the whole stack.
    """

    def __init__(self, plan: Plan, console: Console, lock: int) -> None:
        self._plan = plan
        self._console = console
        self._env: dict[str, str] = dict(plan.env)
        self._signals = 0
        self._logs = plan.data_dir / "log"
        self._logs.mkdir(mode=0o700, exist_ok=True)
        self._guardian = Guardian(lock)
        self._family = Family(plan.data_dir / "pids.json", console, self._guardian)

    def run(self) -> int:
        """Start, watch, stop; the exit code."""
        processes.adopt_orphans()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note_signal)
        try:
            self._start()
            self._wait(lambda: False)
        except StopRequested:
            self._console.say("stopping")
        except StackError as error:
            self._console.error(str(error))
            return 1
        finally:
            self._stop()
        return 0

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1

    def _stop(self) -> None:
        """A second signal means: at once."""
        (self._plan.data_dir / "ready").unlink(missing_ok=True)
        asked = self._signals
        self._family.stop(_STOP_SECONDS, is_hurried=lambda: self._signals > max(asked, 1))
        for server in self._plan.servers:
            server.tidy_up()
        self._guardian.close()
        self._console.say("stopped")

    def _wait(self, is_over: Callable[[], bool], seconds: float = float("inf")) -> bool:
        """Wait until something is so, looking after the children meanwhile; False when it took too long."""
        until = time.monotonic() + seconds
        while True:
            if self._signals:
                raise StopRequested
            self._family.look_after()
            if is_over():
                return True
            if time.monotonic() > until:
                return False
            time.sleep(_TICK_SECONDS)

    def _start(self) -> None:
        self._start_servers()
        for step in self._plan.steps:
            self._run_step(step)
        for process in self._plan.processes:
            spec = self._spec(process.name, process.command, process.stop_signal, process.stop_seconds)
            self._family.add(Child(spec, self._plan.crash_limit), process.stop_rank)
        if self._plan.ready_url is not None:
            self._wait_until_ready(self._plan.ready_url)
        for line in self._plan.announce():
            self._console.plain(line)
        files.write_private(self._plan.data_dir / "ready", f"{os.getpid()}\n")

    def _start_servers(self) -> None:
        """Start all, then wait for each. The last one listed is stopped first."""
        for index, server in enumerate(self._plan.servers):
            self._console.say(f"starting {server.name}")
            rank = SERVER_RANK + len(self._plan.servers) - index
            self._family.add(Child(server.prepare(), self._plan.crash_limit), rank)
        for server in self._plan.servers:
            self._wait_for_server(server)
            self._env.update(server.env())
        lines = [f"{name}={value}\n" for name, value in self._env.items()]
        files.write_private(self._plan.data_dir / "env", "".join(lines))

    def _wait_for_server(self, server: Server) -> None:
        child = self._family[server.name]
        if not self._wait(server.is_ready, _SERVER_SECONDS):
            self._console.quote(child.log_tail())
            raise StackError(f"{server.name} did not answer within {_SERVER_SECONDS:.0f} s; see {child.spec.log}")
        self._console.say(f"{server.describe()} is ready")

    def _run_step(self, step: Step) -> None:
        self._console.say(step.doing)
        child = Child(self._spec(step.name, step.command))
        code = self._family.run_once(child, lambda is_over: self._wait(self._relaying(child, is_over)))
        if code != 0:
            self._console.quote(child.log_tail())
            raise StackError(f"{step.name} {describe_exit(code)}; see {child.spec.log}")

    def _relaying(self, child: Child, is_over: Callable[[], bool]) -> Callable[[], bool]:
        """`is_over`, which also shows the child's latest line now and then."""
        next_at, shown = time.monotonic() + _RELAY_SECONDS, [""]

        def look() -> bool:
            nonlocal next_at, shown
            if time.monotonic() >= next_at:
                next_at += _RELAY_SECONDS
                latest = child.log_tail()[-1:]
                self._console.quote(latest if latest != shown else [])
                shown = latest
            return is_over()

        return look

    def _spec(
        self, name: str, command: Sequence[str], stop_signal: int = signal.SIGTERM, stop_seconds: float = 5.0
    ) -> Spec:
        return Spec(
            name=name,
            command=command,
            log=self._logs / f"{name}.log",
            env=self._env,
            cwd=self._plan.cwd,
            stop_signal=stop_signal,
            stop_seconds=stop_seconds,
        )

    def _wait_until_ready(self, url: str) -> None:
        self._console.say("waiting for the portal to be ready")
        answers: list[str] = []

        def is_ready() -> bool:
            answers.append(_ask(url))
            return answers[-1] == "200"

        if not self._wait(is_ready, self._plan.ready_seconds):
            raise StackError(
                f"{url} did not say that it is ready within {self._plan.ready_seconds:.0f} s; its last answer was"
                f" {answers[-1]}. The logs are in {self._logs}"
            )
        self._console.say("ready")


def _ask(url: str) -> str:
    """The status that a page answers with, and what it says if that is not 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 (our own address)
            return str(answer.status)
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read(400).decode('utf-8', 'replace')}"
    except (OSError, ValueError) as error:
        return str(error)
