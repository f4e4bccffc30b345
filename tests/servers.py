"""pytest plugin (`-p tests.servers`): a real Postgres and a real Redis for the test run.

They start before Django's settings are read, in a temporary folder and on free ports, and go with the run, however
it ends. With DATABASE_URL, DATABASE_OWNER_URL and REDIS_URL in the environment those servers are used instead.
Where several workers share a run, each has its own, always; the process that only hands out the tests has none.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from xfra_portal.local.child import Spec, launch_command

pytest_plugins = ["tests.chance", "tests.stack", "tests.chromium", "tests.figures"]

_ROOT = Path(__file__).resolve().parent.parent
_ADDRESSES = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL")
_IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
_START_SECONDS = 60.0
_WITHOUT_SERVERS = {"-h", "--help", "-V", "--version", "--markers", "--fixtures"}


class _Servers:
    """`python -m xfra_portal.local --servers-only` below this process; it deletes its folder when it stops."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="xfra-tests-"))
        command = [sys.executable, "-m", "xfra_portal.local", "--servers-only", "--not-durable", "--ephemeral"]
        spec = Spec(
            "servers", [*command, "--data-dir", str(self._folder)], Path(os.devnull), death_signal=signal.SIGTERM
        )
        self._process = subprocess.Popen(
            launch_command(spec, os.getpid()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=_ROOT,
            start_new_session=True,  # Ctrl-C is for pytest, which stops this in its own time
        )

    def wait(self) -> dict[str, str]:
        """The environment in which the servers are reached."""
        until = time.monotonic() + _START_SECONDS
        while not (self._folder / "ready").exists():
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                said = self._process.stderr.read().decode() if self._process.stderr else ""
                raise pytest.UsageError(f"the test run's Postgres and Redis did not start: {said}")
            time.sleep(0.02)
        return dict(line.split("=", 1) for line in (self._folder / "env").read_text().splitlines())

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)


_running: list[_Servers] = []


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> Generator[None, None, None]:
    """A wrapper, because pytest-django reads the settings in this same hook."""
    os.environ["XFRA_PROFILE"] = "test"
    os.environ["SAMPLES_URL"] = ""  # tests start the engines that they need
    os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "0123456789" * 5)
    os.environ.setdefault("XFRA_STATEMENT_KEY", "17" * 32)
    if _needs_servers(early_config, args):
        _running.append(_Servers())
        os.environ.update(_running[0].wait())
    return (yield)


def _needs_servers(config: pytest.Config, args: list[str]) -> bool:
    if _IS_WORKER:
        return True
    is_handing_out = bool(getattr(config.known_args_namespace, "numprocesses", None))
    is_given = all(name in os.environ for name in _ADDRESSES)
    return not is_handing_out and not is_given and not _WITHOUT_SERVERS.intersection(args)


def pytest_unconfigure() -> None:
    while _running:
        _running.pop().stop()
