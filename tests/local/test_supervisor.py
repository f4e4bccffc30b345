"""The supervisor's promises, kept with tiny real processes."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stack import Stack, assert_all_gone, wait_for

pytestmark = pytest.mark.stack

Starter = Callable[..., Stack]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for a socket, so that a killed stack leaves no socket folder of its own in /tmp."""
    with tempfile.TemporaryDirectory(prefix="xfra-", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
def stub(folder: Path) -> Iterator[Starter]:
    """Starts a stub stack; `words` are those of stub_stack.py."""
    started: list[Stack] = []

    def start(*arguments: str, words: str = "", **options: Any) -> Stack:
        options.setdefault("data_dir", folder / "data")
        made = Stack(*arguments, module="tests.local.stub_stack", env={"XFRA_STUB": words}, **options)
        started.append(made)
        return made

    yield start
    for made in started:
        made.stop()


def everything(stack: Stack) -> dict[str, int]:
    """Every process of a stack, the worker's own children included."""
    grandchildren = (stack.data_dir / "grandchildren").read_text().split()
    return stack.pids | {f"grandchild {index}": int(pid) for index, pid in enumerate(grandchildren)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything_in_order(stub: Starter, number: int) -> None:
    stack = stub().wait_started()
    before = everything(stack)
    assert set(before) == {"supervisor", "guardian", "web", "worker", "grandchild 0", "grandchild 1"}
    assert stack.process.pid == before["supervisor"]
    stack.process.send_signal(number)
    assert stack.wait_ended() == 0
    assert_all_gone(before, 0)
    assert not (stack.data_dir / "pids.json").exists()


def test_a_child_that_ignores_sigterm_is_killed(stub: Starter) -> None:
    stack = stub(words="stubborn").wait_started()
    before = everything(stack)
    stack.process.terminate()
    assert stack.wait_ended() == 0
    assert "worker did not stop in time" in stack.output
    assert_all_gone(before, 0)


def test_kill_9_of_the_supervisor_leaves_no_process(stub: Starter) -> None:
    stack = stub(words="servers").wait_started()
    before = everything(stack)
    del before["grandchild 1"]  # in a session of its own and unknown to anybody, it cannot be found
    orphan = everything(stack)["grandchild 1"]
    assert {"postgres", "redis"} < set(before)
    stack.process.kill()
    assert_all_gone(before)
    os.kill(orphan, signal.SIGKILL)


def test_kill_9_of_supervisor_and_guardian_still_ends_the_children(stub: Starter) -> None:
    stack = stub(words="servers").wait_started()
    before = dict(stack.pids)
    strays = [pid for name, pid in everything(stack).items() if name.startswith("grandchild")]
    os.kill(before["guardian"], signal.SIGKILL)
    stack.process.kill()
    assert_all_gone(before)
    for pid in strays:
        os.kill(pid, signal.SIGKILL)


def test_a_killed_guardian_is_replaced(stub: Starter) -> None:
    stack = stub().wait_started()
    stack.wait_replaced("guardian", stack.kill("guardian"))
    before = everything(stack)
    del before["grandchild 1"]
    orphan = everything(stack)["grandchild 1"]
    stack.process.kill()
    assert_all_gone(before)
    os.kill(orphan, signal.SIGKILL)


def test_a_crashed_child_is_started_again_and_what_it_left_is_ended(stub: Starter) -> None:
    stack = stub().wait_started()
    before = everything(stack)
    stack.wait_replaced("worker", stack.kill("worker"))
    assert_all_gone({name: before[name] for name in ("worker", "grandchild 0", "grandchild 1")})
    assert "worker was ended by SIGKILL; starting it again" in stack.output
    assert "| the worker says hello" in stack.output
    assert stack.pids["web"] == before["web"]


def test_crashing_again_and_again_stops_the_stack(stub: Starter) -> None:
    stack = stub(words="crash")
    assert stack.wait_ended() == 1
    assert stack.output.count("starting it again") == 4
    assert "worker keeps crashing (the last time it exited with code 1)" in stack.output
    assert "| the worker is broken" in stack.output


def test_a_failing_step_stops_the_stack_and_is_quoted(stub: Starter) -> None:
    stack = stub(words="badstep")
    assert stack.wait_ended() == 1
    assert "| no such table" in stack.output
    assert "migrate exited with code 1" in stack.output


def test_a_taken_port_is_said_before_anything_starts(stub: Starter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        stack = stub(port=port)
        assert stack.wait_ended() == 2
    assert f"port {port} on 127.0.0.1 is taken" in stack.output
    assert f"PORT={port + 1} make run" in stack.output
    assert not stack.data_dir.exists()


def test_a_second_instance_is_refused_and_does_the_first_no_harm(stub: Starter) -> None:
    first = stub().wait_started()
    second = Stack("--ephemeral", module="tests.local.stub_stack", data_dir=first.data_dir, env={"XFRA_STUB": ""})
    assert second.wait_ended() == 2
    assert f"already running on this data folder (process {first.process.pid})" in second.output
    assert first.is_ready()


def test_a_start_right_after_a_kill_waits_for_the_tidying(stub: Starter) -> None:
    first = stub(words="servers").wait_started()
    old = first.pids
    (first.data_dir / "ready").unlink()
    strays = (first.data_dir / "grandchildren").read_text().split()
    first.process.kill()
    again = stub(words="servers").wait_started()
    assert not set(old.values()) & set(again.pids.values())
    assert_all_gone(old, 0)
    os.kill(int(strays[1]), signal.SIGKILL)


@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_a_killed_server_comes_back_on_its_port(stub: Starter, name: str) -> None:
    stack = stub(words="servers").wait_started()
    env = stack.env
    stack.wait_replaced(name, stack.kill(name))
    if name == "postgres":
        import psycopg

        def answers() -> bool:
            try:
                return psycopg.connect(env["DATABASE_URL"]).execute("SELECT 1").fetchone() == (1,)
            except psycopg.OperationalError:
                return False
    else:
        import redis

        def answers() -> bool:
            try:
                return bool(redis.Redis.from_url(env["REDIS_URL"]).ping())
            except redis.ConnectionError:
                return False

    wait_for(answers, 10, name)
