"""For every test: one name for the test database, numbers that begin anywhere, no access left over from another, and
connections given back at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker

from homes import access
from tests.chance import begin_anywhere, seed_of


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--hostile-requests", type=int, default=500, help="how many of tests/access/test_hostile.py")
    parser.addoption("--hostile-seed", type=int, default=None, help="of a run that failed: it says which")


@pytest.fixture(autouse=True)
def _on_nobody_elses_behalf() -> Iterator[None]:
    """Each test begins as whoever its module acts as: what another left would let it pass, or fail, by chance."""
    before = access.current()
    yield
    access.set_current(before)


@pytest.fixture(scope="session")
def django_db_modify_db_settings_parallel_suffix() -> None:
    """Each worker has a Postgres of its own, so the test database needs no other name in each."""


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, pytestconfig: pytest.Config
) -> Iterator[None]:
    with django_db_blocker.unblock():
        begin_anywhere(seed_of(pytestconfig))
    yield
    connections.close_all()
    connections["default"].close_pool()
