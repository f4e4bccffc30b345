"""The console's pages of nodes that are heard, silent, in trouble, or of which the portal itself knows nothing."""

from __future__ import annotations

import html
import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from django.utils import timezone

from homes.access import acting_as_system
from homes.models import Gpu, Home, InventoryEvent, Node, WorkOrder
from homes.provisioning import Plan, provision
from telemetry import room, states
from telemetry.models import NodeStatusRow
from tests.api.heard import tell
from tests.cast import Cast, needs_database

pytestmark = [needs_database, pytest.mark.usefixtures("watched")]


@pytest.fixture
def watched(ingest_redis: redis.Redis) -> None:
    """Somebody has looked at disk and memory, and nothing was refused lately: else the list begins with that."""
    room.watch(ingest_redis)


def hear(node: Node, at: datetime, **own: float) -> None:
    """Two GPUs at work, and what the node tells of itself."""
    gpus = {
        f"GPU-{node.hostname}-{slot:02d}": {at: {"power_watts": 587.0, "utilization_ratio": 0.98}} for slot in range(2)
    }
    with acting_as_system():
        Node.objects.filter(pk=node.pk).update(expected_gpus=2)
    tell(node, {at: {"node_power_watts": 1200.0, "main_amperes": 60.0, "limit_amperes": 160.0, **own}}, gpus)


def page(cast: Cast, path: str, who: str = "operator") -> str:
    answer = cast.client(who).get(path)
    assert answer.status_code == 200
    return " ".join(html.unescape(answer.content.decode()).split())


def needs(text: str) -> str:
    """The words of the list."""
    (found,) = re.findall(r"<div data-needs>(.*?)</aside>", text)
    return " ".join(re.sub(r"<[^>]*>", " ", found).split())


def total(text: str, name: str) -> str:
    (found,) = re.findall(rf'data-total="{name}">([^<]*)<', text)
    return str(found)


def test_without_a_worker_nothing_is_known_and_the_portal_says_that_it_is_to_blame(cast: Cast) -> None:
    hear(cast.node, timezone.now())
    text = page(cast, "/fleet/?q=cast-00001")
    assert (total(text, "working"), total(text, "watts")) == ("1", "1.2 kW")
    with acting_as_system():
        NodeStatusRow.objects.update(as_of=timezone.now() - timedelta(hours=1))
    text = page(cast, "/fleet/?q=cast-00001")
    assert (total(text, "working"), total(text, "unknown")) == ("0", "1")
    assert total(text, "watts") == total(text, "spare_watts") == total(text, "busy_ratio") == "unknown"
    assert "critical The portal is behind: for 60 min it has not looked at any node. It is not the nodes" in needs(text)
    assert "cast-00001" not in needs(text)
    assert cast.client("operator").get("/api/v1/fleet").json()["totals"]["watts"] is None
    assert "the portal is behind for 60 min" in page(cast, f"/fleet/nodes/{cast.node.hostname}/")


def test_a_silent_nodes_tiles_are_what_was_last_known(cast: Cast) -> None:
    path = f"/fleet/nodes/{cast.node.hostname}/"
    hear(cast.node, timezone.now())
    text = page(cast, path)
    assert len(re.findall(r'<li class="tile"', text)) == 2 and "last known" not in text
    hear(cast.other_node, timezone.now() - timedelta(hours=3))
    text = page(cast, f"/fleet/nodes/{cast.other_node.hostname}/")
    tiles = re.findall(r'<li class="tile last-known".*?</li>', text)
    assert len(tiles) == 2
    assert re.search(r"Last known <time [^>]*>3 hours ago<", text), "its age is said once, not in sixteen tiles"
    assert all("ago" not in tile and "98 %" in tile and "no faults then" in tile for tile in tiles)
    assert all('data-value="utilization_ratio" data-format="ratio" class="old"' in tile for tile in tiles)
    assert '<dl class="strip last-known">' in text


def test_a_filter_hides_no_trouble_elsewhere(cast: Cast) -> None:
    hear(cast.node, timezone.now())
    hear(cast.other_node, timezone.now(), coolant_leak=1.0)
    here = needs(page(cast, "/fleet/?q=cast-00001"))
    assert here.startswith("The whole fleet's 1; 0 of what is shown here. critical last word ")
    assert "outside this filter cast-00002 leak sensor wet" in here
    assert "outside this filter" not in needs(page(cast, "/fleet/?q=cast-00002"))
    assert "whole fleet" not in needs(page(cast, "/fleet/"))


def test_the_page_knows_which_nodes_its_filters_leave_out(cast: Cast) -> None:
    def held(query: str) -> Any:
        (text,) = re.findall(r'id="cells">([^<]*)<', page(cast, f"/fleet/?{query}"))
        return json.loads(text)

    hear(cast.node, timezone.now())
    assert (held("")["left_out"], held("")["state"]) == ([], "")
    assert held("q=cast-00001&state=down")["left_out"] == [cast.other_node.pk]
    assert held("q=cast-00001&state=down")["groups"] == {}
    assert held("state=down")["left_out"] == [], "whoever goes down belongs here"


def test_a_feeder_that_loses_power_is_one_row(cast: Cast) -> None:
    with acting_as_system():
        nodes = [provision(Plan(f"lost-{i}", "America/Phoenix", "u", "p", feeder="feeder 9"))[0] for i in range(4)]
    for node in nodes:
        hear(node, timezone.now() - timedelta(minutes=3), internet_home_up=1.0)
    text = page(cast, "/fleet/")
    assert (
        "major began 3 minutes ago 8 GPUs not heard from, up to $23 an hour feeder 9 4 nodes: nothing heard"
        in needs(text)
    )
    assert 'href="/fleet/?feeder=feeder%209"' in text
    assert needs(text).count("nothing heard") == 1


def test_a_fleet_that_is_silent_at_once_suspects_the_portal(cast: Cast) -> None:
    with acting_as_system():
        nodes = [provision(Plan(f"lost-{i}", "America/Phoenix", "u", "p", feeder=f"feeder {i}"))[0] for i in range(4)]
    for node in nodes:
        hear(node, timezone.now() - timedelta(minutes=12))
    text = page(cast, "/fleet/")
    assert "critical Nothing is heard from 4 of 4 nodes for 12 min: suspect our own side" in needs(text)
    assert needs(text).count("lost-") == 4, "and it hides nothing"
    assert total(text, "gpus_seen") == "0"
    hear(cast.node, timezone.now())
    assert "suspect our own side" not in needs(page(cast, "/fleet/"))


def test_a_door_that_is_shut_explains_that_nothing_new_is_known(cast: Cast, ingest_redis: redis.Redis) -> None:
    hear(cast.node, timezone.now())
    with acting_as_system():
        NodeStatusRow.objects.update(as_of=timezone.now() - timedelta(minutes=9))
    assert "The portal is behind" in needs(page(cast, "/fleet/"))
    room.tell(ingest_redis, "disk", "no space")
    told = needs(page(cast, "/fleet/"))
    assert "Nothing is taken in: no space" in told and "start the workers" not in told


def test_a_visit_explains_an_open_enclosure(cast: Cast) -> None:
    hear(cast.other_node, timezone.now(), enclosure_open=1.0)
    assert "Call the home; no visit is open." in needs(page(cast, "/fleet/"))
    with acting_as_system():
        WorkOrder.objects.create(node=cast.other_node, technician=cast.people["technician"], summary="pump")
    assert "Ask the technician of the open visit." in needs(page(cast, "/fleet/"))
    with acting_as_system():
        Node.objects.filter(pk=cast.other_node.pk).update(in_service_since=timezone.now())
    assert "enclosure open" not in needs(page(cast, "/fleet/"))


def test_missing_gpus_are_missing_since_they_went(cast: Cast) -> None:
    hear(cast.node, timezone.now())
    with acting_as_system():
        Node.objects.filter(pk=cast.node.pk).update(expected_gpus=3)
        gone = Gpu.objects.create(uuid="GPU-gone", node=cast.node, slot=2, first_seen_at=timezone.now())
        Gpu.objects.filter(pk=gone.pk).update(gone_at=timezone.now() - timedelta(minutes=7))
        states.judge([cast.node.pk])
    assert "began 7 minutes ago" in needs(page(cast, "/fleet/?q=cast-00001"))


def test_a_technician_is_promised_nothing_that_is_refused(cast: Cast) -> None:
    text = page(cast, "/fleet/", "technician")
    assert 'data-fleet=""' in text, "the fleet's socket is not theirs"
    assert "Asked again every 20 seconds." in needs(text)
    text = page(cast, "/fleet/", "idle_technician")
    assert "No visit is open for you." in text and "provision_node" not in text
    assert 'data-fleet="/ws/fleet/"' in page(cast, "/fleet/")


def test_a_gpu_has_one_name_on_tile_chart_and_event(cast: Cast) -> None:
    hear(cast.node, timezone.now())
    uuid = f"GPU-{cast.node.hostname}-01"
    with acting_as_system():
        InventoryEvent.objects.create(
            node=cast.node, from_node=cast.other_node, gpu_uuid=uuid, kind="moved", at=timezone.now()
        )
    path = f"/fleet/nodes/{cast.node.hostname}/"
    text = page(cast, path)
    assert f'GPU 1 <code class="uuid" title="{uuid}">{uuid}</code>' in text
    (labels,) = set(re.findall(r'data-query="kind=gpu"[^{]*data-labels="(\{[^}]*\})"', text))
    assert json.loads(labels) == {f"GPU-{cast.node.hostname}-0{slot}": f"GPU {slot}" for slot in range(2)}
    other = cast.other_node.hostname
    assert f'Moved from <a href="/fleet/nodes/{other}/">{other}</a>: GPU 1 <code>{uuid}</code>' in text
    assert f"Moved from another node: GPU 1 <code>{uuid}</code>" in page(cast, path, "technician")


@pytest.mark.parametrize("query", ["needs=all", "needs=all&feeder=feeder+1", "needs=nonsense"])
def test_the_list_as_a_whole(cast: Cast, query: str) -> None:
    hear(cast.node, timezone.now(), coolant_leak=1.0)
    with acting_as_system():
        Home.objects.update(feeder="feeder 1")
    assert "leak sensor wet" in needs(page(cast, f"/fleet/?{query}"))
