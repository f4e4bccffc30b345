"""Rollups after any order of arrival are those of a fresh start; energy is what the registers moved."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homes.calendar import midnight
from homes.models import Node
from homes.provisioning import Plan, provision
from telemetry import chunks, partitions, reads, rollups, storage
from telemetry.catalogue import COLUMNS, Kind
from telemetry.chunks import Buckets, Chunk
from telemetry.stream import shard_of
from telemetry.tables import ROLLUP_TABLES
from tests.telemetry.conftest import MakeNode
from tests.telemetry.messages import admitted, gpu, series

pytestmark = pytest.mark.usefixtures("system")
HOUR = 3600
# Two hours before now, a quarter to the hour: minutes, quarters and hours all have their borders in reach.
START = int(time.time()) // HOUR * HOUR - 2 * HOUR - 900


def write(node: Node, parts: Sequence[Any]) -> None:
    found = admitted(node.pk, parts, hours=24 * 1000)
    assert not found.refused, found.complaint
    storage.write([found.batch], shard_of(node.pk))


def part(node: Node, what: str, second: int, value: float) -> Any:
    sample = [((START + second) * 1000, value)]
    if what == "gauge":
        return series("xfra_sound_decibels", sample)
    if what == "flag":
        return series("xfra_grid_up", [(sample[0][0], float(value > 100))])
    if what == "register":
        return series("xfra_panel_energy_joules_total", sample, register="node")
    if what == "circuit":
        return series("xfra_circuit_power_watts", sample, circuit="oven")
    return gpu(int(what[-1]), "DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL", sample, node.hostname)


KINDS_OF_SERIES = ["gauge", "flag", "register", "circuit", "gpu 0", "gpu 1"]
SECONDS = st.one_of(st.integers(0, 2000), st.sampled_from([59, 60, 899, 900, 901, 1199, 1200, 1260]))
ARRIVALS = st.lists(
    st.lists(
        st.tuples(st.sampled_from(KINDS_OF_SERIES), SECONDS, st.integers(0, 200).map(float)),
        min_size=1,
        max_size=6,
        unique_by=lambda sample: sample[:2],  # a body that contradicts itself is refused
    ),
    min_size=1,
    max_size=5,
)


def rolled(node: Node) -> dict[tuple[int, int, int, int, int], dict[str, float]]:
    """Every bucket that is not a gap, by (resolution, kind, subject, column, second)."""
    found = {}
    with connection.cursor() as cursor:
        for resolution, table in ROLLUP_TABLES.items():
            cursor.execute(
                f"SELECT kind, extract(epoch FROM at)::bigint, body FROM {table} WHERE node_id = %s",  # noqa: S608
                [node.pk],
            )
            for kind, begin, body in cursor.fetchall():
                chunk = chunks.decode(Kind(kind), bytes(body))
                for code, buckets in chunk.grid.items():
                    for place, slot in zip(*np.nonzero(buckets.count), strict=True):
                        second = begin + int(slot) * resolution
                        key = (resolution, kind, int(chunk.subject_ids[place]), code, second)
                        found[key] = _plain(buckets.of(place), slot)
    return found


def _plain(buckets: Buckets, slot: int) -> dict[str, float]:
    return {"count": int(buckets.count[slot]), **{name: float(v[slot]) for name, v in buckets.fields.items()}}


def recompute_everything(node: Node) -> None:
    with connection.cursor() as cursor:
        for table in ROLLUP_TABLES.values():
            cursor.execute(f"DELETE FROM {table} WHERE node_id = %s", [node.pk])  # noqa: S608
    rollups.recompute([node.pk], START - HOUR, START + 2 * HOUR)


def assert_same_rollups(one: Any, other: Any) -> None:
    assert one.keys() == other.keys()
    for key, buckets in one.items():
        assert buckets == pytest.approx(other[key], rel=1e-6, abs=1e-6), key


_number = iter(range(10_000))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals=ARRIVALS, when=st.lists(st.booleans(), min_size=5, max_size=5))
def test_whatever_the_order_of_arrival(arrivals: list[list[tuple[str, int, float]]], when: list[bool]) -> None:
    """Bodies with late, duplicate and repeated samples, rolled up after some of them and at the end."""
    node, _ = provision(Plan(f"rolled-{next(_number)}", "America/Phoenix", "U", "P"))
    for body, roll_up in zip(arrivals, when, strict=False):
        write(node, [part(node, *sample) for sample in body])
        if roll_up:
            rollups.roll_up_dirty()
    rollups.roll_up_dirty()
    step_by_step = rolled(node)
    recompute_everything(node)
    from_scratch = rolled(node)
    assert_same_rollups(step_by_step, from_scratch)
    rollups.recompute([node.pk], START, START + 1)
    assert_same_rollups(rolled(node), from_scratch)
    with mock.patch.object(rollups, "ROWS_AT_ONCE", 3):
        recompute_everything(node)
    assert_same_rollups(rolled(node), from_scratch)
    cells = {(what, second) for body in arrivals for what, second, _ in body}
    for resolution in ROLLUP_TABLES:
        counted = sum(bucket["count"] for key, bucket in from_scratch.items() if key[0] == resolution)
        assert counted == len(cells), f"every sample in one bucket of {resolution} s"


@pytest.mark.parametrize(("rows", "piece"), [(1, (1, 60)), (4, (1, 360)), (9, (1, 720)), (16, (2, 720))])
def test_many_rows_are_taken_piece_by_piece(
    make_node: MakeNode, rows: int, piece: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer nodes at once, then fewer minutes; the registers of a piece go on from those before it."""
    nodes = [make_node()[0] for _ in range(3)]
    for node in nodes:
        register(node, {second: float(second * node.pk) for second in range(0, 400, 50)})
    rollups.roll_up_dirty()
    whole = [rolled(node) for node in nodes]
    assert all(whole)
    recompute, pieces = rollups._recompute, []

    def watch(node_ids: Sequence[int], first: int, last: int) -> None:
        pieces.append((len(node_ids), last - first))
        recompute(node_ids, first, last)

    monkeypatch.setattr(rollups, "_recompute", watch)
    monkeypatch.setattr(rollups, "ROWS_AT_ONCE", rows)
    rollups.recompute([node.pk for node in nodes], START, START + 400)
    assert max(pieces) == piece
    assert sum(nodes * seconds for nodes, seconds in pieces) == 3 * 720
    assert [rolled(node) for node in nodes] == whole


def register(node: Node, readings: dict[int, float]) -> None:
    write(node, [part(node, "register", second, value) for second, value in readings.items()])


def increases(node: Node, step: int, seconds: int = 1800) -> list[float | None]:
    start = datetime.fromtimestamp(START, UTC)
    end = start + timedelta(seconds=seconds)
    return reads.history(node.pk, Kind.NODE, ["node_energy_joules"], start, end, step).series[0].increase


def test_increase_across_the_borders_of_buckets_and_a_reset(node: Node) -> None:
    register(node, {30: 100.0, 90: 160.0, 150: 220.0, 890: 1000.0, 910: 1010.0, 930: 5.0, 990: 25.0})
    rollups.roll_up_dirty()
    minutes = increases(node, 60)
    assert minutes[:3] == [0.0, 60.0, 60.0]
    # 890 is more than five minutes after 150; 910 follows 890 across a quarter; 930 is another meter's 5.
    assert (minutes[14], minutes[15], minutes[16]) == (0.0, 15.0, 20.0)
    assert [value for value in minutes[3:14] if value is not None] == []
    assert increases(node, 900) == [120.0, 35.0]
    assert increases(node, 30)[30] == 10.0


def test_a_late_sample_changes_increases_up_to_five_minutes_later(node: Node) -> None:
    register(node, {0: 100.0, 290: 190.0})
    rollups.roll_up_dirty()
    assert increases(node, 60)[4] == 90.0
    register(node, {61: 130.0})
    rollups.roll_up_dirty()
    assert [increases(node, 60)[i] for i in (0, 1, 4)] == [0.0, 30.0, 60.0]


def test_raw_buckets_and_stored_ones_agree(node: Node) -> None:
    write(node, [part(node, "gauge", second, float(second % 77)) for second in range(0, 1800, 7)])
    rollups.roll_up_dirty()
    start = datetime.fromtimestamp(START, UTC)
    minute = reads.history(node.pk, Kind.NODE, ["sound_decibels"], start, start + timedelta(seconds=1800), 60)
    half = reads.history(node.pk, Kind.NODE, ["sound_decibels"], start, start + timedelta(seconds=1800), 30)
    assert (minute.source_seconds, half.source_seconds) == (60, 0)
    pairs = [half.series[0].maximum[i : i + 2] for i in range(0, 60, 2)]
    assert minute.series[0].maximum == [max(v for v in pair if v is not None) for pair in pairs]
    assert minute.series[0].last == half.series[0].last[1::2]


# Energy


def store_registers(node: Node, start: datetime, joules: list[float | None]) -> None:
    """Quarter-hours as a rollup leaves them: the register's last reading, None where nothing was heard."""
    code = next(c.code for c in COLUMNS[Kind.NODE] if c.name == "site_import_energy_joules")
    first = int(start.timestamp())
    end = first + 900 * len(joules)
    for begin in range(chunks.chunk_start(900, first), end, chunks.span_seconds(900)):
        buckets = Buckets.empty(COLUMNS[Kind.NODE][code].shape, 1, chunks.SLOTS[900])
        for slot in range(chunks.SLOTS[900]):
            index = (begin + slot * 900 - first) // 900
            if 0 <= index < len(joules) and (value := joules[index]) is not None:
                buckets.count[0, slot], buckets.fields["last"][0, slot] = 60, value
        partitions.ensure_range(ROLLUP_TABLES[900], begin, begin + 1)
        chunk = Chunk(np.zeros(1, np.int64), {code: buckets})
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {ROLLUP_TABLES[900]} VALUES (%s, 1, %s, %s)",  # noqa: S608
                [
                    node.pk,
                    datetime.fromtimestamp(begin, UTC),
                    chunks.encode(Kind.NODE, chunk),
                ],
            )


def imported(energy: reads.Energy) -> float | None:
    return energy.watt_hours["site_import"]


DAYS = [
    ("America/New_York", date(2026, 3, 8), 23),
    ("America/New_York", date(2026, 11, 1), 25),
    ("America/Phoenix", date(2026, 3, 8), 24),
    ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
    ("Asia/Kathmandu", date(2026, 3, 8), 24),
]


@pytest.mark.parametrize(("zone", "day", "hours"), DAYS)
@pytest.mark.parametrize("gap", [None, (-3, 5), (-40, 200), (90, 150), (20, 21)], ids=str)
def test_a_local_days_energy_is_the_difference_of_its_registers(
    node: Node, zone: str, day: date, hours: float, gap: tuple[int, int] | None
) -> None:
    """Gaps in quarter-hours from local midnight; the longest covers the whole day and both its midnights."""
    begins, ends = (midnight(ZoneInfo(zone), day + timedelta(days=n)) for n in (0, 1))
    assert (ends - begins) == timedelta(hours=hours)
    quarters, lead = int(hours * 4), 200
    start = begins - timedelta(minutes=15 * lead)
    meter = [1000.0 + 3600.0 * i * i for i in range(lead + quarters + lead)]
    heard = [
        None if gap and gap[0] <= i - lead < gap[1] else value for i, value in enumerate(meter)
    ]  # quarter i ends with reading i
    store_registers(node, start, heard)

    def at(edge: int) -> float:
        """What the register was last known to say when this quarter began."""
        return next(value for value in reversed(heard[:edge]) if value is not None)

    got = reads.energy(node.pk, begins, ends)
    expected = (at(lead + quarters) - at(lead)) / 3600
    if gap == (-40, 200):
        assert imported(got) is None
        assert got.covered_ratio == 0
        assert imported(reads.energy(node.pk, begins, ends + timedelta(days=2))) == pytest.approx(
            (at(lead + quarters + 192) - at(lead)) / 3600, abs=1e-6
        )
    else:
        assert imported(got) == pytest.approx(expected, abs=1e-6)
    edges = [start + timedelta(days=1), start + timedelta(days=2), begins, ends, ends + timedelta(days=1)]
    parts = [imported(part) or 0.0 for part in reads.energy_by_bucket(node.pk, edges)]
    apart = [imported(reads.energy(node.pk, *pair)) or 0.0 for pair in itertools.pairwise(edges)]
    assert parts == pytest.approx(apart, abs=1e-6)
    assert sum(apart) == pytest.approx(imported(reads.energy(node.pk, edges[0], edges[-1])), abs=1e-6)


def test_another_meter_adds_nothing_of_its_own(node: Node) -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    store_registers(node, start, [3600.0, 7200.0, 900_000.0 * 3600, 900_001.0 * 3600])
    store = [reads.energy(node.pk, start, start + timedelta(minutes=15 * n)) for n in (1, 2)]
    assert [imported(found) for found in store] == [0.0, 1.0]
    other, _ = provision(Plan(f"meter-{next(_number)}", "America/Phoenix", "U", "P"))
    store_registers(other, start, [500.0 * 3600, 501.0 * 3600, 7.0 * 3600, 9.0 * 3600])
    assert imported(reads.energy(other.pk, start, start + timedelta(hours=1))) == 3.0


def test_unknown_is_none_and_how_much_is_covered(node: Node, make_node: MakeNode) -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    store_registers(node, start, [3600.0, None, 7200.0, None])
    found = reads.energy(node.pk, start, start + timedelta(hours=1))
    assert (imported(found), found.covered_ratio) == (1.0, 0.5)
    assert found.watt_hours["solar"] is None
    assert found.home_watt_hours is None
    nothing = reads.energy(make_node()[0].pk, start, start + timedelta(hours=1))
    assert set(nothing.watt_hours.values()) == {None}


def test_from_samples_to_energy(node: Node) -> None:
    """The whole way: raw register readings, rolled up, read between two edges."""
    joules = {second: 1e12 + second * 5000.25 for second in range(0, 1800, 10)}
    write(
        node,
        [
            series("xfra_panel_energy_joules_total", [((START + s) * 1000, v)], register="site_import")
            for s, v in joules.items()
        ],
    )
    rollups.roll_up_dirty()
    edges = [datetime.fromtimestamp(START + second, UTC) for second in (0, 900, 1800)]
    first, second = (imported(part) for part in reads.energy_by_bucket(node.pk, edges))
    assert first == pytest.approx(0.0)  # nothing is known of before its first reading's quarter
    assert second == pytest.approx((joules[1790] - joules[890]) / 3600, abs=1e-9)
