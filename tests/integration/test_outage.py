"""Real agents push, the portal is stopped for a while in the middle, and no sample is missing afterwards.

    pytest tests/integration/test_outage.py --outage-seconds 20

Stopped for that long, with as much pushing before and after: a minute. Without the option half of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from telemetry.simulator.program import Options, Program
from telemetry.simulator.serve import MetricsServer, Served
from tests.figures import Figures
from tests.integration.bench import Bench
from tests.integration.flow import now_ms
from tests.integration.prometheus import Agent, VmAgent
from tests.integration.scrapes import Values, compare, failed_scrapes, pair, read_tables
from tests.integration.stored import assert_streams_are_clean, database, stream_is_empty
from tests.stack import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.prometheus]

CATCH_UP_S = 150.0
"""vmagent waits twice as long before each next attempt, up to a minute."""
AGENTS = {"Prometheus": Agent, "vmagent": VmAgent}


@dataclass
class Pushing:
    """An exporter in this process and a real agent beside it."""

    name: str
    node_id: int
    program: Program
    agent: Agent

    @property
    def served(self) -> list[Served]:
        server = self.program.server
        assert isinstance(server, MetricsServer)
        return list(server.served)

    def end(self) -> None:
        self.agent.stop()
        self.program.stop.set()


@pytest.fixture
def pushing(bench: Bench, tmp_path: Path) -> Iterator[list[Pushing]]:
    """One node for each agent."""
    bench.start_over()
    with database(bench.stack) as connection:
        ids = dict(connection.execute("SELECT hostname, id FROM homes_node").fetchall())
    made: list[Pushing] = []
    try:
        for (name, kind), (hostname, token) in zip(AGENTS.items(), sorted(bench.tokens.items()), strict=False):
            program = Program(Options({hostname: ""}, serve_port=0), lambda _: None)
            assert program.server is not None
            threading.Thread(target=program.run, name=f"exporter-{name}", daemon=True).start()
            agent = kind(tmp_path / name, program.server.server_port, bench.stack.url, token)
            made.append(Pushing(name, ids[hostname], program, agent))
        yield made
    finally:
        for node in made:
            node.end()


def _wait_for_scrapes(pushing: list[Pushing], more: int) -> None:
    goals = [len(node.served) + more for node in pushing]
    are_served = lambda: all(len(n.served) >= goal for n, goal in zip(pushing, goals, strict=True))  # noqa: E731
    wait_for(are_served, 5 * more + 30, f"{more} scrapes of each node")


def _pairs(bench: Bench, node: Pushing, until_ms: int) -> list[tuple[Served, Values]]:
    """Each scrape up to an instant with what was stored of it. AssertionError while one is missing."""
    served = [found for found in node.served if found.at_ms <= until_ms]
    stored = read_tables(bench.stack, node.node_id)
    failed = failed_scrapes(bench.stack, node.node_id, served[0].at_ms)
    last_ms = served[-1].at_ms + node.agent.slack_ms
    return pair(served, {at: values for at, values in stored.items() if at <= last_ms}, failed, node.agent.slack_ms)


def _samples(pairs: list[tuple[Served, Values]]) -> int:
    """How many are stored as they were served. AssertionError when one is missing or differs."""
    return sum(compare(served, values) for served, values in pairs)


def _are_complete(bench: Bench, pushing: list[Pushing], until_ms: int) -> bool:
    time.sleep(1)
    with suppress(AssertionError):
        return all(_samples(_pairs(bench, node, until_ms)) for node in pushing)
    return False


def test_no_sample_is_missing_after_an_outage(
    bench: Bench, pushing: list[Pushing], pytestconfig: pytest.Config, figures: Figures
) -> None:
    seconds: int = pytestconfig.getoption("--outage-seconds")
    _wait_for_scrapes(pushing, seconds)
    wait_for(lambda: all(read_tables(bench.stack, node.node_id) for node in pushing), CATCH_UP_S, "samples of both")
    assert bench.stack.stop() == 0
    stopped_ms, before = now_ms(), [len(node.served) for node in pushing]
    time.sleep(seconds)
    missed = [len(node.served) - count for node, count in zip(pushing, before, strict=True)]
    assert min(missed) > 0, "the agents go on scraping"
    bench.restart()
    _wait_for_scrapes(pushing, seconds)
    until_ms = now_ms()
    with suppress(AssertionError):  # what is missing even now is named below
        wait_for(lambda: _are_complete(bench, pushing, until_ms), CATCH_UP_S, "everything to be stored")
    for node in pushing:
        node.agent.stop()
    wait_for(lambda: stream_is_empty(bench.stack), CATCH_UP_S, "the stream to be empty")
    time.sleep(1)
    assert_streams_are_clean(bench.stack)
    for node in pushing:
        pairs = _pairs(bench, node, until_ms)
        samples = _samples(pairs)
        during = sum(stopped_ms < served.at_ms < stopped_ms + seconds * 1000 for served, _ in pairs)
        assert during > 0
        line = f"{samples:,} samples of {len(pairs)} scrapes stored as served, {during} scrapes while it was stopped"
        figures.note(f"outage of {seconds} s, {node.name}", line)
