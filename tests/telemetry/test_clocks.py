"""What is shown as now is ordered by what can be believed, whatever is wrong with a node's clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from homes.models import Gpu, InventoryEvent, Node
from telemetry import clocks, evidence, reads, states, storage
from telemetry.admission import FUTURE_MS
from telemetry.attention import Kind as NeedKind
from telemetry.attention import Subject, needs
from telemetry.catalogue import Kind
from telemetry.clocks import LATE_MS, RIGHT, STEADY_MS, TOLERANCE_MS, Clock
from telemetry.latest import DANGER_MS
from telemetry.models import NodeClock
from telemetry.standing import stand
from telemetry.stream import shard_of
from tests.telemetry import stored
from tests.telemetry.messages import admitted, gpu, series
from tests.telemetry.test_storage import AT as TODAY
from tests.telemetry.test_storage import WATTS

pytestmark = pytest.mark.usefixtures("system")
AT = TODAY - 3_600_000
STEP = 5
MINUTE, HOUR = 60, 3600
Wrong = Callable[[int], float]
"""By how many seconds a clock is ahead, by the true second of the story; negative: behind."""

STORIES: dict[str, tuple[Wrong, int]] = {
    "right": (lambda second: 0, 0),
    "ahead within what a network does": (lambda second: 4, 0),
    "ahead": (lambda second: 8 * MINUTE, 0),
    "ahead, then set right": (lambda second: 8 * MINUTE if second < 60 else 0, 0),
    "right, then ahead": (lambda second: 0 if second < 60 else 8 * MINUTE, 0),
    "further and further ahead": (lambda second: second, 0),
    "a leap second forth": (lambda second: 1 if second >= 60 else 0, 0),
    "a leap second back": (lambda second: -1 if second >= 60 else 0, 0),
    "right, then behind by minutes": (lambda second: 0 if second < 60 else -8 * MINUTE, 70),
    "right, then behind by hours": (lambda second: 0 if second < 60 else -3 * HOUR, 70),
    "behind, then set right": (lambda second: -8 * MINUTE if second < 120 else 0, 70),
    "behind, then ahead": (lambda second: -8 * MINUTE if second < 120 else 8 * MINUTE, 70),
    "ahead, then behind": (lambda second: 8 * MINUTE if second < 60 else -3 * HOUR, 70),
    "behind, then further behind": (lambda second: -8 * MINUTE if second < 120 else -3 * HOUR, 70),
}
"""Each clock, and for how many seconds after it stepped back it may not be clear that it is not a backlog."""
WET_AT, DRY_AT, END = 135, 250, 300


def ms(second: float) -> int:
    return AT + int(second * 1000)


def scrape(node: Node, second: float, by_clock: float, slots: range = range(4)) -> list[Any]:
    at = ms(by_clock)
    return [
        *(gpu(slot, WATTS, [(at, 500.0)], node.hostname) for slot in slots),
        series("xfra_coolant_leak", [(at, 1.0 if WET_AT <= second < DRY_AT else 0.0)]),
        series("xfra_battery_charge_ratio", [(at, second / 1000)]),
        series("xfra_panel_energy_joules_total", [(at, 1000.0 * second)], register="site_import"),
    ]


def send(node: Node, second: float, parts: list[Any], by_clock: float | None = None) -> None:
    """It comes a third of a second after it was measured."""
    came_ms = ms(second) + 300
    found = admitted(node.pk, parts, max(came_ms / 1000, ms(by_clock or second) / 1000 - 500))
    assert not found.refused, found.complaint
    storage.write([replace(found.batch, came_ms=came_ms)], shard_of(node.pk))


@pytest.mark.parametrize("story", STORIES)
def test_whatever_a_clock_does_what_is_shown_is_what_was_measured_last(node: Node, story: str) -> None:
    wrong, unclear = STORIES[story]
    stepped = 0
    for second in range(0, END, STEP):
        if (second and wrong(second) < wrong(second - STEP) - 1) or (second == 0 and wrong(0) < 0):
            stepped = second
        send(node, second, scrape(node, second, second + wrong(second)), second + wrong(second))
        cells = reads.latest([node.pk])[node.pk].cells
        for name, cell in cells.items():
            age_ms = ms(second) + 300 - cell.at.timestamp() * 1000
            assert age_ms >= 0, (story, second, name)
        if second - stepped >= unclear or wrong(second) >= 0:
            assert cells["battery_charge_ratio"].value == pytest.approx(second / 1000), second
            assert ms(second) - cells["battery_charge_ratio"].at.timestamp() * 1000 <= 5_000, second
        if WET_AT + DANGER_MS / 1000 <= second < DRY_AT:
            assert cells["coolant_leak"].value == 1, second
        if second < WET_AT or second >= DRY_AT + unclear:
            assert cells["coolant_leak"].value == 0, second
    states.judge([node.pk], now=datetime.fromtimestamp(ms(END) / 1000, UTC))
    assert Gpu.objects.filter(node=node, gone_at=None).count() == 4
    assert {event.kind for event in InventoryEvent.objects.filter(node=node)} == {"new"}


@pytest.mark.parametrize("ahead_seconds", [8 * MINUTE, -3 * HOUR])
def test_history_is_dated_by_a_clock_that_is_known_to_be_wrong(node: Node, ahead_seconds: int) -> None:
    """Set right, it does not go over the same time again: a register would fall and rise, and each rise be billed."""
    for second in range(0, 180, STEP):
        by_clock = second + (ahead_seconds if second < 120 else 0)
        send(node, second, scrape(node, second, by_clock, range(0)), by_clock)
    read = stored.column(Kind.NODE, node.pk, "site_import_energy_joules")
    known = {at: joules for at, joules in read.items() if joules >= 1000.0 * STEADY_MS / 1000}
    assert all(abs(at - ms(joules / 1000)) <= 400 for at, joules in known.items())
    assert len(read) == 36 and len(known) == 24


def test_who_catches_up_moves_nothing_back(node: Node) -> None:
    send(node, 0, scrape(node, 0, 0))
    for second in range(600, 700, STEP):  # live, and between that an hour of long ago, with a leak that was mended
        send(node, second, scrape(node, second, second))
        old = [series("xfra_coolant_leak", [(ms(-HOUR + second), 1.0)])]
        send(node, second + 1, old, -HOUR + second)
        cells = reads.latest([node.pk])[node.pk].cells
        assert (cells["coolant_leak"].value, cells["coolant_leak"].at.timestamp() * 1000) == (0.0, ms(second))


def test_who_catches_up_in_order_is_dated_as_it_says(node: Node) -> None:
    """An hour in three minutes: what is shown is as old as it says, until it is of now."""
    for second in range(0, 180, STEP):
        measured = -HOUR + second * 20
        send(node, second, scrape(node, 0, measured), measured)
        shown = reads.latest([node.pk])[node.pk].cells["battery_charge_ratio"].at
        assert shown.timestamp() * 1000 == ms(measured)
    assert stored.rows(Kind.NODE, node.pk) == 36
    assert not NodeClock.objects.filter(node=node).exclude(ahead_ms=0).exists()


@pytest.mark.parametrize(
    ("deliveries", "expected"),
    [
        ([(0, 0)], RIGHT),
        ([(0, TOLERANCE_MS)], RIGHT),
        ([(0, TOLERANCE_MS + 1)], Clock(0, -TOLERANCE_MS - 1, 0)),
        ([(0, 480_000), (60_000, 479_000), (65_000, 480_040)], Clock(480_040)),
        ([(0, 480_000), (60_000, 100_000)], Clock(0, -100_000, 60_000)),
        ([(0, 480_000), (5_000, -300)], RIGHT),
        ([(0, -LATE_MS)], RIGHT),
        ([(0, -LATE_MS - 1)], Clock(0, LATE_MS + 1, 0)),
        ([(t, -480_000 - t % 30_000) for t in range(0, STEADY_MS + 1, 5_000)], Clock(-480_000)),
        ([(t, -480_000 + t) for t in range(0, 120_001, 5_000)], Clock(0, 360_000, 120_000)),
        ([(t, -480_000 - t) for t in range(0, 120_001, 5_000)], Clock(0, 580_000, 100_000)),
        ([(t, -480_000) for t in range(0, 120_000, 5_000)] + [(120_000, -500)], RIGHT),
    ],
)
def test_what_is_known_of_a_clock(deliveries: list[tuple[int, int]], expected: Clock) -> None:
    """Each delivery is when it came, and by how much its newest sample is ahead of that."""
    clock = RIGHT
    for came_ms, ahead_ms in deliveries:
        clock = clock.after(came_ms + ahead_ms, came_ms)
    assert clock == expected


@pytest.mark.parametrize(
    ("ahead_seconds", "words"), [(480, "clock is 8 min ahead"), (-10_800, "clock is 3.0 h behind"), (20, "")]
)
def test_a_wrong_clock_is_told(node: Node, ahead_seconds: int, words: str) -> None:
    for second in range(0, 90, STEP):
        send(node, second, scrape(node, second, second + ahead_seconds), second + ahead_seconds)
    now = datetime.fromtimestamp(ms(86) / 1000, UTC)
    delivered = {node.pk: evidence.Delivery(now, now)}
    states.judge([node.pk], now=now, delivered=delivered)
    glance = reads.glances([node.pk], now)[node.pk]
    assert glance.status.state == "slower", "four of sixteen GPUs answer"
    found = [item for item in needs([Subject(node.hostname, 16, glance)], now) if item.kind is NeedKind.CLOCK]
    assert [words in item.sentence for item in found] == ([True] if words else [])
    latest = replace(reads.latest([node.pk])[node.pk], status=glance.status)
    assert words in stand(node.hostname, 16, latest, now, False).sentence.words
    assert reads.glances([node.pk], now)[node.pk].heard_at <= now  # type: ignore[operator]


@pytest.mark.parametrize(
    ("ahead_ms", "leak", "kept"),
    [
        (FUTURE_MS + 1, 1.0, True),
        (FUTURE_MS + 1, 0.0, True),
        (30 * 86_400_000, 1.0, True),
        (-80 * 3_600_000, 1.0, True),
        (-80 * 3_600_000, 0.0, False),
    ],
)
def test_a_leak_is_not_refused_for_its_clock(node: Node, ahead_ms: int, leak: float, kept: bool) -> None:
    """The rest is, and the sender is told."""
    at = TODAY + ahead_ms
    parts = [
        series("xfra_coolant_leak", [(at, leak)]),
        series("xfra_sound_decibels", [(at, 40.0)]),
        series("xfra_sound_decibels", [(at, 40.0)], room="other"),
    ]
    found = admitted(node.pk, parts, TODAY / 1000)
    assert found.refused.total() == 3 - kept
    assert found.batch.at_ms.tolist() == [TODAY] * kept and found.batch.values.tolist() == [leak] * kept


def test_a_node_whose_clock_is_so_wrong_has_not_lost_its_gpus(node: Node) -> None:
    send(node, 0, scrape(node, 0, 0, range(16)))
    for second in range(100, 200, STEP):
        send(node, second, [series("xfra_coolant_leak", [(ms(second), 1.0)])])
    now = datetime.fromtimestamp(ms(200) / 1000, UTC)
    states.judge([node.pk], now=now, delivered={node.pk: evidence.Delivery(now, now)})
    status = reads.glances([node.pk], now)[node.pk].status
    assert (status.state, status.cause) == ("unknown", "no_readings")
    latest = replace(reads.latest([node.pk])[node.pk], status=status)
    assert "or its clock" in stand(node.hostname, 16, latest, now, False).sentence.words


def test_a_clock_that_is_right_leaves_no_row(node: Node) -> None:
    for second in (0, 60):
        send(node, second, scrape(node, 0, second + 480), second + 480)
    assert clocks.load([node.pk]) == {node.pk: Clock(479_700)}
    send(node, 65, scrape(node, 0, 65))
    assert clocks.load([node.pk]) == {}
