"""Engines that speak Prometheus' API, as their packages bring them, for tests of telemetry.store."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import httpx

from tests.integration.prometheus import program
from tests.stack import ROOT, wait_for
from xfra_portal.local.child import Spec, launch_command
from xfra_portal.local.state import free_port


class Engine:
    """One program with a folder and a port of its own; it can be stopped and started again."""

    name: str
    package: str

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._port = free_port()
        self._program = program(self.name, self.package)
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        command = [self._program, *self._arguments(self._folder, f"127.0.0.1:{self._port}")]
        with (self._folder / "log").open("ab") as log:
            self._running = subprocess.Popen(
                launch_command(Spec(self.name, command, self._folder / "log"), os.getpid()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                start_new_session=True,
            )
        wait_for(self._answers, 30, f"{self.name} to start")

    def stop(self) -> None:
        if self._running is not None and self._running.poll() is None:
            self._running.terminate()
            self._running.wait(20)

    def settle(self) -> None:
        """What was taken can be found from here on."""

    def count(self, selector: str, hours: int = 100) -> int:
        """Samples of some series."""
        self.settle()
        form = {"query": f"sum(count_over_time({selector}[{hours}h]))", "nocache": "1"}
        found = httpx.post(f"{self.url}/api/v1/query", data=form, timeout=10).json()["data"]["result"]
        return int(float(found[0]["value"][1])) if found else 0

    def labels_of(self, selector: str, hours: int = 100) -> list[dict[str, str]]:
        self.settle()
        form = {"query": f"last_over_time({selector}[{hours}h])", "nocache": "1"}
        found = httpx.post(f"{self.url}/api/v1/query", data=form, timeout=10).json()["data"]["result"]
        return [series["metric"] for series in found]

    def _arguments(self, folder: Path, address: str) -> list[str]:
        raise NotImplementedError

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/api/v1/query", params={"query": "1"}, timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


class VictoriaMetrics(Engine):
    """Single node; a cluster's insert and select speak the same."""

    name = package = "victoria-metrics"
    options = ("-retentionPeriod=1y", "-dedup.minScrapeInterval=1ms")
    """As docs/scale.md says: what is sent again is kept once."""

    def settle(self) -> None:
        httpx.get(f"{self.url}/internal/force_flush", timeout=10).raise_for_status()

    def _arguments(self, folder: Path, address: str) -> list[str]:
        return [f"-storageDataPath={folder / 'data'}", f"-httpListenAddr={address}", *self.options]


class Prometheus(Engine):
    """The server as a receiver: its storage is the one inside Mimir and Thanos."""

    name = package = "prometheus"
    late_hours = 73
    """How late samples may be; 0 is how it comes."""

    def _arguments(self, folder: Path, address: str) -> list[str]:
        configuration = folder / "prometheus.yml"
        late = f"storage: {{tsdb: {{out_of_order_time_window: {self.late_hours}h}}}}\n"
        configuration.write_text(late + "global: {scrape_interval: 1h}\n", encoding="utf-8")
        command = ["--web.enable-remote-write-receiver", f"--config.file={configuration}"]
        return [*command, f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"]


ENGINES: dict[str, type[Engine]] = {"victoria-metrics": VictoriaMetrics, "prometheus": Prometheus}
