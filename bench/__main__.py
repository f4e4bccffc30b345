"""`python -m bench`: measure, show progress, write a dated report. `make bench ARGS=--help` shows the options."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench import close, page_reads, push, rating, sealing, standing
from bench.bodies import CUTS, Load, prepare, ticks_for
from bench.peers import Prometheus, VictoriaMetrics
from bench.portal import Portal
from bench.report import Report
from bench.systems import BenchFailed, System
from bench.throughput import Limits, measure

SYSTEMS: dict[str, Callable[[Path], System]] = {
    "prometheus": Prometheus,
    "victoria-metrics": VictoriaMetrics,
    "portal": Portal,
}
PARTS = ("throughput", "push", "bombs", "sealing", "reads", "rating", "close")
RESULTS = Path(__file__).resolve().parent / "results"


def _some_of(known: tuple[str, ...]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        chosen = text.split(",")
        unknown = [name for name in chosen if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]} is not one of {', '.join(known)}")
        return chosen

    return parse


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    add = parser.add_argument
    systems, cuts = tuple(SYSTEMS), tuple(CUTS)
    add("--parts", type=_some_of(PARTS), default=list(PARTS), help=f"some of {','.join(PARTS)} (default all)")
    add("--samples", type=int, default=20_000_000, help="samples per cut, at least (default 20 million)")
    add("--cuts", type=_some_of(cuts), default=list(cuts), help=f"some of {','.join(cuts)} (default all)")
    add("--systems", type=_some_of(systems), default=list(systems), help=f"some of {','.join(systems)} (default all)")
    add("--nodes", type=int, default=200, help="nodes that send (default 200)")
    add("--connections", type=int, default=16, help="concurrent connections of the sender (default 16)")
    add("--push-nodes", type=int, default=1000, help="nodes that post every 5 s while sockets watch (default 1000)")
    add("--push-sockets", type=int, default=200, help="websockets that watch (default 200)")
    add("--push-ticks", type=int, default=24, help="how many times each node posts then (default 24, 2 minutes)")
    add("--seal-nodes", type=int, default=30, help="nodes of which an hour is sealed (default 30)")
    add("--read-nodes", type=int, default=1000, help="nodes of the data set that pages are read from (default 1000)")
    add("--read-rounds", type=int, default=30, help="how many times each read of a page is timed (default 30)")
    add("--read-data", type=Path, help="folder where their data set is kept, and taken up again for a second look")
    add("--rating-rounds", type=int, default=200, help="how many times a home-month is rated (default 200)")
    add("--close-homes", type=int, default=10_000, help="homes of which a month is closed (default 10,000)")
    add("--close-tariffs", type=int, default=100, help="tariffs that they have (default 100)")
    add("--out", type=Path, default=RESULTS, help="folder of the reports (default bench/results)")
    return parser


class Console:
    """Lines with the seconds since the start in front."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self._start:6.1f} s] {text}", flush=True)


def main() -> int:
    """0 when everything was measured and everything sent was read back, otherwise 1."""
    arguments, console = _parser().parse_args(), Console()
    started = datetime.now(UTC)
    file = arguments.out / f"{started:%Y-%m-%d-%H%M}.md"
    report = Report(file, "make bench ARGS=" + shlex.quote(" ".join(sys.argv[1:])), started)
    with tempfile.TemporaryDirectory(prefix="xfra-bench-") as folder:
        if "throughput" in arguments.parts:
            _throughput(arguments, Path(folder), report, console)
        if "push" in arguments.parts:
            options = push.PushOptions(arguments.push_nodes, arguments.push_sockets, arguments.push_ticks)
            _section("push", report, console, lambda: push.measure(Path(folder), options, console.say))
        if "bombs" in arguments.parts:
            _section("bombs", report, console, lambda: standing.measure(Path(folder), console.say))
        if "sealing" in arguments.parts:
            seal_nodes = arguments.seal_nodes
            _section("sealing", report, console, lambda: sealing.measure(Path(folder), seal_nodes, console.say))
        if "reads" in arguments.parts:
            reading = page_reads.ReadOptions(arguments.read_nodes, arguments.read_rounds, kept=arguments.read_data)
            _section("reads", report, console, lambda: page_reads.measure(Path(folder), reading, console.say))
        if "rating" in arguments.parts:
            rounds = rating.RatingOptions(arguments.rating_rounds)
            _section("rating", report, console, lambda: rating.measure(rounds, console.say))
        if "close" in arguments.parts:
            closing = close.CloseOptions(arguments.close_homes, arguments.close_tariffs)
            _section("close", report, console, lambda: close.measure(Path(folder), closing, console.say))
    report.write()
    print("\n" + report.text())
    return 1 if report.failures or any(not run.is_whole for run in report.runs) else 0


def _section(name: str, report: Report, console: Console, make: Callable[[], list[str]]) -> None:
    try:
        report.sections.append(make())
    except (BenchFailed, OSError, TimeoutError) as error:
        report.failures.append(f"{name}: {error}")
        console.say(f"failed: {error}")
    report.write()


def _throughput(arguments: argparse.Namespace, folder: Path, report: Report, console: Console) -> None:
    present = []
    for name in arguments.systems:
        system = SYSTEMS[name]
        if system in (Prometheus, VictoriaMetrics) and not system.is_installed():
            report.absent.append(system.name)
            console.say(f"{system.name} is not installed: it is left out")
        else:
            present.append(name)
    ticks = ticks_for(arguments.samples, arguments.nodes)
    for cut in arguments.cuts:
        console.say(f"{CUTS[cut].name}: preparing {ticks} scrapes of {arguments.nodes} nodes")
        load = prepare(folder, CUTS[cut], arguments.nodes, ticks, int(time.time() * 1000), console.say)
        for name in present:
            _measure_one(SYSTEMS[name], load, arguments.connections, folder / f"{name}-{cut}", report, console)
        load.bodies.unlink()


def _measure_one(
    make: Callable[[Path], System], load: Load, connections: int, folder: Path, report: Report, console: Console
) -> None:
    folder.mkdir()
    system = make(folder)
    try:
        run = measure(system, load, connections, Limits(), console.say)
    except (BenchFailed, OSError) as error:
        report.failures.append(f"{load.cut.name}, {system.name}: {error}")
        console.say(f"failed: {error}")
    else:
        report.runs.append(run)
        console.say(f"{system.name}, {load.cut.name}: {run.queryable_rate:,.0f} samples/s until queryable")
    report.write()


if __name__ == "__main__":
    sys.exit(main())
