"""Whatever holds a web process is noticed, named and told."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any

import pytest
import redis
from django.test import Client

from telemetry import alarms, room, standstills
from telemetry.standstills import HELD_SECONDS, Standstill, Watch

SECONDS = 1.0


class Request:
    """As a view has it."""

    method, path = "POST", "/upload/"


def backtracking(request: Request) -> None:
    """C that keeps the interpreter from every thread."""
    until, size = time.monotonic() + SECONDS, 18
    while time.monotonic() < until:
        re.match(r"(a+)+$", "a" * size + "b")
        size += 1
    walking(request)  # as a request goes on with what it found


def walking(request: Request) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        sum(range(1000))


def sleeping(request: Request) -> None:
    """Which leaves the threads alone, but not the loop."""
    time.sleep(SECONDS)


def watched(work: Any) -> list[Standstill]:
    found: list[Standstill] = []

    async def story() -> None:
        watch = Watch(found.append)
        watch.start()
        await asyncio.sleep(0.2)
        if (answer := work()) is not None:
            await answer
        await asyncio.sleep(0.5)
        watch.stop()

    asyncio.run(story())
    return found


HOLDING: dict[str, Any] = {
    "the loop, in Python": lambda: walking(Request()),
    "the loop, asleep": lambda: sleeping(Request()),
    "the interpreter, in the loop": lambda: backtracking(Request()),
    "the interpreter, in a thread": lambda: asyncio.to_thread(backtracking, Request()),
}


@pytest.mark.parametrize("work", HOLDING.values(), ids=HOLDING)
def test_what_holds_the_process_is_named(work: Any) -> None:
    found = watched(work)
    assert found, "it is noticed"
    # On a busy machine the loop may be seen late at other times too: what matters is that the holder is named.
    named = [one for one in found if "test_standstills.py" in one.where and one.path == "POST /upload/"]
    assert named and max(one.seconds for one in named) >= HELD_SECONDS, found


def test_who_only_waits_holds_nothing() -> None:
    """A busy machine may make the watch late, but no line of ours is blamed for that."""
    assert not any("test_standstills" in one.where for one in watched(lambda: asyncio.to_thread(time.sleep, SECONDS)))


@pytest.mark.usefixtures("system")
def test_operators_are_told(ingest_redis: redis.Redis) -> None:
    room.watch(ingest_redis)
    now = time.time()
    for at, seconds in ((now - standstills.LATELY_SECONDS - 1, 99.0), (now - 60, 88.0), (now, 0.4)):
        standstills.tell(ingest_redis, Standstill(at, seconds, "parse.py:7 (parse)", "POST /upload/"))
    (alarm,) = alarms.ringing()
    words = "A web process stood still for 88.0 s for POST /upload/, at parse.py:7 (parse), and 1 times more"
    assert alarm.sentence == words
    for _ in range(2 * standstills.KEPT):
        standstills.tell(ingest_redis, Standstill(now, 0.4, "x"))
    assert len(standstills.lately(ingest_redis)) == standstills.KEPT


@pytest.mark.usefixtures("system", "ingest_redis")
def test_the_probe_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standstills.TELLER, "_latest", None)
    standstills.TELLER(Standstill(time.time(), 1.5, "x"))
    answer = json.loads(Client(HTTP_HOST="localhost").get("/readyz").content)
    assert answer["stood_still_seconds"] == 1.5
