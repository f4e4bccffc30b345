"""Takes what senders post, on loopback, and keeps the first of it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

_NOT_KEPT: Final = frozenset({"authorization", "host", "content-length"})


@dataclass(frozen=True, slots=True)
class Request:
    """As it arrived; `headers` without token, host and length."""

    at_ms: int
    path: str
    headers: dict[str, str]
    body: bytes


class Sink(ThreadingHTTPServer):
    """Keeps at most `most` requests and turns the rest away with 503."""

    daemon_threads = True

    def __init__(self, most: int) -> None:
        self.requests: list[Request] = []
        self.most = most
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, name="sink", daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: Sink
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if len(self.server.requests) >= self.server.most:
            status = 503
        else:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_KEPT}
            self.server.requests.append(Request(int(time.time() * 1000), self.path, headers, body))
            status = 200 if self.path.endswith("/metrics") else 204
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class names it so
        """Only what is recorded is news."""
