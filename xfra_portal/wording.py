"""What a homeowner is told about the node, in plain words. Pure: state, cause and a few facts in, sentences out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from telemetry.node_state import Cause, State
from xfra_portal import formats

_CIRCUITS: Final = {
    "oven": "your oven",
    "dryer": "your dryer",
    "ev_charger": "your car charger",
    "air_conditioner": "your air conditioner",
    "water_heater": "your water heater",
    "pool_pump": "your pool pump",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the sentences may mention; None where it is unknown."""

    since_clock: str | None = None
    outdoor_celsius: float | None = None
    busiest_circuit: str | None = None
    silent_seconds: float | None = None
    is_alarming: bool = False
    """Whether a sensor tells of danger: leak, open cabinet."""


@dataclass(frozen=True, slots=True)
class Story:
    """A headline, what it means for the household, and what to do (empty: nothing)."""

    headline: str
    meaning: str
    action: str = ""


def circuit_words(name: str | None) -> str:
    """`ev_charger` -> your car charger; an unfamiliar name as it is; nothing -> your home."""
    if not name:
        return "your home"
    return _CIRCUITS.get(name, f"your {name.replace('_', ' ')}")


def tell(state: State, cause: Cause, facts: Facts) -> Story:
    """The story of a node's state. Every state and cause has one."""
    if state is State.SLOWER:
        return _slower(cause, facts)
    if state is State.MAKING_ROOM:
        return _making_room(cause, facts)
    if state in (State.DOWN, State.UNKNOWN):
        return _missing(cause, facts)
    since = f" since {facts.since_clock}" if facts.since_clock else ""
    if state is State.PAUSED:
        who = "You paused it." if cause is Cause.HOST_PAUSE else "The operator paused it."
        return Story(f"Your node is paused{since}.", f"{who} Your home, internet and battery are not affected.")
    if state is State.SERVICE:
        return Story(
            f"Your node is being serviced{since}.",
            "A technician is working on it. Your home's power does not depend on it.",
        )
    if facts.is_alarming:
        return Story(
            "Your node is working, but a sensor raises an alarm.",
            "What it tells of is below; the operator can see it. Your home's power does not depend on the node.",
        )
    return Story("Your node is working.", "Everything is as it should be.")


def _slower(cause: Cause, facts: Facts) -> Story:
    since = f" since {facts.since_clock}" if facts.since_clock else ""
    if cause is Cause.HEAT:
        weather = (
            f" It is {formats.celsius(facts.outdoor_celsius)} outside." if facts.outdoor_celsius is not None else ""
        )
        return Story(
            f"Slower to stay cool{since}.{weather}",
            "It does less work until it has cooled down. You need not do anything.",
        )
    if cause is Cause.MISSING_GPUS:
        return Story(
            f"Your node is working with fewer processors{since}.",
            "One of its processors stopped answering. The operator can see it and will take care of it.",
        )
    return Story(
        f"Slower to stay within its power limit{since}.", "It does less work for now. You need not do anything."
    )


def _making_room(cause: Cause, facts: Facts) -> Story:
    if cause is Cause.OUTAGE:
        return Story(
            "The grid is down. Your battery is carrying your home.",
            "The node has stopped so that all of the battery is yours. Work resumes by itself when power is back.",
            "To make the battery last, leave large appliances off.",
        )
    if cause is Cause.GRID_EVENT:
        return Story("Making room for the grid.", "Your utility asked for less load. Work resumes by itself.")
    need = circuit_words(facts.busiest_circuit)
    verb = "needs" if facts.busiest_circuit is None or not need.endswith("s") else "need"
    return Story(
        f"Making room for your home: {need} {verb} the power.", "Your home always wins. Work resumes by itself."
    )


def _missing(cause: Cause, facts: Facts) -> Story:
    if cause is Cause.NEVER_HEARD:
        return Story(
            "We have not heard from your node yet.",
            "It will appear here within a minute of its first connection. Your home's power does not depend on it.",
        )
    if cause is Cause.NOT_JUDGED:
        return Story(
            "We cannot say how your node is right now.",
            "Our own systems are behind; that says nothing about your node. Your home's power does not depend on it.",
        )
    if cause is Cause.NO_GPUS:
        return Story(
            "Your node is not working.",
            "It is connected, but its processors are not. The operator can see it. Your home is not affected.",
        )
    words = formats.duration(facts.silent_seconds) if facts.silent_seconds is not None else "a while"
    if cause is Cause.LATE:
        return Story(
            f"What your node reports arrives {words} late.",
            "It is catching up after an interruption, or its clock is wrong. Your home's power does not depend on it.",
        )
    if cause is Cause.NO_READINGS:
        return Story(
            f"Your node is connected, but has sent no readings for {words}.",
            "The operator can see it and will take care of it. Your home's power does not depend on it.",
        )
    line = " Your internet was up when it last reported." if cause is Cause.SILENT_LINE_UP else ""
    return Story(
        f"We have not heard from your node for {words}.",
        f"Your home's power does not depend on it.{line}",
        "If your internet is off now, check that the router has power.",
    )


def behind(since_clock: str) -> Story:
    """When it is us of whom there is nothing new: readings are not being looked at."""
    return Story(
        f"We are behind since {since_clock}.",
        "The portal is not keeping up, so what you see here is from then. Your node and your home are not affected.",
    )


_UNKNOWN: Final = {Cause.LATE: "Reported late", Cause.NO_READINGS: "Connected, but sent no readings"}


def past(state: State, cause: Cause, seconds: float, circuit: str | None) -> str:
    """One line of `Lately`: what happened and for how long."""
    words = formats.duration(seconds)
    if state is State.MAKING_ROOM:
        reason = {
            Cause.OUTAGE: "Grid outage: your battery carried your home",
            Cause.GRID_EVENT: "Made room for the grid",
        }
        return f"{reason.get(cause, f'Made room for {circuit_words(circuit)}')} for {words}"
    sentences = {
        State.SLOWER: "Slower to stay cool" if cause is Cause.HEAT else "Worked slower",
        State.PAUSED: "Paused",
        State.SERVICE: "Being serviced",
        State.DOWN: "Not working",
        State.UNKNOWN: _UNKNOWN.get(cause, "Not heard from"),
        State.WORKING: "Working",
    }
    return f"{sentences[state]} for {words}"
