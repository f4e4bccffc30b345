"""One supervised process, and when to give up on it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.stack import wait_for
from xfra_portal.local.child import Child, CrashCount, Spec, describe_exit
from xfra_portal.local.processes import is_alive

pytestmark = pytest.mark.stack


def child_of(tmp_path: Path, code: str) -> Child:
    return Child(Spec("tiny", [sys.executable, "-c", code], tmp_path / "tiny.log", env={"WORD": "hello"}))


def test_output_and_environment_and_exit_code(tmp_path: Path) -> None:
    child = child_of(tmp_path, "import os, sys; print(os.environ['WORD']); sys.exit(3)")
    assert child.start() == child.pid
    assert wait_for(child.exit_code) == 3
    assert child.pid is None
    assert child.log_tail() == ["hello"]


def test_the_log_of_an_earlier_run_is_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "tiny.log").write_text("of yesterday\n")
    child = child_of(tmp_path, "print('of today')")
    child.start()
    wait_for(lambda: child.exit_code() == 0)
    assert child.log_tail() == ["of today"]


def test_stopping_waits_and_then_kills_the_group(tmp_path: Path) -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    child = child_of(tmp_path, code)
    pid = child.start()
    wait_for(child.log_tail)
    child.ask_to_stop()
    assert child.wait_or_kill(0.2) is False
    assert not is_alive(pid)


def test_a_child_whose_parent_is_gone_does_not_start(tmp_path: Path) -> None:
    import subprocess

    from xfra_portal.local.child import launch_command

    spec = Spec("tiny", ["touch", str(tmp_path / "made")], tmp_path / "log")
    done = subprocess.run(launch_command(spec, 1), capture_output=True, text=True, check=False)
    assert "already gone" in done.stderr
    assert not (tmp_path / "made").exists()


def test_pauses_grow_and_five_crashes_in_a_minute_are_too_many() -> None:
    count = CrashCount()
    assert [count.pause_seconds(float(at)) for at in range(5)] == [0.25, 0.5, 1.0, 2.0, None]


def test_crashes_long_ago_are_forgotten() -> None:
    count = CrashCount()
    assert [count.pause_seconds(20.0 * at) for at in range(8)] == [0.25, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exited with code 0"),
        (2, "exited with code 2"),
        (-9, "was ended by SIGKILL"),
        (-99, "was ended by signal 99"),
    ],
)
def test_an_exit_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words
