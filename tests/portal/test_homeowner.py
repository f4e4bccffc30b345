"""The homeowner's pages: who gets in, what they say without data and with, and what they cost."""

from __future__ import annotations

import re
import time
from typing import Any

import numpy as np
import pytest

from homes.access import acting_as_system
from telemetry import states, storage
from telemetry.batch import Batch
from telemetry.catalogue import BY_NAME, Kind
from telemetry.partitions import ensure_partitions
from tests.cast import Cast, needs_database

pytestmark = needs_database
PAGES = ("", "electricity/", "internet/", "battery/")


def report(cast: Cast, **values: float) -> None:
    """The node reports these node columns now."""
    ensure_partitions()
    columns = [BY_NAME[Kind.NODE][name] for name in values]
    count = len(columns)
    batch = Batch.of(
        node_id=cast.node.pk,
        kinds=np.full(count, int(Kind.NODE), np.uint8),
        codes=np.array([column.code for column in columns], np.uint16),
        subjects=np.zeros(count, np.uint32),
        at_ms=np.full(count, int(time.time() * 1000), np.int64),
        values=np.array(list(values.values()), np.float64),
        gpus=(),
        circuits=(),
        other_series=(),
    )
    with acting_as_system():
        storage.write([batch], 0)
        states.judge([cast.node.pk])


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("name", "status"), [("owner", 200), ("member", 200), ("viewer", 200), ("outsider", 404)])
def test_who_gets_in(cast: Cast, page: str, name: str, status: int) -> None:
    assert cast.client(name).get(f"/homes/{cast.home.pk}/{page}").status_code == status


@pytest.mark.parametrize("page", PAGES)
def test_without_any_data_a_page_says_what_will_appear(cast: Cast, page: str) -> None:
    text = cast.client("owner").get(f"/homes/{cast.home.pk}/{page}").content.decode()
    assert "unknown" in text.lower()
    assert "None" not in re.sub(r"\bNone\. When", "", text)


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
