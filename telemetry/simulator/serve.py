"""Serves each node's metrics over HTTP, for a real Prometheus to scrape."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from telemetry.simulator.exposition import Exposition
from telemetry.simulator.live import LiveFleet
from telemetry.simulator.series import NodeSeries

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Served:
    """One scrape as it was answered."""

    at_ms: int
    hostname: str
    text: str


class MetricsServer(ThreadingHTTPServer):
    """`/metrics` is the first node, `/nodes/<hostname>/metrics` any of them; `served` keeps the last answers."""

    daemon_threads = True

    def __init__(self, live: LiveFleet, nodes: Sequence[NodeSeries], host: str, port: int, kept: int = 200) -> None:
        self.served: deque[Served] = deque(maxlen=kept)
        self._live = live
        self._homes = {node.hostname: home for home, node in enumerate(nodes)}
        self._first = nodes[0].hostname
        self._pages = [Exposition(node, home) for home, node in enumerate(nodes)]
        self._print_lock = threading.Lock()
        super().__init__((host, port), _Handler)

    def page(self, path: str) -> tuple[int, str]:
        """Status and body for a path."""
        parts = path.partition("?")[0].strip("/").split("/")
        hostname = self._first if parts == ["metrics"] else ""
        if len(parts) == 3 and (parts[0], parts[2]) == ("nodes", "metrics"):
            hostname = parts[1]
        home = self._homes.get(hostname)
        if home is None:
            return 404, "no such node\n"
        snapshot = self._live.snapshot()
        if snapshot.silent[home]:
            return 503, "this node is silent\n"
        with self._print_lock:
            text = self._pages[home].text(snapshot)
        self.served.append(Served(snapshot.at_ms, hostname, text))
        return 200, text

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name="metrics", daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: MetricsServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status, text = self.server.page(self.path)
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", _CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class names it so
        """A scrape a second is not news."""
