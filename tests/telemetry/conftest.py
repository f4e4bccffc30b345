"""For every test here: the named cast; and nodes whose data is committed, for what only real transactions show."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.conf import settings
from django.core.cache import cache
from django.db import connections
from django.db.backends.base.creation import TEST_DATABASE_PREFIX
from django.test.utils import setup_databases, teardown_databases

from homes.access import acting_as_system
from homes.models import Node
from homes.provisioning import Plan, provision
from telemetry import consumers, partitions, registry, watchers
from telemetry.stream import DEAD_LETTERS
from tests.cast import cast
from tests.chance import begin_anywhere, seed_of

__all__ = ["cast"]

_numbers = itertools.count(1)
MakeNode = Callable[[], tuple[Node, str]]


@pytest.fixture(scope="session")
def test_database(django_db_setup: None, django_db_blocker: Any, pytestconfig: pytest.Config) -> Iterator[None]:
    """pytest-django makes a database only when a test that is marked runs too; this sees to it that there is one."""
    if connections["owner"].settings_dict["NAME"].startswith(TEST_DATABASE_PREFIX):
        yield
        return
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False, aliases={"default", "owner"})
        begin_anywhere(seed_of(pytestconfig))
        yield
        connections.close_all()
        connections["default"].close_pool()
        teardown_databases(made, verbosity=0)


@pytest.fixture(scope="module")
def committed(test_database: None, django_db_blocker: Any) -> Iterator[None]:
    """The database without a transaction around each test, empty before and after a module."""
    with django_db_blocker.unblock():
        _empty()  # what others rolled back still has its place in the tables, and counts where they are weighed
        with acting_as_system():
            partitions.ensure_partitions()
        yield
        registry.forget()
        _empty()
        connections["owner"].close()


def _empty() -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(quote_ident(relname), ', ') FROM pg_class WHERE relkind IN ('r', 'p')"
            " AND NOT relispartition AND (relname LIKE 'homes\\_%%' OR relname LIKE 'telemetry\\_%%')"
        )
        cursor.execute(f"TRUNCATE {cursor.fetchone()[0]} CASCADE")


@pytest.fixture
def system(committed: None) -> Iterator[None]:
    """Acting as the system, as workers do, with the registry's caches empty as in a worker that has just started."""
    registry.forget()
    with acting_as_system():
        yield


@pytest.fixture
def make_node(system: None) -> MakeNode:
    """Another node and its token."""
    return lambda: provision(Plan(f"t-{next(_numbers):04d}", "America/Phoenix", "Utility", "Cable"))


@pytest.fixture
def node(make_node: MakeNode) -> Node:
    return make_node()[0]


@pytest.fixture
def known(make_node: MakeNode) -> tuple[int, str]:
    """Its id and its token."""
    node, token = make_node()
    return node.pk, token


@pytest.fixture
def ingest_redis() -> Iterator[redis.Redis]:
    """The stream's Redis, with no stream in it."""
    with redis.Redis.from_url(settings.INGEST_REDIS_URL) as client:
        for key in [*client.keys("xfra:ingest:*"), DEAD_LETTERS]:
            client.delete(key)
        yield client


@pytest.fixture
def one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels closes the connection around each piece of work, which would end the transaction that the cast is in."""
    monkeypatch.setattr("channels.db.close_old_connections", lambda: None)
    cache.clear()  # sign-ins are counted


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is counted in seconds, in tenths of them."""
    monkeypatch.setattr(consumers, "SECONDS_BETWEEN_FRAMES", 0.1)
    monkeypatch.setattr(watchers, "SECONDS_BETWEEN_CHECKS", 0.3)
