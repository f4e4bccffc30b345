"""Reading by comparison says exactly what the plain decoder says, whatever is sent and wherever it is cut."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.admission import admit, window_of
from telemetry.batch import Batch
from telemetry.compression import Encoding
from telemetry.gathering import gather
from telemetry.known_series import IDLE_SECONDS, KnownSeries
from telemetry.remote_write import BadBody, walk
from tests.telemetry.messages import (
    SLATE,
    STALE,
    Exemplar,
    Histogram,
    TimeSeries,
    admit_message,
    bits,
    gpu,
    message,
    pack,
    series,
)

NOW = 1_780_000_000.0
AT = int(NOW * 1000)
OLDEST = AT - 72 * 3_600_000
METRICS = ["DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "node_load1", "up"]

Said = list[tuple[Any, ...]]


def said(batch: Batch) -> Said:
    """What a batch means, sample by sample, whatever its layout looks like."""
    layout = batch.layout
    tables: dict[int, Any] = {0: layout.other_series, 2: layout.gpus, 3: layout.circuits}
    found = []
    for kind, code, subject, at, value in zip(
        batch.kinds, batch.codes, batch.subjects, batch.at_ms, batch.values, strict=True
    ):
        who = tables[int(kind)][subject] if int(kind) in tables else None
        found.append((int(kind), int(code), repr(who), int(at), bits(float(value))))
    return found


def plainly(data: bytes) -> tuple[Said, dict[str, int]]:
    found = admit(1, gather(walk(data)), KnownSeries(), NOW, OLDEST)
    return said(found.batch), dict(found.refused)


def scrape(tick: int, gpus: int = 3) -> list[Any]:
    at = AT - 100_000 + tick * 5000
    rng = random.Random(tick)
    return [
        gpu(slot, metric, [(at, rng.choice([0.0, 1.0, rng.uniform(0, 90)]))])
        for metric in METRICS
        for slot in range(gpus)
    ]


def bodies(parts: list[Any], cuts: list[int]) -> Iterator[bytes]:
    position = 0
    for cut in [*cuts, len(parts)]:
        if position < len(parts):
            yield message(*parts[position : position + cut])
            position += cut


CUTS = st.lists(st.integers(1, 40), max_size=12)


@settings(max_examples=60, deadline=None)
@given(CUTS, st.integers(2, 8))
def test_any_window_of_a_repeating_sequence(cuts: list[int], ticks: int) -> None:
    known = KnownSeries()
    admit_message(1, message(*scrape(0)), known, NOW, OLDEST)
    for data in bodies([one for tick in range(1, ticks) for one in scrape(tick)], cuts):
        assert known.read(data, NOW, window_of(NOW, OLDEST)) is not None, "this is what the fast way is for"
        found = admit_message(1, data, known, NOW, OLDEST)
        assert (said(found.batch), dict(found.refused)) == plainly(data)


ODD = st.one_of(
    st.builds(lambda v: series("up", [(AT, v)]), st.floats(allow_nan=False)),
    st.just(series("up", [(AT, STALE)])),
    st.just(series("up", [(AT, -0.0)])),
    st.just(series("up", [])),
    st.builds(lambda at: series("up", [(at, 1.0)]), st.sampled_from([0, 1, -1, AT, 1 << 35, 1 << 42, 1 << 62])),
    st.just(series("up", [(AT, 1.0), (AT + 1, 2.0)])),
    st.builds(lambda n: gpu(n % 4, METRICS[n % 5], [(AT, float(n))]), st.integers(0, 200)),
    st.builds(lambda n: series(f"new_{n}", [(AT, 0.0)]), st.integers(0, 5)),
    st.just(series("", [(AT, 1.0)])),
    st.just(TimeSeries(labels=series("up", []).labels, exemplars=[Exemplar(value=1.0)])),
    st.just(TimeSeries(labels=series("up", []).labels, histograms=[Histogram(count_int=1)])),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(ODD, max_size=8), max_size=8))
def test_anything_comes_out_as_the_plain_decoder_has_it(sent: list[list[Any]]) -> None:
    known = KnownSeries()
    for parts in sent:
        data = message(*parts)
        found = admit_message(1, data, known, NOW, OLDEST)
        assert (said(found.batch), dict(found.refused)) == plainly(data)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_bytes_that_were_damaged_on_the_way(data: st.DataObject) -> None:
    known = KnownSeries()
    whole = message(*scrape(0))
    admit_message(1, whole, known, NOW, OLDEST)
    place = data.draw(st.integers(0, len(whole) - 1))
    broken = whole[:place] + data.draw(st.binary(max_size=12)) + whole[place + data.draw(st.integers(0, 12)) :]
    try:
        expected = plainly(broken)
    except (BadBody, ValueError) as error:
        with pytest.raises(type(error)):
            admit_message(1, broken, known, NOW, OLDEST)
        return
    found = admit_message(1, broken, known, NOW, OLDEST)
    assert (said(found.batch), dict(found.refused)) == expected


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_form_that_came_before_is_recognised_and_nothing_else_is(data: st.DataObject) -> None:
    """By the comparison alone, whatever was damaged in the next body of the same length."""
    known = KnownSeries()
    shapes = [message(*scrape(tick)) for tick in (0, 0, 0)]
    for whole in shapes:
        admit_message(1, whole, known, NOW, OLDEST)
    sent = bytearray(shapes[0])
    for place in data.draw(st.lists(st.integers(0, len(sent) - 1), max_size=3)):
        sent[place] = data.draw(st.integers(0, 255))
    assert SLATE.fill(Encoding.SNAPPY, pack(bytes(sent)))
    found = known.recognise(SLATE, NOW)
    if sent == shapes[0]:
        assert found is not None
    if found is None:
        return
    said_plainly = [(sample[3], sample[4]) for sample in plainly_unbounded(bytes(sent))]
    values = [bits(value) for value in found.values.tolist()]
    assert list(zip(found.instants.each().tolist(), values, strict=True)) == said_plainly


def plainly_unbounded(data: bytes) -> list[tuple[Any, ...]]:
    """(..., ..., ..., milliseconds, value) of all samples, believable or not."""
    return [(0, 0, 0, at, bits(value)) for one in walk(data) for at, value in one.samples]


def test_another_order_another_generation_and_series_that_are_gone() -> None:
    known = KnownSeries()
    rng = random.Random(7)
    for tick in range(30):
        parts = scrape(tick)
        if tick % 3 == 1:
            rng.shuffle(parts)
        if tick % 3 == 2:
            parts = [*rng.sample(parts, 9), gpu(1, "DCGM_FI_DEV_GPU_TEMP_CELSIUS", [(AT, 60.0 + tick)])]
        data = message(*parts)
        found = admit_message(1, data, known, NOW, OLDEST)
        assert (said(found.batch), dict(found.refused)) == plainly(data)


def test_a_number_that_was_given_away_means_the_new_series() -> None:
    """In a body that is as expected but for one series, which took the number of one that is gone."""
    known = KnownSeries(budget=2)
    one, two, three = (lambda at, n=n: series("m", [(at, float(n))], i=str(n)) for n in (1, 2, 3))
    admit_message(1, message(one(AT), two(AT)), known, NOW, OLDEST)
    later = NOW + IDLE_SECONDS / 2
    admit_message(1, message(two(AT)), known, later, OLDEST)
    found = admit_message(1, message(two(AT), three(AT)), known, NOW + IDLE_SECONDS, OLDEST)
    assert [(s[2], s[4]) for s in said(found.batch)] == [
        ("OtherSubject(name='m', labels={'i': '2'})", struct.pack("<d", 2.0)),
        ("OtherSubject(name='m', labels={'i': '3'})", struct.pack("<d", 3.0)),
    ]
    again = admit_message(1, message(one(AT)), known, NOW + IDLE_SECONDS, OLDEST)
    assert again.refused.total() == 1


def test_the_layout_stays_the_same_object_while_nothing_is_new() -> None:
    known = KnownSeries()
    first, second, third = (admit_message(1, message(*scrape(tick)), known, NOW, OLDEST).batch for tick in range(3))
    assert first.layout is second.layout is third.layout
    assert np.array_equal(first.series, third.series)
    grown = admit_message(1, message(series("other", [(AT, 1.0)])), known, NOW, OLDEST).batch
    assert grown.layout is not first.layout
    assert len(grown.layout) == len(first.layout) + 1


@pytest.mark.parametrize("size", [10, 3000, 15_000])
def test_labels_of_any_length_are_learned(size: int) -> None:
    """Also where the first series is longer than all memory that was kept for it."""
    known = KnownSeries()
    texts = {f"l{n}": "v" * min(size, 3900) for n in range(max(1, size // 3900))}
    for tick in range(3):
        data = message(*(series("m", [(AT + tick, 1.0)], n=str(n), **texts) for n in range(20)))
        found = admit_message(1, data, known, NOW, OLDEST)
        assert (len(found.batch), len(found.refused)) == (20, 0)
    assert known.label_bytes > 20 * size * 0.7
