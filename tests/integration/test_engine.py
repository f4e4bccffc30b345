"""The complete portal with an engine of raw samples beside it, which goes away for a while under load."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from tests.engines import VictoriaMetrics
from tests.integration.bench import Bench
from tests.integration.flow import finish, wait_flowing
from tests.integration.sender import PART_OF, SERIES, Sender
from tests.integration.sender import value_of as value
from tests.integration.stored import database
from tests.stack import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.prometheus]

NODES = 6
AWAY_S = 6.0
# What each column is called outside, written out by hand.
_NAMES = {
    ("telemetry_gpu_sample", "energy_joules"): "xfra_gpu_energy_joules_total",
    ("telemetry_gpu_sample", "power_watts"): "xfra_gpu_power_watts",
    ("telemetry_gpu_sample", "temperature_celsius"): "xfra_gpu_temperature_celsius",
    ("telemetry_circuit_sample", "power_watts"): "xfra_circuit_power_watts",
}
Samples = dict[tuple[int, str, str], list[tuple[int, float]]]
"""(milliseconds, value) by node id, metric and subject."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaMetrics]:
    made = VictoriaMetrics(tmp_path_factory.mktemp("engine"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def portal(engine: VictoriaMetrics) -> Iterator[Bench]:
    made = Bench(NODES, {"SAMPLES_URL": engine.url})
    yield made
    made.close()


def sent(portal: Bench, sender: Sender) -> Samples:
    with database(portal.stack) as connection:
        ids = dict(connection.execute("SELECT hostname, id FROM homes_node").fetchall())
    found: Samples = defaultdict(list)
    for node in sender.nodes:
        for at_ms, (tick, parts) in sorted(node.acknowledged.items()):
            for index, series in enumerate(SERIES):
                if PART_OF[index] in parts:
                    key = ids[node.hostname], _metric(index), series.subject.replace("@", node.hostname)
                    found[key].append((at_ms, value(node.number, index, tick)))
    return found


def _metric(index: int) -> str:
    series = SERIES[index]
    if series.table == "telemetry_other_sample":
        return series.subject
    name = _NAMES.get((series.table, series.column), f"xfra_node_{series.column}")
    return f"{name}_total" if series.is_counter and not name.endswith("_total") else name


def kept(engine: VictoriaMetrics) -> Samples:
    engine.settle()
    form = {"query": '{node!=""}[1h]', "time": str(int(time.time()) + 5), "nocache": "1"}
    answer = httpx.post(f"{engine.url}/api/v1/query", data=form, timeout=30).json()
    found: Samples = {}
    for series in answer["data"]["result"]:
        labels = series["metric"]
        subject = labels.get("gpu") or labels.get("circuit") or (labels["__name__"] if "job" in labels else "")
        samples = [(round(at * 1000), float(text)) for at, text in series["values"]]
        found[int(labels["node"]), labels["__name__"], subject] = samples
    return found


def test_nothing_acknowledged_is_missing_in_the_engine(portal: Bench, engine: VictoriaMetrics) -> None:
    sender = Sender(portal.stack.url, portal.tokens).start()
    try:
        wait_flowing(portal, sender)
        engine.stop()
        time.sleep(AWAY_S)
        engine.start()
        wait_flowing(portal, sender)
        count = finish(portal, sender)
    finally:
        sender.abandon()
    expected = sent(portal, sender)
    assert sum(map(len, expected.values())) == count
    wait_for(lambda: sum(map(len, kept(engine).values())) >= count, 20, "the engine to find what it has")
    found = kept(engine)
    assert found.keys() == expected.keys()
    for key, samples in expected.items():
        assert np.array_equal(np.array(found[key]), np.array(samples)), key
