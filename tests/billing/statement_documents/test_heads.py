"""The published list: for everybody, about nobody, and enough to prove that a statement was exchanged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from billing.documents import heads
from tests.billing import months
from tests.billing.months import JUNE, MAY
from tests.billing.statement_documents.statements import KINDS, unpacked
from tests.cast import Cast, needs_database

pytestmark = [needs_database, pytest.mark.usefixtures("as_system")]
ADDRESS = "/api/v1/statement-heads"


def listed(**parameters: Any) -> dict[str, Any]:
    """As somebody gets it who is not signed in."""
    answer = Client(HTTP_HOST="localhost").get(ADDRESS, parameters)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_everybody_gets_every_link_and_nobodys_name(cast: Cast) -> None:
    first = KINDS["hold_harmless"](cast)
    months.usual(cast.home, MAY, JUNE)
    second = months.issue(cast.home, MAY, JUNE)
    found = listed()
    assert [head["statement"] for head in found["heads"]] == [first.number, second.number]
    assert [head["position"] for head in found["heads"]] == [1, 2]
    assert found["heads"][1]["previous_sha256"] == found["heads"][0]["sha256"]
    said = json.dumps(found)
    assert str(cast.home.pk) not in said and cast.home.name not in said
    assert listed(after=first.number)["heads"] == found["heads"][1:]
    assert listed(home=heads.home_mark(cast.home.pk)) == found
    assert listed(home=heads.home_mark(cast.other_home.pk))["heads"] == []


def test_pages_follow_one_another(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    KINDS["carried_surplus"](cast)
    monkeypatch.setattr(heads, "MOST", 1)
    first = listed()
    assert first["next"] == first["heads"][0]["statement"]
    assert listed(after=first["next"])["heads"][0]["position"] == 2


@pytest.mark.parametrize(("name", "value"), [("after", "-1"), ("after", "1e3"), ("home", "x" * 64), ("home", "0" * 63)])
def test_odd_parameters_are_named(name: str, value: str, db: None) -> None:
    answer = Client(HTTP_HOST="localhost").get(ADDRESS, {name: value})
    assert answer.status_code == 400 and name in answer.json()["errors"]


def test_the_verifier_finds_a_statement_in_the_list(cast: Cast, tmp_path: Path) -> None:
    found = unpacked(KINDS["revision"](cast), tmp_path)
    file = tmp_path / "heads.json"
    file.write_text(json.dumps(listed(home=heads.home_mark(cast.home.pk))))
    verdict = found.verify("--heads", str(file))
    assert verdict.code == 0, verdict.said
    assert "published heads" in verdict.said


@pytest.mark.parametrize(
    ("harm", "place"),
    [
        ("another statement under the same number", "heads.sha256:"),
        ("a link left out", "heads[2]:"),
        ("the statement left out", "heads:"),
        ("a signature", "heads[1].signature:"),
    ],
)
def test_a_list_that_says_otherwise_is_named(harm: str, place: str, cast: Cast, tmp_path: Path) -> None:
    found = unpacked(KINDS["revision"](cast), tmp_path)
    said = listed()
    if harm == "another statement under the same number":
        said["heads"][1]["sha256"] = "ab" * 32
    elif harm == "a link left out":
        del said["heads"][0]
    elif harm == "the statement left out":
        del said["heads"][1]
    else:
        said["heads"][0]["signature"] = "00" * 64
    file = tmp_path / "heads.json"
    file.write_text(json.dumps(said))
    verdict = found.verify("--heads", str(file))
    assert verdict.code == 1
    assert any(line.strip().startswith(place) for line in verdict.said.splitlines()), verdict.said
