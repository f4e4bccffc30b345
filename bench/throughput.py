"""One system, one cut: start, send, wait until everything can be queried, let it settle, count what is there."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.bodies import Load, Progress
from bench.sender import SendPlan, Sent
from bench.systems import BenchFailed, Disk, System, Target

_POLL_SECONDS: Final = 0.25
_QUIET_CORES: Final = 0.06
_QUIET_SECONDS: Final = 4.0


@dataclass(frozen=True)
class Limits:
    """How long is waited, in seconds, for everything to be queryable and then for the system to come to rest."""

    queryable_seconds: float = 600.0
    settle_seconds: float = 180.0


@dataclass(frozen=True)
class Throughput:
    """What one run gave. CPU is of all the system's processes, by part, in seconds since the first request."""

    system: str
    version: str
    cut: str
    samples: int
    counted: int
    sent: Sent
    queryable_seconds: float
    cpu_queryable: Mapping[str, float]
    settled_seconds: float
    is_settled: bool
    cpu_settled: Mapping[str, float]
    disk: Disk
    tables: Mapping[str, int]

    @property
    def is_whole(self) -> bool:
        """Whether everything was taken and is there, once."""
        return self.sent.samples == self.samples == self.counted

    @property
    def acknowledged_rate(self) -> float:
        return self.sent.samples / self.sent.seconds

    @property
    def queryable_rate(self) -> float:
        return self.samples / self.queryable_seconds

    @property
    def cpu_per_million(self) -> float:
        return sum(self.cpu_queryable.values()) / self.samples * 1e6

    @property
    def cpu_settled_per_million(self) -> float:
        return sum(self.cpu_settled.values()) / self.samples * 1e6

    @property
    def bytes_per_sample(self) -> float:
        return self.disk.data / self.samples


def measure(system: System, load: Load, connections: int, limits: Limits, say: Progress) -> Throughput:
    """Raises BenchFailed when the system does not start, or never shows what was sent."""
    say(f"{system.name}: starting")
    try:
        target = system.start(load.nodes)
        return _measure(system, target, load, connections, limits, say)
    finally:
        system.stop()


def _measure(system: System, target: Target, load: Load, connections: int, limits: Limits, say: Progress) -> Throughput:
    disk, cpu = system.disk(), system.cpu()
    sent = _send(system, target, load, connections, say)
    _wait(lambda: system.has_newest(load), limits.queryable_seconds, f"{system.name} to show what it was sent")
    queryable, cpu_queryable = time.monotonic(), _minus(system.cpu(), cpu)
    say(f"{system.name}: all to be found after {queryable - sent.started:.1f} s; waiting until it rests")
    is_settled = _settle(system, limits.settle_seconds)
    settled, cpu_settled, after = time.monotonic(), _minus(system.cpu(), cpu), system.disk()
    say(f"{system.name}: counting")
    return Throughput(
        system=system.name,
        version=system.version,
        cut=load.cut.name,
        samples=load.samples,
        counted=system.count(load),
        sent=sent,
        queryable_seconds=queryable - sent.started,
        cpu_queryable=cpu_queryable,
        settled_seconds=settled - sent.started,
        is_settled=is_settled,
        cpu_settled=cpu_settled,
        disk=Disk(after.data - disk.data, after.log - disk.log),
        tables=system.tables(),
    )


def _send(system: System, target: Target, load: Load, connections: int, say: Progress) -> Sent:
    plan = SendPlan(
        "127.0.0.1", target.port, target.path, str(load.bodies), str(load.index), connections, target.tokens
    )
    file = system.folder / "plan.json"
    file.touch(0o600)
    file.write_text(json.dumps(asdict(plan)), encoding="utf-8")
    command = [sys.executable, "-m", "bench.sender", str(file)]
    root = Path(__file__).resolve().parent.parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        last, began = "", time.monotonic()
        for line in process.stdout or ():
            last = line
            if line.startswith("sent "):
                done, seconds = int(line[5:]), time.monotonic() - began
                say(f"{system.name}: {done / load.samples:4.0%} acknowledged, {done / seconds:,.0f} samples/s")
    if process.returncode != 0:
        raise BenchFailed(f"sending to {system.name} ended with {process.returncode}")
    return Sent(**json.loads(last))


def _wait(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            raise BenchFailed(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(_POLL_SECONDS)


def _settle(system: System, seconds: float) -> bool:
    """Wait until the system says that it is done and has used hardly any CPU for a while."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        before = sum(system.cpu().values())
        time.sleep(min(_QUIET_SECONDS, max(0.0, until - time.monotonic())))
        used = sum(system.cpu().values()) - before
        if used < _QUIET_CORES * _QUIET_SECONDS and system.is_settled():
            return True
    return False


def _minus(after: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    return {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}
