"""Keeps a fleet between two runs in one file, replaced atomically and without pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from telemetry.simulator.faults import Fault
from telemetry.simulator.fleet import Fleet
from telemetry.simulator.profiles import HomeProfile
from telemetry.simulator.state import GpuRow, NodeRow

FILE_NAME: Final = "fleet.npz"
_ROWS: Final = [row.name for row in NodeRow] + [row.name for row in GpuRow]


def save(fleet: Fleet, directory: Path) -> None:
    """Write the fleet's state; a reader sees the old file or the new one, never half of it."""
    directory.mkdir(parents=True, exist_ok=True)
    about = {
        "seed": fleet.seed,
        "at_s": fleet.at_s,
        "hostnames": fleet.hostnames,
        "faults": [fault.as_json() for fault in fleet.board.faults],
        "rows": _ROWS,
    }
    text = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    state = fleet.state
    unfinished = directory / f".{FILE_NAME}.{os.getpid()}"
    with unfinished.open("wb") as file:
        np.savez(file, about=text, node=state.node, gpu=state.gpu, circuit=state.circuit)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(directory / FILE_NAME)


def load(directory: Path, profiles: Sequence[HomeProfile], seed: int) -> Fleet | None:
    """The fleet as it was saved, at the time it was saved; None without a file that fits this seed and version.

    Homes that were not there before begin as freshly installed; homes that are gone are forgotten.
    """
    path = directory / FILE_NAME
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as saved:
        about = json.loads(saved["about"].tobytes())
        arrays = {name: saved[name] for name in ("node", "gpu", "circuit")}
    if about["seed"] != seed or about["rows"] != _ROWS:
        return None
    hostnames = {profile.hostname for profile in profiles}
    faults = [Fault.from_json(one) for one in about["faults"] if one["hostname"] in hostnames]
    fleet = Fleet(profiles, seed, datetime.fromtimestamp(about["at_s"], UTC), faults)
    fleet.at_s = about["at_s"]
    before = {hostname: position for position, hostname in enumerate(about["hostnames"])}
    known = [(now, before[name]) for now, name in enumerate(fleet.hostnames) if name in before]
    if known:
        to, since = (np.array(positions) for positions in zip(*known, strict=True))
        for name, array in arrays.items():
            getattr(fleet.state, name)[:, to] = array[:, since]
    return fleet
