"""What is asked for wrongly is told: parameters that are none or said twice, files by their own media types."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.access.test_walk import BilledCast, cast
from tests.cast import needs_database
from xfra_portal import statement_files
from xfra_portal.api.docs import schema
from xfra_portal.api.open_words import MAY_GROW, WORDS

__all__ = ["cast"]
pytestmark = needs_database


def _reads(cast: BilledCast) -> dict[str, dict[str, Any]]:
    """Addresses with what is really there, and the description of each."""
    real = {"home_id": cast.home.pk, "node_id": cast.node.pk, "number": cast.number, "ordinal": 1, "month": cast.month}
    real |= {"series_id": cast.series_id, "kind": "csv"}
    found = {path: methods["get"] for path, methods in schema()["paths"].items() if "get" in methods}
    return {path.format(**real): operation for path, operation in found.items()}


def test_a_parameter_that_no_door_knows_or_that_is_said_twice_is_named(cast: BilledCast) -> None:
    client = cast.client("admin")
    for address, operation in _reads(cast).items():
        names = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
        answer = client.get(f"{address}?strat=-24h")
        assert answer.status_code == 400 and list(answer.json()["errors"]) == ["strat"], address
        assert all(name in answer.json()["errors"]["strat"][0] for name in names), address
        for name in names:
            twice = client.get(f"{address}?{name}=1&{name}=2")
            assert twice.status_code == 400 and "more than once" in twice.json()["errors"][name][0], (address, name)


@pytest.mark.parametrize("kind", statement_files.KINDS)
def test_a_file_is_there_for_who_accepts_what_it_is(cast: BilledCast, kind: str) -> None:
    """As the schema promises: its own media type, in the answer and in what a client may ask for."""
    address = f"/api/v1/homes/{cast.home.pk}/statements/{cast.number}/files/{kind}"
    media_type = statement_files.KINDS[kind].media_type
    promised = schema()["paths"]["/api/v1/homes/{home_id}/statements/{number}/files/{kind}"]["get"]
    assert media_type in promised["responses"]["200"]["content"]
    for accept in (media_type, "*/*", f"{media_type}, application/problem+json"):
        answer = cast.client("owner").get(address, headers={"Accept": accept})
        assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (200, media_type), accept
    refused = cast.client("outsider").get(address, headers={"Accept": media_type})
    assert (refused.status_code, refused["Content-Type"]) == (404, "application/problem+json")


def test_words_that_may_grow_are_strings_and_closed_ones_are_not(db: None) -> None:
    found = schema()["components"]["schemas"]
    assert all(
        found[name]["type"] == "string" and "enum" not in found[name] and found[name][WORDS] for name in MAY_GROW
    )
    assert "BlankEnum" not in found and "BlankEnum" not in str(schema())
    for name, field in (("Membership", "role"), ("Me", "operator_role"), ("File", "kind"), ("HomePayload", "type")):
        assert re.search("#/components/schemas/\\w+Enum", str(found[name]["properties"][field])), (name, field)
