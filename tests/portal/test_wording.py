"""Plain words for every state and cause."""

from __future__ import annotations

import re

import pytest

from telemetry.node_state import Cause, State
from xfra_portal.wording import Facts, behind, circuit_words, past, tell

FACTS = Facts("2:10 pm", 41.0, "oven", 360.0)
ALARM = Facts(is_alarming=True)
CASES = [
    (State.WORKING, Cause.NONE, "Your node is working."),
    (State.SLOWER, Cause.HEAT, "Slower to stay cool since 2:10 pm. It is 41 °C outside."),
    (State.SLOWER, Cause.POWER_LIMIT, "Slower to stay within its power limit since 2:10 pm."),
    (State.SLOWER, Cause.MISSING_GPUS, "Your node is working with fewer processors since 2:10 pm."),
    (State.MAKING_ROOM, Cause.HEADROOM, "Making room for your home: your oven needs the power."),
    (State.MAKING_ROOM, Cause.OUTAGE, "The grid is down. Your battery is carrying your home."),
    (State.MAKING_ROOM, Cause.GRID_EVENT, "Making room for the grid."),
    (State.PAUSED, Cause.HOST_PAUSE, "Your node is paused since 2:10 pm."),
    (State.PAUSED, Cause.OPERATOR, "Your node is paused since 2:10 pm."),
    (State.SERVICE, Cause.VISIT, "Your node is being serviced since 2:10 pm."),
    (State.UNKNOWN, Cause.SILENT_LINE_UP, "We have not heard from your node for 6 minutes."),
    (State.DOWN, Cause.NO_GPUS, "Your node is not working."),
    (State.UNKNOWN, Cause.SILENT, "We have not heard from your node for 6 minutes."),
    (State.UNKNOWN, Cause.LATE, "What your node reports arrives 6 minutes late."),
    (State.UNKNOWN, Cause.NO_READINGS, "Your node is connected, but has sent no readings for 6 minutes."),
    (State.UNKNOWN, Cause.NEVER_HEARD, "We have not heard from your node yet."),
    (State.UNKNOWN, Cause.NOT_JUDGED, "We cannot say how your node is right now."),
]
JARGON = re.compile(r"\b(XID|curtail|SoC|GPU|kWh/h|throttl|telemetry|sample)", re.IGNORECASE)


@pytest.mark.parametrize(("state", "cause", "headline"), CASES)
def test_headlines(state: State, cause: Cause, headline: str) -> None:
    assert tell(state, cause, FACTS).headline == headline


def test_every_cause_is_among_the_cases() -> None:
    assert {cause for _, cause, _ in CASES} == set(Cause)
    assert {state for state, _, _ in CASES} == set(State)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("facts", [FACTS, Facts(), ALARM], ids=["known", "unknown", "alarm"])
def test_every_story_is_plain_and_whole(state: State, cause: Cause, facts: Facts) -> None:
    """Whatever is known, there is a sentence, what it means for the household, and no jargon."""
    story = tell(state, cause, facts)
    for text in (story.headline, story.meaning):
        assert text.endswith(".")
        assert not JARGON.search(text)
        assert "None" not in text


def test_nobody_is_said_to_have_been_told() -> None:
    """Nothing calls the operator: it is shown to them."""
    stories = [tell(state, cause, FACTS) for state in State for cause in Cause] + [behind("2:10 pm")]
    assert not [story for story in stories if "told" in story.meaning]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("cause", Cause)
def test_every_past_says_how_long(state: State, cause: Cause) -> None:
    assert past(state, cause, 2280, "oven").endswith("38 minutes")


def test_who_delivered_was_heard_from() -> None:
    told = {cause: past(State.UNKNOWN, cause, 2280, None) for cause in (Cause.SILENT, Cause.LATE, Cause.NO_READINGS)}
    assert told == {
        Cause.SILENT: "Not heard from for 38 minutes",
        Cause.LATE: "Reported late for 38 minutes",
        Cause.NO_READINGS: "Connected, but sent no readings for 38 minutes",
    }


def test_circuits_are_things_in_a_house() -> None:
    assert circuit_words("ev_charger") == "your car charger"
    assert circuit_words("sauna_2") == "your sauna 2"
    assert circuit_words(None) == "your home"
