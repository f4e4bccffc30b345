"""A fleet that keeps up with the clock on the wall, shared by those who push and those who serve."""

from __future__ import annotations

import threading
import time

from telemetry.simulator.fleet import Fleet
from telemetry.simulator.readings import Snapshot

_SHORTEST_STEP_S = 0.02


class LiveFleet:
    """Steps a fleet to now whenever somebody looks."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None

    def snapshot(self) -> Snapshot:
        """What the nodes report at this moment."""
        with self._lock:
            # Whole milliseconds, as timestamps are: then energies and timestamps agree exactly.
            now_s = round(time.time() * 1000) / 1000
            behind_s = now_s - self.fleet.at_s
            if behind_s > 60.0:
                self.fleet.fast_forward(now_s)
            elif behind_s >= _SHORTEST_STEP_S:
                self.fleet.step(behind_s)
                self.fleet.at_s = now_s
            elif self._snapshot is not None:
                return self._snapshot
            self._snapshot = self.fleet.snapshot()
            return self._snapshot

    def hold(self) -> threading.Lock:
        """Nobody steps while this is held, for example while the state is saved."""
        return self._lock
