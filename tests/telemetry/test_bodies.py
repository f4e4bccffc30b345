"""What it costs to read a body is bounded, done apart where it is much, and paid for whatever is answered."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import cramjam
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from bench import bombs
from bench.bombs import KINDS, OTLP, Bomb, made
from homes.apart import Crew
from telemetry import compression, heavy_bodies, otlp_weight
from telemetry.compression import Encoding, open_body
from telemetry.decoding import Form, decode
from telemetry.door import RemoteWriteDoor
from telemetry.heavy_bodies import Reader
from telemetry.otlp_door import OtlpDoor
from telemetry.pace import Pace
from telemetry.remote_write import BadBody, TooLarge
from tests.telemetry.agents import NOW, SOUND, Agent, one, waiting
from tests.telemetry.conftest import MakeNode
from tests.telemetry.messages import message, pack, series
from tests.telemetry.test_refusals import counted

EACH = {make.__name__: make for makes in KINDS.values() for make in makes}


def form_of(bomb: Bomb) -> Form:
    media = bomb.headers["content-type"]
    if bomb.path == OTLP:
        return Form.OTLP_JSON if "json" in media else Form.OTLP_PROTOBUF
    return Form.REMOTE_WRITE_2 if "v2" in media else Form.REMOTE_WRITE_1


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    made = Crew(heavy_bodies.CHILDREN)
    yield made
    made.end()


@pytest.mark.parametrize("make", EACH.values(), ids=EACH)
def test_a_bomb_is_read_apart_within_its_limits_and_paid_for(make: Callable[[], Bomb], crew: Crew) -> None:
    """In a child of limited time and memory; the loop ticks on meanwhile, and the node is charged."""
    bomb, kept, ticks = made(make), Pace(), 0

    async def story() -> None:
        nonlocal ticks
        reader = Reader(kept)
        reading = asyncio.create_task(
            reader.read(1, form_of(bomb), Encoding(bomb.headers["content-encoding"]), bomb.body)
        )
        longest, before = 0.0, time.monotonic()
        while not reading.done():
            await asyncio.sleep(0.01)
            longest, before, ticks = max(longest, time.monotonic() - before), time.monotonic(), ticks + 1
        if isinstance(reading.exception(), (TooLarge, BadBody)):
            assert 0 < len(str(reading.exception())) < 200
        else:
            reading.result()
        assert longest < 2.0

    asyncio.run(story())
    assert ticks > 0, "not in the loop"
    charged = max(account.get(1, 0.0) for account in (kept._opened_until, kept._elements_until))
    assert charged > time.monotonic() or bomb == made(bombs.many_frames), "frames of nothing cost next to nothing"


@pytest.mark.usefixtures("system")
def test_at_the_doors_each_kind_is_answered_and_the_loop_ticks_on(
    make_node: MakeNode, ingest_redis: redis.Redis
) -> None:
    """All kinds at once, each from a node of its own, while an honest node goes on."""
    node, token = make_node()
    tokens = [make_node()[1] for _ in EACH]

    async def story() -> tuple[list[int], list[int]]:
        door = RemoteWriteDoor()
        other = OtlpDoor(door)

        async def throw(bomb: Bomb, token: str) -> int:
            client = Agent(other if bomb.path == OTLP else door, token).client
            return (await client.post(bomb.path, content=bomb.body, headers=bomb.headers, timeout=120)).status_code

        thrown = [
            asyncio.create_task(throw(made(make), token)) for make, token in zip(EACH.values(), tokens, strict=True)
        ]
        honest, statuses = Agent(door, token), []
        while not all(task.done() for task in thrown):
            statuses.append((await honest.post(one(at=NOW + len(statuses)))).status_code)
            await asyncio.sleep(0.05)
        return [task.result() for task in thrown], statuses

    thrown, honest = asyncio.run(story())
    assert set(thrown) <= {200, 204, 400, 413, 503}, dict(zip(EACH, thrown, strict=True))
    assert set(honest) == {204} and len(honest) > 5
    assert waiting(ingest_redis, node.pk) >= len(honest)


PAID: dict[str, tuple[Any, dict[str, str], int]] = {
    "taken": (one(), {}, 204),
    "refused in parts": (one(900.0), {}, 400),
    "malformed": (pack(b"\x0a\x00" * 1000 + b"\x0a\x7f"), {}, 400),
    "too large": (pack(b"\x28\x00" * 1_100_000), {}, 413),
    "of another protocol": (one(), {"content-type": bombs._V2}, 400),
}


@pytest.mark.usefixtures("system", "ingest_redis")
@pytest.mark.parametrize(("content", "headers", "status"), PAID.values(), ids=PAID)
def test_work_is_charged_whatever_the_answer(
    make_node: MakeNode, content: bytes, headers: dict[str, str], status: int
) -> None:
    node, token = make_node()

    async def story() -> RemoteWriteDoor:
        door = RemoteWriteDoor()
        assert (await Agent(door, token).post(content, **headers)).status_code == status
        return door

    kept = asyncio.run(story())._pace
    assert kept._opened_until[node.pk] > 0
    assert kept._bytes_until[node.pk] > 0


def test_small_bodies_of_a_node_that_is_ahead_are_read_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    apart: list[int] = []

    async def read_apart(*_: Any) -> Any:
        apart.append(1)
        return decode(Form.REMOTE_WRITE_2, Encoding.SNAPPY, pack(b""))

    async def story() -> None:
        kept = Pace()
        reader = Reader(kept)
        monkeypatch.setattr(reader, "_read_apart", read_apart)
        for _ in range(2):
            await reader.read(1, Form.REMOTE_WRITE_2, Encoding.SNAPPY, pack(b""))
            kept.charge_work(1, time.monotonic(), 0, 10_000_000)

    asyncio.run(story())
    assert len(apart) == 1


def test_who_waits_too_long_in_line_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heavy_bodies, "MAX_WAITING", 0)
    with pytest.raises(heavy_bodies.Busy):
        asyncio.run(Reader(Pace()).read(1, Form.REMOTE_WRITE_2, Encoding.SNAPPY, pack(bytes(100_000))))


# Compression: the whole of a body, nothing after it, within a bound

TEXT = b"some text, and more of it " * 40
FRAME = bytes(cramjam.zstd.compress(TEXT))


def streamed(data: bytes) -> bytes:
    """A zstd frame that does not say how long it is."""
    compressor = cramjam.zstd.Compressor()
    compressor.compress(data)
    return bytes(compressor.finish())


WHOLE: dict[str, tuple[Encoding, bytes, bytes]] = {
    "nothing": (Encoding.IDENTITY, TEXT, TEXT),
    "snappy": (Encoding.SNAPPY, pack(TEXT), TEXT),
    "gzip": (Encoding.GZIP, gzip.compress(TEXT), TEXT),
    "gzip of two members": (Encoding.GZIP, gzip.compress(TEXT) + gzip.compress(b"two"), TEXT + b"two"),
    "gzip of empty members": (Encoding.GZIP, gzip.compress(b"") * 3 + gzip.compress(TEXT), TEXT),
    "gzip of many members": (Encoding.GZIP, gzip.compress(b"x" * 100) * 1000, b"x" * 100_000),
    "zstd": (Encoding.ZSTD, FRAME, TEXT),
    "zstd of two frames": (Encoding.ZSTD, FRAME + bytes(cramjam.zstd.compress(b"two")), TEXT + b"two"),
    "zstd that does not say its size": (Encoding.ZSTD, streamed(TEXT), TEXT),
}


@pytest.mark.parametrize(("encoding", "body", "expected"), WHOLE.values(), ids=WHOLE)
def test_all_of_a_body_is_read(encoding: Encoding, body: bytes, expected: bytes) -> None:
    assert open_body(encoding, body, len(expected)) == expected
    with pytest.raises(TooLarge):
        open_body(encoding, body, len(expected) - 1)


@pytest.mark.parametrize(
    "rest",
    [b"\0", b"x", b"\x1f\x8b", TEXT, gzip.compress(b"y", mtime=0)[:-1], FRAME[:-1]],
    ids=["NUL", "a letter", "a magic", "text", "a member cut short", "a frame cut short"],
)
@pytest.mark.parametrize(("encoding", "body", "expected"), list(WHOLE.values())[1:], ids=list(WHOLE)[1:])
def test_what_follows_the_end_is_refused(encoding: Encoding, body: bytes, expected: bytes, rest: bytes) -> None:
    with pytest.raises((BadBody, TooLarge)):
        open_body(encoding, body + rest, 1 << 20)


@pytest.mark.parametrize(("encoding", "body", "expected"), list(WHOLE.values())[1:], ids=list(WHOLE)[1:])
def test_what_is_cut_short_is_refused(encoding: Encoding, body: bytes, expected: bytes) -> None:
    for cut in range(0, len(body) - 1, max(1, len(body) // 60)):
        try:
            found = open_body(encoding, body[:cut], 1 << 20)
        except BadBody:
            continue
        assert len(found) < len(expected) and expected.startswith(found), "a whole part of it"


@given(st.binary(max_size=200), st.sampled_from(Encoding))
def test_any_bytes_are_opened_or_refused(body: bytes, encoding: Encoding) -> None:
    for start in (b"", compression.ZSTD_MAGIC, b"\x1f\x8b\x08\0"):
        try:
            assert len(open_body(encoding, start + body, 10_000)) <= 10_000
        except (BadBody, TooLarge):
            continue


@given(st.binary(max_size=200), st.sampled_from(Form))
def test_any_message_is_read_or_refused(body: bytes, form: Form) -> None:
    found = decode(form, Encoding.IDENTITY, body)
    assert (found.error is None) != (found.found is None)


# vmagent

VM = {"content-encoding": "zstd", "x-victoriametrics-remote-write-version": "1"}


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("compress", [cramjam.zstd.compress, streamed], ids=["says its size", "does not"])
@pytest.mark.parametrize("headers", [VM, {"content-encoding": "snappy"}], ids=["zstd", "under another name"])
def test_zstd_of_vmagent_is_stored_and_nothing_is_counted(
    make_node: MakeNode, ingest_redis: redis.Redis, compress: Any, headers: dict[str, str]
) -> None:
    node, token = make_node()
    many = [message(*(series(SOUND, [(NOW + tick, 40.0)], n=str(n)) for n in range(300))) for tick in range(3)]

    async def story() -> None:
        agent = Agent(RemoteWriteDoor(), token)
        asked = await agent.client.post("/api/v1/write?get_vm_proto_version=1", content=b"")
        assert (asked.status_code, asked.text) == (200, "1")
        for data in many:
            found = await agent.post(bytes(compress(data)), **headers)
            assert (found.status_code, found.text) == (204, "")
        await asyncio.sleep(0.2)

    asyncio.run(story())
    assert waiting(ingest_redis, node.pk) == 3
    assert counted(node) == {}


def test_a_handshake_is_for_those_who_are_known() -> None:
    async def ask(token: str | None) -> int:
        agent = Agent(RemoteWriteDoor(), token)
        return (await agent.client.post("/api/v1/write?get_vm_proto_version=1", content=b"")).status_code

    assert [asyncio.run(ask(token)) for token in ("nonsense", None)] == [401, 401]


# Elements of OTLP, counted before they are made

OBJECTS = {
    "nothing": (b"{}", 1, 1),
    "text that looks like more": (json.dumps({"a": '[{,"\\', "b": ["]"]}).encode(), 3, 2),
    "a string without an end": (b'{"a": "' + b'\\"' * 1000, 1, 1),
}


@pytest.mark.parametrize(("body", "elements", "depth"), OBJECTS.values(), ids=OBJECTS)
def test_json_is_weighed_as_it_is(body: bytes, elements: int, depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert otlp_weight.weigh(body, is_json=True) == elements
    monkeypatch.setattr(otlp_weight, "MAX_NESTING", depth)
    otlp_weight.weigh(body, is_json=True)
    monkeypatch.setattr(otlp_weight, "MAX_NESTING", depth - 1)
    with pytest.raises(TooLarge):
        otlp_weight.weigh(body, is_json=True)


def _in(field: int, content: bytes) -> bytes:
    return bombs._field(field, content)


def test_protobuf_is_weighed_as_it_is() -> None:
    value = b""
    for _ in range(40):
        value = _in(5, _in(1, value))
    nested = _in(1, _in(1, _in(1, _in(2, value))))
    with pytest.raises(TooLarge, match="deep"):
        otlp_weight._weigh_protobuf(nested)
    ordinary = _in(1, _in(2, _in(2, _in(1, b"name") + _in(5, _in(1, b"\x19" + bytes(8))))))
    assert otlp_weight._weigh_protobuf(ordinary) == 7
    for cut in range(1, len(ordinary)):
        with pytest.raises(BadBody):
            otlp_weight._weigh_protobuf(ordinary[:cut])


@given(st.binary(max_size=300))
def test_the_guess_is_never_too_low(body: bytes) -> None:
    """For what nests: what is a number or text becomes no object of its own."""
    spread = b"\x0a\x00" * (len(body) // 2) + zlib.compress(body)
    assert otlp_weight.guess(spread, is_json=False) >= len(body) // 2
