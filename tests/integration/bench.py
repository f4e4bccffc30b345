"""A stack that tests may stop, start again on the same data and the same port, and hurt."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from telemetry.tables import OTHER_TABLE, SAMPLE_TABLES
from tests.integration.stored import database, stream_is_empty
from tests.stack import ROOT, Stack, wait_for
from xfra_portal.local.processes import children_of
from xfra_portal.local.state import free_port

# A test kills more often than the supervisor would believe to be an accident.
_OPTIONS = ("--no-seed", "--no-simulator", "--crash-limit", "100")
# And few nodes stand for many.
_ANY_PACE = {"XFRA_NODE_SAMPLES_PER_SECOND": "0", "XFRA_NODE_BYTES_PER_SECOND": "0"}


class Bench:
    """No demo: `nodes` are provisioned as for a load test. Its folder is short enough for Postgres' socket."""

    def __init__(self, nodes: int, env: Mapping[str, str] | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="xfra-bench-", dir="/tmp"))
        self.port = free_port()
        self._env = {**_ANY_PACE, **(env or {})}
        self.stack = self._start()
        self.tokens = self._provision(nodes)

    def _start(self) -> Stack:
        stack = Stack(*_OPTIONS, data_dir=self.folder / "data", port=self.port, env=self._env)
        try:
            return stack.wait_started()
        except BaseException:
            stack.stop()
            raise

    def _provision(self, nodes: int) -> dict[str, str]:
        file = self.folder / "nodes.json"
        self.manage("provision_node", "--count", str(nodes), "--json", str(file))
        tokens: dict[str, str] = json.loads(file.read_text())
        return tokens

    def manage(self, *arguments: str) -> str:
        """Run a command of manage.py beside the stack; what it prints."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.stack.env},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def restart(self) -> Stack:
        self.stack = self._start()
        return self.stack

    def start_over(self) -> None:
        """Ready, without samples, so that each test counts only what it sent."""
        self.stack.wait_ready(60)
        wait_for(lambda: stream_is_empty(self.stack), 60, "the stream to be empty")
        time.sleep(1)  # what was just being stored is
        with database(self.stack, "DATABASE_OWNER_URL") as connection:
            connection.execute(f"TRUNCATE {', '.join((*SAMPLE_TABLES.values(), OTHER_TABLE))}, telemetry_latest")

    def close(self) -> None:
        self.stack.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def family_of(pid: int) -> list[int]:
    """A process and everything below it."""
    return [pid, *(below for child in children_of(pid) for below in family_of(child))]


def freeze(pids: list[int]) -> None:
    """The first ones first: whoever could start another has to be among them."""
    _signal(pids, signal.SIGSTOP)


def thaw(pids: list[int]) -> None:
    _signal(pids, signal.SIGCONT)


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # some come and go
            os.kill(pid, number)
