"""What a homeowner is told about the node, in plain words. Pure: state, cause and a few facts in, sentences out."""

from __future__ import annotations

import math
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


_NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SHARES: Final = {(1, 4): "a quarter", (1, 2): "half", (3, 4): "three quarters"}
INDEPENDENT: Final = "Your home's power does not depend on it."
FIRE: Final = "Smoke or fire: leave the house and call 911."


@dataclass(frozen=True, slots=True)
class Processors:
    """How many of the node's processors answer, of how many, and on what clock the first of the others stopped."""

    expected: int
    seen: int
    missing_since: str | None = None

    @property
    def missing(self) -> int:
        return max(0, self.expected - self.seen)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the sentences may mention; None where it is unknown."""

    since_clock: str | None = None
    outdoor_celsius: float | None = None
    risen_circuit: str | None = None
    """Of the circuits the one that rose most just before room was made."""
    silent_seconds: float | None = None
    processors: Processors | None = None
    leak_clock: str | None = None
    """When the sensor last said that coolant leaks; None where it does not say so."""
    open_clock: str | None = None
    """When it was last said that the cabinet is open and nobody has business there."""
    is_well: bool = False
    """Nothing of the node needs anybody: telemetry.standing."""
    has_faults: bool = False
    """A processor that answers reports an error."""
    is_carried: bool = False
    """It is measured that the battery gives, the grid is away and the home draws power."""
    node_watts: float | None = None
    sound_decibels: float | None = None
    amiss: tuple[str, ...] = ()
    """Whole sentences: what else of the home is not as it should be, by what is measured."""
    unknown: tuple[str, ...] = ()
    """What of the home is not known right now: `whether the grid is up`."""
    call: str = ""
    """Whom to call, with the telephone number; empty where none is set."""


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
    """The story of a node's state, danger first. Every state and cause has one."""
    story = _of_state(state, cause, facts)
    if facts.leak_clock or facts.open_clock:
        return _danger(story, facts)
    if state not in (State.SLOWER, State.PAUSED, State.MAKING_ROOM) or cause in (Cause.MISSING_GPUS, Cause.OUTAGE):
        return story
    return Story(story.headline, _joined(story.meaning, *_processors(facts)), story.action)


def _danger(story: Story, facts: Facts) -> Story:
    """What a sensor last said, however old: what is known, what to do, whom to call."""
    if facts.leak_clock:
        headline = "The leak sensor of your node reports coolant."
        known = f"It last said so at {facts.leak_clock}."
        do = "Keep people and pets away from the node, and do not touch the liquid."
    else:
        headline, known = "The cabinet of your node is open.", f"Its sensor last said so at {facts.open_clock}."
        do = "If nobody works on it, keep away from it and do not reach inside."
    call = facts.call or "No telephone number of the operator is set here."
    return Story(headline, f"{known} It is on the operator's list. {story.headline}", f"{do} {call} {FIRE}")


def _of_state(state: State, cause: Cause, facts: Facts) -> Story:
    tellers = {State.SLOWER: _slower, State.MAKING_ROOM: _making_room, State.DOWN: _missing, State.UNKNOWN: _missing}
    if state in tellers:
        return tellers[state](cause, facts)
    since = f" since {facts.since_clock}" if facts.since_clock else ""
    if state is State.PAUSED:
        who = "You paused it." if cause is Cause.HOST_PAUSE else "The operator paused it."
        return Story(f"Your node is paused{since}.", f"{who} {_still(facts)}")
    if state is State.SERVICE:
        return Story(f"Your node is being serviced{since}.", f"A technician is working on it. {INDEPENDENT}")
    return Story("Your node is working.", _working(facts))


def _working(facts: Facts) -> str:
    """Only where all of it is measured and nothing is open, everything is as it should be."""
    open_things = [*_processors(facts), *facts.amiss]
    if facts.unknown:
        open_things.append(f"Not known right now: {', '.join(facts.unknown)}.")
    if open_things:
        return _joined(*open_things)
    return "Everything is as it should be." if facts.is_well else "Something about it is on the operator's list."


def _processors(facts: Facts) -> list[str]:
    found, gpus = [], facts.processors
    if gpus is None:
        found.append("How many of its processors work is not known.")
    elif gpus.missing:
        found.append(f"{_stopped(gpus)} {_ON_THE_LIST}")
    if facts.has_faults:
        found.append(f"One of its processors reports a fault. {_ON_THE_LIST}")
    return found


_ON_THE_LIST: Final = "It is on the operator's list; nothing for you to do."


def _stopped(gpus: Processors) -> str:
    """Four of its 16 processors stopped answering at 3:39 am."""
    number = _NUMBERS[gpus.missing] if gpus.missing < len(_NUMBERS) else str(gpus.missing)
    when = f" at {gpus.missing_since}" if gpus.missing_since else ""
    verb = "stopped answering" if when else "do not answer" if gpus.missing > 1 else "does not answer"
    return f"{number.capitalize()} of its {gpus.expected} processors {verb}{when}."


def _still(facts: Facts) -> str:
    """A pause is no silence: what is measured of it."""
    known = []
    if facts.node_watts is not None:
        known.append(f"it draws {formats.watts(facts.node_watts)}")
    if facts.sound_decibels is not None:
        known.append(f"its sound is {formats.decibels(facts.sound_decibels)} at the cabinet")
    if not known:
        return "How much it draws and how loud it is now is not known."
    return f"It is not switched off: right now {' and '.join(known)}."


def _joined(*sentences: str) -> str:
    return " ".join(filter(None, sentences))


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
    if cause is Cause.MISSING_GPUS and facts.processors:
        gpus = facts.processors
        size = math.gcd(gpus.seen, gpus.expected) or 1
        share = _SHARES.get((gpus.seen // size, gpus.expected // size))
        headline = f"at {share}" if share else f"with {gpus.seen} of its {gpus.expected} processors"
        return Story(f"Your node is working {headline}.", _joined(*_processors(facts), *facts.amiss))
    if cause is Cause.MISSING_GPUS:
        return Story("Your node is working with fewer processors.", _ON_THE_LIST)
    return Story(
        f"Slower to stay within its power limit{since}.", "It does less work for now. You need not do anything."
    )


def _making_room(cause: Cause, facts: Facts) -> Story:
    if cause is Cause.OUTAGE:
        draws = f"; it draws {formats.watts(facts.node_watts)} now" if facts.node_watts is not None else ""
        carried = "Your battery is carrying your home." if facts.is_carried else ""
        return Story(
            _joined("The grid is down.", carried),
            _joined(
                "" if carried else "Whether your battery carries your home is not measured right now.",
                f"In an outage the node leaves the battery to your home{draws}. Work resumes by itself.",
            ),
            "To make the battery last, leave large appliances off.",
        )
    if cause is Cause.GRID_EVENT:
        return Story("Making room for the grid.", "Your utility asked for less load. Work resumes by itself.")
    need = circuit_words(facts.risen_circuit)
    verb = "needs" if facts.risen_circuit is None or not need.endswith("s") else "need"
    return Story(
        f"Making room for your home: {need} {verb} the power.", "Your home always wins. Work resumes by itself."
    )


def _missing(cause: Cause, facts: Facts) -> Story:
    if cause is Cause.NEVER_HEARD:
        return Story(
            "We have not heard from your node yet.",
            f"It will appear here within a minute of its first connection. {INDEPENDENT}",
        )
    if cause is Cause.NOT_JUDGED:
        return Story(
            "We cannot say how your node is right now.",
            f"Our own systems are behind; that says nothing about your node. {INDEPENDENT}",
        )
    if cause is Cause.NO_GPUS:
        return Story(
            "Your node is not working.",
            f"It is connected, but none of its processors works. It is on the operator's list. {INDEPENDENT}",
        )
    words = formats.duration(facts.silent_seconds) if facts.silent_seconds is not None else "a while"
    if cause is Cause.LATE:
        return Story(
            f"What your node reports arrives {words} late.",
            f"It is catching up after an interruption, or its clock is wrong. {INDEPENDENT}",
        )
    if cause is Cause.NO_READINGS:
        return Story(
            f"Your node is connected, but has sent no readings for {words}.",
            f"The operator can see that too. {INDEPENDENT}",
        )
    line = " Your internet was up when it last reported." if cause is Cause.SILENT_LINE_UP else ""
    return Story(
        f"We have not heard from your node for {words}.",
        f"{INDEPENDENT}{line}",
        "If your internet is off now, check that the router has power.",
    )


def behind(since_clock: str) -> Story:
    """When it is us of whom there is nothing new: readings are not being looked at."""
    return Story(
        f"We are behind since {since_clock}.",
        "The portal is not keeping up, so what you see here is from then; it says nothing about your node or home now.",
    )


_PAST: Final = {
    State.SLOWER: "Worked slower",
    State.PAUSED: "Paused",
    State.SERVICE: "Being serviced",
    State.DOWN: "Not working",
    State.UNKNOWN: "We did not hear from your node",
}
_PAST_CAUSES: Final = {
    Cause.HEAT: "Slower to stay cool",
    Cause.MISSING_GPUS: "Worked with fewer processors",
    Cause.LATE: "What your node reported came late",
    Cause.NO_READINGS: "Your node was connected, but sent no readings",
    Cause.NOT_JUDGED: "We were not looking: our own systems were behind",
    Cause.NEVER_HEARD: "We had not heard from your node yet",
    Cause.GRID_EVENT: "Made room for the grid",
    Cause.OUTAGE: "Grid outage",
}


def past(state: State, cause: Cause, circuit: str | None) -> str:
    """One line of `Lately`, without its time: what happened."""
    if state is State.WORKING:
        return "Working"
    if state is State.MAKING_ROOM and cause not in (Cause.OUTAGE, Cause.GRID_EVENT):
        return f"Made room for {circuit_words(circuit)}"
    return _PAST_CAUSES.get(cause) or _PAST[state]
