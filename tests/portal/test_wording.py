"""Plain words for every state and cause."""

from __future__ import annotations

import re

import pytest

from telemetry.node_state import Cause, State
from xfra_portal.wording import FIRE, Facts, Processors, behind, circuit_words, past, tell

CALL = "Call the operator: (555) 555-0100, day and night."
FACTS = Facts("2:10 pm", 41.0, "oven", 360.0, Processors(16, 12, "3:39 am"), is_well=True, is_carried=True)
ALARM = Facts(leak_clock="11:02 pm", open_clock="11:03 pm", is_well=True, call=CALL)
CASES = [
    (State.WORKING, Cause.NONE, "Your node is working."),
    (State.SLOWER, Cause.HEAT, "Slower to stay cool since 2:10 pm. It is 41 °C outside."),
    (State.SLOWER, Cause.POWER_LIMIT, "Slower to stay within its power limit since 2:10 pm."),
    (State.SLOWER, Cause.MISSING_GPUS, "Your node is working at three quarters."),
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


PARTS = [
    (Processors(16, 12, "3:39 am"), "at three quarters.", "Four of its 16 processors stopped answering at 3:39 am."),
    (Processors(16, 8), "at half.", "Eight of its 16 processors do not answer."),
    (
        Processors(16, 15, "Monday 1:05 pm"),
        "with 15 of its 16 processors.",
        "One of its 16 processors stopped answering",
    ),
    (Processors(16, 4), "at a quarter.", "12 of its 16 processors do not answer."),
    (Processors(8, 7), "with 7 of its 8 processors.", "One of its 8 processors does not answer."),
]


@pytest.mark.parametrize(("processors", "headline", "meaning"), PARTS)
def test_a_part_of_the_processors(processors: Processors, headline: str, meaning: str) -> None:
    story = tell(State.SLOWER, Cause.MISSING_GPUS, Facts(processors=processors))
    assert story.headline == f"Your node is working {headline}"
    assert story.meaning.startswith(meaning) and "nothing for you to do" in story.meaning


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("cause", Cause)
def test_danger_is_told_first_with_what_to_do_and_whom_to_call(state: State, cause: Cause) -> None:
    for danger in ({"leak_clock": "11:02 pm"}, {"open_clock": "11:02 pm"}):
        story = tell(state, cause, Facts(call=CALL, is_well=True, **danger))
        assert story.headline in ("The leak sensor of your node reports coolant.", "The cabinet of your node is open.")
        assert "11:02 pm" in story.meaning and "as it should be" not in story.meaning
        assert CALL in story.action and FIRE in story.action
        unset = tell(state, cause, Facts(**danger))
        assert "No telephone number of the operator is set here." in unset.action and FIRE in unset.action


def test_a_pause_is_no_silence() -> None:
    told = tell(
        State.PAUSED, Cause.HOST_PAUSE, Facts(processors=Processors(16, 16), node_watts=2900, sound_decibels=48)
    )
    assert "right now it draws 2.9 kW and its sound is 48 dB at the cabinet" in told.meaning
    assert "not known" in tell(State.PAUSED, Cause.HOST_PAUSE, Facts(processors=Processors(16, 16))).meaning


def test_a_battery_carries_only_where_that_is_measured() -> None:
    told = tell(State.MAKING_ROOM, Cause.OUTAGE, Facts(is_carried=False))
    assert told.headline == "The grid is down."
    assert "Whether your battery carries your home is not measured right now." in told.meaning


def test_every_past_says_what_and_of_whom() -> None:
    assert all(past(state, cause, "oven") for state in State for cause in Cause)
    told = {cause: past(State.UNKNOWN, cause, None) for cause in (Cause.SILENT, Cause.LATE, Cause.NOT_JUDGED)}
    assert told == {
        Cause.SILENT: "We did not hear from your node",
        Cause.LATE: "What your node reported came late",
        Cause.NOT_JUDGED: "We were not looking: our own systems were behind",
    }
    assert past(State.MAKING_ROOM, Cause.HEADROOM, None) == "Made room for your home"


def test_circuits_are_things_in_a_house() -> None:
    assert circuit_words("ev_charger") == "your car charger"
    assert circuit_words("sauna_2") == "your sauna 2"
    assert circuit_words(None) == "your home"
