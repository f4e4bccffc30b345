"""Real agents push, the portal is stopped for a while in the middle, and no sample is missing afterwards.

    pytest tests/integration/test_outage.py --outage-seconds 20

Stopped for that long, with as much pushing before and after: a minute. Without the option half of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from telemetry.simulator.program import Options, Program
from telemetry.simulator.serve import MetricsServer, Served
from tests.integration.bench import Bench
from tests.integration.figures import Figures
from tests.integration.flow import now_ms
from tests.integration.prometheus import Agent, VmAgent
from tests.integration.scrapes import compare, failed_scrapes, pair, read_tables
from tests.integration.stored import assert_streams_are_clean, database, stream_is_empty
from tests.stack import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.prometheus]

CATCH_UP_S = 60.0
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


def _wait_stored(bench: Bench, pushing: list[Pushing], at_ms: int) -> None:
    def are_stored() -> bool:
        return all(max(read_tables(bench.stack, node.node_id), default=0) >= at_ms for node in pushing)

    wait_for(are_stored, CATCH_UP_S, "the agents' samples to be stored")


def test_no_sample_is_missing_after_an_outage(
    bench: Bench, pushing: list[Pushing], pytestconfig: pytest.Config, figures: Figures
) -> None:
    seconds: int = pytestconfig.getoption("--outage-seconds")
    _wait_for_scrapes(pushing, seconds)
    _wait_stored(bench, pushing, 1)
    assert bench.stack.stop() == 0
    stopped_ms, before = now_ms(), [len(node.served) for node in pushing]
    time.sleep(seconds)
    missed = [len(node.served) - count for node, count in zip(pushing, before, strict=True)]
    assert min(missed) > 0, "the agents go on scraping"
    bench.restart()
    _wait_for_scrapes(pushing, seconds)
    _wait_stored(bench, pushing, now_ms() - 1500)
    for node in pushing:
        node.agent.stop()
    wait_for(lambda: stream_is_empty(bench.stack), CATCH_UP_S, "the stream to be empty")
    time.sleep(1)
    assert_streams_are_clean(bench.stack)
    for node in pushing:
        stored = read_tables(bench.stack, node.node_id)
        failed = failed_scrapes(bench.stack, node.node_id, node.served[0].at_ms)
        pairs = pair(node.served, stored, failed, node.agent.slack_ms)
        samples = sum(compare(served, values) for served, values in pairs)
        during = sum(stopped_ms < served.at_ms < stopped_ms + seconds * 1000 for served, _ in pairs)
        assert during > 0
        line = f"{samples:,} samples of {len(pairs)} scrapes stored as served, {during} scrapes while it was stopped"
        figures.note(f"outage of {seconds} s, {node.name}", line, samples)
