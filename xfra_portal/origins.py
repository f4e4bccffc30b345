"""Which pages may open a websocket: this site's own, exactly; and programs that are no browser."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier


class AllowedOrigins:
    """Refuses a handshake whose Origin is not the host that it came to.

    A browser always sends Origin and cannot forge it. A program without one has no session cookie to
    abuse; it must bring a token.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        headers = dict(scope["headers"])
        origin, host = headers.get(b"origin"), headers.get(b"host", b"")
        if origin is not None and urlsplit(origin.decode("latin-1")).netloc != host.decode("latin-1"):
            return await WebsocketDenier()(scope, receive, send)
        return await self.inner(scope, receive, send)
