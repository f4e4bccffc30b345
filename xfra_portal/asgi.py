"""The ASGI entry: the ingest doors beside Django, and the websockets."""

import gc
import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xfra_portal.settings")

_django = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import WebsocketDenier  # noqa: E402
from django.urls import re_path  # noqa: E402

from telemetry.door import RemoteWriteDoor  # noqa: E402
from telemetry.otlp_door import PATHS as OTLP_PATHS  # noqa: E402
from telemetry.otlp_door import OtlpDoor  # noqa: E402
from telemetry.routing import websocket_urlpatterns  # noqa: E402
from xfra_portal.lifespan import lifespan  # noqa: E402
from xfra_portal.origins import AllowedOrigins  # noqa: E402
from xfra_portal.patience import Patience  # noqa: E402
from xfra_portal.socket_auth import TokenSubprotocolMiddleware  # noqa: E402
from xfra_portal.unreadable import Guard  # noqa: E402

DOOR_PATH = "/api/v1/write"
_door = RemoteWriteDoor()
_otlp_door = OtlpDoor(_door)
_pages = Patience(_django)


async def _http(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["path"] == DOOR_PATH:
        await _door(scope, receive, send)
    elif scope["path"] in OTLP_PATHS:
        await _otlp_door(scope, receive, send)
    else:
        await _pages(scope, receive, send)


_sockets = URLRouter([*websocket_urlpatterns, re_path("", WebsocketDenier.as_asgi(), name="ws-elsewhere")])

application = ProtocolTypeRouter(
    {
        "lifespan": lifespan,
        "http": Guard(_http),
        "websocket": Guard(AllowedOrigins(AuthMiddlewareStack(TokenSubprotocolMiddleware(_sockets)))),
    }
)

# A body makes many objects, and they go away by themselves: looking at all others after every seven bodies is in vain.
gc.freeze()
gc.set_threshold(20_000, 20, 20)
