"""A complete local stack for tests: the supervisor and everything below it, in a folder and on a port of its own.

def test_pages(stack):
    portal = stack(homes=2, simulator=False)   # shared by all tests that ask for the same
    httpx.get(portal.url)
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from xfra_portal.local.child import Spec, launch_command
from xfra_portal.local.processes import is_alive
from xfra_portal.local.state import free_port

ROOT = Path(__file__).resolve().parent.parent
_SERVERS = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "SAMPLES_URL")
_NOT_INHERITED = (*_SERVERS, "SECRET_KEY", "XFRA_PROFILE", "XFRA_DATA_DIR")


def wait_for(is_so: Callable[[], Any], seconds: float = 10.0, what: str = "that") -> Any:
    """Wait until something is true and return it; it fails the test after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        found = is_so()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.05)


class Stack:
    """A running `python -m MODULE --data-dir ... --port ...`. It stops with the test run, however that ends."""

    def __init__(
        self,
        *arguments: str,
        data_dir: Path | None = None,
        port: int | None = None,
        module: str = "xfra_portal.local",
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir or Path(tempfile.mkdtemp(prefix="xfra-stack-"))
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output_file = self.data_dir.with_name(self.data_dir.name + ".out")
        inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        command = [sys.executable, "-m", module, "--data-dir", str(self.data_dir), "--port", str(self.port)]
        command += ["--ephemeral"] if data_dir is None else []
        spec = Spec("stack", [*command, *arguments], self.output_file, death_signal=signal.SIGTERM)
        with self.output_file.open("ab") as output:
            self.process = subprocess.Popen(
                launch_command(spec, os.getpid()),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**inherited, **(env or {})},
                cwd=ROOT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """Everything the supervisor has printed so far."""
        return self.output_file.read_text(errors="replace")

    @property
    def pids(self) -> dict[str, int]:
        """What runs now, by name; a child between a crash and its restart is missing."""
        found: dict[str, int] = json.loads((self.data_dir / "pids.json").read_text())
        return found

    @property
    def env(self) -> dict[str, str]:
        """The environment of the stack's commands: addresses with passwords, the secret key."""
        lines = (self.data_dir / "env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    @property
    def demo(self) -> dict[str, Any]:
        """What was seeded: {"url", "users": [{email, password, role}], "nodes": [{id, hostname, token}]}."""
        found: dict[str, Any] = json.loads((self.data_dir / "demo.json").read_text())
        return found

    def wait_started(self, seconds: float = 300.0) -> Stack:
        """Wait until everything has started for the first time."""

        def has_started() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"the stack ended with {self.process.returncode}:\n{self.output}")
            return (self.data_dir / "ready").exists()

        try:
            wait_for(has_started, seconds, "the stack to start")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output}") from None
        return self

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:  # noqa: S310 (our own address)
                return bool(answer.status == 200)
        except OSError:
            return False

    def wait_ready(self, seconds: float = 30.0) -> None:
        """Wait until /readyz says that every part is reachable, for instance after one was killed."""
        wait_for(self.is_ready, seconds, "the stack to be ready")

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        """Signal one part, by its name in `pids`; the process id it had."""
        pid = self.pids[name]
        os.kill(pid, number)
        return pid

    def wait_replaced(self, name: str, old_pid: int, seconds: float = 15.0) -> int:
        """Wait until a killed part runs again; its new process id."""
        pid: int = wait_for(lambda: self.pids.get(name, old_pid) != old_pid and self.pids[name], seconds, name)
        return pid

    def wait_ended(self, seconds: float = 20.0) -> int:
        return self.process.wait(seconds)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask the supervisor to stop and wait for it; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.wait_ended()
        self.output_file.unlink(missing_ok=True)
        return code


def assert_all_gone(pids: Mapping[str, int], seconds: float = 5.0) -> None:
    wait_for(lambda: not any(map(is_alive, pids.values())), seconds, f"all of {dict(pids)} to be gone")


StackFactory = Callable[..., Stack]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, help="how often something is killed under load (CI: 20, otherwise 4)")
    parser.addoption("--soak-seconds", type=int, default=40, help="how long the soak takes (40; a real one is 600)")
    parser.addoption(
        "--soak-rate", type=int, default=3000, help="samples per second of the soak (3000; 0: half the most)"
    )
    outage = "how long the portal is stopped under real agents, and half as long as they push besides (10; really 20)"
    parser.addoption("--outage-seconds", type=int, default=10, help=outage)
    parser.addoption("--otel-seconds", type=int, default=10, help="how long the OpenTelemetry SDK pushes (10)")


@pytest.fixture(scope="session")
def stack() -> Iterator[StackFactory]:
    """A function that gives a started portal. Calls with equal options share one; `fresh=True` makes another.

    Tests that kill parts of a shared one must wait until it is ready again. All are stopped at the session's end.
    """
    started: dict[tuple[Any, ...], Stack] = {}
    every: list[Stack] = []

    def start(
        *,
        homes: int = 2,
        days: float = 1,
        simulator: bool = False,
        fresh: bool = False,
        arguments: tuple[str, ...] = (),
    ) -> Stack:
        key = (homes, days, simulator, arguments)
        if fresh or key not in started or started[key].process.poll() is not None:
            options = ["--seed-homes", str(homes), "--seed-days", str(days)]
            made = Stack(*options, *([] if simulator else ["--no-simulator"]), *arguments)
            every.append(made)
            made.wait_started()
            if fresh:
                return made
            started[key] = made
        return started[key]

    yield start
    for made in every:
        made.stop()
