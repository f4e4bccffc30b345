"""For every test here: the named cast, and the system's own work unless a test acts as somebody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from homes.access import acting_as_system
from tests.cast import cast

__all__ = ["as_system", "cast"]


@pytest.fixture
def as_system() -> Iterator[None]:
    with acting_as_system():
        yield
