"""Remote-write 2.0: the same series as in 1.0, from another spelling; and every answer says what was written."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

import httpx
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from telemetry import ingest, remote_write, remote_write_v2
from telemetry.admission import Admitted, admit
from telemetry.catalogue import Kind
from telemetry.door import RemoteWriteDoor
from telemetry.gathering import gather
from telemetry.known_series import KnownSeries
from telemetry.remote_write import MAX_LABELS, BadBody, RawSeries, TooLarge, parse_labels
from telemetry.stream import Keys, shard_of
from tests.telemetry import stored
from tests.telemetry.conftest import MakeNode
from tests.telemetry.messages import bits, message, pack, series
from tests.telemetry.messages_v2 import Book, Exemplar, Histogram, Metadata, Request

NOW = int(time.time() * 1000)
V2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
NAMES = st.text(min_size=1, max_size=8).filter(lambda text: "\0" not in text)
LABELS = st.dictionaries(NAMES, NAMES, max_size=5)
SAMPLES = st.lists(st.tuples(st.integers(-(1 << 63), (1 << 63) - 1), st.floats()), max_size=3)


def plain(found: RawSeries) -> Any:
    return (
        parse_labels(found.label_bytes),
        [(at, bits(value)) for at, value in found.samples],
        found.histograms,
        found.exemplars,
    )


@given(st.lists(st.tuples(NAMES, LABELS, SAMPLES), max_size=5))
def test_the_same_series_as_in_1_0(said: list[tuple[str, dict[str, str], list[tuple[int, float]]]]) -> None:
    book, old = Book(), []
    for name, labels, samples in said:
        everything = {**labels, "__name__": name}
        book.add(sorted(everything.items(), reverse=True), samples)
        old.append(series(name, samples, **{k: v for k, v in labels.items() if k != "__name__"}))
    found = [plain(one) for one in remote_write_v2.walk(book.message())]
    assert found == [plain(one) for one in remote_write.walk(message(*old))]


def test_labels_are_spelled_as_a_sender_of_1_0_spells_them() -> None:
    """So that both count as one against the node's budget."""
    book = Book()
    book.add([("job", "dcgm"), ("__name__", "up")], [(NOW, 1.0)])
    (new,) = remote_write_v2.walk(book.message())
    (old,) = remote_write.walk(message(series("up", [(NOW, 1.0)], job="dcgm")))
    assert new.label_bytes == old.label_bytes


def admitted(data: bytes) -> Admitted:
    return admit(1, gather(remote_write_v2.walk(data)), KnownSeries(), NOW / 1000, NOW - 1000, all_or_told=True)


GOOD = [("__name__", "xfra_sound_decibels")]
FAULTS = [
    ([], "series without __name__"),
    ([("job", "x")], "series without __name__"),
    ([("", "x"), ("__name__", "up")], "label with an empty name"),
    ([("a", "x"), ("a", "y"), ("__name__", "up")], "duplicate label"),
    ([*GOOD, *((f"l{i}", "x") for i in range(MAX_LABELS))], f"more than {MAX_LABELS} labels"),
]


@pytest.mark.parametrize(("labels", "reason"), FAULTS)
def test_one_bad_series_is_refused_and_the_rest_kept(labels: list[tuple[str, str]], reason: str) -> None:
    book = Book()
    book.add(labels, [(NOW, 1.0), (NOW, 2.0)])
    book.add(GOOD, [(NOW, 40.0)])
    found = admitted(book.message())
    assert (found.refused, found.batch.values.tolist()) == ({reason: 2}, [40.0])


@pytest.mark.parametrize(
    ("refs", "reason"),
    [
        ([1, 99], "label reference beyond the symbols"),
        ([1], "odd number of label references"),
        ([1, 1 << 31], "beyond"),
    ],
)
def test_references_that_lead_nowhere(refs: list[int], reason: str) -> None:
    book = Book()
    book.add(GOOD, [(NOW, 40.0)])
    book.add(GOOD, [(NOW, 1.0)])
    del book.series[1].labels_refs[:]
    book.series[1].labels_refs.extend(refs)
    found = admitted(book.message())
    assert len(found.batch) == 1
    assert reason in found.complaint


def test_what_is_not_kept_is_counted_beside_what_is() -> None:
    book = Book()
    book.add(GOOD, histograms=[Histogram(count_int=3)] * 2)
    book.add(GOOD, [(NOW, 40.0)], exemplars=[Exemplar(value=1.0)], metadata=Metadata(type=2), created_timestamp=NOW)
    found = [(len(one.samples), one.histograms, one.exemplars) for one in remote_write_v2.walk(book.message())]
    assert found == [(0, 2, 0), (1, 0, 1)]
    old = admit(1, gather(remote_write_v2.walk(book.message())), KnownSeries(), NOW / 1000, NOW - 1000)
    assert (len(old.batch), old.not_kept, old.refused.total()) == (1, 3, 0), "as 1.0 has it"
    assert (len(admitted(book.message()).batch), admitted(book.message()).refused.total()) == (1, 3)


def test_symbols_must_begin_with_the_empty_one() -> None:
    with pytest.raises(BadBody, match="first symbol"):
        admitted(bytes(Request(symbols=["x"], timeseries=[]).SerializeToString()))
    book = Book()
    book.add(GOOD, [(NOW, 1.0)])
    with pytest.raises(BadBody, match="without symbols"):
        admitted(bytes(Request(symbols=[], timeseries=book.series).SerializeToString()))


def test_one_protocol_under_the_name_of_the_other_is_not_lost_in_silence() -> None:
    book = Book()
    book.add(GOOD, [(NOW, 1.0)])
    with pytest.raises(BadBody, match=r"a 2\.0 message"):
        list(remote_write.walk(book.message()))
    with pytest.raises(BadBody, match=r"a 1\.0 message"):
        list(remote_write_v2.walk(message(series("up", [(NOW, 1.0)]))))


def test_too_many_symbols(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_write_v2, "MAX_SYMBOLS", 3)
    with pytest.raises(TooLarge):
        admitted(bytes(Request(symbols=["", "a", "b", "c"]).SerializeToString()))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(BadBody, TooLarge):
        list(remote_write_v2.walk(data))


@given(st.data())
def test_a_request_cut_anywhere_is_read_or_refused(data: st.DataObject) -> None:
    book = Book()
    book.add(GOOD, [(NOW, 40.0)])
    whole = book.message()
    with suppress(BadBody, TooLarge):
        list(remote_write_v2.walk(whole[: data.draw(st.integers(0, len(whole)))]))


# At the door

HEADERS = {"content-encoding": "snappy", "x-prometheus-remote-write-version": "2.0.0"}


def post(token: str, content: bytes) -> httpx.Response:
    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(RemoteWriteDoor())
        async with httpx.AsyncClient(transport=transport, base_url="http://portal") as client:
            headers = {**HEADERS, "content-type": V2, "authorization": f"Bearer {token}"}
            return await client.post("/api/v1/write", content=content, headers=headers)

    return asyncio.run(request())


def written(found: httpx.Response) -> list[str | None]:
    return [found.headers.get(f"x-prometheus-remote-write-{n}-written") for n in ("samples", "histograms", "exemplars")]


@pytest.mark.usefixtures("ingest_redis", "system")
class TestAtTheDoor:
    def test_what_is_in_the_catalogue_reaches_its_column(
        self, make_node: MakeNode, monkeypatch: pytest.MonkeyPatch, ingest_redis: redis.Redis
    ) -> None:
        node, token = make_node()
        book = Book()
        book.add(GOOD, [(NOW, 40.0)])
        for _ in range(2):
            found = post(token, pack(book.message()))
            assert (found.status_code, found.content, written(found)) == (204, b"", ["1", "0", "0"])
        assert int(ingest_redis.xlen(Keys(shard_of(node.pk)).stream)) == 2
        monkeypatch.setattr(ingest, "LINGER_MS", 1)
        ingest.drain_shard(shard_of(node.pk))
        assert stored.column(Kind.NODE, node.pk, "sound_decibels") == {NOW: 40.0}

    def test_told_when_nothing_was_written(self, make_node: MakeNode) -> None:
        for token, content, status in (
            (make_node()[1], b"nonsense", 400),
            ("xfn_1_wrong", pack(Book().message()), 401),
            (make_node()[1], pack(Book().message()), 204),
        ):
            found = post(token, content)
            assert (found.status_code, written(found)) == (status, ["0", "0", "0"])
