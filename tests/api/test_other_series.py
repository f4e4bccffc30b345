"""What a node sends outside the catalogue can be listed and read by the operator's staff."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from homes.access import acting_as_system
from telemetry import other_reads, partitions, storage
from telemetry.models import OtherSeries
from tests.cast import Cast, needs_database
from tests.telemetry.messages import batch, series

pytestmark = needs_database
AT = int(time.time()) * 1000 - 600_000


@pytest.fixture
def told(cast: Cast) -> str:
    """Two series of one name and one of another, in the path of the node."""
    parts = [
        series("node_load1", [(AT, 0.5), (AT + 1000, math.inf), (AT + 2000, math.nan)], job="node"),
        series("node_load1", [(AT, 7.0)], job="other"),
        series("go_threads", [(AT, 9.0)]),
    ]
    with acting_as_system():
        partitions.ensure_partitions()
        storage.write([batch(cast.node.pk, *parts)], 0)
    return f"/api/v1/nodes/{cast.node.pk}/other-series"


def _get(cast: Cast, path: str, **query: Any) -> Any:
    return cast.client("operator").get(f"{path}?{urlencode(query)}")


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_they_are_listed_with_when_they_were_heard(cast: Cast, told: str) -> None:
    rows = _get(cast, told).json()["results"]
    assert [(row["name"], row["labels"], row["heard_at"]) for row in rows] == [
        ("node_load1", {"job": "node"}, _iso(AT + 2000)),
        ("node_load1", {"job": "other"}, _iso(AT)),
        ("go_threads", {}, _iso(AT)),
    ]
    assert [row["name"] for row in _get(cast, told, name="go_threads").json()["results"]] == ["go_threads"]
    page = _get(cast, told, page_size=2).json()
    assert len(page["results"]) == 2
    assert [row["name"] for row in cast.client("operator").get(page["next"]).json()["results"]] == ["go_threads"]


def test_samples_come_back_as_they_were_sent(cast: Cast, told: str) -> None:
    first = _get(cast, told).json()["results"][0]
    found = _get(cast, f"{told}/{first['id']}").json()
    assert (found["name"], found["labels"]) == ("node_load1", {"job": "node"})
    assert found["at"] == [_iso(AT), _iso(AT + 1000), _iso(AT + 2000)]
    assert found["values"] == [0.5, "+Inf", "NaN"]
    part = _get(cast, f"{told}/{first['id']}", start=_iso(AT), end=_iso(AT + 1000)).json()
    assert part["values"] == [0.5], "half open"


def test_another_nodes_series_is_not_this_ones(cast: Cast, told: str) -> None:
    one = _get(cast, told).json()["results"][0]["id"]
    theirs = f"/api/v1/nodes/{cast.other_node.pk}/other-series"
    assert _get(cast, theirs).json()["results"] == []
    assert _get(cast, f"{theirs}/{one}").status_code == 404
    assert _get(cast, f"{told}/{1 << 70}").status_code == 404


def test_more_samples_than_an_answer_may_have(cast: Cast, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_reads, "MAX_SAMPLES", 2)
    one = _get(cast, told).json()["results"][0]["id"]
    answer = _get(cast, f"{told}/{one}")
    assert answer.status_code == 400 and "shorter range" in answer.json()["errors"]["start"][0]


def test_without_a_sample_there_is_no_age(cast: Cast, told: str) -> None:
    first = _get(cast, told).json()["results"][0]
    assert _get(cast, f"{told}/{first['id']}", start=_iso(AT - 7_200_000), end=_iso(AT - 3_600_000)).json()["at"] == []
    with acting_as_system():
        OtherSeries.objects.create(node=cast.node, name="gone", labels={}, digest=bytes(16))
    assert _get(cast, told, name="gone").json()["results"][0]["heard_at"] is None
