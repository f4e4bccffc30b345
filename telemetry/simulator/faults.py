"""What goes wrong, scripted: a fault has a home, a kind, a start and an end, and nothing else decides."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import numpy as np

from telemetry.simulator.noise import Booleans, Floats
from telemetry.simulator.profiles import GPUS_PER_NODE

OFF_BUS_AFTER_S: Final = 60.0
"""A GPU that falls off the bus shows XID 79 for this long; then its series vanish."""


class FaultKind(StrEnum):
    """What can be scripted."""

    GRID_OUTAGE = "grid_outage"
    GRID_EVENT = "grid_event"
    INTERNET_OUTAGE = "internet_outage"
    INTERNET_TROUBLE = "internet_trouble"
    HEAT = "heat"
    OVEN = "oven"
    GPU_LOST = "gpu_lost"
    XID = "xid"
    ECC = "ecc"
    COOLANT_LEAK = "coolant_leak"
    TAMPER = "tamper"
    SILENT = "silent"
    HOST_PAUSE = "host_pause"
    OPERATOR_PAUSE = "operator_pause"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong at one home during [start_at, end_at).

    `gpu_index` says which GPU for gpu_lost, xid and ecc; `code` is the XID for xid.
    """

    hostname: str
    kind: FaultKind
    start_at: datetime
    end_at: datetime
    gpu_index: int = 5
    code: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "hostname": self.hostname,
            "kind": self.kind.value,
            "start_at": self.start_at.isoformat(),
            "end_at": self.end_at.isoformat(),
            "gpu_index": self.gpu_index,
            "code": self.code,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Fault:
        return cls(
            hostname=data["hostname"],
            kind=FaultKind(data["kind"]),
            start_at=datetime.fromisoformat(data["start_at"]).astimezone(UTC),
            end_at=datetime.fromisoformat(data["end_at"]).astimezone(UTC),
            gpu_index=int(data["gpu_index"]),
            code=int(data["code"]),
        )


@dataclass(frozen=True, slots=True)
class ActiveFaults:
    """What holds between two changes: one (N,) mask per kind, and the GPUs concerned (N, 16)."""

    masks: dict[FaultKind, Booleans]
    any_of: frozenset[FaultKind]
    heat_since_s: Floats
    xid: Floats
    stalled: Booleans
    off_bus: Booleans
    ecc: Booleans
    double_bit_errors: Floats

    @property
    def paused(self) -> Booleans:
        return self.masks[FaultKind.HOST_PAUSE] | self.masks[FaultKind.OPERATOR_PAUSE]


class FaultBoard:
    """Answers which faults hold at an instant; recomputed only when one begins or ends."""

    def __init__(self, faults: Sequence[Fault], hostnames: Sequence[str]) -> None:
        self._index = {hostname: position for position, hostname in enumerate(hostnames)}
        unknown = sorted({fault.hostname for fault in faults} - set(self._index))
        if unknown:
            raise ValueError(f"no such node: {', '.join(unknown)}")
        self.faults = tuple(faults)
        self._spans = [(f.start_at.timestamp(), f.end_at.timestamp(), self._index[f.hostname], f) for f in faults]
        changes = {start for start, *_ in self._spans} | {end for _, end, *_ in self._spans}
        changes |= {start + OFF_BUS_AFTER_S for start, _, _, f in self._spans if f.kind is FaultKind.GPU_LOST}
        self._changes = sorted(changes)
        self._position = -1
        self._active: ActiveFaults | None = None

    def at(self, at_s: float) -> ActiveFaults:
        """The faults that hold at an instant (seconds since the epoch)."""
        position = bisect_right(self._changes, at_s)
        if self._active is None or position != self._position:
            self._active = self._compute(at_s)
            self._position = position
        return self._active

    def _compute(self, at_s: float) -> ActiveFaults:
        homes = len(self._index)
        active = ActiveFaults(
            masks={kind: np.zeros(homes, dtype=np.bool_) for kind in FaultKind},
            any_of=frozenset(f.kind for start, end, _, f in self._spans if start <= at_s < end),
            heat_since_s=np.full(homes, np.inf),
            xid=np.zeros((homes, GPUS_PER_NODE)),
            stalled=np.zeros((homes, GPUS_PER_NODE), dtype=np.bool_),
            off_bus=np.zeros((homes, GPUS_PER_NODE), dtype=np.bool_),
            ecc=np.zeros((homes, GPUS_PER_NODE), dtype=np.bool_),
            double_bit_errors=np.zeros((homes, GPUS_PER_NODE)),
        )
        for start, end, home, fault in self._spans:
            if fault.kind is FaultKind.ECC and start <= at_s:
                active.double_bit_errors[home, fault.gpu_index] += 1  # a counter: it outlives its fault
            if start <= at_s < end:
                _apply(active, fault, home, start, at_s)
        return active


def _apply(active: ActiveFaults, fault: Fault, home: int, start_s: float, at_s: float) -> None:
    active.masks[fault.kind][home] = True
    gpu = fault.gpu_index
    if fault.kind is FaultKind.HEAT:
        active.heat_since_s[home] = min(active.heat_since_s[home], start_s)
    elif fault.kind is FaultKind.XID:
        active.xid[home, gpu] = fault.code
    elif fault.kind is FaultKind.ECC:
        active.xid[home, gpu] = 48
        active.ecc[home, gpu] = True
    elif fault.kind is FaultKind.GPU_LOST:
        active.xid[home, gpu] = 79
        active.stalled[home, gpu] = True
        active.off_bus[home, gpu] = at_s >= start_s + OFF_BUS_AFTER_S
