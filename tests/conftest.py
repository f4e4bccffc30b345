"""For every test: one name for the test database, and connections given back before it is dropped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections


@pytest.fixture(scope="session")
def django_db_modify_db_settings_parallel_suffix() -> None:
    """Each worker has a Postgres of its own, so the test database needs no other name in each."""


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    yield
    connections.close_all()
    connections["default"].close_pool()
