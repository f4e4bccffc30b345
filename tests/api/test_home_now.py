"""How a home is now: the words of its page, what the meters leave open, and a home in which no node stands yet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homes.access import acting_as_system
from homes.models import Home, Membership
from telemetry.node_state import Cause, State
from tests.api.heard import tell
from tests.cast import Cast, needs_database
from tests.telemetry.sockets import Socket, run, session_of
from xfra_portal.api.docs import schema

pytestmark = needs_database
POWERS = {
    "site_power_watts": 11_300.0,
    "home_power_watts": 900.0,
    "node_power_watts": 10_600.0,
    "battery_power_watts": -500.0,
    "solar_power_watts": 40.0,
}


@pytest.fixture
def empty(cast: Cast) -> Home:
    """A second home of the owner, without a node."""
    with acting_as_system():
        home = Home.objects.create(name="Empty", timezone="America/Phoenix", utility="Cast Energy")
        Membership.objects.create(home=home, user=cast.people["owner"], role=Membership.Role.OWNER)
    return home


def test_the_story_is_the_pages(cast: Cast) -> None:
    tell(cast.node, {datetime.now(UTC): {**POWERS, "curtailed_outage": 1.0}})
    client = cast.client("owner")
    said = client.get(f"/api/v1/homes/{cast.home.pk}").json()
    assert (said["live"]["node"]["state"], said["live"]["node"]["cause"]) == ("making_room", "outage")
    assert said["story"]["action"] == "To make the battery last, leave large appliances off."
    page = client.get(f"/homes/{cast.home.pk}/").content.decode()
    assert all(words in page for words in said["story"].values())
    assert client.get(f"/api/v1/homes/{cast.home.pk}/node").json()["story"] == said["story"]


def test_the_residual_is_what_the_meters_leave_open(cast: Cast) -> None:
    tell(cast.node, {datetime.now(UTC): POWERS})
    client = cast.client("owner")
    power = client.get(f"/api/v1/homes/{cast.home.pk}").json()["live"]["power"]
    assert power["residual_watts"] == {"value": 11_300 - 900 - 10_600 + 500 + 40, "at": power["site_watts"]["at"]}
    page = client.get(f"/homes/{cast.home.pk}/electricity/").content.decode()
    assert 'Not accounted for: <b data-bind="power.residual_watts" data-format="watts">340 W</b>' in page


def test_a_residual_of_an_unknown_part_is_unknown(cast: Cast) -> None:
    tell(cast.node, {datetime.now(UTC): {name: watts for name, watts in POWERS.items() if not name.startswith("batt")}})
    power = cast.client("owner").get(f"/api/v1/homes/{cast.home.pk}").json()["live"]["power"]
    assert power["site_watts"]["value"] == 11_300 and power["residual_watts"] is None


def test_every_state_and_cause_is_in_the_schema_with_what_it_means() -> None:
    kinds = schema()["components"]["schemas"]
    for name, values in (("NodeStateEnum", set(State)), ("NodeCauseEnum", set(Cause) - {Cause.NONE})):
        assert set(kinds[name]["x-extensible-enum"]) == values
        assert all(f"* `{value}` - " in kinds[name]["description"] for value in values)
    for name in ("StatePayload", "StateSpan", "FleetCell"):
        assert "NodeStateEnum" in str(kinds[name]["properties"]["state"]), name
        assert "NodeCauseEnum" in str(kinds[name]["properties"]["cause"]), name


def test_a_home_without_a_node_is_there(cast: Cast, empty: Home) -> None:
    client = cast.client("owner")
    assert str(empty.pk) in [home["id"] for home in client.get("/api/v1/homes").json()["results"]]
    said = client.get(f"/api/v1/homes/{empty.pk}").json()
    live = said["live"]
    assert (live["type"], live["home"], live["circuits"]) == ("home", str(empty.pk), {})
    assert {live[part] for part in ("heard_at", "node", "power", "battery", "internet", "safety")} == {None}
    assert said["story"] is said["energy_this_month"] is said["internet_line"] is None
    for part in ("battery", "internet", "node"):
        assert client.get(f"/api/v1/homes/{empty.pk}/{part}").json()[part] is None


@pytest.mark.parametrize(
    "part", ["energy", "outages", "states", "power/history", "battery/history", "internet/history"]
)
def test_what_begins_with_the_node_says_so(cast: Cast, empty: Home, part: str) -> None:
    answer = cast.client("owner").get(f"/api/v1/homes/{empty.pk}/{part}")
    body: dict[str, Any] = answer.json()
    assert answer.status_code == 404 and "no node yet" in body["detail"]
    assert cast.client("outsider").get(f"/api/v1/homes/{empty.pk}/{part}").json()["detail"] != body["detail"]


def test_the_socket_of_a_home_without_a_node_says_the_same(
    cast: Cast, empty: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels.db.close_old_connections", lambda: None)  # it would end the test's transaction
    said = cast.client("owner").get(f"/api/v1/homes/{empty.pk}").json()["live"]
    session = session_of(cast, "owner")

    async def watch() -> None:
        socket = Socket(f"/ws/homes/{empty.pk}/", session)
        assert await socket.open()
        assert await socket.frame() == said
        await socket.close()

    run(watch)


def test_outages_are_the_pages(cast: Cast) -> None:
    """Ten minutes down an hour ago, then up, then down still; the grid was up all the time."""
    now = datetime.now(UTC).replace(microsecond=0)
    began = now.replace(second=0) - timedelta(hours=1)
    told = {
        at: {"internet_home_up": float(not (at < began + timedelta(minutes=10) or at >= now)), "grid_up": 1.0}
        for at in [*(began + timedelta(seconds=15 * i) for i in range(200)), now]
    }
    with acting_as_system():
        Home.objects.filter(pk=cast.home.pk).update(created_at=began)
    tell(cast.node, told)
    client = cast.client("owner")
    asked = f"/api/v1/homes/{cast.home.pk}/outages?start={began:%Y-%m-%dT%H:%M:%SZ}"
    internet = client.get(asked).json()
    assert [each["ending"] for each in internet["outages"]] == ["going_on", "over"]
    assert (internet["outages"][1]["seconds"], internet["outages"][1]["start"][:16]) == (600, f"{began:%Y-%m-%dT%H:%M}")
    assert 0.4 < internet["up_ratio"] < 0.9, "counted by quarter-hours, which lie anywhere"
    assert 0.5 < internet["covered_ratio"] <= 1.0
    grid = client.get(f"{asked}&of=grid").json()
    assert (grid["up_ratio"], grid["outages"]) == (1.0, [])


def test_what_was_never_measured_was_neither_up_nor_down(cast: Cast) -> None:
    body = cast.client("owner").get(f"/api/v1/homes/{cast.home.pk}/outages?start=-2d").json()
    assert (body["up_ratio"], body["covered_ratio"], body["outages"]) == (None, 0.0, [])
    assert body["of"] == "internet"


def test_the_line_is_as_it_was_promised(cast: Cast) -> None:
    line = cast.client("owner").get(f"/api/v1/homes/{cast.home.pk}").json()["internet_line"]
    assert (line["provider"], line["promised_uptime_ratio"]) == ("Cast Cable", 0.999)


@pytest.mark.parametrize("start", ["-51d", "2099-01-01T00:00:00Z", "-0s", "soon"])
def test_outages_begin_in_a_past_that_is_kept(cast: Cast, start: str) -> None:
    answer = cast.client("owner").get(f"/api/v1/homes/{cast.home.pk}/outages?start={start}")
    assert answer.status_code == 400 and list(answer.json()["errors"]) == ["start"]
