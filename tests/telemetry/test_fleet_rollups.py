"""Slabs of the whole fleet say what the nodes' chunks of hours say, whatever came when, and only to who sees all."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homes.access import acting_as
from homes.models import Node
from homes.provisioning import Plan, provision
from telemetry import chunks, fleet_reads, fleet_rollups, reads, rollups, slabs
from telemetry.aggregates import Function
from telemetry.catalogue import BY_NAME, COLUMNS, Kind, Shape
from telemetry.fleet_reads import Question
from telemetry.readings import FleetHistory
from telemetry.slabs import FIELD, Packed, Slab
from telemetry.tables import FLEET_TABLE
from telemetry.windows import Window
from tests.cast import Cast
from tests.telemetry.conftest import MakeNode
from tests.telemetry.test_rollups import ARRIVALS, HOUR, START, part, write

DAY = 86_400
_number = iter(range(10_000))
Buckets = dict[tuple[int, int, int, int, int, int], tuple[int, float]]
"""(count, value) by (resolution, kind, node, subject, column, second)."""


def in_slabs(nodes: list[Node]) -> Buckets:
    found: Buckets = {}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT resolution, kind, extract(epoch FROM at)::bigint, codes, ends, body FROM {FLEET_TABLE}")  # noqa: S608
        rows = cursor.fetchall()
    for resolution, kind, begin, codes, ends, body in rows:
        slab = slabs.unpack(Kind(kind), Packed(codes, ends, bytes(body)))
        for code, (count, value) in slab.columns.items():
            for i in np.flatnonzero((count > 0) & np.isin(slab.node_ids, [node.pk for node in nodes])).tolist():
                key = (resolution, kind, int(slab.node_ids[i]), int(slab.subject_ids[i]), code, begin)
                found[key] = int(count[i]), float(value[i])
    return found


def in_chunks(nodes: list[Node]) -> Buckets:
    """What slabs have to say, by way of the chunks of hours."""
    found: Buckets = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT node_id, kind, extract(epoch FROM at)::bigint, body FROM telemetry_rollup_1h"
            " WHERE node_id = ANY(%s) AND kind IN (1, 2)",
            [[node.pk for node in nodes]],
        )
        rows = cursor.fetchall()
    for node_id, kind, begin, body in rows:
        chunk = chunks.decode(Kind(kind), bytes(body))
        for resolution in fleet_rollups.RESOLUTIONS:
            for code, hours in chunk.grid.items():
                held = chunks.coarsen(hours, resolution // HOUR)
                for i, slot in zip(*np.nonzero(held.count), strict=True):
                    key = (resolution, kind, node_id, int(chunk.subject_ids[i]), code, begin + int(slot) * resolution)
                    found[key] = int(held.count[i, slot]), float(held.fields[FIELD[held.shape]][i, slot])
    return found


@pytest.mark.usefixtures("system")
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals=ARRIVALS, whose=st.lists(st.integers(0, 2), min_size=5, max_size=5), when=st.lists(st.booleans()))
def test_whatever_came_when(arrivals: list[Any], whose: list[int], when: list[bool]) -> None:
    """Late and duplicate samples of several nodes of one block, rolled up after some of them and at the end."""
    nodes = [provision(Plan(f"slab-{next(_number)}", "America/Phoenix", "U", "P"))[0] for _ in range(3)]
    for body, n, roll_up in zip(arrivals, whose, [*when, *[False] * 5], strict=False):
        write(nodes[n], [part(nodes[n], *sample) for sample in body])
        if roll_up:
            rollups.roll_up_dirty()
    rollups.roll_up_dirty()
    expected = in_chunks(nodes)
    assert in_slabs(nodes) == {key: pytest.approx(bucket, rel=1e-6) for key, bucket in expected.items()}


@pytest.mark.usefixtures("system")
def test_what_is_gone_from_the_hours_is_gone_from_the_slab(make_node: MakeNode) -> None:
    node, other = make_node()[0], make_node()[0]
    code, begin = BY_NAME[Kind.NODE]["sound_decibels"].code, START // DAY * DAY

    def save(node: Node, count: int) -> None:
        held = chunks.Buckets.empty(Shape.GAUGE, 1, 24)
        held.count[0, 3], held.fields["average"][0, 3] = count, 40.0 if count else np.nan
        window = Window(HOUR, begin, begin + DAY, np.zeros(1, np.int64), {code: held})
        fleet_rollups.save({Kind.NODE: {node.pk: window}}, begin, begin + DAY)

    for one in (node, other):
        save(one, 5)
    save(node, 0)
    assert in_slabs([node]) == {}
    assert {key[0]: bucket for key, bucket in in_slabs([other]).items()} == dict.fromkeys(
        fleet_rollups.RESOLUTIONS, (5, 40.0)
    )


@pytest.fixture
def fleet(cast: Cast, system: None) -> Iterator[Cast]:
    """Both homes' nodes heard for two hours, each at its own level, one with a gap."""
    for n, node in enumerate((cast.node, cast.other_node)):
        for second in range(0, 2 * HOUR, 60):
            if n == 0 or not 1000 < second < 5000:
                kinds = {"gauge": 30.0 + n, "register": 10.0 * second * (n + 1), "gpu 0": 5.0 * second, "gpu 1": 1.0}
                write(node, [part(node, what, second - HOUR, value) for what, value in kinds.items()])
    rollups.roll_up_dirty()
    yield cast


QUESTIONS = [
    (Kind.NODE, "sound_decibels"),
    (Kind.NODE, "node_energy_joules"),
    (Kind.GPU, "energy_joules"),
]


def _asked(nodes: list[Node], kind: Kind, metric: str, function: Function, step: int) -> FleetHistory:
    groups = {node.pk: "even" if node.pk % 2 == 0 else "odd" for node in nodes}
    end = datetime.fromtimestamp(START + 2 * HOUR, UTC)
    return reads.fleet(Question(kind, metric, function, 0.7, 2), groups, end - timedelta(days=3), end, step)


def assert_alike(one: FleetHistory, other: FleetHistory) -> None:
    assert one.at == other.at
    for mine, theirs in zip(one.series, other.series, strict=True):
        assert (mine.group, mine.node_id, mine.subject) == (theirs.group, theirs.node_id, theirs.subject)
        assert (mine.nodes, mine.subjects) == (theirs.nodes, theirs.subjects)
        np.testing.assert_allclose(np.array(mine.values, float), np.array(theirs.values, float), rtol=1e-6)


FUNCTIONS = (Function.SUM, Function.AVG, Function.QUANTILE, Function.TOP)
STEPS = (HOUR, 6 * HOUR, 12 * HOUR, DAY)


@pytest.mark.parametrize(("kind", "metric"), QUESTIONS)
def test_both_ways_answer_alike(fleet: Cast, monkeypatch: pytest.MonkeyPatch, kind: Kind, metric: str) -> None:
    some = ([fleet.node, fleet.other_node], [fleet.other_node])
    for nodes, function, step in itertools.product(some, FUNCTIONS, STEPS):
        with acting_as(fleet.people["operator"].pk):
            by_chunks = _asked(nodes, kind, metric, function, step)
            monkeypatch.setattr(fleet_reads, "FEW_NODES", 0)
            by_slabs = _asked(nodes, kind, metric, function, step)
            monkeypatch.undo()
        assert (by_chunks.source_seconds, by_slabs.source_seconds) == (HOUR, fleet_rollups.resolution_of(step))
        assert any(sum(series.nodes) for series in by_slabs.series), f"nothing is compared: {function}, {step} s"
        assert_alike(by_slabs, by_chunks)


def test_a_technician_sees_no_slab_and_gets_the_same_answer(fleet: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_reads, "FEW_NODES", 0)
    found = []
    for name in ("technician", "operator"):
        with acting_as(fleet.people[name].pk):
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT count(*) FROM {FLEET_TABLE}")  # noqa: S608
                ((slabs_seen,),) = cursor.fetchall()
            assert (slabs_seen > 0) == fleet_rollups.may_read() == (name == "operator")
            found.append(_asked([fleet.node], *QUESTIONS[0], Function.AVG, HOUR))
    assert sum(found[0].series[0].nodes) > 0
    assert_alike(*found)


# The bodies


@given(
    subjects=st.lists(st.tuples(st.integers(1, 300), st.integers(0, 50)), min_size=1, max_size=6, unique=True).map(
        sorted
    ),
    kind=st.sampled_from(fleet_rollups.KINDS),
    data=st.data(),
)
def test_a_slab_comes_back_and_damage_is_told(subjects: list[tuple[int, int]], kind: Kind, data: st.DataObject) -> None:
    count = st.lists(st.integers(0, 2**32 - 1), min_size=len(subjects), max_size=len(subjects))
    codes = data.draw(st.lists(st.sampled_from(range(len(COLUMNS[kind]))), unique=True, max_size=4))
    columns = {}
    for code in codes:
        counts = np.array(data.draw(count), np.uint32)
        columns[code] = counts, np.where(counts > 0, counts.astype(np.float32).astype(np.float64), np.nan)
    node_ids, subject_ids = np.array(subjects, np.int64).T
    packed = slabs.pack(kind, Slab(node_ids, subject_ids, columns))
    back = slabs.unpack(kind, packed)
    assert (back.node_ids.tolist(), back.subject_ids.tolist()) == (node_ids.tolist(), subject_ids.tolist())
    assert back.columns.keys() == {code for code, (counts, _) in columns.items() if counts.any()}
    for code, (counts, values) in back.columns.items():
        assert counts.tolist() == columns[code][0].tolist()
        np.testing.assert_array_equal(values, columns[code][1])
    with pytest.raises(ValueError, match="slab"):
        slabs.unpack(kind, Packed(packed.codes, packed.ends, bytes(len(packed.body))))
