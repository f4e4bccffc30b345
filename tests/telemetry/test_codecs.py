"""Batches, chunks, buckets and COPY rows: what goes in comes out, and sums are what plain Python says."""

from __future__ import annotations

import itertools
import math
import struct
from contextlib import suppress
from dataclasses import replace
from typing import Any

import cramjam
import numpy as np
import pytest
from django.db import connection
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from telemetry import batch as batches
from telemetry import briefs, chunks, copying
from telemetry.batch import OTHER, Batch, CorruptBatch, GpuSubject, Instants, OtherSubject
from telemetry.bucketing import LOOKBACK_SECONDS, bucket
from telemetry.catalogue import COLUMNS, Kind, Shape
from telemetry.chunks import FIELDS, Buckets, Chunk
from tests.telemetry.messages import bits, same

TEXT = st.text(max_size=10)
SAMPLE = st.tuples(
    st.sampled_from([OTHER, *Kind]),
    st.integers(0, (1 << 16) - 1),
    st.integers(0, (1 << 32) - 1),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(),
)
DTYPES = (np.uint8, np.uint16, np.uint32, np.int64, np.float64)


@st.composite
def batch_strategy(draw: Any) -> Batch:
    columns = list(zip(*draw(st.lists(SAMPLE, max_size=20)), strict=True)) or [()] * 5
    batch = Batch.of(
        draw(st.integers(0, (1 << 53) - 1)),
        *(np.array(column, dtype) for column, dtype in zip(columns, DTYPES, strict=True)),
        gpus=tuple(draw(st.lists(st.builds(GpuSubject, TEXT, st.integers(0, 999), TEXT), max_size=3))),
        circuits=tuple(draw(st.lists(TEXT, max_size=3))),
        other_series=tuple(draw(st.lists(st.builds(OtherSubject, TEXT, st.dictionaries(TEXT, TEXT)), max_size=3))),
    )
    order = draw(st.permutations(range(len(batch))))[: draw(st.integers(0, 20))]
    return replace(
        batch, series=np.array(order, np.uint16), instants=Instants.of(batch.at_ms[order]), values=batch.values[order]
    )


def as_plain(batch: Batch) -> tuple[Any, ...]:
    arrays = (getattr(batch, name).tolist() for name in ("kinds", "codes", "subjects", "at_ms"))
    values = [bits(value) for value in batch.values.tolist()]
    return batch.node_id, *arrays, values, batch.layout.gpus, batch.layout.circuits, batch.layout.other_series


@settings(max_examples=50)
@given(batch_strategy())
def test_a_batch_comes_back(batch: Batch) -> None:
    assert as_plain(batches.decode(batches.encode(batch))) == as_plain(batch)


WHOLE = batches.encode(
    Batch.of(
        7,
        *(np.arange(3).astype(dtype) for dtype in DTYPES),
        gpus=(GpuSubject("GPU-1", 3, "RTX"),),
        circuits=("oven",),
        other_series=(OtherSubject("up", {"job": "x"}),),
    )
)


@pytest.mark.parametrize("cut", range(len(WHOLE)))
def test_a_batch_cut_anywhere_is_corrupt(cut: int) -> None:
    with pytest.raises(CorruptBatch):
        batches.decode(WHOLE[:cut])
    with pytest.raises(CorruptBatch):
        batches.decode(WHOLE + WHOLE[:cut] + b"x")


LAYOUTS = [b"", b"[]", b"null", b"7", b"{}", b'{"kinds":[],"codes":[],"subjects":[]}', b"\xff" * 9,
           b'{"kinds":[1],"codes":[],"subjects":[],"gpus":[],"circuits":[],"other":[]}',
           b'{"kinds":[256],"codes":[0],"subjects":[0],"gpus":[],"circuits":[],"other":[]}',
           b'{"kinds":[],"codes":[],"subjects":[],"gpus":[[1]],"circuits":[],"other":[]}',
           b'{"kinds":[],"codes":[],"subjects":[],"gpus":3,"circuits":[],"other":[]}']  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compress", [bytes, cramjam.zstd.compress])
def test_a_batch_with_another_layout_is_corrupt(layout: bytes, compress: Any) -> None:
    wire = bytes(compress(layout))
    with pytest.raises(CorruptBatch):
        batches.decode(struct.pack("<4sQIII", batches.MAGIC, 1, 0, 0, len(wire)) + wire)


@given(st.binary(max_size=100), st.integers(0, len(WHOLE)))
def test_any_bytes_are_a_batch_or_corrupt(noise: bytes, place: int) -> None:
    with suppress(CorruptBatch):
        batches.decode(WHOLE[:place] + noise + WHOLE[place + len(noise) :])


# Buckets against plain Python

STEP, SLOTS, START = 10_000, 6, 1_000_000_000
EVENTS = st.lists(
    st.tuples(st.integers(-400, 90), st.floats(-1e6, 1e6) | st.just(math.nan)), max_size=30, unique_by=lambda e: e[0]
)


def oracle(shape: Shape, events: list[tuple[int, float]]) -> list[dict[str, float]]:
    """The definition, sample by sample. Seconds from the start of the first bucket, values."""
    known = sorted((at, value) for at, value in events if not math.isnan(value))
    out = []
    for slot in range(SLOTS):
        begin, end = slot * STEP // 1000, (slot + 1) * STEP // 1000
        values = [value for at, value in known if begin <= at < end]
        found: dict[str, float] = {"count": len(values)}
        if values:
            found |= {"minimum": min(values), "maximum": max(values), "average": math.fsum(values) / len(values)}
            found["last"] = values[-1]
            grown = 0.0
            for (before_at, before), (at, value) in itertools.pairwise(known):
                if begin <= at < end and at - before_at <= LOOKBACK_SECONDS:
                    grown += value - before if value >= before else value
            found["increase"] = grown
        out.append({name: found.get(name, math.nan) for name in ("count", *FIELDS[shape])})
    return out


def bucketed(shape: Shape, events: list[tuple[int, float]], start: int = 0) -> Buckets:
    ordered = sorted(events)
    at_ms = np.array([START + at * 1000 for at, _ in ordered], np.int64)
    values = np.array([value for _, value in ordered], np.float64)
    return bucket(shape, at_ms, values, START + start * 1000, STEP, SLOTS)


@given(st.sampled_from(Shape), EVENTS)
def test_buckets_are_what_plain_python_says(shape: Shape, events: list[tuple[int, float]]) -> None:
    found = bucketed(shape, events)
    for slot, expected in enumerate(oracle(shape, events)):
        assert found.count[slot] == expected.pop("count")
        for name, value in expected.items():
            mine = found.fields[name][slot]
            assert same(mine, value) or mine == pytest.approx(value, rel=1e-9, abs=1e-6), (slot, name)


@given(EVENTS, st.integers(0, SLOTS - 1))
def test_a_bucket_does_not_depend_on_what_was_read_around_it(events: list[tuple[int, float]], slot: int) -> None:
    """Raw samples are read from LOOKBACK_SECONDS before a bucket on: more changes nothing."""
    begin = slot * STEP // 1000
    narrow = [(at, value) for at, value in events if begin - LOOKBACK_SECONDS <= at < begin + STEP // 1000]
    wide, alone = bucketed(Shape.COUNTER, events), bucketed(Shape.COUNTER, narrow)
    for name in FIELDS[Shape.COUNTER]:
        assert same(wide.fields[name][slot], alone.fields[name][slot])


RESETS = [
    ([(-5, 100.0), (1, 103.0), (2, 107.0)], 7.0),
    ([(1, 103.0), (2, 107.0)], 4.0),
    ([(-5, 100.0), (1, 3.0), (2, 4.0)], 4.0),
    ([(-5, 100.0), (1, 104.0), (2, 1.0), (3, 0.0), (4, 2.0)], 7.0),
    ([(-300, 1.0), (0, 5.0)], 4.0),
    ([(-301, 1.0), (0, 5.0)], 0.0),
    ([(-5, 100.0), (1, math.nan), (2, 101.0)], 1.0),
]


@pytest.mark.parametrize(("events", "increase"), RESETS)
def test_how_far_a_counter_grew(events: list[tuple[int, float]], increase: float) -> None:
    assert bucketed(Shape.COUNTER, events).fields["increase"][0] == increase


@given(st.sampled_from(Shape), EVENTS, st.sampled_from([2, 3, 6]))
def test_coarse_buckets_are_those_made_from_the_samples(
    shape: Shape, events: list[tuple[int, float]], factor: int
) -> None:
    ordered = sorted(events)
    at_ms = np.array([START + at * 1000 for at, _ in ordered], np.int64)
    values = np.array([value for _, value in ordered], np.float64)
    direct = bucket(shape, at_ms, values, START, STEP * factor, SLOTS // factor)
    coarse = chunks.coarsen(bucketed(shape, events), factor)
    assert coarse.count.tolist() == direct.count.tolist()
    for name in FIELDS[shape]:
        np.testing.assert_allclose(coarse.fields[name], direct.fields[name], rtol=1e-9, atol=1e-6)


def test_a_remainder_of_buckets_is_left_out_when_coarsened() -> None:
    assert len(chunks.coarsen(bucketed(Shape.GAUGE, [(1, 1.0)]), 4).count) == 1


# Chunks


@st.composite
def chunk_strategy(draw: Any) -> tuple[Kind, Chunk]:
    kind, slots = draw(st.sampled_from(Kind)), draw(st.sampled_from([1, 24, 60]))
    subjects = sorted(draw(st.sets(st.integers(0, (1 << 31) - 1), min_size=1, max_size=3)))
    grid = {}
    for code in draw(st.sets(st.integers(0, len(COLUMNS[kind]) - 1), max_size=4)):
        shape = COLUMNS[kind][code].shape
        buckets = Buckets.empty(shape, len(subjects), slots)
        for cell in draw(st.sets(st.tuples(st.integers(0, len(subjects) - 1), st.integers(0, slots - 1)), max_size=5)):
            buckets.count[cell] = draw(st.integers(1, (1 << 32) - 1))
            for name in FIELDS[shape]:
                width = 64 if shape is Shape.COUNTER else 32
                buckets.fields[name][cell] = draw(st.floats(width=width, allow_nan=False))
        grid[code] = buckets
    return kind, Chunk(np.array(subjects, np.int64), grid)


@settings(max_examples=40)
@given(chunk_strategy(), st.sets(st.integers(0, 60)) | st.none())
def test_a_chunk_comes_back(case: tuple[Kind, Chunk], wanted: set[int] | None) -> None:
    kind, chunk = case
    found = chunks.decode(kind, chunks.encode(kind, chunk), wanted)
    assert found.subject_ids.tolist() == chunk.subject_ids.tolist()
    sent = {code for code, buckets in chunk.grid.items() if buckets.count.any()}
    assert found.grid.keys() == (sent if wanted is None else sent & wanted)
    for code, buckets in found.grid.items():
        assert buckets.shape is chunk.grid[code].shape
        np.testing.assert_array_equal(buckets.count, chunk.grid[code].count)
        for name, values in buckets.fields.items():
            np.testing.assert_array_equal(values, chunk.grid[code].fields[name])


@given(st.binary(max_size=50))
def test_any_other_bytes_are_no_chunk(data: bytes) -> None:
    assume(data[:4] != chunks._MAGIC)
    with pytest.raises(ValueError, match="not a chunk"):
        chunks.decode(Kind.GPU, data)


@given(chunk_strategy(), st.data())
def test_a_chunk_that_was_cut_is_none(case: tuple[Kind, Chunk], data: st.DataObject) -> None:
    kind, chunk = case
    body = chunks.encode(kind, chunk)
    cut = body[: data.draw(st.integers(0, len(body) - 1))]
    with pytest.raises(ValueError, match="not a chunk"):
        chunks.decode(kind, cut)
    with pytest.raises(ValueError, match="not a chunk"):
        chunks.find_columns(cut, range(100))


@given(chunk_strategy(), st.integers(1, 3))
def test_a_column_of_many_chunks_is_opened_as_one(case: tuple[Kind, Chunk], copies: int) -> None:
    kind, chunk = case
    body = chunks.encode(kind, chunk)
    ids, places = chunks.find_columns(body, range(100))
    assert np.frombuffer(ids, "<i4").tolist() == chunk.subject_ids.tolist()
    expected = chunks.decode(kind, body).grid
    assert places.keys() == expected.keys()
    for code, place in places.items():
        shape, size = COLUMNS[kind][code].shape, expected[code].count.shape
        found = chunks.decode_alike(shape, [body[place]] * copies, size)
        for i in range(copies):
            np.testing.assert_array_equal(found.count[i], expected[code].count)
            for name, values in found.fields.items():
                np.testing.assert_array_equal(values[i], expected[code].fields[name])
        for wrong in ([bytes(9)], [body[place], body[place][:-1]]):
            with pytest.raises(ValueError, match="column"):
                chunks.decode_alike(shape, wrong, size)


@given(st.sampled_from([Kind.NODE, Kind.GPU]), st.dictionaries(st.integers(1, 99), st.integers(1, 4), max_size=5))
def test_briefs_come_back_together(kind: Kind, subjects: dict[int, int]) -> None:
    """Nodes of different numbers of subjects, in any order."""
    width, known = len(COLUMNS[kind]), {}
    for node_id, count in subjects.items():
        numbers = node_id * 1000 + np.arange(count * width).reshape(count, width)
        known[node_id] = np.arange(count) + node_id, numbers * 1_000_000, numbers / 7
    found = briefs.unpack(kind, [(node_id, briefs.pack(kind, *parts)) for node_id, parts in known.items()])
    codes, place = [column.code for column in briefs.BRIEF[kind]], 0
    assert found[0].tolist() == [node_id for node_id in sorted(known) for _ in range(subjects[node_id])]
    for node_id in sorted(known):
        mine = slice(place, place := place + subjects[node_id])
        ids, at_ms, values = known[node_id]
        for one, other in zip(found[1:], (ids, at_ms[:, codes], values[:, codes]), strict=True):
            np.testing.assert_array_equal(one[mine], other)


@pytest.mark.parametrize("resolution", chunks.SLOTS)
def test_a_chunk_covers_whole_partitions_evenly(resolution: int) -> None:
    span = chunks.span_seconds(resolution)
    for second in (0, span - 1, span, 1_780_000_000):
        start = chunks.chunk_start(resolution, second)
        assert start <= second < start + span
        assert start % span == 0


# COPY

COPIED = st.lists(
    st.tuples(
        st.integers(0, (1 << 31) - 1),
        st.integers(-(10**12), 4 * 10**12),
        st.floats(width=32),
        st.floats(),
        st.floats(width=32) | st.just(math.nan),
    ),
    max_size=6,
)


@settings(max_examples=30, deadline=None)
@given(st.lists(COPIED, min_size=1, max_size=8))
def test_rows_copied_in_binary_come_back_equal(database: None, groups: list[list[tuple[Any, ...]]]) -> None:
    rows = [row for group in groups for row in group]
    key, at, *values = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [], [], [])
    matrix = np.array(values, np.float64).T.reshape(len(rows), 3)
    keys = [(np.array(key, np.int64), ">i4"), (copying.timestamps(np.array(at, np.int64)), ">i8")]
    body = copying.binary_rows(keys, matrix, [4, 8, 4])
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE IF NOT EXISTS copied (k int4, at timestamptz, a real, b float8, c real)")
        cursor.execute("TRUNCATE copied")
        with cursor.copy("COPY copied FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(body)
        cursor.execute("SELECT k, (extract(epoch FROM at) * 1000)::bigint, a::float8, b, c::float8 FROM copied")
        read = cursor.fetchall()
    whole_first = sorted(rows, key=lambda row: any(map(math.isnan, row[2:])))
    for mine, sent in zip(read, whole_first, strict=True):
        assert mine[:2] == sent[:2]
        for value, expected in zip(mine[2:], sent[2:], strict=True):
            assert (value is None) == math.isnan(expected)
            assert value is None or value == expected


@pytest.fixture(scope="module")
def database(committed: None) -> None:
    """Hypothesis repeats a test within one set-up, so this is the module's."""
