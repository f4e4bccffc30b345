"""What real senders sent, replayed at the portal's whole ASGI application and stored, is what they meant."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import cramjam
import httpx
import numpy as np
import pytest
import redis
from django.db import connection

from homes.models import Gpu, Node
from telemetry import door, ingest, latest, partitions
from telemetry.catalogue import COLUMNS, Kind, Shape, find_source
from telemetry.door import RemoteWriteDoor
from telemetry.models import Circuit
from telemetry.otlp_door import OtlpDoor
from telemetry.stream import Keys, shard_of
from telemetry.tables import OTHER_TABLE
from tests.golden import plain
from tests.golden.recording import FOLDER, STALE, Labels, Recording, of_session, sessions
from tests.telemetry import stored
from tests.telemetry.conftest import MakeNode
from xfra_portal import asgi

REMOTE_WRITE = "/api/v1/write"
Cells = dict[tuple[Kind, str, int, str], float]
"""By kind, subject (UUID, circuit or nothing), milliseconds and column, in base units."""
Others = dict[tuple[str, Labels, int], float]


Portal = Callable[..., httpx.Response]


@pytest.fixture
def portal(system: None, ingest_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Portal]:
    """Doors that have just started and answer `post`. Partitions made for the days of the recordings go again."""
    fresh = RemoteWriteDoor()
    monkeypatch.setattr(asgi, "_door", fresh)
    monkeypatch.setattr(asgi, "_otlp_door", OtlpDoor(fresh))
    monkeypatch.setattr(ingest, "LINGER_MS", 1)
    with asyncio.Runner() as runner:
        yield lambda *arguments: runner.run(post(*arguments))
    partitions.drop_expired()


@pytest.fixture(params=sessions())
def session(system: None, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[Recording]:
    """Everything that one sender sent; the door's clock shows when it did."""
    found = of_session(request.param)
    now = found[-1].recorded_ms / 1000
    monkeypatch.setattr(door, "time", SimpleNamespace(time=lambda: now))
    partitions.ensure_partitions(now)
    return found


@pytest.fixture
def replaying(make_node: MakeNode) -> Iterator[tuple[Node, str]]:
    """A node and its token. The GPUs go with the test: the next one replays them for another node."""
    node, token = make_node()
    yield node, token
    Gpu.objects.filter(node=node).delete()


async def post(recording: Recording, token: str, body: bytes | None = None) -> httpx.Response:
    """As it was sent, the token excepted, which is the replaying node's."""
    headers = {**recording.headers, "authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi.application), base_url="http://portal") as client:
        return await client.post(recording.path, content=recording.body if body is None else body, headers=headers)


def assert_is_taken(recording: Recording, answer: httpx.Response) -> None:
    """Nothing was left out, and nothing is said that the protocol does not want said."""
    is_remote_write = recording.path == REMOTE_WRITE
    assert (answer.status_code, answer.content) == (204 if is_remote_write else 200, b""), answer.text
    assert not [name for name in answer.headers if name.startswith("x-prometheus")]


def meant(recordings: list[Recording]) -> tuple[Cells, Others]:
    """What must be stored of all of them together: ends store nothing."""
    cells: Cells = {}
    others: Others = {}
    for (metric, labels, at_ms), value in ((key, v) for r in recordings for key, v in r.samples.items()):
        source = find_source(metric, dict(labels))
        if isinstance(value, str):
            assert value == STALE
        elif source is None:
            others[metric, labels, at_ms] = value
        else:
            subject = dict(labels).get("UUID", "") or dict(labels).get("circuit", "")
            key = source.column.kind, subject, at_ms, source.column.name
            cells[key] = kept(source.column.kind, source.column.name, value * source.scale)
    return cells, others


def kept(kind: Kind, name: str, value: float) -> float:
    """A gauge is as near as float32 comes; a counter is exact."""
    shape = next(column.shape for column in COLUMNS[kind] if column.name == name)
    return value if shape is Shape.COUNTER else float(np.float32(value))


def is_stored(node: Node) -> tuple[Cells, Others]:
    names = _subjects(node)
    cells = {
        (kind, names[kind, subject], at_ms, column): kept(kind, column, value)
        for kind in Kind
        for (subject, at_ms, column), value in stored.cells(kind, node.pk).items()
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.name, s.labels, (extract(epoch FROM o.at) * 1000)::bigint, o.value"  # noqa: S608
            f" FROM {OTHER_TABLE} o JOIN telemetry_otherseries s ON s.id = o.series_id WHERE o.node_id = %s",
            [node.pk],
        )
        rows: list[Any] = cursor.fetchall()
    return cells, {(name, tuple(sorted(json.loads(labels).items())), at): value for name, labels, at, value in rows}


def _subjects(node: Node) -> dict[tuple[Kind, int], str]:
    names = {(Kind.NODE, 0): ""}
    names |= {(Kind.GPU, gpu.pk): gpu.uuid for gpu in Gpu.objects.filter(node=node)}
    return names | {(Kind.CIRCUIT, circuit.pk): circuit.name for circuit in Circuit.objects.filter(node=node)}


def test_it_is_stored_as_it_was_meant(portal: Portal, session: list[Recording], replaying: tuple[Node, str]) -> None:
    """In order, then all of it again: a sender repeats what it was not sure of."""
    node, token = replaying
    for number, recording in enumerate(session, 1):
        assert_is_taken(recording, portal(recording, token))
        ingest.drain_shard(shard_of(node.pk))
        assert is_stored(node) == meant(session[:number])
    first = _rows(node)
    for recording in session:
        assert_is_taken(recording, portal(recording, token))
    ingest.drain_shard(shard_of(node.pk))
    assert is_stored(node) == meant(session)
    assert _rows(node) == first


def _rows(node: Node) -> dict[Kind, int]:
    return {kind: stored.rows(kind, node.pk) for kind in Kind}


def test_one_door_reads_them_one_after_another(
    portal: Portal, session: list[Recording], replaying: tuple[Node, str]
) -> None:
    """The second body is read by comparison with the first; nothing is stored in between."""
    node, token = replaying
    for recording in session:
        assert_is_taken(recording, portal(recording, token))
    ingest.drain_shard(shard_of(node.pk))
    assert is_stored(node) == meant(session)


def test_what_ended_has_no_latest_value(portal: Portal, session: list[Recording], replaying: tuple[Node, str]) -> None:
    node, token = replaying
    for recording in session:
        assert_is_taken(recording, portal(recording, token))
        ingest.drain_shard(shard_of(node.pk))
    ended: dict[tuple[Kind, str, str], bool] = {}
    for (metric, labels, _), value in sorted(_all_samples(session), key=lambda found: found[0][2]):
        if source := find_source(metric, dict(labels)):
            subject = dict(labels).get("UUID", "") or dict(labels).get("circuit", "")
            ended[source.column.kind, subject, source.column.name] = value == STALE
    names = _subjects(node)
    known = {
        (kind, names[kind, subject], name): name not in state.cells(kind)
        for (_, kind, subject), state in latest.read([node.pk]).items()
        for name in (column.name for column in COLUMNS[kind])
    }
    assert {key: known[key] for key in ended} == ended


def _all_samples(session: list[Recording]) -> Iterator[tuple[tuple[str, Labels, int], float | str]]:
    for recording in session:
        yield from recording.samples.items()


def test_cut_anywhere_it_is_refused_and_nothing_is_lost(
    portal: Portal, session: list[Recording], replaying: tuple[Node, str], ingest_redis: redis.Redis
) -> None:
    """A part of the bytes, and a whole block of a part of the message."""
    node, token = replaying
    stream = Keys(shard_of(node.pk)).stream
    for recording in session:
        waiting = ingest_redis.xlen(stream)
        for body in _cuts(recording):
            answer = portal(recording, token, body)
            assert answer.status_code == 400, f"{len(body)} of {len(recording.body)} bytes"
            assert answer.content
        assert ingest_redis.xlen(stream) == waiting
        assert_is_taken(recording, portal(recording, token))
        assert ingest_redis.xlen(stream) == waiting + bool(recording.samples)
    ingest.drain_shard(shard_of(node.pk))
    assert is_stored(node) == meant(session)


def _cuts(recording: Recording) -> Iterator[bytes]:
    """At a third, in the middle, and one byte before the end; inside, so that no element ends there."""
    body = recording.body
    is_zipped = recording.headers.get("Content-Encoding") == "gzip"
    if recording.path == REMOTE_WRITE or is_zipped:
        yield from (body[:at] for at in (len(body) // 3, len(body) // 2, len(body) - 1))
    if recording.path == REMOTE_WRITE:
        message = bytes(cramjam.snappy.decompress_raw(body))
        yield bytes(cramjam.snappy.compress_raw(message[:-1]))
    elif is_zipped:
        yield gzip.compress(gzip.decompress(body)[:-1])
    else:
        yield body[:-1]


def test_a_newer_encoding_is_read_as_well(
    portal: Portal, replaying: tuple[Node, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """vmagent compresses with zstd since it need not ask first."""
    _, token = replaying
    (recording, *_) = of_session("vmagent-legacy")
    monkeypatch.setattr(door, "time", SimpleNamespace(time=lambda: recording.recorded_ms / 1000))
    message = bytes(cramjam.snappy.decompress_raw(recording.body))
    headers = {**recording.headers, "Content-Encoding": "zstd", "X-VictoriaMetrics-Remote-Write-Version": "1"}
    asked = Recording(
        **{name: getattr(recording, name) for name in ("sender", "version", "recorded_ms", "path", "samples")},
        headers=headers,
        body=bytes(cramjam.zstd.compress(message)),
    )
    assert portal(asked, token).status_code == 204


# The recordings themselves


def test_the_recordings_hold_what_there_is_to_hold() -> None:
    """Both generations and ends of both agents, exemplars, native histograms and metadata, both forms of OTLP."""
    every = {name: of_session(name) for name in sessions()}
    assert set(every) == {
        "prometheus-legacy", "prometheus-base-units", "prometheus-rare",
        "vmagent-legacy", "vmagent-base-units", "otel-gzip", "otel-plain",
    }  # fmt: skip
    ended = {name for name, session in every.items() if any(STALE in r.samples.values() for r in session)}
    assert ended == {"prometheus-legacy", "vmagent-legacy"}
    rare = {what for recording in every["prometheus-rare"] for what in recording.others}
    assert rare == {"exemplars", "histograms", "metadata"}
    for name, metric in (("legacy", "DCGM_FI_DEV_SM_CLOCK"), ("base-units", "DCGM_FI_DEV_SM_CLOCK_HERTZ")):
        for sender in ("prometheus", "vmagent"):
            uuids = {
                dict(labels)["UUID"]
                for recording in every[f"{sender}-{name}"]
                for found, labels, _ in recording.samples
                if found == metric
            }
            assert len(uuids) == 16


def test_they_mean_what_the_protobuf_library_reads(session: list[Recording]) -> None:
    for recording in session:
        if recording.path == REMOTE_WRITE:
            samples, others = plain.read(recording.body)
            assert (samples, dict(others)) == (recording.samples, dict(recording.others))


def test_they_are_few_and_hold_no_token() -> None:
    files = list(FOLDER.iterdir())
    assert sum(file.stat().st_size for file in files) < 300 * 1024
    assert not [file.name for file in files if b"Bearer" in file.read_bytes() or b"uthorization" in file.read_bytes()]
