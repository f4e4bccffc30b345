"""Aggregates over the fleet through the API: the same figures as the query module's, and nonsense refused in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.api.heard import tell
from tests.cast import Cast, needs_database

pytestmark = needs_database
PATH = "/api/v1/fleet/aggregate"


@pytest.fixture
def start() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)


@pytest.fixture
def fleet(cast: Cast, start: datetime) -> Cast:
    """Both nodes an hour or two ago, the other one silent in the second minute; only the first is heard now."""
    now = datetime.now(UTC)
    minutes = [start + timedelta(minutes=i) for i in range(3)]
    mine = {at: {"node_power_watts": 1000.0 + 100 * i} for i, at in enumerate(minutes)}
    tell(cast.node, {**mine, now: {"node_power_watts": 5000.0}}, {"GPU-a": {now: {"power_watts": 300.0}},
                                                                 "GPU-b": {now: {"power_watts": 500.0}}})  # fmt: skip
    tell(cast.other_node, {at: {"node_power_watts": 40.0} for at in (minutes[0], minutes[2])})
    return cast


def _ask(cast: Cast, person: str = "operator", **query: Any) -> Any:
    answer = cast.client(person).get(f"{PATH}?{urlencode(query)}")
    assert answer.status_code == 200, answer.content
    assert answer["Cache-Control"] == "no-store"
    return answer.json()


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_now_counts_who_contributed(fleet: Cast) -> None:
    body = _ask(fleet)
    (series,) = body["series"]
    assert (body["metric"], body["function"], body["step_seconds"], body["nodes_asked"]) == (
        "node_power_watts", "sum", None, 2)  # fmt: skip
    assert (series["group"], series["values"], series["nodes"]) == ("fleet", [5000.0], [1])
    gpus = _ask(fleet, kind="gpu", function="quantile", quantile="0.25")["series"][0]
    assert (gpus["values"], gpus["nodes"], gpus["subjects"]) == ([350.0], [1], [2])


def test_a_range_has_gaps_where_nobody_was_heard(fleet: Cast, start: datetime) -> None:
    span = {"start": _iso(start), "end": _iso(start + timedelta(minutes=4)), "step": 60}
    (total,) = _ask(fleet, **span)["series"]
    assert total["values"] == [1040.0, 1100.0, 1240.0, None] and total["nodes"] == [2, 1, 2, 0]
    each = _ask(fleet, by="node", function="avg", **span)
    assert each["at"] == [_iso(start + timedelta(minutes=i)) for i in range(4)] and each["source_seconds"] == 60
    found = {series["group"]: series["values"] for series in each["series"]}
    assert found[fleet.node.hostname] == [1000.0, 1100.0, 1200.0, None]
    assert found[fleet.other_node.hostname] == [40.0, None, 40.0, None]


def test_a_ranking_names_whom(fleet: Cast) -> None:
    (best,) = _ask(fleet, kind="gpu", metric="power_watts", function="top", k=1)["series"]
    assert (best["node"], best["subject"], best["values"]) == (fleet.node.pk, "GPU-b", [500.0])
    (least,) = _ask(fleet, kind="gpu", metric="power_watts", function="bottom", k=1)["series"]
    assert least["subject"] == "GPU-a"


@pytest.mark.parametrize("by", ["fleet", "state", "utility", "site_group", "feeder", "isp", "firmware", "node"])
def test_every_grouping_has_every_node_once(fleet: Cast, start: datetime, by: str) -> None:
    end = _iso(start + timedelta(minutes=1))
    series = _ask(fleet, by=by, start=_iso(start), end=end, step=60)["series"]
    assert sum(one["nodes"][0] for one in series) == 2 and sum(one["values"][0] for one in series) == 1040.0


def test_a_technician_sums_only_open_orders(fleet: Cast, start: datetime) -> None:
    span = {"start": _iso(start), "end": _iso(start + timedelta(minutes=1)), "step": 60}
    body = _ask(fleet, "technician", **span)
    assert body["nodes_asked"] == 1 and body["series"][0]["values"] == [1000.0]
    assert _ask(fleet, "idle_technician", **span)["series"] == []


@pytest.mark.parametrize("person", ["owner", "member", "viewer", "outsider"])
def test_for_households_there_is_nothing_here(fleet: Cast, person: str) -> None:
    client = fleet.client(person)
    assert client.get(PATH).status_code == client.get("/api/v1/fleet").status_code == 404
    assert client.get(f"{PATH}?metric=nonsense").status_code == 404, "not even what metrics there are"


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ("metric=love", "metric", "is not one of"),
        ("kind=gpu&metric=node_power_watts", "metric", "power_watts"),
        ("kind=circuit", "kind", "node, gpu"),
        ("function=mode", "function", "quantile"),
        ("function=quantile&quantile=2", "quantile", "0 to 1"),
        ("function=quantile&quantile=nan", "quantile", "0 to 1"),
        ("function=quantile&quantile=-0.1", "quantile", "0 to 1"),
        ("function=top&k=0", "k", "1 to 100"),
        ("function=top&k=101", "k", "1 to 100"),
        ("by=owner", "by", "utility"),
        ("start=-1h&step=7", "step", "whole number of minutes"),
        ("start=-1h&step=0", "step", "whole number of minutes"),
        ("start=-1h&step=abc", "step", "whole number"),
        ("start=-300d&step=60", "step", "longer step"),
        ("start=-1h&end=-2h", "end", "after start"),
    ],
)
def test_nonsense_is_a_problem_that_names_it(cast: Cast, query: str, field: str, says: str) -> None:
    answer = cast.client("operator").get(f"{PATH}?{query}")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    body = answer.json()
    assert list(body["errors"]) == [field] and says in body["errors"][field][0]
