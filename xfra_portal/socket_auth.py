"""Who is on the other end of a websocket: a browser by its session, an app by its access token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from channels.db import database_sync_to_async

from homes.app_sessions import caller_of

PREFIX: Final = "bearer."


class TokenSubprotocolMiddleware:
    """An app offers the subprotocols `xfra.v1` and `bearer.<access token>`; browsers cannot set headers either.

    Runs within the session middleware: a token, where one is offered, decides alone.
    """

    def __init__(self, inner: Callable[..., Awaitable[Any]]) -> None:
        self.inner = inner

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        offered = [p.removeprefix(PREFIX) for p in scope.get("subprotocols", []) if p.startswith(PREFIX)]
        if offered:
            user, session = await _caller_of(offered[0])
            scope = {**scope, "user": user, "session": session}
        return await self.inner(scope, receive, send)


@database_sync_to_async
def _caller_of(token: str) -> tuple[Any, Any]:
    """The person, and the session that the token belongs to: the socket ends with it when the app signs out."""
    caller = caller_of(token)
    return (caller.user, caller.session) if caller else (None, None)
