"""The bench, very small: everything that it sends is read back from every system, in every cut."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from bench import page_reads, scrapes, sealing
from bench.bodies import CUTS, TICKS, Cut, Load, instants_ms, prepare, ticks_for
from bench.peers import Peer, Prometheus, VictoriaMetrics
from bench.portal import Portal
from bench.systems import System
from bench.throughput import Limits, Throughput, measure
from telemetry.remote_write import decompress, parse_labels, walk
from telemetry.views.node import RANGES as NODE_RANGES

NODES = 3
LIMITS = Limits(queryable_seconds=60, settle_seconds=0)


def load(folder: Path, cut: str, ticks: int = 3) -> Load:
    return prepare(folder, CUTS[cut], NODES, ticks, int(time.time() * 1000), print)


def run(system: System, prepared: Load) -> Throughput:
    return measure(system, prepared, connections=2, limits=LIMITS, say=print)


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_bodies_hold_every_sample_of_every_scrape_once_and_in_order(tmp_path: Path, cut: Cut) -> None:
    ticks = TICKS + 2  # the timestamps go on into the second round
    prepared = prepare(tmp_path, cut, NODES, ticks, 1_790_000_000_000, print)
    index, bodies = np.load(prepared.index), prepared.bodies.read_bytes()
    assert len(index) == prepared.requests
    assert int(index["samples"].sum()) == prepared.samples == NODES * ticks * 320
    assert set(index["samples"][index["node"] == 1][:-1].tolist()) == {cut.samples}
    found: dict[bytes, list[tuple[int, float]]] = {}
    for _, samples, length, offset in index[index["node"] == 1].tolist():
        body = list(walk(decompress(bodies[offset : offset + length])))
        assert len(body) == samples
        for series in body:
            found.setdefault(series.label_bytes, []).extend(series.samples)
    assert [parse_labels(raw) for raw in found] == [
        scrapes.labels(1, metric, gpu) for metric in scrapes.METRICS for gpu in range(scrapes.GPUS)
    ]
    table = scrapes.values(1, TICKS).reshape(TICKS, -1)
    instants = instants_ms(1, ticks, prepared.end_ms).tolist()
    for i, samples in enumerate(found.values()):
        assert [at for at, _ in samples] == instants
        assert [value for _, value in samples[:TICKS]] == table[:, i].tolist()
        if i // scrapes.GPUS == scrapes.ENERGY:
            assert np.all(np.diff([value for _, value in samples]) > 0)


def test_enough_scrapes_are_sent() -> None:
    assert ticks_for(20_000_000, 200) * 200 * 320 >= 20_000_000
    assert ticks_for(1, 200) == 1


def installed(peer: type[Peer]) -> type[Peer]:
    if not peer.is_installed():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{peer.program} is not installed, and CI may not skip what needs it")
        pytest.skip(f"{peer.program} is not installed (Debian: apt install {peer.program})")
    return peer


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("peer", [Prometheus, VictoriaMetrics])
def test_a_peer_gives_back_what_it_was_sent(tmp_path: Path, peer: type[Peer], cut: str) -> None:
    found = run(installed(peer)(tmp_path), load(tmp_path, cut))
    assert found.is_whole
    assert found.counted == NODES * 3 * 320
    assert found.sent.refused == {}


def test_a_loss_is_seen(tmp_path: Path) -> None:
    """One body is never sent: the newest samples of all nodes are there, and still the run is not whole."""
    system = installed(Prometheus)(tmp_path)
    prepared = load(tmp_path, "scrape")
    index = np.load(prepared.index)
    np.save(prepared.index, np.delete(index, 1))
    found = run(system, prepared)
    assert not found.is_whole
    assert found.counted == found.sent.samples == prepared.samples - 320


@pytest.mark.stack
def test_the_portal_gives_back_what_it_was_sent(tmp_path: Path) -> None:
    """Cut at 500: rows are completed by the next body."""
    portal = Portal(tmp_path, arguments=["--not-durable"])
    found = run(portal, load(tmp_path, "500"))
    assert found.is_whole
    assert found.counted == NODES * 3 * 320
    assert {"web", "ingest", "worker", "postgres", "redis", "beat"} <= set(found.cpu_settled)
    assert not portal.data_dir.parent.exists()


@pytest.mark.stack
def test_every_read_of_every_page_is_timed(tmp_path: Path) -> None:
    """Few nodes, one more than live through the past, so that there is a copy, which must be read like the rest."""
    lines = page_reads.measure(tmp_path, page_reads.ReadOptions(nodes=5, rounds=2, days=2), print)
    rows = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")][2:]
    for page in ("Home", "Electricity", "Internet", "Battery", "Fleet", "Node"):
        mine = [row for row in rows if row[0].startswith(f"{page}:")]
        assert any(row[0] == f"{page}: page" and row[6] == "2" for row in mine), page
    for metrics in ("gpu power_watts", "node main_amperes, limit_amperes"):
        assert {f"Node: {metrics}, {key}" for key in NODE_RANGES} <= {row[0] for row in rows}
    assert all("2" in (row[3], row[6]) for row in rows), "nothing is listed that was not timed in every round"
    assert all(float(row[1]) > 0 for row in rows if row[1] != "-")


@pytest.mark.stack
def test_what_was_sealed_is_weighed(tmp_path: Path) -> None:
    lines = sealing.measure(tmp_path, 1, print)
    rows, sealed = (float(line.split("|")[2]) for line in lines if line.startswith(("| rows", "| sealed")))
    assert 0 < sealed < rows


def test_what_takes_too_long_is_marked() -> None:
    found = [{"page": "Node", "read": "slow", "function": [0.01, 0.3], "http": [0.02, 0.03]}]
    lines = page_reads.section(page_reads.ReadOptions(nodes=1, rounds=2), found, {})
    (row,) = (line for line in lines if line.startswith("| Node"))
    assert row.count("**") == 2 and "**285.5**" in row
    assert "- 1 of 1 reads have a p95 above 100 ms" in lines
    assert "- 0 of 1 pages and answers over HTTP have a p95 above 100 ms" in lines
