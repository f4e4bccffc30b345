"""From what a node sends to versions of readings: once, again, late, in any order, stopped anywhere."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from billing import meter_feed, recording
from billing.intervals.days import day_bounds
from billing.models import Channel, DueDay, FeedCursor, Quarantine, RawMessage, Reading
from billing.recording import Device
from homes.access import acting_as_system
from homes.models import Home, Node
from telemetry import registers
from telemetry.registers import Changes
from tests.billing.metering import KWH, after, growing, send, versions
from tests.cast import Cast, needs_database

pytestmark = needs_database
ON = (datetime.now(UTC) - timedelta(days=3)).date()
ZONE = "America/Phoenix"
BEGIN, END = day_bounds(ZONE, ON)


@pytest.fixture(autouse=True)
def _as_system(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The test's own transaction never ends, so no mark would ever be old enough: here all of them are."""
    with acting_as_system():
        yield


@pytest.fixture(autouse=True)
def _marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a test's transaction its own marks are not committed; they are handed over as if they were."""

    def since(cursor: str, limit: int = 1000) -> Changes:
        with connection.cursor() as sql:
            sql.execute("DELETE FROM telemetry_register_mark RETURNING node_id, hour")
            return Changes(tuple(sql.fetchall()), cursor + "x" if len(cursor) < 40 else "x", True)

    monkeypatch.setattr(registers, "registers_changed_since", since)


@pytest.fixture
def home(cast: Cast) -> Home:
    return cast.home


@pytest.fixture
def node(cast: Cast) -> Node:
    return cast.node


def follow(on: date = ON) -> int:
    return meter_feed.follow(now=after(on))


def test_a_day_of_a_node(home: Home, node: Node) -> None:
    send(node, {"node": growing(BEGIN, END, 9_000.0, 1e10), "site_import": growing(BEGIN, END, 11_000.0, 5e10)})
    assert follow() >= 1
    (reading,) = versions(home, Channel.NODE, ON)
    assert reading.wh == [2_250] * 96 and reading.qualities == "m" * 96
    assert reading.message is not None and reading.message.on == ON
    assert versions(home, Channel.SITE_IMPORT, ON)[0].wh == [2_750] * 96
    assert versions(home, Channel.SOLAR, ON) == [], "what was never sent is no row of zeros"


def test_the_same_again_is_nothing_new(home: Home, node: Node) -> None:
    day = {"node": growing(BEGIN, END, 1_000.0, 1e10)}
    for _ in range(2):
        send(node, day)
        follow()
    assert (Reading.objects.count(), RawMessage.objects.filter(on=ON).count()) == (1, 1)
    assert not DueDay.objects.filter(ended_at__lte=after(ON) - meter_feed.GRACE).exists()


def test_a_day_that_is_still_going_on_waits(home: Home, node: Node) -> None:
    send(node, {"node": growing(BEGIN, END, 1_000.0, 1e10)})
    meter_feed.follow(now=datetime.fromtimestamp(END, UTC))
    assert not versions(home, Channel.NODE, ON)
    assert DueDay.objects.filter(home=home, on=ON).exists()


def test_late_registers_replace_the_estimate_of_a_gap(home: Home, node: Node) -> None:
    whole = growing(BEGIN, END, 4_000.0, 1e10)
    gap = {second: joules for second, joules in whole.items() if BEGIN + 36_000 < second < BEGIN + 57_600}
    send(node, {"node": {second: joules for second, joules in whole.items() if second not in gap}})
    follow()
    send(node, {"node": gap})
    follow()
    first, second = versions(home, Channel.NODE, ON)
    assert first.qualities == "m" * 40 + "e" * 24 + "m" * 32
    assert second.qualities == "m" * 96
    assert sum(first.wh) == sum(second.wh) == 96_000


def test_a_node_that_was_silent_for_a_day_and_a_half_has_no_day_without_numbers(home: Home, node: Node) -> None:
    days = [ON - timedelta(days=n) for n in (2, 1, 0)]
    edges = [day_bounds(ZONE, on)[0] for on in days] + [END]
    whole = growing(edges[0], edges[-1], 2_000.0, 1e10, 300)
    send(node, {"node": {s: j for s, j in whole.items() if s <= edges[0] + 43_200}})
    follow()
    send(node, {"node": {s: j for s, j in whole.items() if s >= edges[2]}})
    while follow():
        pass
    found = [versions(home, Channel.NODE, on)[-1] for on in days]
    assert [reading.qualities.strip("me") for reading in found] == ["", "", ""]
    assert sum(sum(reading.wh) for reading in found) == 3 * 48_000
    assert found[1].qualities == "e" * 96


def test_any_order_and_number_of_messages_ends_in_the_same_readings(home: Home, node: Node) -> None:
    whole = growing(BEGIN - 7200, END + 7200, 3_000.0, 1e10, 300)
    parts: list[dict[int, float]] = [{} for _ in range(6)]
    for i, (second, joules) in enumerate(sorted(whole.items())):
        parts[i * 6 // len(whole)][second] = joules
    parts[3] = {}  # a gap that nobody fills
    ends: set[Any] = set()
    for seed in range(3):
        order = [*range(6), *random.Random(seed).choices(range(6), k=3)]
        random.Random(seed).shuffle(order)
        forget(node)
        for part in order:
            send(node, {"node": parts[part]})
            follow()
        ends.add((tuple(versions(home, Channel.NODE, ON)[-1].wh), versions(home, Channel.NODE, ON)[-1].qualities))
    assert len(ends) == 1


def forget(node: Node) -> None:
    """Begin anew, as the owner of the tables may."""
    with connection.cursor() as sql:
        for table in ("node_sample", "sealed", "rollup_1m", "rollup_15m", "rollup_1h", "dirty", "rolling"):
            sql.execute(f"DELETE FROM telemetry_{table} WHERE node_id = %s", [node.pk])  # noqa: S608


def test_what_telemetry_has_forgotten_is_still_known(home: Home, node: Node) -> None:
    """Raw samples go after days; what a day was read from is kept, and a late word elsewhere spoils nothing."""
    whole = growing(BEGIN, END, 1_000.0, 1e10)
    send(node, {"node": whole})
    follow()
    forget(node)
    send(node, {"node": {BEGIN + 30: 1e10 + 30_000.0}})
    follow()
    (reading,) = versions(home, Channel.NODE, ON)
    assert reading.qualities == "m" * 96


def test_history_that_has_only_quarter_hours(home: Home, node: Node) -> None:
    send(node, {"node": growing(BEGIN - 900, END + 900, 1_000.0, 1e10)})
    with connection.cursor() as sql:
        for table in ("node_sample", "sealed", "rollup_1m"):
            sql.execute(f"DELETE FROM telemetry_{table} WHERE node_id = %s", [node.pk])  # noqa: S608
    follow()
    (reading,) = versions(home, Channel.NODE, ON)
    assert reading.qualities == "r" * 96
    assert sum(reading.wh) == 24_000


def test_a_changed_meter_is_a_question_until_somebody_wrote_down_how_it_stood(cast: Cast) -> None:
    home, node, noon = cast.home, cast.node, BEGIN + 43_200
    send(node, {"node": growing(BEGIN, noon, 1_000.0, 1e10) | growing(noon + 60, END, 1_000.0, 0.0)})
    follow()
    (question,) = Quarantine.objects.all()
    assert (question.problem, versions(home, Channel.NODE, ON)[0].qualities.count("q")) == ("register_fell", 1)
    word = Device("a new one", closing_joules=1e10 + 43_200_000, opening_joules=0.0)
    recording.declare_device(home, Channel.NODE, datetime.fromtimestamp(noon + 30, UTC), word, cast.people["billing"])
    follow()
    question.refresh_from_db()
    reading = versions(home, Channel.NODE, ON)[-1]
    assert (reading.qualities, question.state) == ("m" * 96, Quarantine.State.DISCARDED)
    assert sum(reading.wh) == int((86_400_000 - 60_000) / 3600)


def test_more_than_a_node_can_draw_is_taken_or_left_by_a_person(cast: Cast) -> None:
    home, node, person = cast.home, cast.node, cast.people["billing"]
    register = growing(BEGIN, END, 1_000.0, 1e10)
    for second in register:
        register[second] += 5 * KWH * (second >= BEGIN + 900) + 6 * KWH * (second >= BEGIN + 9_000)
    send(node, {"node": register})
    follow()
    first, second = Quarantine.objects.order_by("started_at")
    assert (first.problem, first.wh, second.wh) == ("too_large", [5_250], [6_250])
    with pytest.raises(recording.NotAnswerable, match="say why"):
        recording.accept(first, person, " ")
    recording.accept(first, person, "a load bank was tested")
    recording.discard(second, person, "the meter was set by hand")
    with pytest.raises(recording.NotAnswerable, match="already"):
        recording.accept(first, person, "again")
    reading = versions(home, Channel.NODE, ON)[-1]
    assert (reading.wh[0], reading.qualities[0]) == (5_250, "a")
    assert (reading.wh[9], reading.qualities[9]) == (0, "-")
    send(node, {"node": {BEGIN + 30: 1e10 + 30_000}})  # what people said holds when the day is computed again
    follow()
    assert versions(home, Channel.NODE, ON)[-1].version == reading.version
    assert not Quarantine.objects.filter(state="open").exists()


def test_a_node_cannot_draw_more_than_the_house_is_given(home: Home, node: Node) -> None:
    send(
        node,
        {
            "node": growing(BEGIN, END, 8_000.0, 1e10),
            "site_import": growing(BEGIN, END, 5_000.0, 1e10),
            "battery_out": growing(BEGIN, END, 2_000.0, 1e10),
        },
    )
    follow()
    assert versions(home, Channel.NODE, ON)[0].qualities == "q" * 96
    (question,) = Quarantine.objects.all()
    assert question.problem == "node_above_supply" and question.wh == [2_000] * 96


def test_the_cursor_and_the_due_days_move_together(home: Home, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    send(node, {"node": growing(BEGIN, END, 1_000.0, 1e10)})
    monkeypatch.setattr(recording, "make_due", lambda days: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        meter_feed.note_changes()
    assert not FeedCursor.objects.exists(), "stopped between the two: nothing has moved"
    monkeypatch.undo()


def test_one_home_whose_day_cannot_be_computed_stops_nobody(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for node in (cast.node, cast.other_node):
        send(node, {"node": growing(BEGIN, END + 14_400, 1_000.0, 1e10)})
    whole = recording.record

    def broken(home: Home, *rest: Any) -> Any:
        if home.pk == cast.other_home.pk:
            raise ValueError("broken on purpose")
        return whole(home, *rest)

    monkeypatch.setattr(recording, "record", broken)
    follow()
    assert versions(cast.home, Channel.NODE, ON)
    assert set(DueDay.objects.filter(on=ON).values_list("home", flat=True)) == {cast.other_home.pk}
    assert "stay due" in caplog.text
