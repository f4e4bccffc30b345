"""What begins and ends with a web process: the watch over whether it stands still."""

from __future__ import annotations

from typing import Any

from telemetry.standstills import TELLER, Watch


async def lifespan(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The ASGI lifespan protocol."""
    watch = Watch(TELLER)
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            watch.start()
        else:
            watch.stop()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
