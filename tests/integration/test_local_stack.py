"""The one command's promises with the real portal; tests/local keeps the supervisor's own with tiny processes."""

from __future__ import annotations

import http.client
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.figures import Figures
from tests.integration.bench import Bench, family_of
from tests.stack import Stack, StackFactory, assert_all_gone, wait_for

pytestmark = pytest.mark.stack


def test_ctrl_c_leaves_no_process_and_a_second_start_keeps_the_data(bench: Bench, figures: Figures) -> None:
    bench.stack.wait_ready(60)
    file = bench.folder / "one.json"
    before = {f"{name} {pid}": pid for name, top in bench.stack.pids.items() for pid in family_of(top)}
    began = time.monotonic()
    assert bench.stack.stop(signal.SIGINT) == 0
    stopped = time.monotonic() - began
    assert_all_gone(before)
    bench.restart()
    seconds = time.monotonic() - began - stopped
    figures.note("second start", f"stopped in {stopped:.1f} s, ready {seconds:.1f} s after the start")
    with pytest.raises(AssertionError, match="a node of that name exists"):
        bench.manage("provision_node", "--count", "1", "--json", str(file))
    assert bench.stack.is_ready()


def test_a_first_start_that_is_interrupted_is_begun_again_by_the_next(tmp_path: Path) -> None:
    seeds = ("--no-simulator", "--seed-homes", "2", "--seed-days", "1")
    first = Stack(*seeds, data_dir=tmp_path)
    said = tmp_path / "log" / "seed.log"
    wait_for(lambda: said.exists() and "history" in said.read_text(), 120, "people, and a part of their history")
    first.stop(signal.SIGINT)
    assert not (tmp_path / "demo.json").exists()
    second = Stack(*seeds, data_dir=tmp_path)
    try:
        second.wait_started()
        assert "demo homes (again, since the last time was interrupted)" in second.output
        assert len(second.demo["nodes"]) == 2
    finally:
        second.stop()


def test_a_taken_port_is_a_clear_error(bench: Bench) -> None:
    other = Stack("--no-seed", port=bench.port)
    try:
        assert other.wait_ended() == 2
        assert f"port {bench.port} on 127.0.0.1 is taken" in other.output
        assert f"PORT={bench.port + 1} make run" in other.output
    finally:
        other.stop()
    assert bench.stack.is_ready()


def test_a_connection_outlives_the_pause_between_two_pushes(bench: Bench) -> None:
    """uvicorn's own 5 s would have each push of a node begin with a new one, or meet the end of the old one."""
    connection = http.client.HTTPConnection("127.0.0.1", bench.port, timeout=20)
    sockets = set()
    for pause in (0.0, 6.0):
        time.sleep(pause)
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
        sockets.add(connection.sock)
    assert len(sockets) == 1 and None not in sockets
    connection.close()


@pytest.mark.parametrize("part", ["web", "ingest", "worker", "beat"])
def test_a_crashed_part_is_started_again(bench: Bench, part: str) -> None:
    bench.stack.wait_replaced(part, bench.stack.kill(part))
    bench.stack.wait_ready(60)
    assert f"{part} was ended by SIGKILL; starting it again" in bench.stack.output


def test_without_the_simulator_nothing_arrives_and_everything_works(stack: StackFactory) -> None:
    portal = stack(homes=2)
    assert "simulator" not in portal.pids
    assert set(portal.pids) == {"supervisor", "guardian", "postgres", "redis", "web", "ingest", "worker", "beat"}
    assert httpx.get(f"{portal.url}/accounts/login/", timeout=20).status_code == 200
    assert portal.demo["url"] == portal.url
    assert len(portal.demo["nodes"]) == 2


def test_ready_means_that_each_part_was_asked(stack: StackFactory) -> None:
    portal = stack(homes=2)
    answer = httpx.get(f"{portal.url}/readyz", timeout=20)
    parts = ("postgres", "redis", "ingest_redis", "worker", "beat")
    expected = {"ready": True, "parts": dict.fromkeys(parts, "ok"), "taking_in": "yes"}
    found = answer.json()
    found.pop("stood_still_seconds", None)  # told only where something held the process lately, on a busy machine say
    assert found == expected
