"""Slow clients are cut: whoever sends a request a byte at a time, or does not read the answer, holds a connection and
what belongs to it for as long as they like, and uvicorn by itself lets them.

Used by name: `uvicorn --http xfra_portal.impatience:ImpatientProtocol`. A websocket leaves this as soon as it is one.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

logger = logging.getLogger("xfra.impatience")

HEADER_SECONDS: Final = 15.0
"""For all headers of a request, from its first byte, or from when somebody connected."""
BODY_SECONDS: Final = 30.0
LEAST_BODY_BYTES: Final = 64 * 1024
"""So much of a body in each BODY_SECONDS, or its end. The ingest doors give nodes a deadline before that."""
READ_SECONDS: Final = 30.0
"""For a client that has stopped reading to go on."""


class ImpatientProtocol(HttpToolsProtocol):
    """uvicorn's, with a limit on each of the three ways to be slow."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._is_within_request = False
        self._body_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._wait(HEADER_SECONDS, self._cut, "headers")

    def connection_lost(self, error: Exception | None) -> None:
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        if not self._is_within_request and self._waiting is None:
            self._wait(HEADER_SECONDS, self._cut, "headers")
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._is_within_request, self._body_bytes = True, 0
        self._wait(BODY_SECONDS, self._look_at_body)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._stop_waiting()
        self._is_within_request = False
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._stop_waiting()
        super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(READ_SECONDS, self._cut, "reading")

    def resume_writing(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def _wait(self, seconds: float, then: Any, *arguments: Any) -> None:
        self._stop_waiting()
        self._waiting = self.loop.call_later(seconds, then, *arguments)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _look_at_body(self) -> None:
        is_ours = self.flow.read_paused or self.cycle.response_complete  # it is not the client that keeps us waiting
        if self._body_bytes < LEAST_BODY_BYTES and not is_ours:
            self._cut("a body")
            return
        self._body_bytes = 0
        self._wait(BODY_SECONDS, self._look_at_body)

    def _cut(self, over: str) -> None:
        logger.info("%s: cut, too slow over %s", self.client and self.client[0], over)
        self.transport.abort()
