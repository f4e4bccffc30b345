"""The words of a node's state, for the schema: every state and every cause, and what each means."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers as s

from telemetry.node_state import Cause, State

_STATES: Final = {
    "working": "it works as it should",
    "slower": "it works, and does less than it could",
    "making_room": "it has stepped aside for the home or the grid",
    "paused": "somebody paused it",
    "service": "a technician is working on it",
    "down": "it does not work",
    "unknown": "no reading of now is known, and nothing else tells how it is",
}
_CAUSES: Final = {
    "heat": "slower: it stays cool",
    "power_limit": "slower: it stays within its power limit",
    "missing_gpus": "slower: some of its GPUs do not answer",
    "headroom": "making_room: the home needs the power",
    "grid_event": "making_room: the utility asked for less load",
    "outage": "making_room: the grid is down, and the battery is the home's",
    "host_pause": "paused: by the household",
    "operator": "paused: by the operator",
    "visit": "service: a visit is open",
    "silent": "unknown: not heard for 60 seconds",
    "silent_line_up": "not heard for 60 seconds, though the home's line was up",
    "late": "unknown: it delivers, and what it delivers is more than 60 seconds old",
    "no_readings": "unknown: it delivers, and for 60 seconds none of it was a reading of the node",
    "no_gpus": "down: it is heard, and none of its GPUs works",
    "never_heard": "unknown: not heard since it was set up",
    "not_judged": "unknown: the portal is behind: what came 60 seconds ago has not been looked at",
}
STATES: Final = [(state.value, _STATES[state.value]) for state in State]
CAUSES: Final = [(cause.value, _CAUSES[cause.value]) for cause in Cause if cause is not Cause.NONE]


def state_field(**options: Any) -> s.ChoiceField:
    return s.ChoiceField(STATES, **options)


def cause_field(**options: Any) -> s.ChoiceField:
    """Empty when there is nothing to explain."""
    return s.ChoiceField(CAUSES, allow_blank=True, **options)
