"""The schema is valid, complete and true, and no request that it describes ends in a 500."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from django.test import Client
from openapi_spec_validator import validate

from tests.api.heard import mention
from tests.cast import Cast, needs_database
from tests.portal.money import begun, billed, months
from xfra_portal.api.docs import schema

pytestmark = needs_database
ODD = ["", "-1", "9" * 30, "\x00", "'; --", "-24h", "nan"]


def _operations() -> dict[str, dict[str, Any]]:
    """What is read as JSON."""
    return {path: op for path, op in _reads().items() if "application/json" in op["responses"]["200"]["content"]}


def _reads() -> dict[str, dict[str, Any]]:
    return {path: methods["get"] for path, methods in schema()["paths"].items() if "get" in methods}


def _writes() -> dict[str, dict[str, Any]]:
    return {path: methods["post"] for path, methods in schema()["paths"].items() if "post" in methods}


def _month(cast: Cast) -> str:
    """The month of the billed home's second statement; it has been closed if anybody began it."""
    return f"{months(cast.home)[1]:%Y-%m}"


def _address(path: str, cast: Cast, number: int = 1, series: int = 1) -> str:
    return path.format(
        home_id=cast.home.pk,
        node_id=cast.node.pk,
        series_id=series,
        number=number,
        ordinal=1,
        kind="pdf",
        month=_month(cast),
    )


def test_it_is_valid_openapi_3_1_without_signing_in() -> None:
    answer = Client(HTTP_HOST="localhost").get("/api/v1/schema/")
    validate(answer.json())
    assert answer.json()["openapi"].startswith("3.1")


def test_every_operation_is_described() -> None:
    for path, operation in _operations().items():
        assert operation["operationId"] and operation["tags"] and operation["security"], path
        assert "UTC" in operation["description"] or len(operation["description"]) > 40, path
        good = operation["responses"]["200"]["content"]["application/json"]
        assert good["examples"] and good["schema"], path
        for status in ("400", "401", "404", "429", "503"):
            assert "application/problem+json" in operation["responses"][status]["content"], (path, status)


def test_every_write_is_described_and_takes_a_key() -> None:
    assert len(_writes()) == 19
    for path, operation in _writes().items():
        assert "Idempotency-Key" in [found["name"] for found in operation["parameters"] if found["required"]], path
        assert operation["responses"]["201"]["content"]["application/json"]["examples"], path
        for status in ("400", "401", "403", "404", "409", "413", "415", "422", "429", "503"):
            assert "application/problem+json" in operation["responses"][status]["content"], (path, status)


def test_every_file_is_described() -> None:
    files = {path: operation for path, operation in _reads().items() if path not in _operations()}
    assert {path.rsplit("/", 1)[-1] for path in files} == {"{kind}", "green-button"}
    for path, operation in files.items():
        assert len(operation["description"]) > 40, path
        for status in ("400", "401", "404", "429", "503"):
            assert "application/problem+json" in operation["responses"][status]["content"], (path, status)


def test_the_reference_shows_every_operation_and_needs_no_script() -> None:
    answer = Client(HTTP_HOST="localhost").get("/api/v1/docs/")
    text = answer.content.decode()
    for path in _writes():
        assert f"POST {path}" in text
    for path, operation in _reads().items():
        assert f"GET {path}" in text and f'id="{operation["operationId"]}"' in text
    assert "<style" not in text and "style=" not in text and "<script>" not in text


@pytest.mark.parametrize("person", ["owner", "operator"])
def test_odd_parameters_are_refused_or_served_but_break_nothing(cast: Cast, person: str) -> None:
    client = cast.client(person)
    client.raise_request_exception = False
    number, series = billed(cast.home)[1].number, mention(cast.node)
    for path, operation in _operations().items():
        address = _address(path, cast, number or 0, series)
        names = [found["name"] for found in operation.get("parameters", []) if found["in"] == "query"]
        for name, value in product(names, ODD):
            answer = client.get(address, {name: value})
            assert answer.status_code in (200, 400, 404, 429), (address, name, value, answer.status_code)
            assert answer["Content-Type"].startswith(("application/json", "application/problem+json", "text/csv"))


def test_answers_have_the_fields_that_the_schema_promises(cast: Cast) -> None:
    client, models = cast.client("admin"), schema()["components"]["schemas"]
    number, series = billed(cast.home)[1].number, mention(cast.node)
    begun(cast.home)
    for path, operation in _operations().items():
        answer = client.get(_address(path, cast, number or 0, series))
        promised = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        model = models[promised.rsplit("/", 1)[-1]]
        assert set(model["required"]) <= answer.json().keys() <= model["properties"].keys(), path
