"""The homeowner's pages: who gets in, what they say without data and with, and what they cost."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from lxml import html

from homes.access import acting_as_system
from homes.models import Home, Membership, OperatorContact
from telemetry import rollups, states, storage
from telemetry.batch import Batch
from telemetry.catalogue import BY_NAME, Kind
from telemetry.models import NodeStateSpan, NodeStatusRow
from telemetry.partitions import ensure_partitions
from tests.cast import Cast, needs_database

pytestmark = needs_database
PAGES = ("", "electricity/", "internet/", "battery/")


def report(cast: Cast, seconds_ago: float = 0, **values: float) -> None:
    """The node reported these node columns so long ago."""
    ensure_partitions()
    columns = [BY_NAME[Kind.NODE][name] for name in values]
    count = len(columns)
    batch = Batch.of(
        node_id=cast.node.pk,
        kinds=np.full(count, int(Kind.NODE), np.uint8),
        codes=np.array([column.code for column in columns], np.uint16),
        subjects=np.zeros(count, np.uint32),
        at_ms=np.full(count, int((time.time() - seconds_ago) * 1000), np.int64),
        values=np.array(list(values.values()), np.float64),
        gpus=(),
        circuits=(),
        other_series=(),
    )
    with acting_as_system():
        storage.write([batch], 0)
        states.judge([cast.node.pk])


def came_long_ago(cast: Cast) -> None:
    with acting_as_system():
        Home.objects.filter(pk=cast.home.pk).update(created_at=timezone.now() - timedelta(days=90))


def read(cast: Cast, page: str = "") -> str:
    """What somebody sees of a page before any script ran: its text, without the sentences that are not true now."""
    answer = cast.client("owner").get(f"/homes/{cast.home.pk}/{page}")
    assert answer.status_code == 200
    tree = html.fromstring(answer.content.decode())
    for unseen in tree.xpath("//template | //title"):
        unseen.drop_tree()
    return re.sub(r"\s+", " ", tree.text_content())


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("name", "status"), [("owner", 200), ("member", 200), ("viewer", 200), ("outsider", 404)])
def test_who_gets_in(cast: Cast, page: str, name: str, status: int) -> None:
    assert cast.client(name).get(f"/homes/{cast.home.pk}/{page}").status_code == status


@pytest.mark.parametrize("page", PAGES)
def test_without_any_data_a_page_says_what_will_appear(cast: Cast, page: str) -> None:
    text = cast.client("owner").get(f"/homes/{cast.home.pk}/{page}").content.decode()
    assert "unknown" in text.lower()
    assert "None" not in text


def test_home_says_what_the_panel_says(cast: Cast) -> None:
    report(cast, home_power_watts=2600.0, node_power_watts=12_100.0, site_power_watts=14_700.0, main_amperes=62.0)
    text = cast.client("owner").get(f"/homes/{cast.home.pk}/").content.decode()
    for figure in ("2.6 kW", "12.1 kW", "14.7 kW", "62 A"):
        assert figure in text


@pytest.mark.parametrize("page", PAGES)
def test_pages_never_show_the_address(cast: Cast, page: str) -> None:
    with acting_as_system():
        street = cast.home.address.street
    for name in ("owner", "operator", "admin"):
        assert street not in cast.client(name).get(f"/homes/{cast.home.pk}/{page}").content.decode()


@pytest.mark.parametrize("page", PAGES)
def test_nothing_inline_for_the_policy_to_refuse(cast: Cast, page: str) -> None:
    answer = cast.client("owner").get(f"/homes/{cast.home.pk}/{page}")
    text = answer.content.decode()
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_costs_few_queries(cast: Cast, page: str, django_assert_max_num_queries: Any) -> None:
    report(cast, home_power_watts=2600.0)
    client = cast.client("owner")
    with django_assert_max_num_queries(30):
        client.get(f"/homes/{cast.home.pk}/{page}")


def test_everybody_is_led_to_their_own_place(cast: Cast) -> None:
    assert cast.client("owner").get("/").headers["Location"] == f"/homes/{cast.home.pk}/"
    assert cast.client("operator").get("/").headers["Location"] == "/fleet/"
    assert "login" in cast.client("anonymous").get("/").headers["Location"]


def test_unknown_is_never_told_as_safe(cast: Cast) -> None:
    report(cast, coolant_leak=0.0)
    assert "No leak · not known whether the cabinet is closed" in read(cast)
    assert "How many of its processors work is not known. Not known right now: whether the grid is up," in read(cast)
    report(cast, enclosure_open=0.0, coolant_leak=1.0)
    text = read(cast)
    assert "The leak sensor is wet: on the operator's list · cabinet closed" in text
    assert "The leak sensor of your node reports coolant." in text
    assert "as it should be" not in text


@pytest.mark.parametrize("page", PAGES)
def test_whom_to_call_is_on_every_page_and_with_an_alarm(cast: Cast, page: str) -> None:
    """The one of the home's own site group, else the one for all; nothing is made up where none is set."""
    report(cast, coolant_leak=1.0)
    assert "No telephone number of the operator is set for your home yet." in read(cast, page)
    with acting_as_system():
        Home.objects.filter(pk=cast.home.pk).update(site_group="Mesa A")
        OperatorContact.objects.create(name="All", phone="(555) 555-0142", hours="day and night")
    assert "All: (555) 555-0142, day and night." in read(cast, page)
    with acting_as_system():
        OperatorContact.objects.create(site_group="Tempe", name="Theirs", phone="(555) 555-0143", hours="never")
        OperatorContact.objects.create(site_group="Mesa A", name="Mesa", phone="(555) 555-0144", hours="7 am to 9 pm")
    text = read(cast, page)
    assert text.count("Mesa: (555) 555-0144, 7 am to 9 pm.") == (2 if page == "" else 1), "and with the alarm itself"
    assert "0142" not in text and "0143" not in text
    answer = cast.client("owner").get(f"/api/v1/homes/{cast.home.pk}/node").json()
    assert "Mesa: (555) 555-0144, 7 am to 9 pm." in answer["story"]["action"]


def test_what_was_safe_hours_ago_is_not_told_as_safe_now(cast: Cast) -> None:
    report(cast, 18_000, coolant_leak=0.0, enclosure_open=0.0)
    assert "Not known whether there is a leak · not known whether the cabinet is closed" in read(cast)


def test_the_internet_is_as_old_as_its_own_word(cast: Cast) -> None:
    report(cast, 400, internet_home_up=1.0)
    report(cast, home_power_watts=2600.0)
    assert "We do not know how your internet is right now" in read(cast, "internet/")
    report(cast, internet_home_up=0.0)
    assert "Your internet is offline" in read(cast, "internet/")


def test_a_state_that_nobody_judges_is_not_told_as_today_s(cast: Cast) -> None:
    report(cast, home_power_watts=2600.0)
    assert "Your node is working." in read(cast)
    judged_at = timezone.now() - timedelta(seconds=61)
    with acting_as_system():
        NodeStatusRow.objects.filter(node=cast.node).update(as_of=judged_at)
    text = read(cast)
    assert "Your node is working" not in text
    assert "We are behind since" in text and "it says nothing about your node or home now" in text


def test_a_silent_node_s_figures_are_told_as_those_of_then(cast: Cast) -> None:
    report(cast, 86_400, home_power_watts=1500.0)
    report(cast, 18_000, battery_charge_ratio=0.9, battery_capacity_joules=57.6e6, node_power_watts=12_100.0)
    with acting_as_system():
        rollups.roll_up_dirty()
    text = read(cast)
    assert "When last heard: 12.1 kW of AI work" in text
    assert "of backup when last heard" in text and "measured 5 hours ago" in text
    assert "We have not heard from your node for 5 hours" in text


@pytest.mark.parametrize(("grid_up", "words"), [(1.0, "giving power"), (0.0, "carrying your home")])
def test_a_battery_carries_the_home_only_in_an_outage(cast: Cast, grid_up: float, words: str) -> None:
    report(cast, battery_power_watts=-2000.0, home_power_watts=1900.0, grid_up=grid_up)
    assert words in read(cast)
    assert ("leave large appliances off" in read(cast, "battery/")) is (grid_up == 0.0)


def test_outages_end_in_what_is_known_and_on_the_home_s_clock(cast: Cast) -> None:
    came_long_ago(cast)
    ago = 40 * 60
    began = datetime.fromtimestamp(time.time() - ago, UTC).replace(second=0)
    for minute in range(3):
        report(cast, ago - 60 * minute, grid_up=0.0)
    with acting_as_system():
        rollups.roll_up_dirty()
    text = read(cast, "battery/")
    assert (
        "the grid was away for at least 3 minutes; whether your home had power is not measured; nothing is known since"
        in text
    )
    local = began.astimezone(cast.home.zone)
    assert f"{local:%a} {local.day} {local:%b}, {local:%I:%M %p}".replace(", 0", ", ").lower() in text.lower()
    assert "UTC" not in text and "MST" in text
    report(cast, grid_up=0.0)
    assert "going on: the grid has been away for at least" in read(cast, "battery/")
    report(cast, grid_up=1.0)
    assert "the grid was away for at least 3 minutes; whether your home had power is not measured Times" in read(
        cast, "battery/"
    )


def test_nothing_measured_is_not_nothing_happened(cast: Cast) -> None:
    came_long_ago(cast)
    assert "Nothing is measured yet." in read(cast, "internet/")
    assert "Nothing is measured yet." in read(cast, "battery/")
    assert "We do not know how long your battery would last" in read(cast, "battery/")
    assert "Nothing is known of the last seven days" in read(cast)
    report(cast, internet_home_up=1.0, grid_up=1.0)
    with acting_as_system():
        rollups.roll_up_dirty()
    assert re.search(r"None in what was measured, which is (less than )?\d+ % of the time", read(cast, "battery/"))
    assert re.search(r"Online 100.00 % of (what was measured, which is (less than )?\d+ % of )?this month", read(cast))


def test_lately_tells_of_what_still_goes_on(cast: Cast) -> None:
    report(cast, home_power_watts=2600.0)
    with acting_as_system():
        week = timezone.now() - timedelta(days=9)
        NodeStateSpan.objects.filter(node=cast.node).update(state="unknown", cause="silent", started_at=week)
    assert "We did not hear from your node for 9 days so far" in read(cast)


def test_a_host_of_long_standing_has_had_a_first_connection(cast: Cast) -> None:
    assert "after your node's first connection" in read(cast)
    report(cast, 3600, coolant_leak=0.0)
    assert "first connection" not in read(cast)


@pytest.mark.parametrize("page", PAGES)
def test_a_home_whose_node_is_to_come_says_what_will_be_here(cast: Cast, page: str) -> None:
    with acting_as_system():
        home = Home.objects.create(name="New house", timezone="America/Denver", utility="Cast Energy")
        Membership.objects.filter(user=cast.people["outsider"]).delete()
        Membership.objects.create(home=home, user=cast.people["outsider"], role=Membership.Role.OWNER)
    client = cast.client("outsider")
    assert client.get("/").headers["Location"] == f"/homes/{home.pk}/"
    text = client.get(f"/homes/{home.pk}/{page}").content.decode()
    assert "Your node is not installed yet" in text and "a statement of the month before" in text
    assert cast.client("owner").get(f"/homes/{home.pk}/{page}").status_code == 404
