"""Fleet aggregates of stored samples against a plain computation over the samples that were sent."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from homes.models import Gpu, Node
from telemetry import fleet_reads, reads
from telemetry.aggregates import Function
from telemetry.catalogue import Kind
from telemetry.fleet_reads import Question
from telemetry.readings import FleetHistory
from tests.api.heard import tell
from tests.telemetry.conftest import MakeNode

pytestmark = pytest.mark.usefixtures("system")
MINUTES, GPUS = 12, 3
SAMPLE_SECONDS = 20
Values = list[float]


@dataclass
class Fleet:
    """Five nodes; per node and GPU the samples of each minute, empty where nothing was heard."""

    nodes: list[Node]
    groups: dict[int, str]
    start: datetime
    watts: dict[int, list[Values]]
    gpu_watts: dict[tuple[int, str], list[Values]]


@pytest.fixture
def fleet(make_node: MakeNode) -> Fleet:
    """Node 1 is silent for minutes 3 to 5, node 2 after minute 8; node 4 was never heard of."""
    nodes = [make_node()[0] for _ in range(5)]
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=MINUTES)
    start -= timedelta(minutes=start.minute % 2)
    found = Fleet(nodes, {node.pk: "even" if i % 2 == 0 else "odd" for i, node in enumerate(nodes)}, start, {}, {})
    for n, node in enumerate(nodes[:4]):
        own: dict[datetime, dict[str, float]] = {}
        gpus: dict[str, dict[datetime, dict[str, float]]] = {f"GPU-{node.pk}-{g}": {} for g in range(GPUS)}
        found.watts[node.pk] = [[] for _ in range(MINUTES)]
        for uuid in gpus:
            found.gpu_watts[node.pk, uuid] = [[] for _ in range(MINUTES)]
        for second in range(0, MINUTES * 60, SAMPLE_SECONDS):
            minute, at = second // 60, start + timedelta(seconds=second)
            if (n == 1 and 3 <= minute <= 5) or (n == 2 and minute > 8):
                continue
            own[at] = {"node_power_watts": 1000.0 * (n + 1) + second, "node_energy_joules": 7.0 * n + 50.0 * second}
            found.watts[node.pk][minute].append(own[at]["node_power_watts"])
            for g, (uuid, told) in enumerate(gpus.items()):
                if not (g == 2 and minute % 2):
                    told[at] = {"power_watts": 100.0 * (n + 1) + 10 * g + minute * (-1) ** g}
                    found.gpu_watts[node.pk, uuid][minute].append(told[at]["power_watts"])
        tell(node, own, gpus)
    return found


def _quantile(values: Values, share: float = 0.9) -> float:
    return statistics.quantiles(values, n=10, method="inclusive")[8] if len(values) > 1 else values[0]


COMBINE: dict[Function, Callable[[Values], float]] = {
    Function.SUM: sum,
    Function.AVG: statistics.fmean,
    Function.MIN: min,
    Function.MAX: max,
    Function.QUANTILE: _quantile,
}


def _over(fleet: Fleet, question: Question, minutes: int, groups: dict[int, str] | None = None) -> FleetHistory:
    end = fleet.start + timedelta(minutes=MINUTES)
    return reads.fleet(question, groups or fleet.groups, fleet.start, end, minutes * 60)


def _buckets(samples: list[Values], minutes: int) -> list[float | None]:
    """The mean of each bucket's samples."""
    joined = [list(itertools.chain(*samples[i : i + minutes])) for i in range(0, MINUTES, minutes)]
    return [statistics.fmean(values) if values else None for values in joined]


@pytest.mark.parametrize("minutes", [1, 2])
@pytest.mark.parametrize("function", COMBINE)
def test_nodes_over_a_range(fleet: Fleet, function: Function, minutes: int) -> None:
    found = _over(fleet, Question(Kind.NODE, "node_power_watts", function, 0.9), minutes)
    assert (found.step_seconds, found.source_seconds) == (minutes * 60, 60)
    assert [series.group for series in found.series] == ["even", "odd"]
    means = {node_id: _buckets(samples, minutes) for node_id, samples in fleet.watts.items()}
    for series in found.series:
        for i in range(MINUTES // minutes):
            known = [m[i] for n, m in means.items() if fleet.groups[n] == series.group and m[i] is not None]
            assert series.nodes[i] == series.subjects[i] == len(known)
            expected = COMBINE[function]([value for value in known if value is not None]) if known else None
            assert series.values[i] == (None if expected is None else pytest.approx(expected, rel=1e-6))
    odd = found.series[1]
    assert min(odd.nodes) == 1 and max(odd.nodes) == 2, "the silent node is missed, not counted as zero"


@pytest.mark.parametrize("function", COMBINE)
def test_gpus_over_a_range(fleet: Fleet, function: Function) -> None:
    found = _over(fleet, Question(Kind.GPU, "power_watts", function, 0.9), 1)
    means = {key: _buckets(samples, 1) for key, samples in fleet.gpu_watts.items()}
    for series in found.series:
        for i in range(MINUTES):
            known = {k: m[i] for k, m in means.items() if fleet.groups[k[0]] == series.group and m[i] is not None}
            assert series.subjects[i] == len(known)
            assert series.nodes[i] == len({node_id for node_id, _ in known})
            expected = COMBINE[function]([value for value in known.values() if value is not None])
            assert series.values[i] == pytest.approx(expected, rel=1e-6)


def test_a_counters_increase_is_what_is_summed(fleet: Fleet) -> None:
    found = _over(fleet, Question(Kind.NODE, "node_energy_joules", Function.SUM), 1)
    even = found.series[0]
    assert even.values[1:8] == [pytest.approx(2 * 60 * 50.0)] * 7
    assert even.nodes[-1] == 1 and even.values[-1] == pytest.approx(60 * 50.0)


@pytest.mark.parametrize("function", [Function.TOP, Function.BOTTOM])
def test_the_highest_and_the_lowest_gpus(fleet: Fleet, function: Function) -> None:
    found = _over(fleet, Question(Kind.GPU, "power_watts", function, k=4), 1)
    means = {
        key: statistics.fmean([value for value in _buckets(samples, 1) if value is not None])
        for key, samples in fleet.gpu_watts.items()
    }
    for group in ("even", "odd"):
        mine = sorted((key for key in means if fleet.groups[key[0]] == group), key=lambda key: means[key])
        best = mine[:4] if function is Function.BOTTOM else mine[::-1][:4]
        listed = [series for series in found.series if series.group == group]
        assert [(series.node_id, series.subject) for series in listed] == best
        for series in listed:
            samples = fleet.gpu_watts[series.node_id or 0, series.subject]
            assert [value is None for value in series.values] == [not minute for minute in samples]
            assert series.nodes == series.subjects == [int(bool(minute)) for minute in samples]


@pytest.mark.parametrize("function", COMBINE)
def test_now_only_what_is_fresh_takes_part(fleet: Fleet, function: Function) -> None:
    """Node 2 was last heard of minutes ago, one GPU of node 0 is gone: neither is in it."""
    Gpu.objects.filter(uuid=f"GPU-{fleet.nodes[0].pk}-0").update(gone_at=datetime.now(UTC))
    at = fleet.start + timedelta(seconds=MINUTES * 60 - 1)
    watts = {node_id: samples[-1][-1] for node_id, samples in fleet.watts.items() if samples[-1]}
    gpus = {
        key: samples[-1][-1]
        for key, samples in fleet.gpu_watts.items()
        if samples[-1] and key != (fleet.nodes[0].pk, f"GPU-{fleet.nodes[0].pk}-0")
    }
    for kind, metric, known in (
        (Kind.NODE, "node_power_watts", {(n, ""): value for n, value in watts.items()}),
        (Kind.GPU, "power_watts", gpus),
    ):
        found = fleet_reads.now(Question(kind, metric, function, 0.9), fleet.groups, at)
        assert (found.step_seconds, found.at) == (None, [at])
        for series in found.series:
            mine = {key: value for key, value in known.items() if fleet.groups[key[0]] == series.group}
            assert series.subjects == [len(mine)] and series.nodes == [len({n for n, _ in mine})]
            assert series.values == [pytest.approx(COMBINE[function](list(mine.values())), rel=1e-6)]


def test_of_nobody_nothing_is_known(fleet: Fleet) -> None:
    silent = {fleet.nodes[4].pk: "silent"}
    for kind, metric in ((Kind.NODE, "node_power_watts"), (Kind.GPU, "power_watts")):
        for function in COMBINE:
            question = Question(kind, metric, function)
            (now,) = reads.fleet(question, silent).series
            assert (now.values, now.nodes, now.subjects) == ([None], [0], [0])
            (over,) = _over(fleet, question, 1, silent).series
            assert over.values == [None] * MINUTES and over.nodes == [0] * MINUTES
    assert reads.fleet(Question(Kind.GPU, "power_watts", Function.TOP), silent).series == []
    assert reads.fleet(Question(Kind.NODE, "node_power_watts", Function.SUM), {}).series == []


def test_each_node_by_itself_is_its_own_history(fleet: Fleet) -> None:
    names = {node.pk: node.hostname for node in fleet.nodes}
    found = _over(fleet, Question(Kind.NODE, "node_power_watts", Function.SUM), 1, names)
    for series in found.series:
        node_id = next(pk for pk, name in names.items() if name == series.group)
        own = reads.history(
            node_id, Kind.NODE, ["node_power_watts"], fleet.start, fleet.start + timedelta(minutes=MINUTES), 60
        )
        assert series.values == own.series[0].average


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"metric": "love"}, "unknown metric"),
        ({"kind": Kind.CIRCUIT}, "nodes and GPUs"),
        ({"quantile": 2.0}, "from 0 to 1"),
        ({"quantile": math.nan}, "from 0 to 1"),
        ({"k": 0}, "from 1 to"),
    ],
)
def test_what_cannot_be_asked(change: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Question(**{"kind": Kind.NODE, "metric": "node_power_watts", "function": Function.QUANTILE, **change})


@pytest.mark.parametrize(
    ("step", "days", "says"), [(90, 1, "minutes"), (0, 1, "minutes"), (60, 400, "longer step"), (60, 0, "after start")]
)
def test_ranges_that_cannot_be_served(fleet: Fleet, step: int, days: int, says: str) -> None:
    end = datetime.now(UTC)
    with pytest.raises(ValueError, match=says):
        reads.fleet(
            Question(Kind.NODE, "node_power_watts", Function.SUM), fleet.groups, end - timedelta(days=days), end, step
        )


def test_glances_say_what_a_plain_look_at_everything_says(fleet: Fleet) -> None:
    """The one pass over all nodes against the values of each GPU of each node."""
    now = datetime.now(UTC)
    extra = {now: {"main_amperes": 61.5, "limit_amperes": 160.0, "coolant_leak": 1.0, "outdoor_celsius": 33.0}}
    uuids = [f"GPU-{fleet.nodes[3].pk}-{g}" for g in range(GPUS)]
    told = {
        uuid: {now: {"utilization_ratio": 0.25 * (g + 1), "temperature_celsius": 60.0 + g, "xid": float(79 * (g == 1))}}
        for g, uuid in enumerate(uuids)
    }
    tell(fleet.nodes[3], extra, told)
    ids = [node.pk for node in fleet.nodes]
    glances, everything = reads.glances(ids, now), reads.latest(ids)
    assert list(glances) == sorted(ids)
    for node_id, latest in everything.items():
        glance, cutoff = glances[node_id], now - timedelta(seconds=60)
        assert (glance.status, glance.heard_at) == (latest.status, latest.heard_at)
        busy, heat = (
            [c.value for gpu in latest.gpus if (c := gpu.cells.get(name)) and c.at >= cutoff]
            for name in ("utilization_ratio", "temperature_celsius")
        )
        assert glance.utilization_ratio == (pytest.approx(statistics.fmean(busy)) if busy else None)
        assert glance.hottest_celsius == max(heat, default=None)
        for mine, name in (("node_watts", "node_power_watts"), ("main_amperes",) * 2, ("limit_amperes",) * 2):
            cell = latest.cells.get(name)
            assert getattr(glance, mine) == (cell.value if cell and cell.at >= cutoff else None)
    last = glances[fleet.nodes[3].pk]
    assert (last.coolant_leak, last.enclosure_open, last.outdoor_celsius) == (True, None, 33.0)
    assert [(xid.slot, xid.code) for xid in last.xids] == [(1, 79)] and last.utilization_ratio == 0.5
    to_the_millisecond = now.replace(microsecond=round(now.microsecond, -3) % 1_000_000)
    assert last.coolant_leak_at is not None and abs(last.coolant_leak_at - to_the_millisecond) < timedelta(seconds=1)
