"""One node cannot take the room of its neighbours, and strangers cannot keep the token store busy."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.core.checks import ERROR, WARNING

from telemetry import callers, pace, strangers
from telemetry.door import RemoteWriteDoor
from telemetry.otlp_door import OtlpDoor
from telemetry.pace import BURST_SECONDS, Pace
from telemetry.refusals import Reason
from telemetry.strangers import Strangers
from tests.telemetry.agents import NOW, Agent, assert_try_later, one
from tests.telemetry.conftest import MakeNode
from tests.telemetry.messages import body, series
from tests.telemetry.test_refusals import counted
from xfra_portal.checks import nodes_share_the_stream

DAY = 86_400


@pytest.fixture(autouse=True)
def rates(settings: Any) -> None:
    settings.NODE_SAMPLES_PER_SECOND, settings.NODE_BYTES_PER_SECOND = 20_000, 1 << 20


def test_what_a_node_measures_never_waits() -> None:
    """The most that the budget allows, each second for an hour."""
    kept = Pace()
    for second in range(3600):
        assert kept.wait_seconds(1, second) == 0
        kept.charge_samples(1, second, 3000)
        kept.charge_bytes(1, second, 60_000)


def test_a_day_is_caught_up_with_in_minutes() -> None:
    """320 series every 5 s in bodies of 2,000 samples, sent as fast as the door takes them."""
    kept, now, left = Pace(), 1000.0, DAY // 5 * 320
    while left > 0:
        now += kept.wait_seconds(1, now)
        kept.charge_samples(1, now, 2000)
        kept.charge_bytes(1, now, 2000 * 25)
        left -= 2000
    assert now - 1000 == pytest.approx(DAY // 5 * 320 / 20_000 - BURST_SECONDS, rel=0.01)


def test_bytes_count_too_and_neighbours_do_not_wait() -> None:
    kept = Pace()
    kept.charge_bytes(1, 0.0, int(1.5 * BURST_SECONDS) << 20)
    assert kept.wait_seconds(1, 0.0) == pytest.approx(BURST_SECONDS / 2)
    assert kept.wait_seconds(1, BURST_SECONDS / 2) == 0
    assert kept.wait_seconds(2, 0.0) == 0


def test_nothing_is_no_limit(settings: Any) -> None:
    settings.NODE_SAMPLES_PER_SECOND = settings.NODE_BYTES_PER_SECOND = 0
    kept = Pace()
    kept.charge_bytes(1, 0.0, 1 << 40)
    kept.charge_samples(1, 0.0, 1 << 40)
    assert kept.wait_seconds(1, 0.0) == 0


@pytest.mark.usefixtures("ingest_redis", "system")
@pytest.mark.parametrize("other_door", [False, True])
def test_a_node_that_is_too_fast_is_told_to_come_again(
    make_node: MakeNode, settings: Any, monkeypatch: pytest.MonkeyPatch, other_door: bool
) -> None:
    """503, since stock Prometheus drops what is answered 429; its neighbour goes on."""
    monkeypatch.setattr(pace, "BURST_SECONDS", 1.0)
    settings.NODE_SAMPLES_PER_SECOND = 10
    (node, token), (_, neighbours) = make_node(), make_node()

    async def story() -> None:
        door = RemoteWriteDoor()
        agent, neighbour = Agent(door, token), Agent(door, neighbours)
        again = Agent(OtlpDoor(door), token) if other_door else agent
        large = body(series("xfra_sound_decibels", [(NOW + i, 40.0) for i in range(30)]))
        assert (await agent.post(large)).status_code == 204, "what is in debt is the next one"
        found = await again.post(one())
        assert found.status_code == 503 and 2 <= int(found.headers["retry-after"]) <= 7
        assert (await neighbour.post(one())).status_code == 204
        await asyncio.sleep(2.2)
        assert (await agent.post(one())).status_code == 204

    asyncio.run(story())
    assert counted(node) == {Reason.RATE.value: (1, 0)}


@pytest.mark.usefixtures("ingest_redis", "system")
def test_labels_that_become_many_bytes_are_paid_for(make_node: MakeNode, settings: Any) -> None:
    """A node of long labels sends one sample, but what its series mean goes on the stream with it."""
    settings.NODE_BYTES_PER_SECOND = 1000
    _, token = make_node()
    junk = [f"{n:x}" * 200 for n in range(1000)]

    async def story() -> list[int]:
        agent = Agent(RemoteWriteDoor(), token)
        many = [series("many", [(NOW, 1.0)], n=str(n), junk=junk[n]) for n in range(1000)]
        bodies = [body(*many), *[body(many[0])] * 10]
        return [(await agent.post(content)).status_code for content in bodies]

    statuses = asyncio.run(story())
    assert statuses[0] == 204 and statuses[-1] == 503


@pytest.mark.parametrize(
    ("samples", "size", "level"),
    [
        (20_000, 1 << 20, 0),
        (0, 1 << 20, WARNING),
        (20_000, 0, WARNING),
        (20_000, 100 << 20, WARNING),
        (500, 1 << 20, ERROR),
    ],
)
def test_a_check_says_what_is_wrong_with_the_rates(settings: Any, samples: int, size: int, level: int) -> None:
    settings.NODE_SAMPLES_PER_SECOND, settings.NODE_BYTES_PER_SECOND = samples, size
    assert [found.level for found in nodes_share_the_stream()] == ([level] if level else [])


# Strangers


def test_strangers_are_counted_by_address(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(strangers.time, "monotonic", lambda: now[0])
    known = Strangers()
    for _ in range(strangers.MANY):
        assert not known.are_many("192.0.2.1")
        known.count("192.0.2.1")
    assert known.are_many("192.0.2.1") and not known.are_many("192.0.2.2")
    now[0] += 2 / strangers.A_SECOND
    assert not known.are_many("192.0.2.1")
    for _ in range(strangers.MANY + 1):
        known.count("2001:db8::1")
    assert known.are_many("2001:db8::ffff:1") and not known.are_many("2001:db8:0:1::1")


def test_no_more_addresses_are_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "MAX_ADDRESSES", 3)
    known = Strangers()
    for n in range(10):
        known.count(f"192.0.2.{n}")
    assert list(known._clear_at) == [f"192.0.2.{n}" for n in (7, 8, 9)]


@pytest.mark.usefixtures("ingest_redis", "system")
def test_a_flood_of_tokens_costs_few_queries_and_no_node_its_place(
    make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    look_up = callers._look_up

    async def counting(credential_id: int, secret: str) -> tuple[int, int | None, bool]:
        asked.append(credential_id)
        return await look_up(credential_id, secret)

    monkeypatch.setattr(callers, "_look_up", counting)
    _, token = make_node()

    async def story() -> None:
        door = RemoteWriteDoor()
        node = Agent(door, token)
        assert (await node.post(one())).status_code == 204
        same = Agent(door, f"xfn_999999_{'x' * 43}")
        assert [(await same.post(one())).status_code for _ in range(20)] == [401] * 20
        assert len(asked) == 2, "the same bad token is looked up once"
        flood = [await Agent(door, f"xfn_{n}_{'x' * 43}").post(one()) for n in range(10_000, 10_100)]
        assert {found.status_code for found in flood[: strangers.MANY - 2]} == {401}
        assert_try_later(flood[-1])
        assert len(asked) < strangers.MANY + 20
        assert (await same.post(one())).status_code == 401
        assert (await node.post(one(at=NOW + 1))).status_code == 204

    asyncio.run(story())


@pytest.mark.usefixtures("ingest_redis", "system")
def test_bad_tokens_take_no_more_room_than_they_are_given(make_node: MakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "MAX_BAD_REMEMBERED", 5)
    _, token = make_node()

    async def story() -> None:
        known = callers.Callers()
        node_id = await known.identify(token, "192.0.2.1")
        for n in range(20):
            with pytest.raises(callers.CallerUnknown):
                await known.identify(f"xfn_{10_000 + n}_x", "192.0.2.2")
        assert len(known._bad) == 5
        assert await known.identify(token, "192.0.2.1") == node_id

    asyncio.run(story())
