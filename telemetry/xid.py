"""NVIDIA's XID codes: what each means and what to do. Source: NVIDIA's XID catalogue, condensed in the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Xid:
    code: int
    meaning: str
    action: str


_RESTART, _WATCH, _RESET = "restart the job", "watch", "reset the GPU"

CODES: Final[dict[int, Xid]] = {
    x.code: x
    for x in (
        Xid(13, "graphics engine exception", _RESTART),
        Xid(31, "memory page fault", _RESTART),
        Xid(43, "GPU stopped processing", _WATCH),
        Xid(45, "preemptive removal after another error", "look at its neighbour"),
        Xid(48, "uncorrectable ECC error", "drain, then follow NVIDIA's workflow"),
        Xid(62, "internal micro-controller halt", _RESET),
        Xid(63, "row remapping recorded", _WATCH),
        Xid(64, "row remapping failed to record", _RESET),
        Xid(79, "GPU has fallen off the bus", "reboot; power-cycle if it persists"),
        Xid(92, "high rate of single-bit ECC errors", _WATCH),
        Xid(94, "contained memory error", _RESTART),
        Xid(95, "uncontained memory error", _RESET),
        Xid(109, "context switch timeout", _RESET),
        Xid(119, "GSP RPC timeout", _RESET),
        Xid(120, "GSP error", _RESET),
        Xid(140, "unrecovered ECC error", _RESET),
        Xid(143, "GPU initialisation failure", _RESET),
        Xid(154, "recovery action changed", "read the recovery action"),
        Xid(158, "fatal link error", _RESET),
    )
}


def describe(code: int) -> Xid:
    """A known code, or one that says that it is not in the list."""
    return CODES.get(code, Xid(code, "not in our list", "look it up in NVIDIA's XID catalogue"))


THROTTLE_BITS: Final = (
    (0x1, "idle"),
    (0x2, "application clocks"),
    (0x4, "power cap"),
    (0x8, "HW slowdown"),
    (0x20, "SW thermal"),
    (0x40, "HW thermal"),
    (0x80, "power brake"),
)


def throttle_words(bits: int) -> list[str]:
    """DCGM's clock event reasons by name."""
    return [name for bit, name in THROTTLE_BITS if bits & bit]
