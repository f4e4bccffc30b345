"""Asking whether parts are there: once for all who want to know, with the database's own settings, beat among them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import redis
from celery.signals import after_task_publish, beat_init
from django.conf import settings
from django.db import connections
from django.test import Client

from tests.cast import needs_database
from xfra_portal import patience, probes, pulse
from xfra_portal.probes import Probe


def _run(scenario: Any) -> Any:
    return asyncio.run(scenario)


def test_many_ask_once_and_the_answer_holds_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    async def ask() -> int:
        asked.append(1)
        await asyncio.sleep(0.01)
        return len(asked)

    async def crowd() -> None:
        probe = Probe(ask)
        assert await asyncio.gather(*(probe.answer() for _ in range(50))) == [1] * 50
        assert await probe.answer() == 1
        monkeypatch.setattr(probes, "HOLDS_SECONDS", 0.0)
        assert await Probe(ask).answer() == 2

    _run(crowd())


def test_who_stops_waiting_takes_nobodys_answer_away() -> None:
    async def ask() -> str:
        await asyncio.sleep(0.05)
        return "there"

    async def two() -> None:
        probe = Probe(ask)
        first, second = asyncio.create_task(probe.answer()), asyncio.create_task(probe.answer())
        await asyncio.sleep(0)
        first.cancel()
        assert await second == "there"

    _run(two())


def test_everybody_hears_of_a_failure_and_the_next_question_is_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "HOLDS_SECONDS", 0.0)
    answers = iter([OSError("away")])

    async def ask() -> str:
        if error := next(answers, None):
            raise error
        return "there"

    async def crowd() -> None:
        probe = Probe(ask)
        found = await asyncio.gather(*(probe.answer() for _ in range(3)), return_exceptions=True)
        assert [str(error) for error in found] == ["away"] * 3
        assert await probe.answer() == "there"

    _run(crowd())


@needs_database
def test_a_hundred_requests_wonder_over_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []
    connect = psycopg.AsyncConnection.connect

    async def count(**given: Any) -> Any:
        made.append(given)
        return await connect(**given)

    monkeypatch.setattr(psycopg.AsyncConnection, "connect", count)

    async def crowd() -> None:
        await asyncio.gather(*(patience.ask_database() for _ in range(100)))

    _run(crowd())
    assert len(made) == 1


@needs_database
def test_the_question_goes_the_way_that_the_portals_own_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would be asked in the clear where TLS is demanded, or not at all."""
    made: list[dict[str, Any]] = []

    async def refuse(**given: Any) -> Any:
        made.append(given)
        raise psycopg.OperationalError("refused")

    monkeypatch.setattr(psycopg.AsyncConnection, "connect", refuse)
    options = {**settings.DATABASES["default"]["OPTIONS"], "sslmode": "verify-full", "sslrootcert": "/ca.pem"}
    monkeypatch.setitem(connections["default"].settings_dict, "OPTIONS", options)
    with pytest.raises(psycopg.OperationalError):
        _run(patience.ask_database())
    assert (made[0]["sslmode"], made[0]["sslrootcert"]) == ("verify-full", "/ca.pem")
    assert made[0]["keepalives_idle"] == 10 and "cursor_factory" not in made[0]


def test_what_an_address_says_of_tls_reaches_the_driver() -> None:
    address = "postgres://app:unused@127.0.0.1:9/xfra?sslmode=verify-full&connect_timeout=1"
    program = (
        "from django.conf import settings; import json; print(json.dumps(settings.DATABASES['default']['OPTIONS']))"
    )
    environment = {**os.environ, "DATABASE_URL": address, "DJANGO_SETTINGS_MODULE": "xfra_portal.settings"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    options = json.loads(done.stdout)
    assert (options["sslmode"], options["connect_timeout"], options["keepalives_idle"]) == ("verify-full", 1, 10)


@pytest.fixture
def crowded(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database that gives nobody another connection."""
    with django_db_blocker.unblock():
        known = connections["owner"].get_connection_params()
    address = {name: known[name] for name in ("host", "port", "dbname", "user", "password")}
    limit = f'ALTER DATABASE "{known["dbname"]}" CONNECTION LIMIT'
    with psycopg.connect(**address, autocommit=True) as owner:
        owner.execute(f"{limit} 0")
        try:
            yield
        finally:
            owner.execute(f"{limit} -1")


def test_a_database_that_is_crowded_is_not_away(crowded: None) -> None:
    with pytest.raises(psycopg.OperationalError, match="too many connections"):
        known = connections["default"].get_connection_params()
        psycopg.connect(**{name: known[name] for name in ("host", "port", "dbname", "user", "password")}).close()
    assert _run(patience._database_answers())


@pytest.fixture
def store() -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.delete(pulse.KEY)
    yield client
    client.delete(pulse.KEY)
    client.close()


def _beat() -> str:
    answer: str = json.loads(Client(HTTP_HOST="localhost").get("/readyz").content)["parts"]["beat"]
    return answer


@needs_database
def test_beat_is_heard_from_its_first_moment_and_with_each_task(store: redis.Redis) -> None:
    assert _beat() == "TimeoutError"
    try:
        beat_init.send(sender=None)
        assert _beat() == "ok"
        assert 0 < store.ttl(pulse.KEY) <= pulse.SECONDS
        store.delete(pulse.KEY)
        after_task_publish.send(sender="telemetry.tasks.wake")
        assert pulse.is_heard(store)
    finally:
        after_task_publish.disconnect(pulse.tell)


def test_that_nobody_can_be_told_does_not_stop_beat(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    pulse.tell()
