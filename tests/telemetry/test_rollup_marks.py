"""Rollups: exactly what the raw samples say, whatever the order they came in; and marks that are never lost."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from django.db import connection, connections

from homes.access import acting_as_system
from homes.provisioning import Plan, provision
from telemetry import chunks, reads, rollups, slabs, storage
from telemetry.batch import Batch
from telemetry.catalogue import BY_NAME, COLUMNS, Kind, Shape
from telemetry.chunks import Buckets, Chunk
from telemetry.partitions import MOST_RAW_HOURS, ensure_partitions
from telemetry.tables import FLEET_BLOCK
from telemetry.windows import Window
from tests.cast import Cast, needs_database
from xfra_portal.checks import minutes_outlive_raw_samples

pytestmark = needs_database
START = int(time.time()) // 3600 * 3600 - 3 * 3600
HOME, REGISTER = (BY_NAME[Kind.NODE][name].code for name in ("home_power_watts", "node_energy_joules"))


def samples(node_id: int, code: int, values: dict[int, float]) -> Batch:
    """Samples of one node column at START + seconds."""
    count = len(values)
    return Batch.of(
        node_id=node_id,
        kinds=np.full(count, int(Kind.NODE), np.uint8),
        codes=np.full(count, code, np.uint16),
        subjects=np.zeros(count, np.uint32),
        at_ms=np.array([(START + second) * 1000 for second in values], np.int64),
        values=np.array(list(values.values()), np.float64),
        gpus=(),
        circuits=(),
        other_series=(),
    )


@pytest.fixture
def node_id(cast: Cast) -> int:
    with acting_as_system():
        ensure_partitions()
    return cast.node.pk


def minutes(node_id: int, column: str, field: str, count: int = 10, step: int = 60) -> list[float | None]:
    start = datetime.fromtimestamp(START, UTC)
    found = reads.history(node_id, Kind.NODE, [column], start, start + timedelta(seconds=count * step), step)
    values: list[float | None] = getattr(found.series[0], field)
    return values


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 1, 0, 2, 0)], ids=["in order", "backwards", "again"])
def test_rollups_do_not_care_for_the_order(node_id: int, order: tuple[int, ...]) -> None:
    parts = [{0: 100.0, 30: 200.0}, {60: 400.0, 90: 600.0}, {15: 900.0}]
    with acting_as_system():
        for part in order:
            storage.write([samples(node_id, HOME, parts[part])], 0)
            rollups.roll_up_dirty()
        assert minutes(node_id, "home_power_watts", "average", 3) == [400.0, 500.0, None]
        assert minutes(node_id, "home_power_watts", "minimum", 3) == [100.0, 400.0, None]
        assert minutes(node_id, "home_power_watts", "maximum", 3) == [900.0, 600.0, None]
        assert minutes(node_id, "home_power_watts", "average", 1, 900) == [440.0]


def test_an_increase_runs_from_the_sample_before_the_bucket(node_id: int) -> None:
    readings = {50: 1000.0, 70: 1600.0, 110: 2000.0, 130: 300.0, 170: 500.0}  # the register starts anew after 110 s
    with acting_as_system():
        storage.write([samples(node_id, REGISTER, readings)], 0)
        rollups.roll_up_dirty()
        assert minutes(node_id, "node_energy_joules", "increase", 4) == [0.0, 1000.0, 500.0, None]


def test_energy_counts_what_a_gap_hid(node_id: int) -> None:
    """36 MJ on the register between two readings an hour apart are 10 kWh, and the gap lowers the coverage."""
    with acting_as_system():
        storage.write([samples(node_id, REGISTER, {10: 0.0, 3610: 36e6})], 0)
        rollups.roll_up_dirty()
        start = datetime.fromtimestamp(START, UTC)
        found = reads.energy(node_id, start, start + timedelta(hours=2))
        assert found.watt_hours["node"] == 10_000
        assert found.covered_ratio == 0.25


def test_a_claim_of_a_dead_worker_is_taken_up(node_id: int) -> None:
    with acting_as_system():
        storage.write([samples(node_id, HOME, {0: 100.0})], 0)
        assert len(rollups._claim(0.0)) == 1
        assert rollups.roll_up_dirty() == 0, "a fresh claim belongs to somebody"
        with connection.cursor() as cursor:
            cursor.execute("UPDATE telemetry_rolling SET since = since - interval '2 minutes'")
        assert rollups.roll_up_dirty() == 1
        assert minutes(node_id, "home_power_watts", "average", 1) == [100.0]


def pass_time(minutes: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE telemetry_rolling SET since = since - make_interval(mins => %s)", [minutes])


def tries() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tries FROM telemetry_rolling")
        return [found for (found,) in cursor.fetchall()]


@pytest.fixture
def neighbours(node_id: int) -> tuple[int, int]:
    """Two nodes of one slab. Nodes are made until two of them are, because their numbers begin anywhere."""
    lone: dict[int, int] = {}
    with acting_as_system():
        for number in itertools.count():
            made, _ = provision(Plan(f"marks-{number:05d}", "America/Phoenix", "Cast Energy", "Cast Cable"))
            neighbour = lone.setdefault(made.pk // FLEET_BLOCK, made.pk)
            if neighbour != made.pk:
                return neighbour, made.pk
    raise AssertionError("unreachable")


def test_what_cannot_be_rolled_up_keeps_nobody_waiting_and_rings(
    neighbours: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, attempts, (failing, other) = rollups.recompute, list[int](), neighbours

    def fail(node_ids: list[int], start: int, end: int) -> None:
        if failing in node_ids:
            attempts.append(len(node_ids))
            raise ValueError("not a chunk")
        real(node_ids, start, end)

    with acting_as_system():
        with monkeypatch.context() as patch:
            patch.setattr(rollups, "recompute", fail)
            for turn, minutes_passed in enumerate((0, 3, 5, 9)):
                pass_time(minutes_passed)
                storage.write([samples(failing, HOME, {0: 100.0}), samples(other, HOME, {0: 200.0 + turn})], 0)
                assert rollups.roll_up_dirty() == 1
                assert rollups.stuck() == (turn >= 2)
            assert minutes(other, "home_power_watts", "average", 1) == [203.0]
            assert attempts == [2, 1, 1, 1, 1], "together with the other once, then alone and ever more rarely"
            assert rollups.roll_up_dirty() == 0
            assert tries() == [4]
        pass_time(15)
        assert rollups.roll_up_dirty() == 0, "it is not yet time"
        pass_time(15)
        assert rollups.roll_up_dirty() == 2, "it, and what was marked meanwhile"
        assert minutes(failing, "home_power_watts", "average", 1) == [100.0]
        assert (rollups.stuck(), tries()) == (0, [])


def test_what_its_worker_dies_of_is_taken_up_ever_more_rarely(node_id: int) -> None:
    """Each time the worker is gone before it can say so."""
    with acting_as_system():
        storage.write([samples(node_id, HOME, {0: 100.0})], 0)
        (mark,) = rollups._claim(0.0)
        taken = []
        for _ in range(30):
            pass_time(1)
            taken.append(bool(rollups._take_up()))
        assert [minute for minute, found in enumerate(taken) if found] == [1, 4, 9, 18]
        assert rollups.stuck() == 1
        assert rollups._roll_up([mark]) == 1


def test_a_release_that_knows_less_passes_over_what_it_does_not_know(
    node_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column was appended, samples came, and the release was rolled back: what is rolled up then loses none of it."""
    *known, newest = COLUMNS[Kind.NODE]
    start = datetime.fromtimestamp(START, UTC)
    with acting_as_system():
        storage.write([samples(node_id, HOME, {0: 100.0}), samples(node_id, newest.code, {0: 7.0, 60: 9.0})], 0)
        assert rollups.roll_up_dirty() == 1
        before = slab_values(newest.code)
        assert before
        with monkeypatch.context() as patch:
            patch.setitem(COLUMNS, Kind.NODE, tuple(known))
            storage.write([samples(node_id, HOME, {30: 300.0, 90: 500.0})], 0)
            assert rollups.roll_up_dirty() == 1
            assert minutes(node_id, "home_power_watts", "average", 2) == [200.0, 500.0]
        assert minutes(node_id, newest.name, "last", 2) == [7.0, 9.0]
        assert minutes(node_id, newest.name, "last", 1, 900) == [9.0]
        assert reads.history(node_id, Kind.NODE, [newest.name], start, start + timedelta(hours=1), 3600).series[0].last
        assert slab_values(newest.code) == before
        assert rollups.roll_up_dirty() == 0


def slab_values(code: int) -> dict[tuple[int, datetime], list[float]]:
    """A node's column in the slabs of each bucket."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT resolution, at, codes, ends, body FROM telemetry_fleet_rollup WHERE kind = 1")
        rows = cursor.fetchall()
    found = {}
    for resolution, at, codes, ends, body in rows:
        columns = slabs.unpack(Kind.NODE, slabs.Packed(codes, ends, bytes(body))).columns
        if code in columns:
            found[resolution, at] = columns[code][1].tolist()
    return found


def test_unknown_columns_are_of_their_subjects_only() -> None:
    """Where somebody new would have to be put among them the hour waits for the release that knows them."""
    one, two = np.array([1], np.int64), np.array([1, 2], np.int64)
    window = Window(60, START, START + 3600, two)
    window.strange[START] = Chunk(one, {}, {999: b"as it was"})
    window.put(START, one, {HOME: filled(1)}, 60)
    ((begin, chunk),) = window.chunks()
    assert (begin, chunk.subject_ids.tolist(), chunk.foreign) == (START, [1], {999: b"as it was"})
    assert b"as it was" in chunks.encode(Kind.NODE, chunk)
    window.put(START, two, {HOME: filled(2)}, 60)
    with pytest.raises(ValueError, match="does not know"):
        window.chunks()


def filled(subjects: int) -> Buckets:
    held = Buckets.empty(Shape.GAUGE, subjects, 60)
    held.count[:] = 1
    return held


def test_raw_samples_may_not_outlive_their_minutes(settings: Any) -> None:
    settings.RAW_RETENTION_HOURS = MOST_RAW_HOURS
    assert minutes_outlive_raw_samples() == []
    settings.RAW_RETENTION_HOURS = MOST_RAW_HOURS + 1
    (found,) = minutes_outlive_raw_samples()
    assert found.id == "xfra.E010"
    assert f"{MOST_RAW_HOURS} or less" in str(found.hint)


def test_a_fresh_mark_rests(node_id: int) -> None:
    with acting_as_system():
        storage.write([samples(node_id, HOME, {0: 100.0})], 0)
        assert rollups.roll_up_dirty(rest_seconds=30) == 0
        assert rollups.roll_up_dirty() == 1


def test_no_mark_is_claimed_unheard_whatever_the_plan(node_id: int) -> None:
    """Once autovacuum had analysed a table that it saw empty, a claim took all marks and told of one."""
    with acting_as_system(), connection.cursor() as cursor:
        storage.write([samples(node_id, HOME, {0: 1.0, 3600: 2.0, 7200: 3.0})], 0)
        with psycopg.connect(**_as_owner(), autocommit=True) as owner:
            owner.execute("ANALYZE telemetry_dirty")
        assert len(rollups._claim(0.0)) == 1
        cursor.execute("SELECT (SELECT count(*) FROM telemetry_rolling), (SELECT count(*) FROM telemetry_dirty)")
        assert cursor.fetchone() == (1, 2)


def _as_owner() -> dict[str, Any]:
    """A connection outside the test's transaction, which sees none of its rows: as autovacuum does."""
    owner = connections["owner"].settings_dict
    return {
        "dbname": connection.settings_dict["NAME"],
        "host": owner["HOST"],
        "port": owner["PORT"],
        "user": owner["USER"],
        "password": owner["PASSWORD"],
    }


def test_neighbours_are_claimed_together(cast: Cast, node_id: int) -> None:
    """Marks of the same minutes of several nodes, but not the mark of a node that brings its past."""
    with acting_as_system():
        other = cast.other_node.pk
        storage.write([samples(node_id, HOME, {600: 1.0}), samples(other, HOME, {630: 2.0})], 0)
        assert sorted(rollups._claim(0.0)) == sorted((node, _hour(START)) for node in (node_id, other))
        storage.write([samples(node_id, HOME, {0: 1.0}), samples(other, HOME, {900: 2.0, 4000: 2.0})], 0)
        claims = [len(rollups._claim(0.0)) for _ in range(4)]
        assert claims == [1, 1, 1, 0]


def _hour(second: int) -> datetime:
    return datetime.fromtimestamp(second - second % 3600, UTC)
