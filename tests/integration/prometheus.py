"""A real Prometheus in agent mode, as it would run on a node, between an exporter of ours and the portal."""

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

_CONFIGURATION = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ["{target}"]}}]
remote_write:
  - url: {url}/api/v1/write
    authorization: {{credentials: {token}}}
    queue_config: {{batch_send_deadline: 200ms, max_samples_per_send: 500}}
"""


def program() -> str:
    """Where Prometheus is; skips the test where it is missing, except in CI."""
    found = shutil.which("prometheus")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("prometheus is not installed, and CI may not skip what needs it")
        pytest.skip("prometheus is not installed (Debian: apt install prometheus)")
    return found


class Agent:
    """Scrapes 127.0.0.1:`exporter_port`/metrics every second and pushes what it finds with the node's token."""

    def __init__(self, folder: Path, exporter_port: int, url: str, token: str) -> None:
        folder.mkdir(parents=True)
        self.log = folder / "log"
        configuration = folder / "agent.yml"
        configuration.write_text(
            _CONFIGURATION.format(target=f"127.0.0.1:{exporter_port}", url=url, token=token), encoding="utf-8"
        )
        command = [program(), "--enable-feature=agent", f"--config.file={configuration}"]
        command += [f"--storage.agent.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{free_port()}"]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                launch_command(Spec("prometheus", command, self.log), os.getpid()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                start_new_session=True,
            )

    def stop(self) -> None:
        """In good order: it sends what it still has. Killed if it takes too long."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
