"""For every test: connections are given back before the test database is dropped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    yield
    connections.close_all()
    connections["default"].close_pool()
