"""The schema is valid, complete and true, and no request that it describes ends in a 500."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from django.test import Client
from openapi_spec_validator import validate

from tests.cast import Cast, needs_database
from xfra_portal.api.docs import schema

pytestmark = needs_database
ODD = ["", "-1", "9" * 30, "\x00", "'; --", "-24h", "nan"]


def _operations() -> dict[str, dict[str, Any]]:
    return {path: methods["get"] for path, methods in schema()["paths"].items()}


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


def test_the_reference_shows_every_operation_and_needs_no_script() -> None:
    answer = Client(HTTP_HOST="localhost").get("/api/v1/docs/")
    text = answer.content.decode()
    for path, operation in _operations().items():
        assert f"GET {path}" in text and f'id="{operation["operationId"]}"' in text
    assert "<style" not in text and "style=" not in text and "<script>" not in text


@pytest.mark.parametrize("person", ["owner", "operator"])
def test_odd_parameters_are_refused_or_served_but_break_nothing(cast: Cast, person: str) -> None:
    client = cast.client(person)
    client.raise_request_exception = False
    for path, operation in _operations().items():
        address = path.format(home_id=cast.home.pk, node_id=cast.node.pk)
        names = [found["name"] for found in operation.get("parameters", []) if found["in"] == "query"]
        for name, value in product(names, ODD):
            answer = client.get(address, {name: value})
            assert answer.status_code in (200, 400, 404, 429), (address, name, value, answer.status_code)
            assert answer["Content-Type"].startswith(("application/json", "application/problem+json", "text/csv"))


def test_answers_have_the_fields_that_the_schema_promises(cast: Cast) -> None:
    client, models = cast.client("operator"), schema()["components"]["schemas"]
    for path, operation in _operations().items():
        answer = client.get(path.format(home_id=cast.home.pk, node_id=cast.node.pk))
        promised = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        model = models[promised.rsplit("/", 1)[-1]]
        assert set(model["required"]) <= answer.json().keys() <= model["properties"].keys(), path
