"""History and live values through the API are the values that were heard, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from homes.access import acting_as_system
from telemetry.models import NodeStatusRow
from tests.api.heard import tell
from tests.cast import Cast, needs_database

pytestmark = needs_database
GPU = "GPU-cast-00001-00"


@pytest.fixture
def start() -> datetime:
    """A whole hour, not long ago: raw samples and minutes of it are kept."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)


def _get(cast: Cast, name: str, path: str, **query: Any) -> Any:
    answer = cast.client(name).get(f"/api/v1/{path}?{urlencode(query)}")
    assert answer.status_code == 200, answer.content
    return answer


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.fixture
def house(cast: Cast, start: datetime) -> str:
    """Twenty minutes of a sample every 15 s, with nothing heard from minute 5 to 10. The path of the home."""
    own = {
        start + timedelta(seconds=15 * i): {
            "home_power_watts": 600.0 + i,
            "battery_charge_ratio": 0.5,
            "site_import_energy_joules": 3_600_000.0 + 9_000.0 * i,
            "grid_up": float(i != 2),
        }
        for i in range(80)
        if not 20 <= i < 40
    }
    own[start - timedelta(minutes=1)] = {"site_import_energy_joules": 3_600_000.0}  # where the register stood
    gpu = {start: {"power_watts": 300.0, "temperature_celsius": 61.5}}
    tell(
        cast.node,
        own,
        {GPU: gpu, "GPU-cast-00001-01": {start: {"power_watts": 310.0}}},
        {"oven": {start: {"power_watts": 2100.0}}},
    )
    return f"homes/{cast.home.pk}"


def test_minutes_have_extremes_means_and_gaps(cast: Cast, house: str, start: datetime) -> None:
    span = {"start": _iso(start), "end": _iso(start + timedelta(minutes=20)), "step": 60}
    body = _get(
        cast, "viewer", f"{house}/power/history", metrics="home_power_watts,site_import_energy_joules,grid_up", **span
    ).json()
    assert (body["start"], body["end"], body["step_seconds"], body["source_seconds"]) == (
        *list(span.values())[:2],
        60,
        60,
    )
    assert body["timezone"] == "America/Phoenix"
    assert body["at"] == [_iso(start + timedelta(minutes=i)) for i in range(20)]
    power, register, grid = body["series"]
    assert [found["metric"] for found in body["series"]] == ["home_power_watts", "site_import_energy_joules", "grid_up"]
    assert (power["minimum"][0], power["maximum"][0], power["average"][0], power["last"][0]) == (600, 603, 601.5, 603)
    for series in (power["minimum"], power["average"], register["last"], grid["average"]):
        assert series[5:10] == [None] * 5 and None not in series[:5] + series[10:], "a gap is null, never zero"
    assert register["shape"] == "counter" and register["increase"][1] == 36_000.0
    assert (grid["average"][0], grid["minimum"][0]) == (0.75, 0)


def test_raw_samples_are_served_as_they_came(cast: Cast, house: str, start: datetime) -> None:
    span = {"start": _iso(start), "end": _iso(start + timedelta(minutes=1)), "step": 0}
    body = _get(cast, "owner", f"{house}/power/history", metrics="home_power_watts", **span).json()
    assert body["step_seconds"] == body["source_seconds"] == 0
    assert body["at"] == [_iso(start + timedelta(seconds=15 * i)) for i in range(4)]
    assert body["series"] == [
        {"metric": "home_power_watts", "subject": "", "shape": "gauge", "last": [600.0, 601.0, 602.0, 603.0]}
    ]


@pytest.mark.parametrize("by_header", [True, False])
def test_csv_has_a_row_per_instant_and_empty_cells_for_gaps(
    cast: Cast, house: str, start: datetime, by_header: bool
) -> None:
    span = {"start": _iso(start), "end": _iso(start + timedelta(minutes=7)), "step": 60, "metrics": "home_power_watts"}
    query = urlencode(span if by_header else {**span, "format": "csv"})
    headers = {"Accept": "text/csv"} if by_header else {}
    answer = cast.client("owner").get(f"/api/v1/{house}/power/history?{query}", headers=headers)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith("attachment;") and answer["Cache-Control"] == "no-store"
    heading, *rows = csv.reader(io.StringIO(answer.content.decode()))
    assert heading == ["at", *(f"home_power_watts.{field}" for field in ("minimum", "maximum", "average", "last"))]
    assert rows[0] == [_iso(start), "600.0", "603.0", "601.5", "603.0"]
    assert rows[5] == [_iso(start + timedelta(minutes=5)), "", "", "", ""] and len(rows) == 7


def test_offsets_and_plus_signs_in_an_address(cast: Cast, house: str, start: datetime) -> None:
    local = start.astimezone(datetime.fromisoformat("2026-01-01T00:00:00+05:30").tzinfo)
    answer = cast.client("owner").get(
        f"/api/v1/{house}/power/history?step=60&start={local.isoformat()}&end={_iso(start + timedelta(minutes=1))}"
    )
    assert answer.json()["at"] == [_iso(start)]


def test_operators_read_gpus_and_circuits(cast: Cast, house: str, start: datetime) -> None:
    span = {"start": _iso(start), "end": _iso(start + timedelta(minutes=1)), "step": 60}
    path = f"nodes/{cast.node.pk}/telemetry"
    body = _get(
        cast, "operator", path, kind="gpu", metrics="power_watts,temperature_celsius", subjects=GPU, **span
    ).json()
    assert [(s["metric"], s["subject"], s["average"]) for s in body["series"]] == [
        ("power_watts", GPU, [300.0]),
        ("temperature_celsius", GPU, [61.5]),
    ]
    everything = _get(cast, "operator", path, kind="gpu", **span).json()["series"]
    assert [s["average"] for s in everything] == [[300.0], [310.0]]
    oven = _get(cast, "operator", path, kind="circuit", **span).json()["series"]
    assert [(s["subject"], s["last"]) for s in oven] == [("oven", [2100.0])]


def test_energy_is_what_the_registers_moved(cast: Cast, house: str, start: datetime) -> None:
    query = {"start": _iso(start), "end": _iso(start + timedelta(hours=1)), "by": "hour"}
    (hour,) = _get(cast, "member", f"{house}/energy", **query).json()["energy"]
    assert hour["watt_hours"]["site_import"] == pytest.approx(79 * 9_000 / 3600)
    assert hour["watt_hours"]["node"] is None and hour["home_watt_hours"] is None, "not heard of is not zero"
    assert hour["covered_ratio"] == 0.5


def test_the_live_state_carries_each_values_own_age(cast: Cast, house: str, start: datetime) -> None:
    last = _iso(start + timedelta(seconds=15 * 79))
    live = _get(cast, "owner", house).json()["live"]
    assert live["power"]["home_watts"] == {"value": 679.0, "at": last} and live["heard_at"] == last
    assert live["circuits"] == {"oven": {"value": 2100.0, "at": _iso(start)}}
    assert _get(cast, "owner", f"{house}/battery").json()["battery"]["charge_ratio"] == {"value": 0.5, "at": last}
    assert _get(cast, "owner", f"{house}/node").json()["node"]["state"] == "unknown", "silent for an hour"


def test_nodes_are_listed_with_their_state_and_the_fleet_with_totals(cast: Cast) -> None:
    now = datetime.now(UTC)
    own = {now: {"node_power_watts": 10_600.0, "main_amperes": 60.0, "limit_amperes": 160.0}}
    tell(cast.node, own, {f"GPU-cast-00001-{i:02d}": {now: {"power_watts": 500.0}} for i in range(16)})
    rows = _get(cast, "operator", "nodes").json()["results"]
    assert [(row["hostname"], row["state"]["state"], row["state"]["cause"]) for row in rows] == [
        ("cast-00001", "working", ""),
        ("cast-00002", "unknown", "never_heard"),
    ]

    def ids(state: str) -> list[int]:
        return [row["id"] for row in _get(cast, "operator", "nodes", state=state).json()["results"]]

    assert (ids("working"), ids("unknown"), ids("down")) == ([cast.node.pk], [cast.other_node.pk], [])
    fleet = _get(cast, "billing", "fleet").json()
    assert [cell["state"] for cell in fleet["cells"]] == ["working", "unknown"]
    totals = fleet["totals"]
    assert (totals["nodes"], totals["by_state"]["working"], totals["by_state"]["unknown"]) == (2, 1, 1)
    assert (totals["watts"], totals["spare_watts"], totals["gpus_expected"]) == (10_600.0, 24_000.0, 32)
    with acting_as_system():
        NodeStatusRow.objects.update(as_of=now - timedelta(minutes=2))
    assert (ids("working"), ids("unknown")) == ([], [cast.node.pk, cast.other_node.pk]), "nobody has looked since"


def test_states_over_time(cast: Cast) -> None:
    now = datetime.now(UTC)
    tell(cast.node, {now: {"curtailed_outage": 1.0}})
    (span,) = _get(cast, "viewer", f"homes/{cast.home.pk}/states").json()["states"]
    assert (span["state"], span["cause"], span["end"]) == ("making_room", "outage", None)
    assert _get(cast, "operator", f"nodes/{cast.node.pk}/states").json()["states"] == [span]


def test_inventory_says_what_appeared(cast: Cast) -> None:
    events = _get(cast, "technician", f"nodes/{cast.node.pk}/inventory").json()["results"]
    assert [(event["kind"], event["gpu_uuid"]) for event in events] == [("new", GPU), ("new", "GPU-cast-00001-01")]
