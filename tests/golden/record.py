"""Records the golden bodies anew: `python -m tests.golden.record` with prometheus and vmagent installed.

Real senders push to a sink on loopback what the fleet simulator serves. What a body means is read by the protobuf
library and must agree with what was served, or, where the sender is an SDK, is what the program told it.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from telemetry.simulator.profiles import Generation
from telemetry.simulator.program import Options, Program
from telemetry.simulator.serve import MetricsServer
from tests.golden import plain, sdk
from tests.golden.exporter import Exporter
from tests.golden.recording import FOLDER, STALE, Labels, Recording, Samples
from tests.golden.sink import Request, Sink
from tests.integration.prometheus import Agent, ChattyAgent, VmAgent
from tests.integration.scrapes import parse
from tests.stack import wait_for

_MOST_REQUESTS = 200
_OWN = ("up", "scrape_")
"""What an agent adds of itself to each scrape."""
_PACKAGES = {Agent: "prometheus", ChattyAgent: "prometheus", VmAgent: "victoria-metrics"}


def _version(package: str) -> str:
    return subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", package], check=True, capture_output=True, text=True
    ).stdout


def _recording(kind: type[Agent], request: Request) -> Recording:
    samples, others = plain.read(request.body)
    sender = "vmagent" if kind is VmAgent else "prometheus"
    version = f"{_PACKAGES[kind]} {_version(_PACKAGES[kind])} of Debian"
    return Recording(sender, version, request.at_ms, request.path, request.headers, request.body, samples, others)


@contextmanager
def _pushing(kind: type[Agent], port: int) -> Iterator[Sink]:
    """An agent between an exporter and a sink."""
    with tempfile.TemporaryDirectory() as folder, Sink(_MOST_REQUESTS) as sink:
        agent = kind(Path(folder) / "agent", port, sink.url, "not-a-token")
        try:
            yield sink
        finally:
            agent.stop()
            sink.shutdown()


def _of_fleet(kind: type[Agent], generation: Generation, hostname: str, bodies: int, ended: int) -> list[Recording]:
    """The first `bodies` with samples; then the exporter fails, and the first `ended` with stale markers."""
    program = Program(Options({hostname: ""}, generation=generation, serve_port=0, calm=True), lambda _: None)
    server = program.server
    assert isinstance(server, MetricsServer)
    threading.Thread(target=program.run, daemon=True).start()
    try:
        with _pushing(kind, server.server_port) as sink:
            found = lambda: [_recording(kind, request) for request in list(sink.requests)]  # noqa: E731
            live = wait_for(lambda: _first(found(), bodies, lambda r: len(r.samples) > 50), 60, "bodies with samples")
            served = [_served(one.text) for one in server.served]
            server.page = lambda path: (503, "gone")  # type: ignore[method-assign]
            stale = wait_for(lambda: _first(found(), ended, _has_ended), 60, "stale markers") if ended else []
    finally:
        program.stop.set()
    for recording in live:
        _agree(recording.samples, served)
    return [*live, *stale]


def _first(found: list[Recording], count: int, fits: Callable[[Recording], bool]) -> list[Recording]:
    """Empty while there are fewer."""
    fitting = [recording for recording in found if fits(recording)]
    return fitting[:count] if len(fitting) >= count else []


def _has_ended(recording: Recording) -> bool:
    return STALE in recording.samples.values()


def _served(text: str) -> dict[tuple[str, Labels], float]:
    return {(metric, tuple(sorted(labels.items()))): value for metric, labels, value in parse(text)}


def _agree(samples: Samples, served: list[dict[tuple[str, Labels], float]]) -> None:
    """Every sample that is not the agent's own was served, all of one instant by one scrape."""
    theirs = {key: value for key, value in samples.items() if not key[0].startswith(_OWN)}
    for at_ms in {at for _, _, at in theirs}:
        scrape = {
            (metric, tuple(pair for pair in labels if pair[0] not in ("job", "instance"))): value
            for (metric, labels, at), value in theirs.items()
            if at == at_ms
        }
        assert any(scrape.items() <= one.items() for one in served), f"nothing was served like what is of {at_ms}"


def _of_rare() -> list[Recording]:
    """Of Prometheus: the first body each with exemplars, with native histograms and with metadata."""
    with Exporter() as exporter, _pushing(ChattyAgent, exporter.server_port) as sink:
        found = lambda: [_recording(ChattyAgent, request) for request in list(sink.requests)]  # noqa: E731
        each = lambda: [_first(found(), 1, lambda r, w=what: w in r.others) for what in _RARE]  # noqa: E731
        wait_for(lambda: all(each()), 60, "all of " + ", ".join(_RARE))
        chosen = {recording.recorded_ms: recording for (recording,) in each()}
        exporter.shutdown()
    return [chosen[at] for at in sorted(chosen)]


_RARE = ("exemplars", "histograms", "metadata")


def _of_sdk(is_zipped: bool) -> list[Recording]:
    with Sink(_MOST_REQUESTS) as sink:
        told = sdk.push(f"{sink.url}/v1/metrics", exports=2, is_zipped=is_zipped)
        sink.shutdown()
    version = f"opentelemetry-exporter-otlp-proto-http {importlib.metadata.version(sdk.PACKAGE)}"
    return [
        Recording("OpenTelemetry SDK", version, request.at_ms, request.path, request.headers, request.body, samples)
        for request, samples in zip(sink.requests, told, strict=True)
    ]


SESSIONS: dict[str, Callable[[], list[Recording]]] = {
    "prometheus-legacy": lambda: _of_fleet(Agent, "legacy", "golden-0001", 3, 1),
    "prometheus-base-units": lambda: _of_fleet(Agent, "base_units", "golden-0002", 2, 0),
    "prometheus-rare": _of_rare,
    "vmagent-legacy": lambda: _of_fleet(VmAgent, "legacy", "golden-0003", 2, 1),
    "vmagent-base-units": lambda: _of_fleet(VmAgent, "base_units", "golden-0004", 1, 0),
    "otel-gzip": lambda: _of_sdk(True),
    "otel-plain": lambda: _of_sdk(False),
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or SESSIONS:
        recordings = SESSIONS[name]()
        for old in FOLDER.glob(f"{name}.[0-9].*"):
            old.unlink()
        for number, recording in enumerate(recordings, 1):
            recording.save(f"{name}.{number}")
            said = f"{len(recording.samples)} samples {dict(recording.others)}"
            sys.stdout.write(f"{name}.{number}: {len(recording.body)} bytes, {said}\n")


if __name__ == "__main__":
    main()
