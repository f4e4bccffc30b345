"""Node state: one vocabulary, one owner, one pure function from evidence to state.

Thresholds follow the telemetry contract: no sample for 60 s is silence. All that is known of a home, its line too,
comes with its node's own credential, so nobody says from outside whether a silent node is down: it is unknown, and
whether the line was up at its last word is part of the cause. A node that delivers is not silent, though what it
delivers may be old (it catches up, or its clock is behind) or not its own (its exporters do not answer its agent).
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
    SILENT = "silent"
    SILENT_LINE_UP = "silent_line_up"
    """Silent, though the home's line was up at the last word."""
    LATE = "late"
    """It delivers now, and what it delivers is of long ago."""
    NO_READINGS = "no_readings"
    """It delivers, of now, and nothing of it is a reading of the node: only what the agent says of itself, say."""
    NO_GPUS = "no_gpus"
    NEVER_HEARD = "never_heard"
    NOT_JUDGED = "not_judged"
    """The portal is behind: what came SILENCE_SECONDS ago has not been looked at. Said when read (see reads), and
    recorded of the time in which nobody looked as soon as somebody does."""


SILENT: Final = frozenset({Cause.SILENT, Cause.SILENT_LINE_UP})
"""Nothing comes from it any more."""

HEAT_BITS: Final = 0x20 | 0x40  # SW thermal, HW thermal
POWER_BITS: Final = 0x08 | 0x80  # HW slowdown, power brake (0x4, the power cap, is a GPU at its ordinary limit)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a node at an instant. Ages in seconds; None where nothing was ever heard."""

    silent_seconds: float | None
    line_was_up: bool | None
    """What the last word said of the home's line; None where it said nothing."""
    in_service: bool
    gpus_expected: int
    gpus_seen: int | None
    """None where it never told of a GPU: nobody knows whether one is missing."""
    gpus_busy: int
    throttle_reasons: int
    """Bitwise OR over the node's GPUs of DCGM's clock event reasons."""
    curtailed: frozenset[str]
    """Reasons of xfra_node_curtailed that are 1: headroom, thermal, grid_event, outage, host_pause, operator."""
    delivered_seconds: float | None = None
    """How long ago anything came from it, by the portal's clock."""
    newest_seconds: float | None = None
    """How old, by the node's clock, the newest sample is of what last came from it, of whatever family."""

    @property
    def is_silent(self) -> bool:
        """Whether nothing comes from it, as far as that is known: else whether its newest reading is old."""
        seconds = self.silent_seconds if self.delivered_seconds is None else self.delivered_seconds
        return seconds is not None and seconds > SILENCE_SECONDS

    def lags(self, seconds: float | None) -> bool:
        """Whether something so old was old already when the node delivered last."""
        return seconds is None or seconds - (self.delivered_seconds or 0.0) > SILENCE_SECONDS


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
    if evidence.is_silent:
        return Verdict(State.UNKNOWN, Cause.SILENT_LINE_UP if evidence.line_was_up else Cause.SILENT)
    if evidence.lags(evidence.silent_seconds):
        return Verdict(State.UNKNOWN, Cause.LATE if evidence.lags(evidence.newest_seconds) else Cause.NO_READINGS)
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
    is_short = evidence.gpus_seen is not None and evidence.gpus_seen < evidence.gpus_expected
    if is_short and evidence.gpus_busy == 0:
        return Verdict(State.DOWN, Cause.NO_GPUS)
    if "thermal" in evidence.curtailed or evidence.throttle_reasons & HEAT_BITS:
        return Verdict(State.SLOWER, Cause.HEAT)
    if evidence.throttle_reasons & POWER_BITS:
        return Verdict(State.SLOWER, Cause.POWER_LIMIT)
    if is_short:
        return Verdict(State.SLOWER, Cause.MISSING_GPUS)
    return None
