"""The schema is a contract: a fuzzer that knows only the schema finds no 500 and no answer that it does not allow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from billing.models import Statement
from homes.access import acting_as_system
from telemetry.catalogue import COLUMNS, Kind, Shape
from tests.api.heard import mention, tell
from tests.cast import Cast, needs_database
from tests.portal.money import begun, billed
from xfra_portal.api.docs import schema
from xfra_portal.api.throttling import PersonThrottle

pytestmark = needs_database
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = {
    found["get"]["operationId"]: path
    for path, found in schema()["paths"].items()
    if "get" in found and "application/json" in found["get"]["responses"]["200"]["content"]
}
"""Reads, by the name of the operation; what only changes things is fuzzed by nobody, see test_desk."""


def _about_money(operation: str) -> bool:
    return schema()["paths"][OPERATIONS[operation]]["get"]["tags"][0] in ("money", "statements")


def _month() -> str:
    """The latest month of which something was issued, or one of which nothing was."""
    with acting_as_system():
        latest = Statement.objects.issued().order_by("period__start").values_list("period__start", flat=True).last()
    return f"{latest or datetime.now(UTC):%Y-%m}"


def _numbers(cast: Cast) -> dict[Any, int]:
    """By home, the number of its latest statement; of a home that has none a number that does not exist."""
    with acting_as_system():
        found = dict(Statement.objects.issued().order_by("number").values_list("home", "number"))
    return {home.pk: found.get(home.pk, 1) for home in (cast.home, cast.other_home)}


@pytest.fixture
def heard(cast: Cast, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Cast]:
    """The cast with a value in every column, called without limits and inside the test's transaction.

    Where the operation is about money, the homes have been billed; where it is the desk's, a close has begun.
    """
    operation = request.node.callspec.params["operation"]
    is_desks = OPERATIONS[operation].startswith("/api/v1/billing/")
    if is_desks or _about_money(operation):
        billed(cast.home)
        billed(cast.other_home, is_flat=True)
    if is_desks:
        begun(cast.home)
    now = datetime.now(UTC)
    everything = {
        kind: {now: {c.name: 1.0 if c.shape is Shape.FLAG else min(c.high, 1.0) for c in COLUMNS[kind]}}
        for kind in Kind
    }
    tell(
        cast.node,
        everything[Kind.NODE],
        {"GPU-cast-00001-00": everything[Kind.GPU]},
        {"oven": everything[Kind.CIRCUIT]},
    )
    monkeypatch.setattr(PersonThrottle, "allow_request", lambda *_: True)
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield cast
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def _follows(document: Any, promised: dict[str, Any]) -> list[str]:
    """What of the document breaks the schema that was promised."""
    whole = {**promised, "components": schema()["components"]}
    validator = OAS31Validator(whole, format_checker=oas31_format_checker)
    return [f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(document)]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_examples_follow_the_schema(operation: str) -> None:
    content = schema()["paths"][OPERATIONS[operation]]["get"]["responses"]["200"]["content"]["application/json"]
    for example in content["examples"].values():
        assert _follows(example["value"], content["schema"]) == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_answers_follow_the_schema(heard: Cast, operation: str) -> None:
    """A home that has told everything, and one that was never heard of."""
    path = OPERATIONS[operation]
    promised = schema()["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    client = heard.client("admin")
    for home, node in ((heard.home, heard.node), (heard.other_home, heard.other_node)):
        real = {"home_id": home.pk, "node_id": node.pk, "series_id": mention(node), "number": _numbers(heard)[home.pk]}
        answer = client.get(path.format(**real, ordinal=1, month=_month()))
        assert answer.status_code == 200
        assert _follows(answer.json(), promised) == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_fuzzer_finds_nothing(heard: Cast, operation: str) -> None:
    """Values that the schema allows and values that it does not, for real homes and made-up ones."""
    api = schemathesis.openapi.from_wsgi("/api/v1/schema/", get_wsgi_application())
    found = api[OPERATIONS[operation]]["GET"]
    number = _numbers(heard)[heard.home.pk]
    real = {"home_id": str(heard.home.pk), "node_id": heard.node.pk, "number": number, "ordinal": 1, "month": _month()}
    real["series_id"] = mention(heard.node)
    names = [name for name in real if "{" + name + "}" in OPERATIONS[operation]]
    fixed = {"path_parameters": {name: real[name] for name in names}} if names else {}
    kinds = schemathesis.GenerationMode
    strategies = [found.as_strategy(kinds.POSITIVE, **fixed), found.as_strategy(kinds.POSITIVE)]
    if schema()["paths"][OPERATIONS[operation]]["get"].get("parameters"):
        strategies.append(found.as_strategy(kinds.NEGATIVE, **fixed))

    @settings(
        max_examples=6,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(strategies))
    def fuzz(cookies: dict[str, str], case: Any) -> None:
        response = case.call(cookies=cookies, headers={"Host": "localhost", "Accept-Encoding": "identity"})
        case.validate_response(response, checks=CHECKS)

    for person in ("admin", "owner", "billing"):
        fuzz({name: morsel.value for name, morsel in heard.client(person).cookies.items()})
