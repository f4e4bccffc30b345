"""Whom requests are counted for."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from tests.cast import Cast, needs_database
from xfra_portal.api.throttling import PersonThrottle

pytestmark = needs_database
HEADS = "/api/v1/statement-heads"


@pytest.fixture(autouse=True)
def _three(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr(PersonThrottle, "parse_rate", lambda self, rate: (3, 3600))


def _ask(times: int, **given: Any) -> list[int]:
    client = Client(HTTP_HOST="localhost")
    return [
        client.get(HEADS, **{name: value.format(i) for name, value in given.items()}).status_code for i in range(times)
    ]


def test_an_address_that_a_client_makes_up_is_not_believed(cast: Cast) -> None:
    assert _ask(5, HTTP_X_FORWARDED_FOR="192.0.2.{}") == [200, 200, 200, 429, 429]


def test_each_address_is_counted_by_itself(cast: Cast) -> None:
    assert _ask(5, REMOTE_ADDR="192.0.2.{}") == [200] * 5


def test_what_counts_is_kept_short_whatever_the_address(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[str] = []
    add = cache.add
    monkeypatch.setattr(PersonThrottle.cache, "add", lambda key, *rest: kept.append(key) or add(key, *rest))
    assert _ask(1, REMOTE_ADDR="x" * 5000) == [200]
    assert kept and max(map(len, kept)) < 100
