"""The same reads over every raw store: Postgres alone, VictoriaMetrics, Prometheus (Mimir and Thanos have its storage).

What is read is older than telemetry.store.engine.FRESH_SECONDS unless a test says otherwise, so that an engine answers.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from homes.models import Gpu, Node
from telemetry import rollups, storage
from telemetry.catalogue import BY_NAME, COLUMNS, Column, Kind, Shape
from telemetry.models import Circuit
from telemetry.raw_rows import RawRows
from telemetry.reads import history
from telemetry.store import raw_store
from telemetry.stream import shard_of
from telemetry.tables import OTHER_TABLE, SAMPLE_TABLES
from tests.engines import ENGINES, Engine
from tests.telemetry import stored
from tests.telemetry.conftest import MakeNode
from tests.telemetry.messages import STALE, batch, gpu, series

pytestmark = [pytest.mark.usefixtures("system"), pytest.mark.prometheus]
AT = int(time.time()) // 60 * 60_000 - 1_800_000
JOULES, WATTS = "DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL", "DCGM_FI_DEV_BOARD_POWER_WATTS"


@dataclass
class Backend:
    """What SAMPLES_URL says now; `engine` None is Postgres alone."""

    engine: Engine | None

    def settle(self) -> None:
        if self.engine:
            self.engine.settle()


@pytest.fixture(scope="module", params=["postgres", *ENGINES])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine | None]:
    if request.param == "postgres":
        yield None
        return
    engine = ENGINES[request.param](tmp_path_factory.mktemp(request.param))
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture
def backend(running: Engine | None, settings: Any) -> Backend:
    settings.SAMPLES_URL = running.url if running else ""
    return Backend(running)


def write(node: Node, *parts: Any) -> None:
    storage.write([batch(node.pk, *parts)], shard_of(node.pk))


def only_in_the_engine(backend: Backend, node: Node) -> None:
    """Whatever is read from here on, Postgres has no raw rows of it."""
    backend.settle()
    if backend.engine:
        with connection.cursor() as cursor:
            for table in (*SAMPLE_TABLES.values(), OTHER_TABLE):
                cursor.execute(f"DELETE FROM {table} WHERE node_id = %s", [node.pk])  # noqa: S608


def read(node: Node, kind: Kind, *names: str, first: int = AT, end: int = AT + 600_000, **only: Any) -> RawRows:
    columns = [BY_NAME[kind][name] for name in names] if names else COLUMNS[kind]
    return raw_store().read(kind, [node.pk], columns, first / 1000, end / 1000, **only)


def cells(found: RawRows) -> list[tuple[int, int, list[float | None]]]:
    """(subject, milliseconds after AT, values)"""
    return [
        (subject, at - AT, [None if math.isnan(value) else value for value in values])
        for subject, at, values in zip(
            found.subject_ids.tolist(), found.at_ms.tolist(), found.values.tolist(), strict=True
        )
    ]


def test_rows_of_every_kind_as_they_were_written(backend: Backend, node: Node) -> None:
    for second in (0, 5, 7):
        at = AT + second * 1000 + 123
        write(
            node,
            *(gpu(slot, WATTS, [(at, 100.1 + slot + second)], node.hostname) for slot in (0, 1)),
            *([gpu(0, JOULES, [(at, 5e9 + second)], node.hostname)] if second else []),
            series("xfra_panel_power_watts", [(at, -950.25)], channel="home"),
            series("xfra_circuit_power_watts", [(at, 7.0 + second)], circuit='oven "\\ |.* ü'),
        )
    only_in_the_engine(backend, node)
    zero, one = (Gpu.objects.get(node=node, slot=slot).pk for slot in (0, 1))
    near = float(np.float32(100.1)), float(np.float32(101.1))
    found = cells(read(node, Kind.GPU, "power_watts", "energy_joules"))
    assert [row for row in found if row[1] == 123] == [(zero, 123, [near[0], None]), (one, 123, [near[1], None])]
    assert [(subject, at) for subject, at, _ in found] == [(s, ms) for s in (zero, one) for ms in (123, 5123, 7123)]
    assert [values[1] for _, _, values in found[:3]] == [None, 5e9 + 5, 5e9 + 7]
    assert cells(read(node, Kind.NODE, "home_power_watts")) == [(0, ms, [-950.25]) for ms in (123, 5123, 7123)]
    oven = Circuit.objects.get(node=node).pk
    assert cells(read(node, Kind.CIRCUIT)) == [(oven, ms + 123, [7.0 + ms / 1000]) for ms in (0, 5000, 7000)]
    assert cells(read(node, Kind.CIRCUIT, subjects=[oven])) == cells(read(node, Kind.CIRCUIT))
    assert {subject for subject, _, _ in cells(read(node, Kind.GPU, subjects=[one]))} == {one}
    assert cells(read(node, Kind.GPU, subjects=[])) == []


def test_the_ends_of_a_range(backend: Backend, node: Node) -> None:
    write(node, series("xfra_sound_decibels", [(AT + ms, ms / 100) for ms in (0, 1, 999, 1000, 1001, 2000, 2001)]))
    only_in_the_engine(backend, node)
    for first, end in ((0, 1), (1, 1000), (1, 1001), (1000, 2001), (999, 1000), (2001, 9000), (2002, 9000)):
        found = cells(read(node, Kind.NODE, "sound_decibels", first=AT + first, end=AT + end))
        assert [at for _, at, _ in found] == [ms for ms in (0, 1, 999, 1000, 1001, 2000, 2001) if first <= ms < end]


def test_counters_bit_for_bit_and_gauges_as_float32(backend: Backend, node: Node) -> None:
    """Also a counter that falls from thousands of billions to a fraction: VictoriaMetrics alone would lose digits."""
    chance = random.Random(4)
    counters = [chance.random() * 10 ** chance.randint(0, 15) for _ in range(200)]
    counters += [float(2**53 - 1), 2.0**53, 0.0, 1 / 3, 123_456_789.012, 12_345.678901234, 1e12, 0.1, 7.0]
    gauges = [chance.uniform(-1e6, 1e6) for _ in counters]
    instants = [AT + 1000 * i for i in range(len(counters))]
    write(
        node,
        series("xfra_panel_energy_joules_total", zip(instants, counters, strict=True), register="node"),
        series("xfra_panel_power_watts", zip(instants, gauges, strict=True), channel="site"),
    )
    only_in_the_engine(backend, node)
    found = read(node, Kind.NODE, "node_energy_joules", "site_power_watts")
    assert found.at_ms.tolist() == instants
    assert found.values[:, 0].tolist() == counters
    assert found.values[:, 1].tolist() == pytest.approx(gauges, rel=2**-23)
    assert (found.values[:, 1] == found.values[:, 1].astype(np.float32)).all()


def test_every_column_there_is(backend: Backend, node: Node) -> None:
    """One value in each column of the catalogue, by the name that the catalogue gives it outside."""
    write(node, gpu(0, WATTS, [(AT, 1.0)], node.hostname), series("xfra_circuit_power_watts", [(AT, 1.0)], circuit="c"))
    subject = {
        Kind.NODE: 0,
        Kind.GPU: Gpu.objects.get(node=node).pk,
        Kind.CIRCUIT: Circuit.objects.get(node=node).pk,
    }
    at = np.array([AT + 1000], np.int64)
    for kind, columns in COLUMNS.items():
        values = np.array([[_typical(column) for column in columns]])
        ids = np.array([node.pk]), np.array([subject[kind]])
        storage.write_rows(storage.Rows(kind, *ids, at, values, np.zeros(values.shape, np.bool_)))
    only_in_the_engine(backend, node)
    for kind, columns in COLUMNS.items():
        found = read(node, kind, first=AT + 1)
        assert cells(found) == [(subject[kind], 1000, [_typical(column) for column in columns])]


def _typical(column: Column) -> float:
    """A different value in each column, exact as float32 unless it counts."""
    return float(column.code) + (1 / 3 if column.shape is Shape.COUNTER else 0.5)


def test_late_repeated_and_out_of_order(backend: Backend, node: Node) -> None:
    """As late as two days, and the same again: one row each."""
    late = [AT - 47 * 3_600_000, AT - 3_600_000, AT + 2000, AT, AT + 1000]
    for at in [*late, *late]:
        write(node, series("xfra_sound_decibels", [(at, 40.0)]))
    only_in_the_engine(backend, node)
    found = read(node, Kind.NODE, "sound_decibels", first=min(late), end=AT + 3000)
    assert found.at_ms.tolist() == sorted(late)


def test_gaps_stay_gaps(backend: Backend, node: Node) -> None:
    """An end is not a value, and a value outlives an end at its own instant, whichever came first."""
    write(node, series("xfra_sound_decibels", [(AT, 40.0), (AT + 1000, STALE)]))
    write(node, series("xfra_sound_decibels", [(AT + 3000, STALE)]))
    write(node, series("xfra_sound_decibels", [(AT + 3000, 41.0)]))
    only_in_the_engine(backend, node)
    assert cells(read(node, Kind.NODE, "sound_decibels", "home_power_watts")) == [
        (0, 0, [40.0, None]),
        (0, 3000, [41.0, None]),
    ]


def test_a_gpu_that_moved_keeps_what_it_did_elsewhere(backend: Backend, make_node: MakeNode) -> None:
    first, second = make_node()[0], make_node()[0]
    write(first, gpu(0, WATTS, [(AT, 100.0)], "moving" + first.hostname))
    write(second, gpu(3, WATTS, [(AT + 1000, 200.0)], "elsewhere" + first.hostname))
    Gpu.objects.filter(node=first).update(node=second)
    moved = Gpu.objects.get(uuid__contains="moving" + first.hostname).pk
    only_in_the_engine(backend, first)
    assert cells(read(first, Kind.GPU, "power_watts")) == [(moved, 0, [100.0])]


def test_history_at_any_step_as_pages_ask_for_it(backend: Backend, node: Node) -> None:
    values = [(AT + second * 1000, float(second % 77)) for second in range(0, 600, 5)]
    write(node, series("xfra_sound_decibels", values), gpu(2, WATTS, values, node.hostname))
    only_in_the_engine(backend, node)
    start = datetime.fromtimestamp(AT / 1000, UTC)
    (raw,) = history(node.pk, Kind.NODE, ["sound_decibels"], start, start + timedelta(minutes=10), 0).series
    assert raw.last == [value for _, value in values]
    (bucketed,) = history(node.pk, Kind.GPU, ["power_watts"], start, start + timedelta(minutes=10), 10).series
    assert bucketed.maximum == [max(value for _, value in values[i : i + 2]) for i in range(0, 120, 2)]


def test_the_newest_samples_are_there_at_once(backend: Backend, node: Node) -> None:
    """Nobody waits for an engine to find what it was just given."""
    now = int(time.time() * 1000)
    write(node, series("xfra_sound_decibels", [(now - 90_000, 1.0)]))
    backend.settle()
    found = []
    for number in range(3):
        write(node, series("xfra_sound_decibels", [(now - 3000 + number * 1000, float(number))]))
        found.append(read(node, Kind.NODE, "sound_decibels", first=now - 600_000, end=now).values[:, 0].tolist())
    assert found == [[1.0, 0.0], [1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 2.0]]


def test_rollups_need_no_engine(backend: Backend, node: Node) -> None:
    """They are what Postgres' own window says, at once and whatever an engine has found so far."""
    write(node, series("xfra_sound_decibels", [(AT + second * 1000, float(second)) for second in range(0, 120, 5)]))
    rollups.roll_up_dirty()
    start = datetime.fromtimestamp(AT / 1000, UTC)
    (minutes,) = history(node.pk, Kind.NODE, ["sound_decibels"], start, start + timedelta(minutes=2), 60).series
    assert (minutes.minimum, minutes.maximum, minutes.last) == ([0.0, 60.0], [55.0, 115.0], [55.0, 115.0])


def test_other_families_are_forwarded_with_the_node_that_they_are_of(backend: Backend, node: Node) -> None:
    write(
        node,
        series("node_load1", [(AT, 0.25), (AT + 1000, 0.5)], instance="a:9100", node="99"),
        series("system.cpu.time", [(AT, 3.0)], **{"cpu.mode": "user"}),
    )
    assert stored.others(node.pk) == {
        ("node_load1", AT): 0.25,
        ("node_load1", AT + 1000): 0.5,
        ("system.cpu.time", AT): 3.0,
    }
    if backend.engine is None:
        return
    mine = f'node="{node.pk}"'
    assert backend.engine.count(f"node_load1{{{mine}}}") == 2
    (labels,) = backend.engine.labels_of(f"node_load1{{{mine}}}")
    assert (labels["instance"], labels["exported_node"]) == ("a:9100", "99")
    (labels,) = backend.engine.labels_of(f"U__system_2e_cpu_2e_time{{{mine}}}")
    assert labels["U__cpu_2e_mode"] == "user"


def test_a_new_engine_is_handed_what_postgres_has(backend: Backend, node: Node, settings: Any) -> None:
    """Samples from before the setting was made, of every kind, at once with what was stored since."""
    settings.SAMPLES_URL = ""
    before = AT - 5 * 3_600_000
    for at in (before, AT):
        write(
            node,
            gpu(4, JOULES, [(at, 1 / 3)], node.hostname),
            series("xfra_sound_decibels", [(at, 40.5)]),
            series("xfra_circuit_power_watts", [(at, 7.0)], circuit="oven"),
            series("node_load1", [(at, 0.25)]),
        )
    if backend.engine is None:
        with pytest.raises(CommandError, match="there is no engine"):
            call_command("refill_engine")
        return
    settings.SAMPLES_URL = backend.engine.url
    for _ in range(2):
        call_command("refill_engine", hours=6, stdout=StringIO())
    only_in_the_engine(backend, node)
    for kind, value in ((Kind.GPU, 1 / 3), (Kind.NODE, 40.5), (Kind.CIRCUIT, 7.0)):
        name = {Kind.GPU: "energy_joules", Kind.NODE: "sound_decibels", Kind.CIRCUIT: "power_watts"}[kind]
        found = read(node, kind, name, first=before)
        assert (found.at_ms.tolist(), found.values[:, 0].tolist()) == ([before, AT], [value, value])
    assert backend.engine.count(f'node_load1{{node="{node.pk}"}}') == 2
