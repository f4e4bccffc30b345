"""Sealed samples: the same values to the bit, through the same reads, in a tenth of the room."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.db import Error, connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from homes.access import acting_as_system
from homes.models import Node
from telemetry import partitions, raw, reads, rollups, sealed, sealing, storage
from telemetry.catalogue import COLUMNS, Kind, Shape
from telemetry.raw_rows import RawRows
from telemetry.simulator.fleet import Fleet
from telemetry.simulator.history import generate_history
from telemetry.simulator.profiles import profiles_for
from telemetry.stream import shard_of
from telemetry.tables import PARTITION_SECONDS, SAMPLE_TABLES, SEALED_TABLE
from tests.telemetry import stored
from tests.telemetry.conftest import MakeNode
from tests.telemetry.messages import admitted, bits, gpu, series

HOUR = 3600
SPAN = PARTITION_SECONDS[SAMPLE_TABLES[Kind.GPU]]
BEGIN = int(time.time()) // SPAN * SPAN - 2 * SPAN
"""A partition that is due."""
WATTS, JOULES = "DCGM_FI_DEV_BOARD_POWER_WATTS", "DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL"

PLAIN = [0.0, -0.0, 1.0, 0.1, 71.123, 2505e6, 1e-9, -123.456, 8388608.5, 1e18]
CELLS = st.one_of(
    st.just(float("nan")),
    st.sampled_from(PLAIN),
    st.integers(-(10**6), 10**6).map(lambda n: n / 1000),
    st.floats(allow_nan=False, allow_infinity=True, width=32),
)
"""What both a gauge (float32) and a counter (float64) can hold; wider floats are in WIDE."""
WIDE = st.one_of(CELLS, st.floats(allow_nan=False, allow_infinity=True))


@st.composite
def rows_of_an_hour(draw: Any) -> tuple[Kind, RawRows]:
    kind = draw(st.sampled_from(list(Kind)))
    keys = draw(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 3_599_999)), min_size=1, max_size=30))
    subject, at = zip(*sorted(keys), strict=True)
    values = np.full((len(keys), len(COLUMNS[kind])), np.nan)
    for column in draw(st.lists(st.sampled_from(COLUMNS[kind]), max_size=4)):
        cells, width = (WIDE, np.float64) if column.shape is Shape.COUNTER else (CELLS, np.float32)
        some = draw(st.lists(cells, min_size=len(keys), max_size=len(keys)))
        values[:, column.code] = np.array(some, width)
    return kind, RawRows(np.full(len(keys), 7), np.array(subject), np.array(at), values)


def same_bits(one: Any, other: Any) -> bool:
    return bool((one.view(np.uint64) == other.view(np.uint64)).all())


@settings(max_examples=100, deadline=None)
@given(rows_of_an_hour())
def test_every_value_comes_back_to_the_bit(given_rows: tuple[Kind, RawRows]) -> None:
    kind, rows = given_rows
    found = sealed.decode(kind, sealed.encode(kind, rows), COLUMNS[kind])
    for name in ("node_ids", "subject_ids", "at_ms"):
        assert getattr(found, name).tolist() == getattr(rows, name).tolist()
    nan = np.isnan(rows.values)
    assert (np.isnan(found.values) == nan).all()
    assert same_bits(found.values[~nan], rows.values[~nan])
    one = COLUMNS[kind][-1]
    only = sealed.decode(kind, sealed.encode(kind, rows), [one])
    assert [bits(v) for v in only.values[:, 0][~nan[:, one.code]]] == [
        bits(v) for v in rows.values[~nan[:, one.code], one.code]
    ]


def test_a_damaged_column_may_be_too_large_for_a_float() -> None:
    body = b"\x81\x00\x05(\xb5/\xfd \x0fy\x00\x00\x00\x00\x94\x00\x00\xe5\x80@\x93\x7f\x80\xe2\x00\x00\x01"
    assert np.isinf(sealed._to_column(COLUMNS[Kind.CIRCUIT][0], body, 3)).any()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 255))
def test_what_is_not_a_body_is_refused_or_read_but_never_crashes(noise: bytes, at: int, byte: int) -> None:
    kind = Kind.CIRCUIT
    rows = RawRows(np.full(3, 7), np.arange(3), np.arange(3) * 1000, np.array([[1.5], [2.5], [-1e30]]))
    body = bytearray(sealed.encode(kind, rows))
    for wrong in (noise, bytes(body[: at % len(body)]), bytes(body) + b"x"):
        with pytest.raises(ValueError, match="not a sealed body"):
            sealed.decode(kind, wrong, COLUMNS[kind])
    body[at % len(body)] = byte
    with suppress(ValueError):
        sealed.decode(kind, bytes(body), COLUMNS[kind])


def test_a_sample_of_the_simulator_takes_at_most_a_byte_and_a_half() -> None:
    begin = datetime(2026, 7, 1, 18, tzinfo=UTC)
    fleet = Fleet(profiles_for(["xfra-00000", "xfra-00001"], 7), 7, begin - timedelta(minutes=30))
    until_ms = int(begin.timestamp() + HOUR) * 1000
    cells = size = 0
    parts: dict[Kind, list[Any]] = {kind: [] for kind in Kind}
    for block in generate_history(fleet, until_ms, 1 / 24, 1 / 24, raw_minutes=60, raw_step_seconds=5):
        if block.resolution_seconds == 0:
            parts[block.kind].append(block)
    for kind, blocks in parts.items():
        # (columns, T, N, S)
        table = np.stack([np.concatenate([block.columns[c.name].last for block in blocks]) for c in COLUMNS[kind]])
        at_ms = np.concatenate([block.at_ms for block in blocks])
        for node in range(table.shape[2]):
            values = table[:, :, node].transpose(2, 1, 0).reshape(-1, len(table)).astype(np.float64)
            subjects = table.shape[3]
            keys = np.repeat(np.arange(subjects), len(at_ms)), np.tile(at_ms, subjects)
            rows = RawRows(np.full(len(values), node), *keys, values)
            size += len(sealed.encode(kind, rows))
            cells += int((~np.isnan(values)).sum())
    assert cells > 700_000
    assert size / cells < 1.5


@pytest.fixture
def empty_partitions(system: None) -> Iterator[None]:
    """Nothing that another test left is due."""
    sealing.seal()
    yield
    sealing.seal()


in_the_database = pytest.mark.usefixtures("empty_partitions")


def write(node: Node, *parts: Any) -> None:
    found = admitted(node.pk, parts, hours=24 * 1000)
    assert not found.refused, found.complaint
    storage.write([found.batch], shard_of(node.pk))


def scrape(node: Node, second: int, value: float | None = None) -> list[Any]:
    at = (BEGIN + second) * 1000
    worth = second / 8 if value is None else value
    return [
        *(gpu(slot, WATTS, [(at, worth + slot)], node.hostname) for slot in (0, 1)),
        *(gpu(slot, JOULES, [(at, second * 1000.123 + slot)], node.hostname) for slot in (0, 1)),
        series("xfra_panel_energy_joules_total", [(at, second * 0.1)], register="node"),
        series("xfra_circuit_power_watts", [(at, worth)], circuit="oven"),
    ]


def everything(node: Node) -> dict[Any, Any]:
    """All that the reads tell of a node."""
    start, end = (datetime.fromtimestamp(second, UTC) for second in (BEGIN - 60, BEGIN + SPAN))
    at = datetime.fromtimestamp(BEGIN + HOUR, UTC)
    told: dict[Any, Any] = {}
    for kind, names in ((Kind.GPU, ["power_watts", "energy_joules"]), (Kind.NODE, ["node_energy_joules"])):
        told[kind, 0] = reads.history(node.pk, kind, names, start, end, 0)
        for step in (10, 60, 3600):
            told[kind, step] = reads.history(node.pk, kind, names, start, end, step)
        told[kind, "part"] = reads.history(node.pk, kind, names, at, at + timedelta(seconds=70), 0)
    told["raw"] = rows_of(node)
    return told


def rows_of(node: Node) -> list[Any]:
    found = []
    for kind in Kind:
        rows = raw.read(kind, [node.pk], COLUMNS[kind], BEGIN, BEGIN + SPAN)
        keys = zip(rows.node_ids.tolist(), rows.subject_ids.tolist(), rows.at_ms.tolist(), strict=True)
        found += [
            (kind, *key, [bits(v) for v in values]) for key, values in zip(keys, rows.values.tolist(), strict=True)
        ]
    return found


def fetch(sql: str, *arguments: object) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)
        return list(cursor.fetchall())


def in_rows(node: Node) -> int:
    return sum(stored.rows(kind, node.pk) for kind in Kind)


def bodies(node: Node) -> int:
    return int(fetch(f"SELECT count(*) FROM {SEALED_TABLE} WHERE node_id = %s", node.pk)[0][0])  # noqa: S608


@in_the_database
def test_reads_tell_the_same_before_and_after_and_the_room_comes_back(make_node: MakeNode) -> None:
    nodes = [make_node()[0] for _ in range(3)]
    for node in nodes:
        for second in (5, 65, 600, HOUR - 5, HOUR, HOUR + 30, 2 * HOUR + 7):
            write(node, *scrape(node, second))
    rollups.roll_up_dirty()
    before = [everything(node) for node in nodes]
    assert sealing.seal() == 3 * 3 * len(Kind)
    assert [in_rows(node) for node in nodes] == [0, 0, 0]
    assert [bodies(node) for node in nodes] == [9, 9, 9]
    assert [everything(node) for node in nodes] == before
    sizes = "SELECT pg_relation_size(%s::regclass)"
    for table in SAMPLE_TABLES.values():
        assert fetch(sizes, f"{table}_{datetime.fromtimestamp(BEGIN, UTC):%Y%m%d%H}") == [(0,)]
    assert sealing.seal() == 0, "a second time there is nothing to do"


@in_the_database
def test_what_comes_late_is_read_with_what_is_sealed_and_sealed_into_it(make_node: MakeNode) -> None:
    late, punctual = make_node()[0], make_node()[0]
    parts = {node: {second: scrape(node, second) for second in (5, 10, 3700)} for node in (late, punctual)}
    write(punctual, *(part for second in (5, 10, 3700) for part in parts[punctual][second]))
    write(late, *parts[late][3700], *parts[late][5][:3])
    sealing.seal()
    for again in range(2):
        write(late, *parts[late][5][2:], *parts[late][10], *parts[late][3700])
        rollups.roll_up_dirty()
        assert told_of(late) == told_of(punctual), "rows and bodies together"
        sealing.seal()
        assert in_rows(late) == 0
        rollups.recompute([late.pk], BEGIN, BEGIN + SPAN)
        assert told_of(late) == told_of(punctual), f"bodies alone, turn {again}"


def told_of(node: Node) -> list[Any]:
    """Without the ids and names that differ from node to node."""
    values: list[Any] = []
    for key, found in everything(node).items():
        if key != "raw":
            values.append((key, found.at, [(s.column, s.last, s.average, s.increase) for s in found.series]))
    return values


@in_the_database
def test_a_correction_of_a_sealed_value_wins(node: Node) -> None:
    write(node, *scrape(node, 5, 100.0))
    sealing.seal()
    write(node, *scrape(node, 5, 200.0))
    at = datetime.fromtimestamp(BEGIN, UTC)
    for _ in range(2):
        found = reads.history(node.pk, Kind.GPU, ["power_watts"], at, at + timedelta(seconds=60), 0)
        assert [one.last for one in found.series] == [[200.0], [201.0]]
        sealing.seal()


@in_the_database
def test_what_is_young_stays_in_rows(node: Node) -> None:
    now = int(time.time())
    write(node, series("xfra_sound_decibels", [(now * 1000, 40.0)]))
    sealing.seal()
    assert in_rows(node) == 1
    begin = now // SPAN * SPAN
    assert sealing.seal(now=begin + SPAN + 2 * HOUR - 1) == 0
    assert sealing.seal(now=begin + SPAN + 2 * HOUR) == 1
    assert in_rows(node) == 0


@in_the_database
def test_a_seal_that_fails_changes_nothing(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    write(node, *scrape(node, 5), *scrape(node, 4000))
    before, rows = rows_of(node), in_rows(node)

    def fails(kind: Kind, given_rows: RawRows) -> bytes:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(sealed, "encode", fails)
        with pytest.raises(MemoryError):
            sealing.seal()
    assert (rows_of(node), in_rows(node), bodies(node)) == (before, rows, 0)
    sealing.seal()
    assert rows_of(node) == before


@in_the_database
def test_a_reader_never_misses_what_is_being_sealed(make_node: MakeNode) -> None:
    nodes = [make_node()[0] for _ in range(10)]
    for node in nodes:
        write(node, *(part for second in range(0, 600, 10) for part in scrape(node, second)))
    ids, columns = [node.pk for node in nodes], COLUMNS[Kind.GPU]
    seen, stop = [], threading.Event()

    def read() -> None:
        with acting_as_system():
            while not stop.is_set():
                seen.append(len(raw.read(Kind.GPU, ids, columns, BEGIN, BEGIN + SPAN)))
        connection.close()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for second in range(700, 1000, 50):
            sealing.seal()
            write(nodes[0], *scrape(nodes[0], second))
    finally:
        stop.set()
        reader.join()
    assert seen == sorted(seen)
    assert seen[0] >= 10 * 60 * 2
    assert seen[-1] <= 10 * 60 * 2 + 6 * 2


@in_the_database
def test_only_what_is_empty_and_raw_is_freed(node: Node) -> None:
    write(node, *scrape(node, 5))
    begin = datetime.fromtimestamp(BEGIN, UTC)
    free = "SELECT telemetry_free_partition(%s, %s)"
    assert fetch(free, "telemetry_gpu_sample", begin) == [(False,)]
    assert in_rows(node) == 4
    for name in ("telemetry_sealed", "telemetry_latest", "homes_home", "telemetry_gpu_sample; DROP TABLE homes_home"):
        with pytest.raises(Error, match="not a partition of raw samples"), transaction.atomic():
            fetch(free, name, begin)


@in_the_database
def test_sealed_samples_follow_raw_retention() -> None:
    assert partitions.retention_seconds(SEALED_TABLE) == partitions.retention_seconds("telemetry_gpu_sample")
