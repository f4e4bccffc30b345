"""The verifier accepts every statement that the portal issues."""

from __future__ import annotations

from pathlib import Path

import pytest

from billing.documents.bundle import bundle
from tests.billing.checks import commit
from tests.billing.documents.statements import KINDS, unpacked
from tests.cast import Cast, needs_database

pytestmark = [needs_database, pytest.mark.usefixtures("as_system")]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_statement_is_accepted(kind: str, cast: Cast, tmp_path: Path) -> None:
    statement = KINDS[kind](cast)
    commit()
    verdict = unpacked(statement, tmp_path).verify()
    assert verdict.code == 0, verdict.said
    assert f"Statement {statement.number}" in verdict.said and "Every cent" in verdict.said


def test_the_same_statement_gives_the_same_bytes(cast: Cast) -> None:
    statement = KINDS["revision"](cast)
    assert bundle(statement) == bundle(statement)
