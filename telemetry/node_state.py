"""Node state: one vocabulary, one owner, one pure function from evidence to state.

Thresholds follow the telemetry contract: no sample for 60 s is silence; silence while the home's line
is known to be up means the node is down, silence without other evidence means unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SILENCE_SECONDS: Final = 60.0


class State(StrEnum):
    WORKING = "working"
    SLOWER = "slower"
    MAKING_ROOM = "making_room"
    PAUSED = "paused"
    SERVICE = "service"
    DOWN = "down"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """Why a node is in its state; NONE when there is nothing to explain."""

    NONE = ""
    HEAT = "heat"
    POWER_LIMIT = "power_limit"
    MISSING_GPUS = "missing_gpus"
    HEADROOM = "headroom"
    GRID_EVENT = "grid_event"
    OUTAGE = "outage"
    HOST_PAUSE = "host_pause"
    OPERATOR = "operator"
    VISIT = "visit"
    SILENT_LINE_UP = "silent_line_up"
    SILENT = "silent"
    NO_GPUS = "no_gpus"
    NEVER_HEARD = "never_heard"


HEAT_BITS: Final = 0x20 | 0x40  # SW thermal, HW thermal
POWER_BITS: Final = 0x08 | 0x80  # HW slowdown, power brake (0x4, the power cap, is a GPU at its ordinary limit)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a node at an instant. Ages in seconds; None where nothing was ever heard."""

    silent_seconds: float | None
    home_line_up: bool | None
    in_service: bool
    gpus_expected: int
    gpus_seen: int
    gpus_busy: int
    throttle_reasons: int
    """Bitwise OR over the node's GPUs of DCGM's clock event reasons."""
    curtailed: frozenset[str]
    """Reasons of xfra_node_curtailed that are 1: headroom, thermal, grid_event, outage, host_pause, operator."""


@dataclass(frozen=True, slots=True)
class Verdict:
    state: State
    cause: Cause


def classify(evidence: Evidence) -> Verdict:
    """The state that the evidence supports; the first rule that fits wins."""
    if evidence.in_service:
        return Verdict(State.SERVICE, Cause.VISIT)
    if evidence.silent_seconds is None:
        return Verdict(State.UNKNOWN, Cause.NEVER_HEARD)
    if evidence.silent_seconds > SILENCE_SECONDS:
        if evidence.home_line_up:
            return Verdict(State.DOWN, Cause.SILENT_LINE_UP)
        return Verdict(State.UNKNOWN, Cause.SILENT)
    return _curtailed(evidence) or _impaired(evidence) or Verdict(State.WORKING, Cause.NONE)


def _curtailed(evidence: Evidence) -> Verdict | None:
    reasons = evidence.curtailed
    if "host_pause" in reasons:
        return Verdict(State.PAUSED, Cause.HOST_PAUSE)
    if "operator" in reasons:
        return Verdict(State.PAUSED, Cause.OPERATOR)
    for reason, cause in (("outage", Cause.OUTAGE), ("headroom", Cause.HEADROOM), ("grid_event", Cause.GRID_EVENT)):
        if reason in reasons:
            return Verdict(State.MAKING_ROOM, cause)
    return None


def _impaired(evidence: Evidence) -> Verdict | None:
    if evidence.gpus_seen < evidence.gpus_expected and evidence.gpus_busy == 0:
        return Verdict(State.DOWN, Cause.NO_GPUS)
    if "thermal" in evidence.curtailed or evidence.throttle_reasons & HEAT_BITS:
        return Verdict(State.SLOWER, Cause.HEAT)
    if evidence.throttle_reasons & POWER_BITS:
        return Verdict(State.SLOWER, Cause.POWER_LIMIT)
    if evidence.gpus_seen < evidence.gpus_expected:
        return Verdict(State.SLOWER, Cause.MISSING_GPUS)
    return None
