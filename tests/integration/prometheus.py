"""Real agents, Prometheus and vmagent, as they would run on a node, between an exporter of ours and the portal."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.stack import ROOT
from xfra_portal.local.child import Spec, launch_command
from xfra_portal.local.state import free_port

_SCRAPING = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ["{target}"]}}]
"""
_WRITING = """\
remote_write:
  - url: {url}
    authorization: {{credentials: {token}}}
    queue_config: {{batch_send_deadline: 200ms, max_samples_per_send: 500}}
"""


def program(name: str = "prometheus", package: str = "prometheus") -> str:
    """Where an agent is; skips the test where it is missing, except in CI."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed, and CI may not skip what needs it")
        pytest.skip(f"{name} is not installed (Debian: apt install {package})")
    return found


class Agent:
    """Scrapes 127.0.0.1:`exporter_port`/metrics every second and pushes what it finds with the node's token.

    Prometheus in agent mode; VmAgent below is the other one.
    """

    slack_ms = 5
    """How much later than it began it may say that a scrape began."""

    def __init__(self, folder: Path, exporter_port: int, url: str, token: str) -> None:
        folder.mkdir(parents=True)
        self.log = folder / "log"
        command = self._command(folder, f"127.0.0.1:{exporter_port}", f"{url}/api/v1/write", token)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                launch_command(Spec(command[0], command, self.log), os.getpid()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                start_new_session=True,
            )

    def _command(self, folder: Path, target: str, url: str, token: str) -> list[str]:
        configuration = folder / "agent.yml"
        text = _SCRAPING.format(target=target) + _WRITING.format(url=url, token=token)
        configuration.write_text(text, encoding="utf-8")
        command = [program(), "--enable-feature=agent", f"--config.file={configuration}"]
        return [*command, f"--storage.agent.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{free_port()}"]

    def stop(self) -> None:
        """In good order: it sends what it still has. Killed if it takes too long."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class ChattyAgent(Agent):
    """Prometheus with everything on that it can send: exemplars, native histograms, and metadata every second."""

    def _command(self, folder: Path, target: str, url: str, token: str) -> list[str]:
        command = super()._command(folder, target, url, token)
        configuration = folder / "agent.yml"
        more = "    send_exemplars: true\n    send_native_histograms: true\n    metadata_config: {send_interval: 1s}\n"
        configuration.write_text(configuration.read_text(encoding="utf-8") + more, encoding="utf-8")
        return [*command, "--enable-feature=exemplar-storage,native-histograms"]


class VmAgent(Agent):
    """VictoriaMetrics' agent. It keeps to the second's stroke, up to a tenth of the interval."""

    slack_ms = 150

    def _command(self, folder: Path, target: str, url: str, token: str) -> list[str]:
        configuration = folder / "scrape.yml"
        configuration.write_text(_SCRAPING.format(target=target), encoding="utf-8")
        command = [program("vmagent", "victoria-metrics"), f"-promscrape.config={configuration}"]
        command += [f"-remoteWrite.url={url}", f"-remoteWrite.bearerToken={token}"]
        command += [f"-remoteWrite.tmpDataPath={folder / 'data'}", f"-httpListenAddr=127.0.0.1:{free_port()}"]
        return [*command, "-remoteWrite.maxRowsPerBlock=500"]
