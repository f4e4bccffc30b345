"""Dead letters: kept until somebody decides, put back or discarded once however often that is asked."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
import redis
from django.test import Client

from homes.models import Node
from telemetry import alarms, dead_letters, ingest, room
from telemetry.attention import Severity
from telemetry.batch import encode
from telemetry.stream import DEAD_BYTES, DEAD_FULL, DEAD_LETTERS, SHUT, Drain
from tests.cast import Cast, needs_database
from tests.telemetry.messages import batch, series
from tests.telemetry.test_ingest import AT, SHARD, append, assert_empty, corrupt, entries, held, seconds_stored, sound

PAGE = "/fleet/dead-letters/"
pytestmark = pytest.mark.usefixtures("ingest_redis")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "LINGER_MS", 1)


def bury(client: redis.Redis, *bodies: bytes, about: dict[str, int] | None = None) -> list[str]:
    """Dead letters with these bodies; their ids, oldest first."""
    append(*bodies)
    drain = Drain(client, SHARD)
    drain.ensure_group()
    assert all(drain.bury(entry, "no such column", about) for entry in drain.read(len(bodies), 1))
    return [entry_id.decode() for entry_id, _ in client.xrange(DEAD_LETTERS)]


def letters(client: redis.Redis) -> int:
    return int(client.xlen(DEAD_LETTERS))


def dead_bytes(client: redis.Redis) -> int:
    return int(client.get(DEAD_BYTES) or 0)


# What is kept


@pytest.mark.usefixtures("system")
def test_a_letter_says_what_can_be_read_of_it(ingest_redis: redis.Redis, node: Node) -> None:
    append(corrupt(node), b"not a batch")
    ingest.drain_shard(SHARD)
    unreadable, readable = sorted(dead_letters.page(), key=lambda letter: letter.node_id or 0)
    assert (readable.node_id, readable.samples, readable.size_bytes) == (node.pk, 1, len(corrupt(node)))
    assert readable.first_at == readable.last_at
    assert readable.first_at is not None and int(readable.first_at.timestamp() * 1000) == AT
    assert (unreadable.node_id, unreadable.samples, unreadable.first_at) == (None, None, None)
    assert "magic" in unreadable.reason
    assert dead_bytes(ingest_redis) == len(corrupt(node)) + len(b"not a batch")


@pytest.mark.usefixtures("system")
def test_without_room_nothing_is_trimmed_and_what_is_sound_is_stored(
    ingest_redis: redis.Redis, node: Node, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "MAX_SECONDS", 0.2)
    settings.INGEST_DEAD_LETTER_BYTES = 10
    poison = [b"12345678", b"is left!", b"is left too"]
    append(poison[0], sound(node, 1), poison[1], sound(node, 2), poison[2])
    ingest.drain_shard(SHARD)
    assert seconds_stored(node) == {1, 2}
    assert (letters(ingest_redis), dead_bytes(ingest_redis)) == (1, 8)
    assert (entries(ingest_redis), held(ingest_redis)) == (2, len(poison[1]) + len(poison[2]))
    assert dead_letters.count().is_full
    append(sound(node, 3))
    ingest.drain_shard(SHARD)  # what had to stay does not stop what comes after it
    assert seconds_stored(node) == {1, 2, 3}
    assert entries(ingest_redis) == 2

    assert dead_letters.discard(dead_letters.newest(), "somebody", "makes room")
    settings.INGEST_DEAD_LETTER_BYTES = 1000
    ingest.drain_shard(SHARD)
    assert_empty(ingest_redis)
    assert [fields[b"b"] for _, fields in ingest_redis.xrange(DEAD_LETTERS)] == poison[1:]


def test_burying_twice_is_burying_once(ingest_redis: redis.Redis) -> None:
    append(b"poison")
    drain = Drain(ingest_redis, SHARD)
    drain.ensure_group()
    (entry,) = drain.read(1, 1)
    assert drain.bury(entry, "once") and drain.bury(entry, "twice")
    assert (letters(ingest_redis), dead_bytes(ingest_redis)) == (1, 6)
    assert_empty(ingest_redis)


# Deciding


@pytest.mark.usefixtures("system")
def test_what_is_retried_is_stored_once_it_can_be(
    ingest_redis: redis.Redis, node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    (letter_id,) = bury(ingest_redis, sound(node, 7), about={"node": node.pk})
    with caplog.at_level(logging.INFO, "telemetry.dead_letters"):
        assert dead_letters.retry(letter_id, "user 5")
    assert f"user 5 retried dead letter {letter_id} of node {node.pk}" in caplog.text
    assert (letters(ingest_redis), dead_bytes(ingest_redis)) == (0, 0)
    assert (entries(ingest_redis), held(ingest_redis)) == (1, len(sound(node, 7)))
    assert not dead_letters.retry(letter_id, "a double click")
    assert entries(ingest_redis) == 1
    ingest.drain_shard(SHARD)
    assert seconds_stored(node) == {7}
    assert_empty(ingest_redis)


@pytest.mark.usefixtures("system")
def test_what_fails_again_comes_back(ingest_redis: redis.Redis, node: Node) -> None:
    (letter_id,) = bury(ingest_redis, corrupt(node))
    assert dead_letters.each(lambda found: dead_letters.retry(found, "somebody"), letter_id) == 1
    ingest.drain_shard(SHARD)
    assert letters(ingest_redis) == 1
    assert dead_letters.newest() != letter_id


@pytest.mark.parametrize("what", ["full", "shut"])
def test_nothing_is_retried_into_a_stream_that_takes_nothing(
    ingest_redis: redis.Redis, settings: Any, what: str
) -> None:
    (letter_id,) = bury(ingest_redis, b"x" * 100)
    if what == "full":
        settings.INGEST_STREAM_BYTES = 99 * settings.INGEST_SHARDS
    else:
        ingest_redis.set(SHUT["disk"], "short")
    with pytest.raises(dead_letters.NoRoomToRetry):
        dead_letters.retry(letter_id, "somebody")
    assert (letters(ingest_redis), dead_bytes(ingest_redis)) == (1, 100)
    assert_empty(ingest_redis)


def test_a_shard_that_is_no_more_sends_it_where_its_node_goes_now(ingest_redis: redis.Redis, settings: Any) -> None:
    settings.INGEST_SHARDS = 5
    append(b"poison", shard=4)
    drain = Drain(ingest_redis, 4)
    drain.ensure_group()
    assert drain.bury(drain.read(1, 1)[0], "reason", {"node": 7})
    settings.INGEST_SHARDS = 2
    assert dead_letters.retry(dead_letters.newest(), "somebody")
    assert entries(ingest_redis, shard=1) == 1


@pytest.mark.parametrize(
    "letter_id", ["", "0", "0-0", "nonsense", "1-1", "-", "+", "99999999999999999999-1", "1-1-1", "1-1\n", "١-١", "\0"]
)
def test_nonsense_is_no_letter(ingest_redis: redis.Redis, letter_id: str) -> None:
    bury(ingest_redis, b"poison")
    assert not dead_letters.retry(letter_id, "somebody")
    assert not dead_letters.discard(letter_id, "somebody", "because")
    assert dead_letters.each(lambda found: dead_letters.discard(found, "somebody", "because"), letter_id) == 0
    assert len(dead_letters.page(letter_id)) in (0, 1)
    assert letters(ingest_redis) == 1


# The page


@pytest.fixture
def operator(cast: Cast) -> Client:
    return cast.client("operator")


def _text(answer: Any) -> str:
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


@needs_database
@pytest.mark.parametrize(
    ("name", "sees", "decides"),
    [
        ("operator", 200, 302),
        ("admin", 200, 302),
        ("operator_viewer", 200, 403),
        ("billing", 200, 403),
        ("technician", 404, 404),
        ("owner", 404, 404),
        ("outsider", 404, 404),
    ],
)
def test_who_reads_and_who_decides(cast: Cast, ingest_redis: redis.Redis, name: str, sees: int, decides: int) -> None:
    (letter_id,) = bury(ingest_redis, b"poison")
    client = cast.client(name)
    page = client.get(PAGE)
    assert page.status_code == sees
    assert (b'value="retry"' in page.content) is (decides == 302)
    given = {"action": "discard", "id": letter_id, "reason": "not ours"}
    assert client.post(PAGE, given).status_code == decides
    assert letters(ingest_redis) == (0 if decides == 302 else 1)


@needs_database
def test_nobody_decides_without_signing_in_or_from_another_site(cast: Cast, ingest_redis: redis.Redis) -> None:
    (letter_id,) = bury(ingest_redis, b"poison")
    given = {"action": "discard", "id": letter_id, "reason": "not ours"}
    assert cast.client("anonymous").post(PAGE, given)["Location"].startswith("/accounts/login/")
    careful = cast.client("operator", enforce_csrf_checks=True)
    assert careful.post(PAGE, given).status_code == 403
    assert letters(ingest_redis) == 1


@needs_database
def test_an_empty_list_says_what_will_appear_here(operator: Client) -> None:
    text = _text(operator.get(PAGE))
    assert "Nothing here." in text
    assert 'value="retry"' not in text


@needs_database
def test_a_row_tells_node_size_span_and_reason(cast: Cast, operator: Client, ingest_redis: redis.Redis) -> None:
    found = batch(cast.node.pk, series("xfra_sound_decibels", [(AT, 40.0), (AT + 1000, 41.0)]))
    bury(ingest_redis, encode(found), about=dead_letters.about(found))
    append(b"<script>")
    drain = Drain(ingest_redis, SHARD)
    drain.bury(drain.read(1, 1)[0], "<script>alert(1)</script>", {"node": 2_000_000_000})
    text = _text(operator.get(PAGE))
    assert cast.node.hostname in text and "no such column" in text
    assert '<td class="number">2</td>' in text
    assert "node 2000000000, not known" in text and "&lt;script&gt;alert(1)" in text
    assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:|<script>", text)


@needs_database
def test_a_double_click_retries_once_and_says_so(operator: Client, ingest_redis: redis.Redis) -> None:
    (letter_id,) = bury(ingest_redis, b"poison")
    given = {"action": "retry", "id": letter_id}
    assert "1 letter put back" in _text(operator.post(PAGE, given, follow=True))
    assert "that was done already" in _text(operator.post(PAGE, given, follow=True))
    assert (entries(ingest_redis), letters(ingest_redis)) == (1, 0)


@needs_database
@pytest.mark.parametrize("reason", ["", "   ", "x" * 201])
def test_discarding_wants_a_reason(operator: Client, ingest_redis: redis.Redis, reason: str) -> None:
    (letter_id,) = bury(ingest_redis, b"poison")
    given = {"action": "discard", "id": letter_id, "reason": reason}
    assert "say why" in _text(operator.post(PAGE, given, follow=True))
    assert letters(ingest_redis) == 1


@needs_database
def test_the_log_says_who_discarded_what_and_why(
    cast: Cast, operator: Client, ingest_redis: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    (letter_id,) = bury(ingest_redis, b"poison")
    operator.post(PAGE, {"action": "discard", "id": letter_id, "reason": "a test\nof 2026"})
    (line,) = [record.getMessage() for record in caplog.records if record.name == "telemetry.dead_letters"]
    assert line.startswith(f"user {cast.people['operator'].pk} discarded dead letter {letter_id}")
    assert line.endswith("'a test of 2026'") and "no such column" in line and "\n" not in line


@needs_database
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"action": "drop"},
        {"action": "retry"},
        {"action": "retry", "id": "\0"},
        {"action": "retry", "until": "+"},
        {"action": "discard", "id": "1-1", "reason": "\0\0"},
    ],
)
def test_nonsense_changes_nothing(operator: Client, ingest_redis: redis.Redis, given: dict[str, str]) -> None:
    bury(ingest_redis, b"poison")
    has_no_text = any("\0" in text for text in given.values())
    answer = operator.post(PAGE, given, follow=True)
    assert answer.status_code == 400 if has_no_text else "Nothing " in _text(answer)
    assert operator.get(PAGE, {"before": "nonsense"}).status_code == 200
    assert operator.get(PAGE, {"before": "nonsense\0"}).status_code == 400
    assert operator.put(PAGE).status_code == 405
    assert (letters(ingest_redis), entries(ingest_redis)) == (1, 0)


@needs_database
def test_many_come_in_pages_and_are_retried_together(
    operator: Client, ingest_redis: redis.Redis, django_assert_max_num_queries: Any
) -> None:
    ids = bury(ingest_redis, *(str(i).encode() for i in range(2 * dead_letters.PAGE + 20)))
    seen, address = [], PAGE
    operator.get(PAGE)  # a session's first use is noted by more than a later one
    while address:
        with django_assert_max_num_queries(8):
            text = _text(operator.get(address))
        seen += re.findall(r'data-letter="([^"]+)"', text)
        older = re.search(r'href="(\?before=[^"]+)"', text)
        address = PAGE + older[1] if older else ""
    assert seen == ids[::-1]
    (newer,) = set(bury(ingest_redis, b"came after the page was drawn")) - set(ids)
    text = _text(operator.post(PAGE, {"action": "retry", "until": ids[-1]}, follow=True))
    assert f"{len(ids)} letters put back" in text
    assert (entries(ingest_redis), dead_letters.newest(), letters(ingest_redis)) == (len(ids), newer, 1)


@needs_database
def test_more_than_the_stream_has_room_for_stays_listed(
    operator: Client, ingest_redis: redis.Redis, settings: Any
) -> None:
    ids = bury(ingest_redis, *(b"x" * 100 for _ in range(10)))
    settings.INGEST_STREAM_BYTES = 350 * settings.INGEST_SHARDS
    text = _text(operator.post(PAGE, {"action": "retry", "until": ids[-1]}, follow=True))
    assert "The stream takes nothing in now" in text
    assert (entries(ingest_redis), letters(ingest_redis), held(ingest_redis)) == (3, 7, 300)
    assert dead_bytes(ingest_redis) == 700


@needs_database
def test_programs_read_them_too(cast: Cast, operator: Client, ingest_redis: redis.Redis) -> None:
    ids = bury(
        ingest_redis, *(b"x" * 10 for _ in range(dead_letters.PAGE + 1)), about={"node": cast.node.pk, "samples": 3}
    )
    first = operator.get("/api/v1/dead-letters").json()
    assert (first["letters"], first["held_bytes"], first["is_full"]) == (len(ids), 10 * len(ids), False)
    second = operator.get("/api/v1/dead-letters", {"before": first["older"]}).json()
    assert [row["id"] for row in first["results"] + second["results"]] == ids[::-1]
    assert second["older"] is None
    row = second["results"][0]
    assert (row["node"], row["samples"], row["first_at"], row["size_bytes"]) == (cast.node.pk, 3, None, 10)
    assert cast.client("outsider").get("/api/v1/dead-letters").status_code == 404


# The fleet page


@needs_database
def test_the_fleet_page_points_there(cast: Cast, operator: Client, ingest_redis: redis.Redis) -> None:
    assert PAGE not in _needs(operator)
    bury(ingest_redis, b"1", b"2")
    assert "2 bodies could not be stored" in _needs(operator)
    assert PAGE in _needs(operator)
    assert "could not be stored" not in _needs(cast.client("technician"))
    ingest_redis.set(DEAD_FULL, "1")
    room.watch(ingest_redis)
    assert [alarm.severity for alarm in alarms.ringing()] == [Severity.CRITICAL, Severity.MAJOR]


def _needs(client: Client) -> str:
    return _text(client.get("/fleet/")).partition("data-needs")[2]
