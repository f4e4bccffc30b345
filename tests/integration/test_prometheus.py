"""An unmodified Prometheus scrapes, the portal stores, and the API gives back what the exporter served.

Scrapes are larger than a body of remote-write, so every one is cut somewhere; no half may be lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from telemetry.catalogue import COLUMNS, Kind
from telemetry.simulator.profiles import Generation
from telemetry.simulator.program import Options, Program
from telemetry.simulator.serve import MetricsServer, Served
from tests.figures import Figures
from tests.integration.api import get, sign_in
from tests.integration.prometheus import Agent
from tests.integration.scrapes import Values, compare, failed_scrapes, pair, parse
from tests.integration.stored import database
from tests.stack import Stack, StackFactory, wait_for

pytestmark = [pytest.mark.stack, pytest.mark.prometheus]

SCRAPES = 20
_KINDS = {"node": Kind.NODE, "gpu": Kind.GPU, "circuit": Kind.CIRCUIT}
# What each generation calls a GPU's power, frequency and energy, and in which unit, written out by hand: the rest of
# this test leaves that to the catalogue.
_BY_HAND = {
    "legacy": {
        "DCGM_FI_DEV_POWER_USAGE": ("power_watts", 1),
        "DCGM_FI_DEV_SM_CLOCK": ("sm_clock_hertz", 1_000_000),
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": ("energy_joules", 0.001),
    },
    "base_units": {
        "DCGM_FI_DEV_BOARD_POWER_WATTS": ("power_watts", 1),
        "DCGM_FI_DEV_SM_CLOCK_HERTZ": ("sm_clock_hertz", 1),
        "DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL": ("energy_joules", 1),
    },
}


@dataclass
class Node:
    """A simulated node: its exporter in this process, a real Prometheus beside it."""

    id: int
    hostname: str
    generation: Generation
    program: Program
    agent: Agent

    @property
    def served(self) -> list[Served]:
        server = self.program.server
        assert isinstance(server, MetricsServer)
        return list(server.served)


@pytest.fixture(scope="module")
def portal(stack: StackFactory) -> Stack:
    return stack(homes=2)


@pytest.fixture(scope="module")
def nodes(portal: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """One node of each generation, after its Prometheus has scraped for a while and stopped in good order."""
    folder = tmp_path_factory.mktemp("prometheus")
    both: tuple[Generation, ...] = ("legacy", "base_units")
    made: list[Node] = []
    try:
        for generation, known in zip(both, portal.demo["nodes"], strict=True):
            made.append(_start(folder / generation, portal, known, generation))
        wait_for(lambda: all(len(node.served) >= SCRAPES for node in made), 90, f"{SCRAPES} scrapes of each node")
        for node in made:
            node.agent.stop()
        yield made
    finally:
        for node in made:
            node.agent.stop()
            node.program.stop.set()


def _start(folder: Path, portal: Stack, known: dict[str, Any], generation: Generation) -> Node:
    hostname = known["hostname"]
    program = Program(Options({hostname: ""}, generation=generation, serve_port=0), lambda _: None)
    assert program.server is not None
    threading.Thread(target=program.run, name=f"exporter-{generation}", daemon=True).start()
    agent = Agent(folder, program.server.server_port, portal.url, known["token"])
    return Node(known["id"], hostname, generation, program, agent)


def read_back(client: httpx.Client, node: Node) -> dict[int, Values]:
    """Every raw sample since before the first scrape, through the API, by milliseconds since the epoch."""
    found: dict[int, Values] = {}
    start = _iso(node.served[0].at_ms - 1_500)
    for name, kind in _KINDS.items():
        metrics = ",".join(column.name for column in COLUMNS[kind])
        body = get(client, f"nodes/{node.id}/telemetry", kind=name, metrics=metrics, start=start, step=0)
        instants = (np.array([at.rstrip("Z") for at in body["at"]], "datetime64[ms]")).astype(np.int64).tolist()
        for series in body["series"]:
            for at_ms, value in zip(instants, series["last"], strict=True):
                if value is not None:
                    found.setdefault(at_ms, {})[kind, series["subject"], series["metric"]] = value
    return found


def _iso(at_ms: int) -> str:
    return str(np.datetime64(at_ms, "ms")) + "Z"


def _failed(portal: Stack, node: Node) -> set[int]:
    return failed_scrapes(portal, node.id, node.served[0].at_ms)


def test_what_the_exporter_served_is_what_the_api_gives_back(
    portal: Stack, nodes: list[Node], figures: Figures
) -> None:
    with sign_in(portal, "operator") as client:
        for node in nodes:
            at_ms = node.served[-2].at_ms
            wait_for(lambda: max(read_back(client, node), default=0) >= at_ms - 1000, 30, "the last scrape")  # noqa: B023
            time.sleep(1)
            pairs = pair(node.served, read_back(client, node), _failed(portal, node))
            assert len(pairs) >= SCRAPES - 5
            samples = sum(compare(served, values) for served, values in pairs)
            figures.note(f"Prometheus, {node.generation}", f"{len(pairs)} scrapes, {samples} samples equal")


def test_both_generations_mean_the_same(portal: Stack, nodes: list[Node]) -> None:
    with sign_in(portal, "operator") as client:
        for node in nodes:
            served, stored = pair(node.served, read_back(client, node), _failed(portal, node))[0]
            for metric, (column, scale) in _BY_HAND[node.generation].items():
                lines = [(labels["UUID"], value) for name, labels, value in parse(served.text) if name == metric]
                assert len(lines) == 16
                for uuid, value in lines:
                    assert stored[Kind.GPU, uuid, column] == pytest.approx(value * scale, rel=1e-6)


def test_prometheus_own_count_of_samples_agrees(portal: Stack, nodes: list[Node]) -> None:
    """Families outside the catalogue are kept too: these come from Prometheus itself."""
    with database(portal) as connection:
        for node in nodes:
            rows = connection.execute(
                "SELECT DISTINCT value FROM telemetry_other_sample WHERE node_id = %s AND value > 0 AND series_id IN"
                " (SELECT id FROM telemetry_otherseries WHERE name = 'scrape_samples_scraped')",
                [node.id],
            ).fetchall()
            # Its very first scrape may be of an exporter that is still starting, and smaller than any that we kept.
            assert {len(parse(served.text)) for served in node.served} <= {int(count) for (count,) in rows}
