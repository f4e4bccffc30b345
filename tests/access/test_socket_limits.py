"""Nobody holds a process up by many sockets, or by what they send through one."""

from __future__ import annotations

from typing import Any

import pytest

from telemetry import watchers
from telemetry.consumers import MOST_HEARD_BYTES, TOO_BIG, TOO_MANY
from tests.access.test_sockets import _one_transaction
from tests.cast import Cast, needs_database
from tests.telemetry.sockets import Socket, run, session_of
from xfra_portal.local.portal import MOST_SOCKET_BYTES

__all__ = ["_one_transaction"]
pytestmark = needs_database


def test_one_socket_more_than_a_person_may_have_is_closed(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers, "MOST_OF_A_PERSON", 3)
    path = f"/ws/homes/{cast.home.pk}/"
    mine, theirs = session_of(cast, "owner"), session_of(cast, "member")

    async def watch() -> list[Any]:
        sockets = [Socket(path, mine) for _ in range(3)]
        for socket in sockets:
            assert await socket.open()
            await socket.frame()
        beyond, another = Socket(path, mine), Socket(path, theirs)
        await beyond.open()
        code = await beyond.end()
        await another.open()
        served = (await another.frame())["type"]
        await sockets[0].close()
        again = Socket(path, mine)
        await again.open()
        return [code, served, (await again.frame())["type"]]

    assert run(watch) == [TOO_MANY, "home", "home"]


@pytest.mark.parametrize("frame", ["x" * (MOST_HEARD_BYTES + 1), bytes(MOST_HEARD_BYTES + 1)], ids=["text", "bytes"])
def test_a_large_frame_ends_the_socket_and_a_small_one_is_ignored(cast: Cast, frame: str | bytes) -> None:
    session = session_of(cast, "owner")

    async def watch() -> int:
        socket = Socket(f"/ws/homes/{cast.home.pk}/", session)
        await socket.open()
        await socket.frame()
        await socket.say(frame[:MOST_HEARD_BYTES])
        await socket.say(frame)
        return await socket.end()

    assert run(watch) == TOO_BIG
    assert MOST_SOCKET_BYTES == MOST_HEARD_BYTES
