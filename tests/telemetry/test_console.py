"""The operator's console: who gets in, what it costs, what it says."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from homes.access import acting_as_system
from homes.provisioning import Plan, provision
from telemetry import alarms, attention, payloads
from telemetry.attention import Severity, Subject, Visit
from telemetry.node_state import Cause, State
from telemetry.readings import Cell, GpuLatest, NodeGlance, NodeLatest, NodeStatus, Presence, ToldXid
from telemetry.standing import stand
from telemetry.views.fleet import ROWS, cells_json, totals
from telemetry.views.needs import MOST, needs_of
from tests.cast import Cast, needs_database
from xfra_portal import formats

NOW = datetime(2026, 7, 1, 21, 0, tzinfo=UTC)
AN_HOUR_AGO = NOW - timedelta(hours=1)


def node(state: State, cause: Cause = Cause.NONE, gpus: int = 16, heard: float = 1.0, **values: float) -> NodeLatest:
    """A node as last heard: `gpu_*` values go to every GPU, `circuit_*` to circuits, the rest to the node."""
    at = NOW - timedelta(seconds=heard)
    pick = lambda prefix: {k.removeprefix(prefix): Cell(v, at) for k, v in values.items() if k.startswith(prefix)}  # noqa: E731
    own = {k: Cell(v, at) for k, v in values.items() if not k.startswith(("gpu_", "circuit_"))}
    tiles = tuple(GpuLatest(i, f"GPU-{i}", i, {"power_watts": Cell(500.0, at), **pick("gpu_")}) for i in range(gpus))
    since = at if state is State.UNKNOWN else AN_HOUR_AGO
    return NodeLatest(7, NodeStatus(state, cause, since, at, Presence(16, gpus)), at, own, tiles, pick("circuit_"))


def plain(latest: NodeLatest) -> str:
    """The sentence as it reads."""
    found = stand("xfra-7", 16, latest, NOW, is_in_service=False).sentence
    return found.words.format_map({k: getattr(formats, one.unit)(one.value) for k, one in found.figures.items()})


SENTENCES = [
    (node(State.WORKING, node_power_watts=10_100, gpu_utilization_ratio=0.79), "Working normally: 10.1 kW, 79 % busy."),
    (
        node(State.SLOWER, Cause.HEAT, gpu_throttle_reasons=0x20, coolant_supply_celsius=45, outdoor_celsius=41),
        "Slower by heat: SW thermal, coolant supply 45 °C, 41 °C outdoors leaves the heat pump short.",
    ),
    (
        node(State.SLOWER, Cause.HEAT, gpu_throttle_reasons=0x40, outdoor_celsius=22),
        "Slower by heat: HW thermal, only 22 °C outdoors, so suspect pump, flow or filter.",
    ),
    (
        node(
            State.MAKING_ROOM,
            Cause.HEADROOM,
            circuit_oven=4800,
            circuit_ev_charger=11_500,
            circuit_dryer=20,
            main_amperes=158,
            limit_amperes=160,
            node_power_watts=7_100,
            node_power_limit_watts=7_200,
        ),
        "Making room for the home: EV charger 11.5 kW and oven 4.8 kW, panel at 158 A of 160 A;"
        " at its limit of 7.2 kW.",
    ),
    (
        node(State.MAKING_ROOM, Cause.OUTAGE, gpus=0, battery_charge_ratio=0.83),
        "Grid outage: battery at 83 %.",
    ),
    (node(State.SLOWER, Cause.MISSING_GPUS, gpus=15), "15 of 16 GPUs answer. The others work."),
    (
        node(State.UNKNOWN, Cause.SILENT_LINE_UP, heard=360),
        "Unknown: nothing heard for 6 min. The home's line was up at the last word, so suspect the node itself.",
    ),
    (
        node(State.UNKNOWN, Cause.SILENT, heard=3 * 3600),
        "Unknown: nothing heard for 3.0 h, and nothing else is known of the home's line.",
    ),
    (
        node(State.UNKNOWN, Cause.LATE, heard=420),
        "Unknown: what arrives now is of 7 min ago. It catches up, or its clock is behind.",
    ),
    (
        node(State.UNKNOWN, Cause.NO_READINGS, heard=420),
        "Unknown: its agent delivers, but has sent no reading of the node for 7 min. Suspect its exporters, or its"
        " clock where the door refuses what it sends.",
    ),
    (
        node(State.UNKNOWN, Cause.NOT_JUDGED, heard=600),
        "Unknown: the portal is behind for 10 min; that says nothing about this node.",
    ),
    (node(State.PAUSED, Cause.HOST_PAUSE), "Paused by the host."),
    (node(State.WORKING, coolant_leak=1), "Leak sensor wet. Working."),
]


@pytest.mark.parametrize(("latest", "sentence"), SENTENCES)
def test_the_sentence_that_says_why(latest: NodeLatest, sentence: str) -> None:
    assert plain(latest) == sentence


def test_nothing_is_heard_since_something_came_last() -> None:
    """Its readings are older than what its agent said last."""
    found = node(State.UNKNOWN, Cause.SILENT, heard=3 * 3600)
    mute = replace(found, status=replace(found.status, since=NOW - timedelta(minutes=4)))
    assert plain(mute).startswith("Unknown: nothing heard for 4 min,")


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("cause", Cause)
def test_there_is_always_a_sentence(state: State, cause: Cause) -> None:
    assert plain(node(state, cause)).endswith(".")


def glance(
    state: State,
    cause: Cause = Cause.NONE,
    gpus: int | None = 16,
    minutes: float = 60,
    late: float = 0,
    gone_at: Sequence[datetime] = (),
    **known: Any,
) -> NodeGlance:
    """`minutes` for how long, `late` by how many minutes its newest reading is old."""
    status = NodeStatus(state, cause, NOW - timedelta(minutes=minutes), NOW, Presence(16, gpus, tuple(gone_at)))
    return NodeGlance(7, status, NOW - timedelta(minutes=late), **known)


def needs(*glances: NodeGlance, **about: Any) -> list[attention.Row]:
    subjects = [Subject(f"xfra-{i}", 16, found, **about) for i, found in enumerate(glances)]
    return attention.rows(attention.needs(subjects, NOW))


def test_a_quiet_fleet_needs_nobody() -> None:
    yielding = glance(State.MAKING_ROOM, Cause.HEADROOM)
    in_an_outage = glance(State.MAKING_ROOM, Cause.OUTAGE, gpus=0)
    not_looked_at = glance(State.UNKNOWN, Cause.NOT_JUDGED)
    paused = glance(State.PAUSED, Cause.HOST_PAUSE)
    assert needs(glance(State.WORKING), yielding, in_an_outage, paused, not_looked_at) == []


def test_the_most_urgent_comes_first() -> None:
    found = needs(
        glance(State.SLOWER, Cause.MISSING_GPUS, gpus=15),
        glance(State.UNKNOWN, Cause.SILENT),
        glance(State.WORKING, coolant_leak=True),
        glance(State.WORKING, xids=(ToldXid(3, 48, None),)),
    )
    assert [row.sentence for row in found[:3]] == ["leak sensor wet", "nothing heard", "15 of 16 GPUs answer"]
    assert found[0].severity is Severity.CRITICAL
    assert found[2].lost_gpus == 1
    assert {row.action for row in found[3:]} == {"drain, then follow NVIDIA's workflow"}


@pytest.mark.parametrize(
    ("cause", "minutes", "is_listed"),
    [
        (Cause.SILENT_LINE_UP, 1.9, False),
        (Cause.SILENT_LINE_UP, 2.1, True),
        (Cause.SILENT, 9.9, False),
        (Cause.SILENT, 10.1, True),
    ],
)
def test_silence_with_the_line_up_is_somebodys_business_sooner(cause: Cause, minutes: float, is_listed: bool) -> None:
    found = needs(glance(State.UNKNOWN, cause, minutes=minutes))
    assert bool(found) is is_listed
    assert not found or ("line was up" in found[0].sentence) is (cause is Cause.SILENT_LINE_UP)


def test_each_thing_has_an_instant_of_its_own() -> None:
    """A node may have worked for nine days when its GPU tells of an error."""
    two, three_days = NOW - timedelta(minutes=2), NOW - timedelta(days=3)
    (xid,) = needs(glance(State.WORKING, minutes=9 * 1440, xids=(ToldXid(7, 79, two),)))
    assert (xid.at, xid.first.is_last_word) == (two, False)
    (wet,) = needs(glance(State.WORKING, coolant_leak=True, coolant_leak_at=three_days))
    assert (wet.at, wet.first.is_last_word) == (three_days, True)
    long_ago = NOW - timedelta(days=300)
    short = partial(glance, State.SLOWER, Cause.MISSING_GPUS, gpus=14, minutes=9 * 1440)
    (gone,) = needs(short(gone_at=(two, three_days, long_ago)))
    assert gone.at == three_days, "the one of long ago has been replaced"
    (unknown,) = needs(short(gone_at=(two,)))
    assert unknown.at is None


@pytest.mark.parametrize(
    ("visit", "says"),
    [
        (Visit.NONE, (Severity.CRITICAL, "call the home; no visit is open")),
        (Visit.OPEN, (Severity.MAJOR, "ask the technician of the open visit")),
        (Visit.THERE, None),
    ],
)
def test_an_open_enclosure_while_somebody_has_business_there(visit: Visit, says: Any) -> None:
    found = needs(glance(State.WORKING, enclosure_open=True), visit=visit)
    assert [(row.severity, row.action) for row in found] == ([says] if says else [])


def test_one_trouble_at_one_place_is_one_row() -> None:
    silent = glance(State.UNKNOWN, Cause.SILENT_LINE_UP)
    subjects = [Subject(f"xfra-{i:02d}", 16, silent, feeder="12", site_group="A") for i in range(40)]
    subjects += [Subject(f"else-{i}", 16, silent, feeder=f"{i}", site_group="B") for i in range(2)]
    xid = glance(State.WORKING, xids=(ToldXid(0, 48, None),))
    subjects += [Subject(f"xid-{i}", 16, xid, feeder="12", site_group="A") for i in range(3)]
    found = attention.rows(attention.needs(subjects, NOW))
    assert [(row.title, row.sentence) for row in found[:1]] == [("feeder 12", "40 nodes: nothing heard")]
    assert (found[0].by, found[0].lost_gpus, len(found[0].items)) == ("feeder", 640, 40)
    assert [row.title for row in found[1:]] == ["else-0", "else-1", "xid-0", "xid-1", "xid-2"]


def test_a_filter_hides_no_leak() -> None:
    leak = glance(State.WORKING, coolant_leak=True)
    other = replace(glance(State.WORKING, xids=(ToldXid(0, 48, None), ToldXid(1, 48, None))), node_id=8)
    items = attention.needs([Subject("theirs", 16, leak), Subject("mine", 16, other)], NOW)
    found = needs_of(items, {8}, is_whole=False)
    assert (found.here, found.count, found.more) == (2, 3, 0)
    assert [(one.row.sentence == "leak sensor wet", one.is_here) for one in found.rows] == [
        (True, False), (False, True), (False, True),
    ]  # fmt: skip


ORDER = [
    ("a leak", glance(State.WORKING, coolant_leak=True, coolant_leak_at=NOW - timedelta(minutes=1))),
    ("an open cabinet", glance(State.SLOWER, Cause.MISSING_GPUS, enclosure_open=True, enclosure_open_at=NOW)),
    ("16 GPUs idle", glance(State.DOWN, Cause.NO_GPUS, gpus=0)),
    ("4 GPUs missing", glance(State.SLOWER, Cause.MISSING_GPUS, gpus=12, gone_at=[NOW] * 4)),
    ("4 GPUs missing, later", glance(State.SLOWER, Cause.MISSING_GPUS, gpus=12, gone_at=[NOW + timedelta(1)] * 4)),
    ("an XID of long ago", glance(State.WORKING, xids=(ToldXid(0, 48, NOW - timedelta(days=9)),))),
    ("an XID of today", glance(State.WORKING, xids=(ToldXid(0, 48, NOW - timedelta(hours=1)),))),
]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_is_safety_severity_cost_age_whatever_is_shown(seed: int) -> None:
    subjects = [Subject(name, 16, replace(found, node_id=i)) for i, (name, found) in enumerate(ORDER)]
    random.Random(seed).shuffle(subjects)
    items = attention.needs(subjects, NOW)
    for shown in (set(), {6}, {0, 3}, set(range(7))):
        found = needs_of(items, shown, is_whole=True)
        assert [one.row.title for one in found.rows] == [name for name, _ in ORDER]
        assert found.here == len(shown)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (ORDER[0][1], ""),
        (ORDER[2][1], "16 GPUs idle, about $46 an hour"),
        (ORDER[3][1], "4 GPUs idle, about $12 an hour"),
        (glance(State.SLOWER, Cause.MISSING_GPUS, gpus=15, gone_at=[NOW]), "1 GPU idle, about $2.90 an hour"),
        (glance(State.UNKNOWN, Cause.SILENT), "16 GPUs not heard from, up to $46 an hour"),
        (ORDER[5][1], ""),
    ],
)
def test_what_waiting_costs_as_far_as_it_is_known(found: NodeGlance, words: str) -> None:
    (row,) = needs(found)
    assert attention.cost_words(row, 2.90) == words


def test_the_whole_list_is_there_for_the_asking() -> None:
    xids = tuple(ToldXid(slot, 48, None) for slot in range(16))
    items = attention.needs([Subject(f"xfra-{i}", 16, glance(State.WORKING, xids=xids)) for i in range(3)], NOW)
    assert needs_of(items, {7}, is_whole=False).more == 48 - MOST
    assert len(needs_of(items, {7}, is_whole=True).rows) == 48


NEVER = NodeStatus(State.UNKNOWN, Cause.NEVER_HEARD, None, None)
WORKING = NodeStatus(State.WORKING, Cause.NONE, AN_HOUR_AGO, NOW)


def test_a_portal_that_is_behind_says_so_itself() -> None:
    behind = NodeStatus(State.UNKNOWN, Cause.NOT_JUDGED, AN_HOUR_AGO, NOW - timedelta(minutes=3))
    before = replace(behind, as_of=AN_HOUR_AGO)
    (found,) = alarms.of_judging([before, behind, NEVER], NOW)
    assert (found.severity, found.sentence) == (
        Severity.CRITICAL,
        "The portal is behind: for 3 min it has not looked at any node. It is not the nodes",
    )
    (some,) = alarms.of_judging([before, WORKING, WORKING, NEVER], NOW)
    assert "for 60 min it has not looked at 1 of 3 nodes" in some.sentence
    assert alarms.of_judging([], NOW) == alarms.of_judging([NEVER, WORKING], NOW) == []


def test_a_fleet_is_hardly_silent_by_itself() -> None:
    silent = NodeStatus(State.UNKNOWN, Cause.SILENT, NOW - timedelta(minutes=7), NOW), "A"
    line_up = NodeStatus(State.UNKNOWN, Cause.SILENT_LINE_UP, NOW - timedelta(minutes=90), NOW), "B"
    late = NodeStatus(State.UNKNOWN, Cause.LATE, AN_HOUR_AGO, NOW), "B"
    visited = NodeStatus(State.SERVICE, Cause.VISIT, AN_HOUR_AGO, NOW), "B"
    (found,) = alarms.of_silence([silent, silent, line_up, (NEVER, "B"), visited], NOW)
    assert found.severity is Severity.CRITICAL
    assert found.sentence == "Nothing is heard from 3 of 3 nodes for 7 min: suspect our own side"
    assert "9 of 10 nodes" in alarms.of_silence([*[silent] * 8, line_up, late], NOW)[0].sentence
    nowhere = silent[0], ""
    assert alarms.of_silence([nowhere] * 3, NOW), "where no feeder is set, none can be to blame"
    for known in ([], [(NEVER, "A")], [silent, line_up], [silent] * 9, [*[silent] * 7, line_up, late]):
        assert alarms.of_silence(known, NOW) == []


def test_who_delivers_is_not_sent_a_technician() -> None:
    assert (
        needs(glance(State.UNKNOWN, Cause.LATE, minutes=9), glance(State.UNKNOWN, Cause.NO_READINGS, minutes=1)) == []
    )
    late = glance(State.UNKNOWN, Cause.LATE, minutes=11, late=7)
    mute = glance(State.UNKNOWN, Cause.NO_READINGS, minutes=11)
    first, second = needs(late, mute)
    assert (first.severity, first.action) == (Severity.MAJOR, "restart its exporters, then see their log")
    assert (second.severity, second.lost_gpus) == (Severity.MINOR, None)
    assert second.sentence == "what it delivers is 7 min late" and "set the node's clock" in second.action
    assert len(needs(late, late, late, mute, mute, mute)) == 6, "each has a clock and exporters of its own"


def test_totals_add_nothing_for_what_is_unknown() -> None:
    def cell(state: str, watts: float | None, busy: float | None) -> Any:
        return {"state": state, "gpus_seen": 16, "gpus_expected": 16, "node_watts": watts, "spare_watts": None,
                "utilization_ratio": busy}  # fmt: skip

    found = totals([cell("working", 10_000.0, 0.8), cell("unknown", None, None), cell("down", None, None)])
    assert (found.nodes, found.watts, found.busy_ratio) == (3, 10_000.0, 0.8)
    assert (found.gpus_seen, found.gpus_expected) == (32, 48), "nobody sees those of a node that is not heard"
    assert found.by_state["unknown"] == found.by_state["down"] == 1
    nobody = totals([cell("unknown", None, None)])
    assert (nobody.watts, nobody.spare_watts, nobody.busy_ratio) == (None, None, None)


@needs_database
@pytest.mark.parametrize("path", ["/fleet/", "/fleet/nodes/{node}/"])
@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("operator", 200),
        ("operator_viewer", 200),
        ("admin", 200),
        ("owner", 404),
        ("outsider", 404),
        ("anonymous", 302),
    ],
)
def test_who_gets_in(cast: Cast, path: str, name: str, status: int) -> None:
    assert cast.client(name).get(path.format(node=cast.node.hostname)).status_code == status


@needs_database
def test_a_technician_sees_the_nodes_of_open_orders(cast: Cast) -> None:
    text = cast.client("technician").get("/fleet/").content.decode()
    assert cast.node.hostname in text
    assert cast.other_node.hostname not in text
    assert cast.client("idle_technician").get(f"/fleet/nodes/{cast.node.hostname}/").status_code == 404


@needs_database
def test_the_fleet_costs_the_same_for_many_nodes(cast: Cast, django_assert_max_num_queries: Any) -> None:
    with acting_as_system():
        for i in range(30):
            provision(Plan(f"more-{i}", "America/Phoenix", "utility", "provider"))
    client = cast.client("operator")  # whose session is noted at its first page, which takes two
    with django_assert_max_num_queries(17):
        text = client.get("/fleet/").content.decode()
    assert sum(len(rows) for rows in cells_of(text)["groups"].values()) >= 30


def cells_of(text: str) -> Any:
    """What the page's grids draw."""
    found = re.search(r'<script type="application/json" id="cells">([^<]*)</script>', text)
    assert found
    return json.loads(found[1])


@needs_database
def test_the_table_is_read_by_pages(cast: Cast) -> None:
    with acting_as_system():
        for i in range(2 * ROWS):
            provision(Plan(f"paged-{i:03d}", "America/Phoenix", "utility", "provider", site_group="Paged & <b>"))
    client, address, listed = cast.client("operator"), "/fleet/?sort=hostname&site_group=Paged+%26+%3Cb%3E", []
    text = client.get(address).content.decode()
    assert list(cells_of(text)["groups"]) == ["group-0"]
    assert "Paged &amp; &lt;b&gt; <span" in text
    listed += re.findall(r'<th scope="row"><a href="[^"]*">([^<]*)</a>', text)
    assert "open" not in re.findall(r'<details class="fleet-table"[^>]*>', text)[0]
    following = re.findall(r'rel="next" href="([^"]*)"', text)[0].replace("&amp;", "&").removesuffix("#table")
    text = client.get(f"/fleet/{following}").content.decode()
    listed += re.findall(r'<th scope="row"><a href="[^"]*">([^<]*)</a>', text)
    assert listed == [f"paged-{i:03d}" for i in range(2 * ROWS)]
    assert 'rel="next"' not in text and 'rel="prev"' in text
    assert "open" in re.findall(r'<details class="fleet-table"[^>]*>', text)[0]
    assert client.get(f"{address}&page=nonsense").status_code == client.get(f"{address}&page=99").status_code == 200


def test_nothing_within_the_cells_ends_their_script() -> None:
    glance = NodeGlance(7, NodeStatus(State.WORKING, Cause.NONE, None, None), None)
    cell = payloads.fleet_cell("</script><b>&amp;", 16, glance)
    text = cells_json([{"id": "group-0", "cells": [cell]}])
    assert not set("<>&") & set(text)
    held = json.loads(text)
    assert [dict(zip(held["columns"], row, strict=True)) for row in held["groups"]["group-0"]] == [cell]


@needs_database
@pytest.mark.parametrize(
    "query", ["q=%00", "state=nonsense", "group=nonsense&sort=nonsense", "site_group=%00x", "range=1y&metric=;"]
)
def test_nonsense_in_the_address_is_harmless(cast: Cast, query: str) -> None:
    status = 400 if "%00" in query else 200
    for path in ("/fleet/", f"/fleet/nodes/{cast.node.hostname}/"):
        assert cast.client("operator").get(f"{path}?{query}").status_code == status


@needs_database
@pytest.mark.parametrize("path", ["/fleet/", "/fleet/nodes/{node}/"])
def test_nothing_inline_for_the_policy_to_refuse(cast: Cast, path: str) -> None:
    text = cast.client("operator").get(path.format(node=cast.node.hostname)).content.decode()
    assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:", text)
