"""Series outside the catalogue are bounded in the database, and go when nothing of them is kept."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
import redis
from django.db import IntegrityError, transaction

from homes.models import Node
from telemetry import other_series, registry, storage
from telemetry.catalogue import Kind
from telemetry.known_series import KnownSeries
from telemetry.models import OtherSeries
from telemetry.models.series import MAX_OTHER_SERIES
from telemetry.refusals import Reason
from telemetry.stream import shard_of
from tests.telemetry import stored
from tests.telemetry.messages import admit_message, batch, message, series
from tests.telemetry.test_refusals import counted

pytestmark = pytest.mark.usefixtures("system", "ingest_redis")
AT = int(time.time()) * 1000 - 600_000


def write(node: Node, *names: str, at: int = AT) -> None:
    storage.write([batch(node.pk, *(series(name, [(at, 1.0)]) for name in names))], shard_of(node.pk))


def names(node: Node) -> set[str]:
    return set(OtherSeries.objects.filter(node=node).values_list("name", flat=True))


def _rows(node: Node, count: int) -> list[OtherSeries]:
    return [OtherSeries(node=node, name="x", labels={}, digest=n.to_bytes(16, "big")) for n in range(count)]


def test_beyond_the_bound_nothing_is_stored_and_operators_are_told(
    node: Node, monkeypatch: pytest.MonkeyPatch, ingest_redis: redis.Redis
) -> None:
    monkeypatch.setattr(other_series, "MAX_OTHER_SERIES", 3)
    write(node, "one", "two", "three", "four", "five")
    assert names(node) == {"one", "two", "three"}
    assert set(stored.others(node.pk)) == {("one", AT), ("two", AT), ("three", AT)}
    assert counted(node) == {Reason.BUDGET.value: (1, 2)}
    write(node, "three", "four", at=AT + 1)
    assert counted(node) == {Reason.BUDGET.value: (1, 2)}, "for a minute nobody looks again"
    assert ("three", AT + 1) in stored.others(node.pk) and ("four", AT + 1) not in stored.others(node.pk)


def test_a_body_without_anything_of_the_catalogue_is_stored(node: Node) -> None:
    """An agent whose exporters do not answer goes on to say `up 0`; its layout still names what it sent before."""
    known, oldest_ms = KnownSeries(), AT - 3_600_000
    for at, parts in ((AT, ("xfra_sound_decibels", "up")), (AT + 5000, ("up",))):
        sent = message(*(series(name, [(at, 0.0)]) for name in parts))
        found = admit_message(node.pk, sent, known, AT / 1000 + 60, oldest_ms).batch
        assert Kind.NODE in found.layout.kinds
        storage.write([found], shard_of(node.pk))
    assert set(stored.others(node.pk)) == {("up", AT), ("up", AT + 5000)}


def test_where_there_is_room_again_it_is_stored(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_series, "MAX_OTHER_SERIES", 1)
    monkeypatch.setattr(other_series, "_FULL_SECONDS", 0.0)
    write(node, "one", "two")
    monkeypatch.setattr(other_series, "MAX_OTHER_SERIES", 2)
    write(node, "one", "two", at=AT + 1)
    assert set(stored.others(node.pk)) == {("one", AT), ("one", AT + 1), ("two", AT + 1)}


def test_the_database_refuses_more_whoever_asks(node: Node) -> None:
    OtherSeries.objects.bulk_create(_rows(node, MAX_OTHER_SERIES))
    with pytest.raises(IntegrityError, match="at most 12000 series"), transaction.atomic():
        OtherSeries.objects.create(node=node, name="y", labels={}, digest=bytes([255]) * 16)
    assert OtherSeries.objects.filter(node=node).count() == MAX_OTHER_SERIES


def test_what_nothing_is_kept_of_goes_when_no_worker_may_remember_it(node: Node) -> None:
    write(node, "kept")
    gone, recent = _rows(node, 2)
    gone.name, recent.name = "gone", "recent"
    OtherSeries.objects.bulk_create([gone, recent])
    OtherSeries.objects.filter(node=node).exclude(name="recent").update(seen_at=datetime.now(UTC) - timedelta(days=5))
    other_series.drop_unheard()
    assert names(node) == {"kept", "recent"}


def test_one_that_is_looked_up_is_marked_and_stays(node: Node) -> None:
    write(node, "back")
    OtherSeries.objects.filter(node=node).update(seen_at=datetime.now(UTC) - timedelta(days=5))
    registry.forget()  # as a worker that has just started
    write(node, "back", at=AT + 1)
    assert OtherSeries.objects.get(node=node).seen_at > datetime.now(UTC) - timedelta(minutes=5)


def test_a_worker_that_remembers_for_long_looks_again(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would store samples of a series that is not there any more."""
    write(node, "back")
    monkeypatch.setattr(registry, "_began", [time.monotonic() - registry.REMEMBERED_SECONDS - 1])
    OtherSeries.objects.filter(node=node).delete()
    write(node, "back", at=AT + 1)
    assert ("back", AT + 1) in stored.others(node.pk)
    assert registry.REMEMBERED_SECONDS + other_series.SEEN_SECONDS < other_series.UNHEARD_SECONDS
