"""Which step a range is served with: the finest that is not too many buckets, of what is still kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homes.models import Node
from telemetry import range_reads, reads
from telemetry.aggregates import Function
from telemetry.catalogue import Kind
from telemetry.fleet_reads import Question
from telemetry.fleet_reads import over as fleet_over
from tests.telemetry.test_rollups import store_registers

DAY, HOUR = timedelta(days=1), timedelta(hours=1)

DEFAULTS = [
    (4 * HOUR, 4 * HOUR, 60),
    (HOUR, HOUR, 15),
    (4 * DAY, HOUR, 60),
    (13 * DAY, 4 * HOUR, 60),
    (20 * DAY, 4 * HOUR, 900),
    (20 * DAY, 20 * DAY, 7200),
    (390 * DAY, HOUR, 900),
    (402 * DAY, 4 * HOUR, 3600),
    (402 * DAY, 400 * DAY, 86_400),
    (6 * 365 * DAY, HOUR, 3600),
]


@pytest.mark.parametrize(("ago", "span", "step"), DEFAULTS, ids=str)
def test_a_step_of_ones_own_choosing_is_one_whose_values_are_kept(ago: timedelta, span: timedelta, step: int) -> None:
    start = datetime.now(UTC) - ago
    assert range_reads.choose_step(start, start + span, None) == step
    assert range_reads.choose_step(start, start + span, step) == step


REFUSED = [
    (4 * DAY, 0, "kept for 3 days.*a multiple of 60"),
    (4 * DAY, 30, "kept for 3 days.*a multiple of 60"),
    (20 * DAY, 60, "kept for 14 days.*a multiple of 900"),
    (20 * DAY, 600, "kept for 14 days.*a multiple of 900"),
    (402 * DAY, 900, "kept for 400 days.*a multiple of 3600"),
]


@pytest.mark.parametrize(("ago", "step", "says"), REFUSED, ids=str)
def test_a_finer_step_than_is_kept_is_refused_with_the_finest(ago: timedelta, step: int, says: str) -> None:
    start = datetime.now(UTC) - ago
    with pytest.raises(ValueError, match=says):
        range_reads.choose_step(start, start + 4 * HOUR, step)


@pytest.mark.parametrize(("days", "step"), [(3, 0), (3, 30), (14, 60), (400, 900)])
def test_just_as_long_ago_as_it_is_kept_is_not_too_long(days: int, step: int) -> None:
    start = datetime.now(UTC) - days * DAY
    assert range_reads.choose_step(start, start + HOUR, step) == step


def test_an_engine_may_have_raw_samples_that_postgres_has_not(settings: Any) -> None:
    settings.SAMPLES_URL = "http://127.0.0.1:1"
    start = datetime.now(UTC) - 20 * DAY
    assert [range_reads.choose_step(start, start + HOUR, step) for step in (0, 30)] == [0, 30]
    with pytest.raises(ValueError, match="kept for 14 days"):
        range_reads.choose_step(start, start + HOUR, 60)


@pytest.mark.usefixtures("system")
def test_a_few_hours_of_three_weeks_ago_are_there(node: Node) -> None:
    start = (datetime.now(UTC) - 20 * DAY).replace(minute=0, second=0, microsecond=0)
    store_registers(node, start, [3600.0 * i for i in range(16)])
    found = reads.history(node.pk, Kind.NODE, ["site_import_energy_joules"], start, start + 4 * HOUR)
    assert (found.step_seconds, found.source_seconds) == (900, 900)
    assert found.series[0].last == [3600.0 * i for i in range(16)]


@pytest.mark.usefixtures("system")
def test_aggregates_of_the_fleet_are_of_what_is_kept_too(node: Node) -> None:
    question, groups = Question(Kind.NODE, "node_power_watts", Function.SUM), {node.pk: "all"}
    start = datetime.now(UTC) - 20 * DAY
    assert fleet_over(question, groups, start, start + HOUR, None).step_seconds == 900
    with pytest.raises(ValueError, match="a multiple of 900"):
        fleet_over(question, groups, start, start + HOUR, 60)
