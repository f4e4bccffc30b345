"""The portal's own name: what it is called is configured, never taken from whoever asks.

Links, mails, keys of limits and the check of websockets all go by `settings.ORIGINS`; the first one is the name that
mails carry. A request whose Host is none of them, to the port, is refused before anything is made of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

_PORT_OF: Final = {"http": ":80", "https": ":443"}
FOR_MACHINES: Final = frozenset({"/healthz", "/readyz"})
"""Asked by supervisors and load balancers, which call a server by its address; nothing there depends on a name."""


def host_of(origin: str) -> str:
    """`portal.example` of `https://portal.example`: what a browser sends as Host."""
    return origin.partition("://")[2]


def own_name(host: str) -> str | None:
    """The one of our names that a Host header means, in small letters and without the scheme's own port, if any."""
    for origin in settings.ORIGINS:
        name = host_of(origin)
        if host.lower() in (name, name + _PORT_OF[origin.partition("://")[0]]):
            return name
    return None


class OwnNameMiddleware:
    """Whatever asks the request for its host hears one of our names. Raises DisallowedHost, which is answered 400."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path not in FOR_MACHINES:
            name = own_name(request.META.get("HTTP_HOST") or request.META.get("SERVER_NAME", ""))
            if name is None:
                raise DisallowedHost("The Host of this request is not a name of this portal.")
            request.META["HTTP_HOST"] = name
        return self.get_response(request)


class AllowedOrigins:
    """Refuses a handshake that did not come to one of our names, or whose page is another site's, scheme and port too.

    A browser always sends Origin and cannot forge it. A program without one has no session cookie to
    abuse; it must bring a token.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        if _is_ours(scope["headers"]):
            return await self.inner(scope, receive, send)
        return await WebsocketDenier()(scope, receive, send)


def _is_ours(headers: list[tuple[bytes, bytes]]) -> bool:
    given = [(name, value.decode("latin-1")) for name, value in headers if name in (b"host", b"origin")]
    hosts = [value for name, value in given if name == b"host"]
    origins = [value for name, value in given if name == b"origin"]
    if len(hosts) != 1 or len(origins) > 1 or (name := own_name(hosts[0])) is None:
        return False
    return not origins or (origins[0] in settings.ORIGINS and host_of(origins[0]) == name)
