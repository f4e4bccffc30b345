"""Everything that goes wrong under /api/ is said as an RFC 9457 problem document."""

from __future__ import annotations

import time
from base64 import b64encode
from typing import Any
from unittest import mock

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client
from redis import ConnectionError as RedisConnectionError

from tests.cast import Cast, needs_database
from xfra_portal.api.problems import PROBLEM_TYPES
from xfra_portal.api.throttling import PersonThrottle

pytestmark = needs_database


def _is_problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status and body["title"] and body["type"] in dict(PROBLEM_TYPES)
    return body


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ("metrics=home_power_watts,nonsense", "metrics", "home_power_watts"),
        ("metrics=internet_home_up", "metrics", "is not one of"),
        ("start=yesterday", "start", "-24h"),
        ("start=2026-11-01T00:00:00", "start", "2026-11-01T00:00:00Z"),
        ("start=2026-13-99T00:00:00Z", "start", "write an instant"),
        ("start=-24h&end=-48h", "end", "after start"),
        ("start=0001-01-01T00:00:00%2B14:00", "start", "between"),
        ("end=9999-12-31T23:59:59-14:00", "end", "between"),
        ("start=-800d", "start", "400 days"),
        ("step=abc", "step", "whole number"),
        ("step=-1", "step", "whole number"),
        ("step=61", "step", "whole number of minutes"),
        ("step=1", "step", "at most 5000"),
        ("step=0", "step", "6 hours"),
        ("format=xml", "format", "json, csv"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(cast: Cast, query: str, field: str, says: str) -> None:
    answer = cast.client("owner").get(f"/api/v1/homes/{cast.home.pk}/power/history?{query}")
    body = _is_problem(answer, 400)
    assert list(body["errors"]) == [field]
    assert says in body["errors"][field][0] and says in body["detail"]


def test_problems_stay_json_when_csv_was_asked_for(cast: Cast) -> None:
    url = f"/api/v1/homes/{cast.home.pk}/power/history?metrics=x"
    _is_problem(cast.client("owner").get(url, headers={"Accept": "text/csv"}), 400)


@pytest.mark.parametrize("cursor", ["nonsense", "p=abc", "p=1", "o=-1", "r=x"])
@pytest.mark.parametrize("listed", ["homes", "nodes"])
def test_a_cursor_that_is_none_is_named(cast: Cast, listed: str, cursor: str) -> None:
    encoded = cursor if cursor == "nonsense" else b64encode(cursor.encode()).decode()
    answer = cast.client("operator").get(f"/api/v1/{listed}", {"cursor": encoded})
    if (listed, cursor) == ("nodes", "p=1"):
        assert answer.status_code == 200, "a node's own number may be a place in the list"
    else:
        assert list(_is_problem(answer, 400)["errors"]) == ["cursor"]


def test_not_signed_in(cast: Cast) -> None:
    assert _is_problem(cast.client("anonymous").get("/api/v1/me"), 401)["detail"]


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v1/nope", "/api/v1/me/", "/api/v2/me", "/api/v1/nodes/99999999999999"]
)
def test_what_does_not_exist(cast: Cast, path: str) -> None:
    _is_problem(cast.client("operator").get(path), 404)


def test_wrong_method_and_wrong_media_types(cast: Cast) -> None:
    client = cast.client("owner")
    _is_problem(client.delete("/api/v1/me"), 405)
    _is_problem(client.get("/api/v1/me", headers={"Accept": "image/png"}), 406)


def test_too_many_requests_are_counted_together(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Across clients, processes and moments; somebody else is not held up by it."""
    monkeypatch.setattr(PersonThrottle, "THROTTLE_RATES", {"user": "3/min"})
    monkeypatch.setattr(time, "time", lambda: 1_800_000_007.5)
    cache.clear()
    answers = [cast.client("owner").get("/api/v1/me") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    _is_problem(answers[3], 429)
    assert answers[3]["Retry-After"] == "53"
    assert cast.client("member").get("/api/v1/me").status_code == 200


def test_a_host_that_is_not_ours(cast: Cast) -> None:
    _is_problem(cast.client("anonymous").get("/api/v1/me", headers={"Host": "evil.example"}), 400)


def test_a_body_that_is_too_large_says_so(cast: Cast, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    answer = cast.client("billing").post(
        f"/api/v1/homes/{cast.home.pk}/green-button",
        b"x" * 1001,
        content_type="text/csv",
        headers={"Idempotency-Key": "too-large-a-file"},
    )
    assert "1000 bytes" in _is_problem(answer, 413)["detail"]


def test_a_wrong_address_is_a_problem_for_any_method(cast: Cast) -> None:
    client = cast.client("owner", enforce_csrf_checks=True)
    _is_problem(client.post("/api/v1/nope"), 404)


@pytest.mark.parametrize("error", [OperationalError("gone"), RedisConnectionError("gone")])
def test_a_part_that_is_away_is_no_refusal(cast: Cast, error: Exception) -> None:
    """Whoever cannot be looked up is asked to come back, not turned away: 503, never 401."""
    token = "allauth.headless.contrib.rest_framework.authentication.JWTTokenAuthentication.authenticate"
    with mock.patch(token, side_effect=error):
        answer = Client(HTTP_HOST="localhost").get("/api/v1/me", headers={"Authorization": "Bearer a.b.c"})
    _is_problem(answer, 503)
    assert answer["Retry-After"]
