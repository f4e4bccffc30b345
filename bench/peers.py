"""Prometheus and VictoriaMetrics, as their packages bring them, asked through the API that both speak."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.bodies import Load
from bench.processes import folder_bytes
from bench.scrapes import GPUS, JOB, LAST_METRIC, METRICS
from bench.systems import Disk, Program, System, Target
from xfra_portal.local.state import free_port


class Peer(System):
    """One program with one data folder and Prometheus' query API."""

    program: str
    ready_path: str
    data_name = "data"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._port = free_port()
        self._running: Program | None = None
        self._polls = 0

    @classmethod
    def is_installed(cls) -> bool:
        return shutil.which(cls.program) is not None

    @classmethod
    def version_line(cls) -> str:
        """What it says of itself; Debian's VictoriaMetrics says nothing, there the package's version is told."""
        done = subprocess.run([cls.program, "--version"], capture_output=True, text=True, check=False)
        said = (done.stdout or done.stderr).strip().split("\n")[0]
        if not said and shutil.which("dpkg-query"):
            asked = ["dpkg-query", "--show", "--showformat=${Package} ${Version}", cls.program]
            said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
        return said or "version unknown"

    @abstractmethod
    def command(self) -> list[str]: ...

    @property
    def _program(self) -> Program:
        if self._running is None:
            raise RuntimeError(f"{self.name} has not been started")
        return self._running

    def start(self, nodes: int) -> Target:
        self.version = self.version_line()
        self._running = Program(self.program, self.command(), self.folder / f"{self.program}.log")
        self._running.wait_until(self._is_ready, 60)
        return Target(self._port, "/api/v1/write")

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{self.ready_path}", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def query(self, query: str, at_ms: int) -> list[Any]:
        """An instant query's result vector."""
        parameters = urllib.parse.urlencode({"query": query, "time": f"{at_ms / 1000:.3f}", "nocache": "1"})
        url = f"http://127.0.0.1:{self._port}/api/v1/query?{parameters}"
        with urllib.request.urlopen(url, timeout=120) as answer:
            found: list[Any] = json.load(answer)["data"]["result"]
        return found

    def has_newest(self, load: Load) -> bool:
        """By each node's oldest of its 16 newest samples."""
        self._polls += 1
        # Never the same filter twice: VictoriaMetrics remembers for ten seconds which series one matched.
        chosen = f'{LAST_METRIC}{{job=~"{JOB}|poll{self._polls}"}}'
        rows = self.query(f"min by (Hostname) (timestamp({chosen}))", load.end_ms)
        newest = {row["metric"]["Hostname"]: round(float(row["value"][1]) * 1000) for row in rows}
        series = self.query(f"count({chosen})", load.end_ms)
        whole = bool(series) and int(series[0]["value"][1]) == load.nodes * GPUS
        return whole and newest == load.last_ms()

    def count(self, load: Load) -> int:
        """Metric by metric, so that one query's limits are not reached."""
        seconds = (load.end_ms - load.first_ms) // 1000 + 1
        total = 0
        for metric in METRICS:
            rows = self.query(f'sum(count_over_time({metric}{{job="{JOB}"}}[{seconds}s]))', load.end_ms)
            total += int(float(rows[0]["value"][1])) if rows else 0
        return total

    def families(self) -> Mapping[str, Sequence[int]]:
        return {self.program: self._program.family()}


class Prometheus(Peer):
    """The server, as a remote-write receiver that scrapes nothing."""

    name = "Prometheus"
    program = "prometheus"
    ready_path = "/-/ready"

    def command(self) -> list[str]:
        configuration = self.folder / "prometheus.yml"
        configuration.write_text("global: {scrape_interval: 1h}\n", encoding="utf-8")
        return [
            self.program,
            "--web.enable-remote-write-receiver",
            f"--config.file={configuration}",
            f"--storage.tsdb.path={self.folder / self.data_name}",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]

    def disk(self) -> Disk:
        data, log = folder_bytes(self.folder / self.data_name), folder_bytes(self.folder / self.data_name / "wal")
        return Disk(data - log, log)


class VictoriaMetrics(Peer):
    """Single node. Without its offset for queries, which hides the newest 30 seconds from them."""

    name = "VictoriaMetrics"
    program = "victoria-metrics"
    ready_path = "/health"

    def command(self) -> list[str]:
        return [
            self.program,
            f"-storageDataPath={self.folder / self.data_name}",
            f"-httpListenAddr=127.0.0.1:{self._port}",
            "-search.latencyOffset=0s",
            "-search.maxUniqueTimeseries=1000000",
        ]

    def disk(self) -> Disk:
        return Disk(folder_bytes(self.folder / self.data_name), 0)
