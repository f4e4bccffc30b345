"""The story a demo fleet tells: what is wrong now, and what went wrong during the last 35 days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from telemetry.simulator.faults import Fault, FaultKind
from telemetry.simulator.noise import seed_of

SMALLEST_STORY: Final = 24
"""Below this many homes there are past events, but nothing scripted for now."""

_OPEN_ENDED: Final = timedelta(days=400)
_ROTATION: Final = timedelta(days=14)
_OVEN_HOMES: Final = (6, 11, 16, 21)
_OVEN_SHIFT: Final = timedelta(minutes=45)
_HEAT_HOMES: Final = ((4, 9), (14, 19))
_HEAT_SHIFT: Final = timedelta(hours=6)
_REGIONAL_OUTAGES: Final = (
    # days ago, hours after midnight UTC, minutes, homes (home 0 was out three days ago, and only then)
    (3, 1.2, 112, (0, 1, 2, 3)),
    (12, 20.5, 38, (5, 6, 7)),
    (19, 9.1, 244, (10, 11, 12, 13, 15)),
    (27, 3.6, 21, (18, 20, 22)),
)


def default_scenario(hostnames: Sequence[str], now_at: datetime, seed: int, days: int = 35) -> list[Fault]:
    """Faults of a demo seen from `now_at`; the live part is told by fleets of 24 homes and more."""
    faults = past_faults(hostnames, now_at, seed, days)
    if len(hostnames) >= SMALLEST_STORY:
        faults += _standing_faults(hostnames, now_at) + rotating_faults(hostnames, now_at)
    return faults


def past_faults(hostnames: Sequence[str], now_at: datetime, seed: int, days: int) -> list[Fault]:
    """Outages, line trouble and the odd XID of the last days, none of them still going on."""
    midnight = now_at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    faults: list[Fault] = []
    for days_ago, hour, minutes, homes in _REGIONAL_OUTAGES:
        start = midnight - timedelta(days=days_ago) + timedelta(hours=hour)
        if days_ago < days:
            faults += [
                _fault(hostnames[home], FaultKind.GRID_OUTAGE, start, timedelta(minutes=minutes))
                for home in homes
                if home < len(hostnames)
            ]
    for position, hostname in enumerate(hostnames):
        faults += _past_of_one(hostname, position, midnight, seed, days)
    return faults


def _past_of_one(hostname: str, position: int, midnight: datetime, seed: int, days: int) -> list[Fault]:
    random = np.random.default_rng(seed_of("scenario", seed, hostname))
    chances = (
        (FaultKind.INTERNET_OUTAGE, 0.55, (4, 75)),
        (FaultKind.INTERNET_TROUBLE, 0.7, (20, 180)),
        (FaultKind.XID, 0.35, (600, 1500)),
        (FaultKind.ECC, 0.08, (60, 300)),
        (FaultKind.GRID_EVENT, 0.3, (60, 120)),
        (FaultKind.TAMPER, 0.05, (6, 14)),
        (FaultKind.HEAT, 0.2, (180, 360)),
        (FaultKind.HOST_PAUSE, 0.25, (45, 240)),
    )
    faults = []
    for kind, chance, (shortest, longest) in chances:
        drawn, share_of_past, share_of_length = random.random(3)
        gpu, code = int(random.integers(0, 16)), int(random.choice((13, 31, 43, 94, 63)))
        # Home number one and what is wrong now stay clear stories, so their pasts are quieter.
        if drawn >= chance or (position == 0 and kind is not FaultKind.INTERNET_OUTAGE):
            continue
        start = midnight - timedelta(minutes=(days - 4) * 1440 * share_of_past + 3 * 1440)
        length = timedelta(minutes=shortest + (longest - shortest) * share_of_length)
        faults.append(_fault(hostname, kind, start, length, gpu, code))
    return faults


def _standing_faults(hostnames: Sequence[str], now_at: datetime) -> list[Fault]:
    """What is wrong now and stays wrong until someone comes."""
    stories = (
        (8, FaultKind.HOST_PAUSE, timedelta(minutes=50)),
        (13, FaultKind.GPU_LOST, timedelta(hours=5)),
        (17, FaultKind.COOLANT_LEAK, timedelta(minutes=34)),
        (20, FaultKind.SILENT, timedelta(minutes=6)),
    )
    return [_fault(hostnames[home], kind, now_at - ago, ago + _OPEN_ENDED) for home, kind, ago in stories]


def rotating_faults(hostnames: Sequence[str], now_at: datetime) -> list[Fault]:
    """One home baking and two in the heat at any time, taking turns: no oven is on for a week."""
    faults: list[Fault] = []
    start = now_at - timedelta(minutes=18)
    for turn in range(int(_ROTATION / _OVEN_SHIFT)):
        hostname = hostnames[_OVEN_HOMES[turn % len(_OVEN_HOMES)]]
        faults.append(_fault(hostname, FaultKind.OVEN, start + turn * _OVEN_SHIFT, _OVEN_SHIFT))
    # The next pair warms up for three hours before the last one cools down.
    start = now_at - timedelta(hours=4)
    for turn in range(int(_ROTATION / _HEAT_SHIFT)):
        for home in _HEAT_HOMES[turn % len(_HEAT_HOMES)]:
            begins = start + turn * _HEAT_SHIFT - (timedelta(hours=3) if turn else timedelta(0))
            faults.append(_fault(hostnames[home], FaultKind.HEAT, begins, start + (turn + 1) * _HEAT_SHIFT - begins))
    return faults


def parse_fault(text: str, now_at: datetime) -> Fault:
    """`HOSTNAME:KIND` or `HOSTNAME:KIND=XID`, optionally `:MINUTES`; begins now, without minutes it stays."""
    hostname, _, rest = text.partition(":")
    kind_text, _, minutes = rest.partition(":")
    kind_name, _, code = kind_text.partition("=")
    try:
        kind = FaultKind(kind_name)
        length = timedelta(minutes=float(minutes)) if minutes else _OPEN_ENDED
        xid = int(code) if code else 31
    except ValueError as error:
        known = ", ".join(FaultKind)
        raise ValueError(f"fault {text!r} is not HOSTNAME:KIND[=XID][:MINUTES] with a kind of {known}") from error
    return _fault(hostname, kind, now_at, length, code=xid)


def _fault(
    hostname: str, kind: FaultKind, start_at: datetime, length: timedelta, gpu_index: int = 5, code: int = 0
) -> Fault:
    return Fault(hostname, kind, start_at, start_at + length, gpu_index, code)
