"""What the endpoints about a home answer, and to whom."""

from __future__ import annotations

import pytest
from django.utils.dateparse import parse_datetime

from tests.cast import Cast, needs_database

pytestmark = needs_database

PARTS = ["", "/battery", "/internet", "/node", "/energy", "/states", "/power/history", "/battery/history",
         "/internet/history"]  # fmt: skip
SEES_THE_HOME = {"owner", "member", "viewer", "operator_viewer", "operator", "technician", "billing", "admin"}
SEES_THE_ADDRESS = {"owner", "member", "technician", "admin"}


@pytest.mark.parametrize("name", sorted(SEES_THE_HOME))
def test_the_address_is_for_those_who_may_know_it(cast: Cast, name: str) -> None:
    answer = cast.client(name).get(f"/api/v1/homes/{cast.home.pk}")
    assert answer.status_code == 200
    expected = {"street": "1 cast-00001 Street", "city": "Mesa", "state": "AZ", "postal_code": "85201"}
    assert answer.json()["address"] == (expected if name in SEES_THE_ADDRESS else None)
    assert ("cast-00001 Street" in answer.content.decode()) == (name in SEES_THE_ADDRESS)


@pytest.mark.parametrize("part", PARTS)
def test_personal_answers_are_kept_by_nobody(cast: Cast, part: str) -> None:
    answer = cast.client("owner").get(f"/api/v1/homes/{cast.home.pk}{part}")
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"


def test_what_was_never_heard_is_null_and_not_zero(cast: Cast) -> None:
    body = cast.client("owner").get(f"/api/v1/homes/{cast.home.pk}").json()
    assert body["live"]["heard_at"] is None
    assert body["live"]["node"]["state"] == "unknown"
    assert set(body["live"]["power"].values()) == {None}
    assert body["energy_this_month"]["home_watt_hours"] is None
    assert body["energy_this_month"]["covered_ratio"] == 0.0


def test_each_person_lists_the_homes_they_may_see(cast: Cast) -> None:
    def homes(name: str) -> set[str]:
        return {home["id"] for home in cast.client(name).get("/api/v1/homes").json()["results"]}

    assert homes("owner") == {str(cast.home.pk)}
    assert homes("outsider") == {str(cast.other_home.pk)}
    assert homes("operator") == {str(cast.home.pk), str(cast.other_home.pk)}
    assert homes("technician") == {str(cast.home.pk)}
    assert homes("idle_technician") == set()


def test_pages_are_followed_by_cursor(cast: Cast) -> None:
    client, url, found = cast.client("operator"), "/api/v1/homes?page_size=1", []
    while url:
        page = client.get(url).json()
        found += [home["id"] for home in page["results"]]
        url = page["next"]
    assert sorted(found) == sorted([str(cast.home.pk), str(cast.other_home.pk)])


def test_nodes_are_filtered(cast: Cast) -> None:
    def hostnames(query: str) -> list[str]:
        return [n["hostname"] for n in cast.client("operator").get(f"/api/v1/nodes?{query}").json()["results"]]

    assert hostnames("") == ["cast-00001", "cast-00002"]
    assert hostnames("q=00002") == ["cast-00002"]
    assert hostnames("site_group=Cast+A&feeder=feeder+1") == ["cast-00001", "cast-00002"]
    assert hostnames("feeder=feeder+2") == []
    assert cast.client("operator").get("/api/v1/nodes?q=%00").status_code == 400


@pytest.mark.parametrize(
    ("by", "start", "end", "hours"),
    [
        ("day", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z", [23]),
        ("day", "2025-11-02T04:00:00Z", "2025-11-03T05:00:00Z", [25]),
        ("month", "2026-03-10T00:00:00Z", "2026-05-01T04:00:00Z", [743, 720]),
        ("hour", "2025-11-02T05:30:00Z", "2025-11-02T07:30:00Z", [1, 1, 0.5]),
    ],
)
def test_energy_follows_the_homes_own_calendar(cast: Cast, by: str, start: str, end: str, hours: list[float]) -> None:
    url = f"/api/v1/homes/{cast.other_home.pk}/energy?by={by}&start={start}&end={end}"
    body = cast.client("outsider").get(url).json()
    assert body["timezone"] == "America/New_York"
    spans = [parse_datetime(e["end"]) - parse_datetime(e["start"]) for e in body["energy"]]
    assert [span.total_seconds() / 3600 for span in spans] == hours
