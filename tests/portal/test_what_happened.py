"""What a household is told of what happened: causes and power only where they were measured, one line for one thing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homes.models import Home, Node
from telemetry.catalogue import Shape
from telemetry.node_state import Cause, State
from telemetry.readings import History, Series, StateSpan
from xfra_portal.homeowner import circuits, lately, outages
from xfra_portal.homeowner.outages import Power, had_power, power_words

START = datetime(2026, 11, 28, 18, 54, tzinfo=UTC)
HOME = Home(timezone="UTC")
NODE = Node(pk=7, hostname="xfra-00007", home=HOME)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def remember(monkeypatch: pytest.MonkeyPatch, **watts: list[float | None]) -> None:
    """What was measured minute by minute from ten minutes before START, by name; empty for the node itself."""

    def history(_: int, __: Any, columns: list[str], start: datetime, end: datetime, step: int) -> History:
        at = [START + minutes(i - 10) for i in range(max(map(len, watts.values()), default=0))]
        some = [i for i, instant in enumerate(at) if start <= instant < end]
        series = [
            Series(columns[0], Shape.GAUGE, name, average=[of[i] for i in some], last=[of[i] for i in some])
            for name, of in watts.items()
        ]
        return History(start, end, step, step, [at[i] for i in some], series)

    monkeypatch.setattr("telemetry.reads.history", history)


RISES: list[tuple[dict[str, list[float | None]], str | None]] = [
    ({"ev_charger": [7000] * 13, "oven": [0] * 9 + [2400] * 4}, "oven"),  # the car charged all evening
    ({"ev_charger": [0] * 9 + [7000] * 4, "oven": [2400] * 13}, "ev_charger"),
    ({"ev_charger": [7000] * 13, "oven": [2400] * 13}, None),
    ({"oven": [0] * 9 + [400] * 4}, None),
    ({"oven": [None] * 9 + [2400] * 4}, None),
    ({"oven": [0] * 9 + [None] * 4}, None),
    ({"oven": [2400] * 9 + [0] * 4}, None),
    ({}, None),
]


@pytest.mark.parametrize(("watts", "name"), RISES)
def test_room_is_made_for_what_rose_just_before(
    monkeypatch: pytest.MonkeyPatch, watts: dict[str, list[float | None]], name: str | None
) -> None:
    """Not for what draws most: and for nothing by name where no rise was measured."""
    remember(monkeypatch, **watts)
    assert circuits.risen_before(7, START, START + minutes(38)) == name
    assert circuits.risen_before(7, START, START + timedelta(days=3)) is None, "minutes are not kept so long"
    assert circuits.risen_before(7, None, START) is None


POWERS = [
    ([1500.0] * 20, "your home had power for all of it"),
    ([1500.0] * 15 + [0.0] * 5, "your home had power for 5 minutes and none for 5 minutes"),
    ([1500.0] * 14 + [None] * 6, "your home had power for 4 minutes, 6 minutes not measured"),
    ([1500.0] * 10 + [None] * 10, "whether your home had power is not measured"),
    ([], "whether your home had power is not measured"),
]


@pytest.mark.parametrize(("watts", "words"), POWERS)
def test_an_outage_tells_what_the_home_had_as_far_as_it_was_measured(
    monkeypatch: pytest.MonkeyPatch, watts: list[float | None], words: str
) -> None:
    remember(monkeypatch, home=watts)
    found = had_power(NODE, START, START + minutes(10), START + minutes(60))
    assert found.powered + found.dark + found.unknown == 600
    assert power_words(found) == words


def test_a_moment_of_a_long_outage_is_no_measure_of_it() -> None:
    assert power_words(Power(120.0, 0.0, 20_000.0)) == "whether your home had power is not measured"


def test_what_comes_again_within_half_an_hour_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def span(begin: float, end: float | None, state: State = State.MAKING_ROOM, cause: Cause = Cause.HEADROOM) -> Any:
        return StateSpan(state, cause, START + minutes(begin), None if end is None else START + minutes(end))

    spans = [
        span(-300, -298, State.UNKNOWN, Cause.SILENT), span(-299, 0, State.WORKING, Cause.NONE),
        span(0, 1), span(1, 6, State.WORKING, Cause.NONE), span(6, 8), span(16, 21),
        span(60, 60.5), span(90, 95, State.UNKNOWN, Cause.NOT_JUDGED), span(95, None),
    ]  # fmt: skip
    monkeypatch.setattr("telemetry.reads.state_spans", lambda *_: spans)
    monkeypatch.setattr(circuits, "risen_before", lambda *_: "ev_charger")
    told = lately.lately(NODE, HOME, START + minutes(100))
    assert [(one.when, one.text) for one in told.happenings] == [
        ("8:29 pm", "Made room for your car charger for 5 minutes so far"),
        ("8:24 pm", "We were not looking: our own systems were behind for 5 minutes"),
        ("6:54 to 7:15 pm", "Made room for your car charger, 8 minutes in all"),
        ("1:54 pm", "We did not hear from your node for 2 minutes"),
    ]


def test_a_grid_outage_among_them_tells_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    spans = [StateSpan(State.MAKING_ROOM, Cause.OUTAGE, START, START + minutes(10))]
    monkeypatch.setattr("telemetry.reads.state_spans", lambda *_: spans)
    monkeypatch.setattr(outages, "had_power", lambda *_: Power(600.0, 0.0, 0.0))
    (found,) = lately.lately(NODE, HOME, START + minutes(100)).happenings
    assert found.text == "Grid outage for 10 minutes; your home had power for all of it"
