"""The running simulator: a fleet that lives, pushes and serves until it is told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from telemetry.simulator import persistence
from telemetry.simulator.faults import Fault
from telemetry.simulator.fleet import Fleet
from telemetry.simulator.live import LiveFleet
from telemetry.simulator.profiles import Generation, gpu_uuids, profiles_for
from telemetry.simulator.push import Pusher, PushTotals
from telemetry.simulator.scenario import SMALLEST_STORY, default_scenario, parse_fault, rotating_faults
from telemetry.simulator.series import NodeSeries
from telemetry.simulator.serve import MetricsServer

_SAVE_EVERY_S: Final = 30.0
_REPORT_EVERY_S: Final = 30.0
_WARM_UP: Final = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    tokens: dict[str, str]
    seed: int = 1
    generation: Generation | Literal["mixed"] = "mixed"
    push_url: str | None = None
    serve_port: int | None = None
    host: str = "127.0.0.1"
    interval_s: float = 2.0
    state_dir: Path | None = None
    faults: Sequence[str] = ()
    calm: bool = False
    duration_s: float | None = None


def prepare_fleet(options: Options, now_at: datetime) -> Fleet:
    """The saved fleet brought up to now, or a new one that has warmed up; with its script of faults."""
    hostnames = list(options.tokens)
    profiles = profiles_for(hostnames, options.seed, options.generation)
    extra = [parse_fault(text, now_at) for text in options.faults]
    fleet = persistence.load(options.state_dir, profiles, options.seed) if options.state_dir else None
    if fleet is None:
        script = [] if options.calm else default_scenario(hostnames, now_at, options.seed)
        fleet = Fleet(profiles, options.seed, now_at - _WARM_UP, [*script, *extra])
    else:
        fleet.replace_faults([*_continued(fleet, now_at, options.calm), *extra])
    fleet.fast_forward(now_at.timestamp())
    return fleet


def _continued(fleet: Fleet, now_at: datetime, calm: bool) -> list[Fault]:
    """The saved script without what never began; prolonged when its turns have run out."""
    if calm:
        return [fault for fault in fleet.board.faults if fault.end_at <= fleet.at]
    script = list(fleet.board.faults)
    if script and len(fleet.hostnames) >= SMALLEST_STORY and max(f.start_at for f in script) < now_at:
        script += rotating_faults(fleet.hostnames, now_at)
    return script


class Program:
    """Starts the parts, saves the state every 30 s, and stops all of it promptly."""

    def __init__(self, options: Options, say: Callable[[str], None]) -> None:
        self.stop = threading.Event()
        self._options = options
        self._say = say
        self.live = LiveFleet(prepare_fleet(options, datetime.now(UTC)))
        profiles = self.live.fleet.profiles
        nodes = [NodeSeries(profile, gpu_uuids(profile.hostname, options.seed)) for profile in profiles]
        self.pusher: Pusher | None = None
        self.server: MetricsServer | None = None
        if options.push_url:
            tokens = list(options.tokens.values())
            self.pusher = Pusher(self.live, nodes, tokens, options.push_url, options.interval_s)
        if options.serve_port is not None:
            self.server = MetricsServer(self.live, nodes, options.host, options.serve_port)

    def run(self) -> None:
        """Until `stop` is set or the duration is over."""
        if self.server:
            self.server.start()
            self._say(f"serving http://{self._options.host}:{self.server.server_port}/metrics")
        if self.pusher:
            self.pusher.start()
            self._say(f"pushing {len(self._options.tokens)} nodes to {self._options.push_url}")
        try:
            self._wait()
        finally:
            if self.pusher:
                self.pusher.stop()
            if self.server:
                self.server.shutdown()
                self.server.server_close()
            self._save()

    def _wait(self) -> None:
        duration_s = self._options.duration_s
        end = time.monotonic() + duration_s if duration_s is not None else float("inf")
        next_save = next_report = time.monotonic() + _SAVE_EVERY_S
        before = PushTotals()
        while not self.stop.wait(min(1.0, max(0.0, end - time.monotonic()))):
            now = time.monotonic()
            if now >= end:
                return
            if now >= next_save:
                self._save()
                next_save = now + _SAVE_EVERY_S
            if self.pusher and now >= next_report:
                before = self._report(self.pusher, before)
                next_report = now + _REPORT_EVERY_S

    def _report(self, pusher: Pusher, before: PushTotals) -> PushTotals:
        totals = pusher.totals
        now = PushTotals(totals.samples, totals.bodies, totals.rejected, totals.failed, totals.dropped)
        rate = (now.samples - before.samples) / _REPORT_EVERY_S
        self._say(
            f"{rate:,.0f} samples/s accepted, {now.rejected - before.rejected} bodies rejected, "
            f"{now.failed - before.failed} failed attempts, {pusher.waiting} waiting, {now.dropped} dropped"
        )
        return now

    def _save(self) -> None:
        if self._options.state_dir:
            with self.live.hold():
                persistence.save(self.live.fleet, self._options.state_dir)
