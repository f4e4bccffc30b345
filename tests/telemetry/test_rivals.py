"""Two series that tell of one cell: kept apart, one after the other, or one refused aloud; never the one come last."""

from __future__ import annotations

import math
import time
from typing import Any, Final

import pytest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as m

from telemetry import otlp, refusals
from telemetry.admission import CONTRADICTED, Admitted, admit
from telemetry.batch import OtherSubject
from telemetry.catalogue import COLUMNS, OF_AN_INSTANCE, SOURCES, Kind
from telemetry.gathering import gather
from telemetry.known_series import KnownSeries
from telemetry.remote_write import parse_labels, walk
from telemetry.rivals import SILENT_MS
from tests.telemetry import stored
from tests.telemetry.agents import answer, store
from tests.telemetry.conftest import MakeNode
from tests.telemetry.messages import STALE, admit_message, body, message, series
from tests.telemetry.test_otlp import gauge, number, request
from tests.telemetry.test_refusals import send

NOW: Final = int(time.time())
AT: Final = NOW * 1000
OLDEST: Final = AT - 72 * 3_600_000
POWER: Final = "DCGM_FI_DEV_POWER_USAGE"
GPU: Final = {"UUID": "GPU-1", "gpu": "0", "modelName": "Test"}
Labels = dict[str, str]


def said(found: Admitted) -> list[tuple[int, str, float]]:
    """(kind, column or metric, value) of all that was kept and has a value."""
    batch, names = found.batch, found.batch.layout
    rows = zip(batch.kinds.tolist(), batch.codes.tolist(), batch.subjects.tolist(), batch.values.tolist(), strict=True)
    return [
        (kind, COLUMNS[Kind(kind)][code].name if kind else names.other_series[subject].name, value)
        for kind, code, subject, value in rows
        if not math.isnan(value)
    ]


# At one instant

ONE_CELL: Final[dict[str, tuple[tuple[str, Labels, float], tuple[str, Labels, float]]]] = {
    "two exporters": ((POWER, GPU | {"instance": "a:9400"}, 300.0), (POWER, GPU | {"instance": "b:9400"}, 310.0)),
    "two jobs": ((POWER, GPU | {"job": "a"}, 300.0), (POWER, GPU | {"job": "b"}, 310.0)),
    "with and without a host": ((POWER, GPU, 300.0), (POWER, GPU | {"Hostname": "b"}, 310.0)),
    "two pods": ((POWER, GPU | {"pod": "a"}, 300.0), (POWER, GPU | {"pod": "b"}, 310.0)),
    "two virtual GPUs": ((POWER, GPU | {"vgpu": "0"}, 300.0), (POWER, GPU | {"vgpu": "1"}, 310.0)),
    "two parts that tell of the whole": (
        (POWER, GPU | {"GPU_I_ID": "1"}, 300.0),
        (POWER, GPU | {"GPU_I_ID": "2"}, 310.0),
    ),
    "two places in one machine": ((POWER, GPU, 300.0), (POWER, GPU | {"gpu": "1"}, 310.0)),
    "two generations": (("DCGM_FI_DEV_GPU_UTIL", GPU, 50.0), ("DCGM_FI_DEV_GPU_UTIL_RATIO", GPU, 0.51)),
    "two names": (("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", GPU, 5.0), ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER_total", GPU, 6.0)),
    "two panels": (
        ("xfra_panel_power_watts", {"channel": "site", "panel": "1"}, 900.0),
        ("xfra_panel_power_watts", {"channel": "site", "panel": "2"}, 100.0),
    ),
    "two sensors of a flow": (
        ("xfra_coolant_flow_liters_per_second", {"sensor": "a"}, 0.1),
        ("xfra_coolant_flow_liters_per_second", {"sensor": "b"}, 0.2),
    ),
    "one circuit of two meters": (
        ("xfra_circuit_power_watts", {"circuit": "oven", "instance": "a"}, 1.0),
        ("xfra_circuit_power_watts", {"circuit": "oven", "instance": "b"}, 2.0),
    ),
    "idle and not said to be": (
        ("xfra_internet_latency_seconds", {"traffic": "home"}, 0.010),
        ("xfra_internet_latency_seconds", {"traffic": "home", "load": "idle"}, 0.020),
    ),
    "the same series twice": ((POWER, GPU, 300.0), (POWER, GPU, 310.0)),
    "the same series twice outside the catalogue": (("node_load1", {"a": "b"}, 1.0), ("node_load1", {"a": "b"}, 2.0)),
}


def take(known: KnownSeries, *parts: tuple[str, Labels, float], at: int = AT) -> Admitted:
    data = message(*(series(name, [(at, value)], **labels) for name, labels, value in parts))
    return admit_message(1, data, known, NOW, OLDEST)


@pytest.mark.parametrize("pair", ONE_CELL.values(), ids=ONE_CELL)
def test_of_two_values_of_one_instant_one_is_kept_and_the_other_refused(pair: Any) -> None:
    """In one body or in two, the first time and after, and never both; one that says the same is no rival."""
    known = KnownSeries()
    for tick in range(3):
        found = take(known, *pair, at=AT + tick * 5000)
        assert (len(said(found)), dict(found.refused), found.taken) == (1, {CONTRADICTED: 1}, 1)
    apart = [take(known, one, at=AT + 20_000) for one in pair]
    if pair[0][:2] != pair[1][:2]:
        assert sorted((len(said(one)), one.refused.total()) for one in apart) == [(0, 1), (1, 0)]
    (name, labels, value), (other_name, other_labels, _) = pair
    same = 0.5 if "RATIO" in other_name else value
    agreeing = take(KnownSeries(), (name, labels, value), (other_name, other_labels, same))
    assert not agreeing.refused


@pytest.mark.parametrize("pair", [pair for pair in ONE_CELL.values() if pair[0][:2] != pair[1][:2]])
def test_it_is_the_same_one_whatever_the_order_and_the_door(pair: Any) -> None:
    kept = [said(take(KnownSeries(), *parts)) for parts in (pair, pair[::-1])]
    assert kept[0] == kept[1]


# Kept apart

PARTS: Final = [source for source in SOURCES if source.column.name in OF_AN_INSTANCE and source.column.kind is Kind.GPU]


@pytest.mark.parametrize("label", ["GPU_I_ID", "GPU_I_PROFILE"])
def test_what_parts_of_a_gpu_say_of_themselves_is_kept_apart_and_never_passes_for_the_whole(label: str) -> None:
    assert len({source.column for source in PARTS}) == len(OF_AN_INSTANCE)
    for source in PARTS:
        sent = [(source.metric, GPU | {label: part}, value) for part, value in (("1", 0.25), ("2", 0.5))]
        found = take(KnownSeries(), *sent, (source.metric, GPU, 0.75))
        assert not found.refused
        subjects = found.batch.layout.other_series
        assert subjects == tuple(OtherSubject(source.metric, dict(sorted(labels.items()))) for _, labels, _ in sent)
        assert [value for kind, _, value in said(found) if kind == Kind.GPU] == [0.75 * source.scale]


def test_circuits_with_long_names_are_not_one() -> None:
    """Nor is one of them cut to be another's: they are kept with all their labels."""
    names = ["x" * 60, "x" * 61, "x" * 62]
    found = take(KnownSeries(), *(("xfra_circuit_power_watts", {"circuit": name}, 1.0) for name in names))
    assert not found.refused
    assert found.batch.layout.circuits == (names[0],)
    assert [one.labels["circuit"] for one in found.batch.layout.other_series] == names[1:]


# One after the other

A, B, C = ({**GPU, "instance": name} for name in "abc")
END: Final = STALE
Story = list[tuple[int, Labels, float, bool]]
"""(seconds, labels, value, whether it is kept)"""

STORIES: Final[dict[str, Story]] = {
    "labels change, the old series is ended": [
        (0, A, 1.0, True), (5, A, END, True), (5, B, 2.0, True), (10, B, 3.0, True),
    ],
    "the end comes after": [(0, A, 1.0, True), (5, B, 2.0, True), (5, A, END, True), (10, B, 3.0, True)],
    "nobody says that it ended": [(0, A, 1.0, True), (5, B, 2.0, True), (10, B, 3.0, True)],
    "and back, ended each time": [
        (0, A, 1.0, True), (5, A, END, True), (5, B, 2.0, True), (10, B, END, True), (10, A, 3.0, True),
        (15, A, END, True), (15, B, 4.0, True),
    ],
    "three labels in turn": [
        (0, A, 1.0, True), (5, A, END, True), (5, B, 2.0, True), (10, B, END, True), (10, C, 3.0, True),
    ],
    "the same again": [(0, A, 1.0, True), (0, A, 1.0, True), (5, B, 2.0, True), (0, A, 1.0, True), (5, B, 2.0, True)],
    "back after a silence": [
        (0, A, 1.0, True), (5, B, 2.0, True), (SILENT_MS // 1000 + 10, A, 3.0, True),
    ],
}  # fmt: skip


def play(story: Story) -> list[tuple[int, Labels, float, bool]]:
    known, found = KnownSeries(), []
    for seconds, labels, value, _ in story:
        admitted = take(known, (POWER, labels, value), at=AT - 3_600_000 + seconds * 1000)
        found.append((seconds, labels, value, not admitted.refused))
    return found


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_labels_that_change_are_no_rivals(story: Story) -> None:
    assert play(story) == story


def test_two_that_go_on_beside_each_other_are_told_apart_at_the_second_look() -> None:
    """Scraped at other instants: the newcomer might be a successor, until the other one comes back."""
    ticks = [(5 * tick, A, 1.0) for tick in range(6)] + [(5 * tick + 2, B, 2.0) for tick in range(6)]
    story = [(*one, True) for one in sorted(ticks, key=lambda one: one[0])]
    kept = [labels["instance"] for _, labels, _, is_kept in play(story)[3:] if is_kept]
    assert len(kept) in (4, 5) and len(set(kept)) == 1
    other = [(seconds, B if labels is A else A, value, True) for seconds, labels, value, _ in story]
    assert {labels["instance"] for _, labels, _, is_kept in play(other)[3:] if is_kept} == set(kept)


def test_the_end_of_one_does_not_blank_the_other() -> None:
    known = KnownSeries()
    pair = [(POWER, A, 1.0), (POWER, B, 2.0)]
    kept = said(take(known, *pair, at=AT - 10_000))[0][2]
    loser = B if kept == 1.0 else A
    found = take(known, (POWER, loser, END), at=AT - 5000)
    assert (len(found.batch), found.taken, found.refused) == (0, 1, {})


def test_when_one_of_two_stops_the_other_has_the_cell() -> None:
    known = KnownSeries()
    kept = said(take(known, (POWER, A, 1.0), (POWER, B, 2.0), at=AT - 3_600_000))[0][2]
    loser, value = (B, 2.0) if kept == 1.0 else (A, 1.0)
    silent = take(known, (POWER, loser, value), at=AT - 3_600_000 + SILENT_MS - 1000)
    assert silent.refused == {CONTRADICTED: 1}
    assert [v for _, _, v in said(take(known, (POWER, loser, value), at=AT - 3_600_000 + SILENT_MS + 1000))] == [value]


ALARMING: Final = [("xfra_coolant_leak", {}), ("xfra_enclosure_open", {}), ("DCGM_FI_DEV_XID_ERRORS", GPU)]


@pytest.mark.parametrize("wrong", ["a", "b"])
@pytest.mark.parametrize(("name", "labels"), ALARMING)
def test_of_two_sensors_the_one_is_heard_that_says_that_something_is_wrong(
    name: str, labels: Labels, wrong: str
) -> None:
    """Whatever the other says at the same instant, before or after, until it is silent or says that it is over."""
    calm, alarmed = ((name, labels | {"sensor": sensor}) for sensor in ("ba" if wrong == "a" else "ab"))
    known = KnownSeries()

    def told(at: int, *parts: tuple[Any, float]) -> tuple[list[float], int]:
        found = take(known, *((*who, value) for who, value in parts), at=AT - 3_600_000 + at * 1000)
        return [value for _, _, value in said(found)], found.refused.total()

    assert told(0, (calm, 0.0), (alarmed, 0.0)) == ([0.0, 0.0], 0)
    for parts in ([(calm, 0.0), (alarmed, 1.0)], [(alarmed, 1.0), (calm, 0.0)]):
        assert told(5, *parts) == ([1.0], 1)
    assert told(5, (calm, 0.0)) == ([], 1)
    assert told(7, (calm, 0.0)) == ([], 1)
    assert told(10, (calm, END)) == ([], 0)
    assert told(15, (calm, 0.0)) == ([], 1)
    assert told(20, (alarmed, 0.0), (calm, 0.0)) == ([0.0, 0.0], 0)
    assert told(25, (alarmed, 1.0)) == ([1.0], 0)
    assert told(26 + SILENT_MS // 1000, (calm, 0.0)) == ([0.0], 0)


def test_a_series_whose_labels_come_in_another_order_is_the_same() -> None:
    known = KnownSeries()
    for tick in range(6):
        one = series(POWER, [(AT + tick * 5000, float(tick))], **GPU)
        if tick % 2:
            found = list(one.labels)[::-1]
            del one.labels[:]
            one.labels.extend(found)
        assert not admit_message(1, message(one), known, NOW + 60, OLDEST).refused


# By OTLP


def test_resources_that_differ_in_what_is_left_out_contradict_each_other() -> None:
    found = request(gauge("load", number(1.0)), host__name="a")
    found.resource_metrics.extend(request(gauge("load", number(2.0)), host__name="b").resource_metrics)
    admitted = admit(1, gather(otlp.translate(found).series), KnownSeries(), NOW + 60, OLDEST)
    assert (len(admitted.batch), dict(admitted.refused)) == (1, {CONTRADICTED: 1})


def test_keys_and_bounds_that_look_alike_stay_apart() -> None:
    point = m.HistogramDataPoint(count=3, bucket_counts=[1, 1, 1], explicit_bounds=[1_000_000.1, 1_000_000.2])
    cumulative = m.AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    buckets = m.Metric(name="d", histogram=m.Histogram(data_points=[point], aggregation_temporality=cumulative))
    named = [parse_labels(one.label_bytes) for one in otlp.translate(request(buckets)).series]
    assert [one["le"] for one in named if "le" in one] == ["1000000.1", "1000000.2", "+Inf"]
    keys = gauge("g", number(1.0, **{"a.b": "x", "a_b": "y", "a-b": "z"}))
    (only,) = otlp.translate(request(keys)).series
    assert parse_labels(only.label_bytes)["a_b"] == "z;x;y"


@pytest.mark.parametrize(
    ("value", "text"), [(10.0, "10"), (0.00001, "0.00001"), (0.95, "0.95"), (1e21, "1" + "0" * 21), (2.5, "2.5")]
)
def test_a_bound_is_written_out(value: float, text: str) -> None:
    point = m.SummaryDataPoint(quantile_values=[m.SummaryDataPoint.ValueAtQuantile(quantile=value, value=1.0)])
    metric = m.Metric(name="s", summary=m.Summary(data_points=[point]))
    assert parse_labels(otlp.translate(request(metric)).series[0].label_bytes)["quantile"] == text


# At the door


@pytest.mark.usefixtures("ingest_redis", "system")
def test_the_sender_and_the_operators_are_told(make_node: MakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    node, token = make_node()
    parts = [series(POWER, [(AT, value)], **labels) for labels, value in ((A, 300.0), (B, 310.0))]
    assert answer(token, body(*parts)).text == f"1 of 2 refused: 1 {CONTRADICTED}"
    assert send(token, (body(*parts), {})) == [400]
    store(node.pk, monkeypatch)
    assert len(stored.column(Kind.GPU, node.pk, "power_watts")) == 1
    (told,) = refusals.refused([node.pk])[node.pk]
    assert (told.reason, told.samples) == (refusals.Reason.RIVALS, 1)
    assert refusals.loses_samples(told.reason)


def test_the_plain_decoder_says_the_same() -> None:
    for pair in ONE_CELL.values():
        data = message(*(series(name, [(AT, value)], **labels) for name, labels, value in pair))
        plain = admit(1, gather(walk(data)), KnownSeries(), NOW, OLDEST)
        assert (said(plain), plain.refused) == (said(take(KnownSeries(), *pair)), {CONTRADICTED: 1})
