"""What can be known from the schema alone, without an error provoked or the source read."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import resolve

from telemetry.catalogue import BY_NAME, Kind
from telemetry.routing import websocket_urlpatterns
from tests.cast import Cast, needs_database
from xfra_portal.api.docs import schema

pytestmark = needs_database
REFERENCE = "/api/v1/docs/"


def _query(path: str) -> dict[str, dict[str, Any]]:
    """The schemas of an address' query parameters."""
    found = schema()["paths"][path].get("get", {}).get("parameters", [])
    return {parameter["name"]: parameter["schema"] for parameter in found if parameter["in"] == "query"}


HISTORIES = [path for path in schema()["paths"] if "metrics" in _query(path)]


def test_every_history_says_what_it_can_be_of() -> None:
    names = {path.split("}/")[1] for path in HISTORIES}
    assert names == {"power/history", "battery/history", "internet/history", "telemetry"}


@pytest.mark.parametrize("path", HISTORIES)
def test_every_metric_that_is_listed_can_be_had(cast: Cast, path: str) -> None:
    """And no other: what a refusal lists is the list."""
    client, kind = cast.client("admin"), _query(path)["metrics"]
    address = path.format(home_id=cast.home.pk, node_id=cast.node.pk)
    kinds = {metric["kind"] for metric in kind["x-metrics"]}
    assert [metric["name"] for metric in kind["x-metrics"]] == kind["items"]["enum"] or len(kinds) > 1
    for each in kinds:
        names = [metric["name"] for metric in kind["x-metrics"] if metric["kind"] == each]
        among = {"kind": each} if "kind" in _query(path) else {}
        served = client.get(address, {"metrics": ",".join(names), "step": 3600, **among})
        assert served.status_code == 200 and set(names) <= set(kind["items"]["enum"])
        refused = client.get(address, {"metrics": "nonsense", **among}).json()["errors"]["metrics"][0]
        assert refused.partition("is not one of ")[2].split(", ") == sorted(names)


@pytest.mark.parametrize("path", [*HISTORIES, "/api/v1/fleet/aggregate"])
def test_metrics_have_the_unit_that_their_name_says(path: str) -> None:
    asked = _query(path)
    for metric in asked.get("metrics", asked.get("metric", {}))["x-metrics"]:
        column = BY_NAME[Kind[metric["kind"].upper()]][metric["name"]]
        assert metric["shape"] == column.shape.value
        if metric["unit"]:
            assert metric["name"].endswith(f"_{metric['unit']}")
        else:
            assert not re.search("_(watts|joules|celsius|seconds|second|hertz|bytes|ratio|amperes)$", metric["name"])


def test_the_schema_says_how_to_sign_in_stay_so_and_listen() -> None:
    """Each address that its description names is one."""
    told = schema()["info"]["description"]
    assert "## Signing in" in told and "## Renewing" in told and "60 seconds" in told
    addresses = set(re.findall(r"(?:GET|POST|DELETE) (/_allauth/[\w/.]+)", told))
    assert {"/_allauth/app/v1/auth/login", "/_allauth/app/v1/tokens/refresh"} <= addresses
    for address in addresses:
        assert resolve(address)
    sockets = set(re.findall(r"`/(ws/\w+/)", told))
    assert sockets == {str(route.pattern).partition("<")[0] for route in websocket_urlpatterns}


def test_the_reference_begins_with_it_and_every_link_leads_somewhere() -> None:
    text = Client(HTTP_HOST="localhost").get(REFERENCE).content.decode()
    assert '<h2 id="about-1">Signing in</h2>' in text and "<code>/ws/homes/{home_id}/</code>" in text
    links = set(re.findall(r'href="#([^"]+)"', text))
    assert links - set(re.findall(r' id="([^"]+)"', text)) == set()
    assert "making_room: the home needs the power" in text and 'id="problem-no-node"' in text


def test_every_list_in_pages_says_how_long_they_are(cast: Cast) -> None:
    pages = [path for path in schema()["paths"] if "cursor" in _query(path)]
    assert len(pages) == 8
    for path in pages:
        assert _query(path)["page_size"] == {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}, path


def test_whoever_is_told_to_wait_is_told_how_long() -> None:
    for path, methods in schema()["paths"].items():
        for operation in methods.values():
            for status in ("429", "503"):
                assert "Retry-After" in operation["responses"][status]["headers"], (path, status)
