"""The verifier accepts every statement that the portal issues, and is one file that needs nothing but Python."""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from billing import tariff_book
from billing.demo import CREDIT, FLAT, HOLD, SEED
from billing.documents import program
from billing.documents.bundle import AgreementHidden, NotIssued, bundle
from billing.documents.verifier import checks
from homes.access import acting_as
from tests.billing import months
from tests.billing.checks import commit
from tests.billing.months import APRIL, LONG_AGO
from tests.billing.statement_documents.statements import DECEMBER, KINDS, NOVEMBER, noisy, unpacked
from tests.cast import Cast, needs_database

pytestmark = [needs_database, pytest.mark.usefixtures("as_system")]
MARCH = APRIL.replace(month=3)
TERMS = {"flat": FLAT, "hold": HOLD, "credit": CREDIT}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_statement_is_accepted(kind: str, cast: Cast, tmp_path: Path) -> None:
    statement = KINDS[kind](cast)
    commit()
    verdict = unpacked(statement, tmp_path).verify()
    assert verdict.code == 0, verdict.said
    assert f"Statement {statement.number}" in verdict.said and "Every cent" in verdict.said


@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("file", sorted(SEED.glob("*.json")), ids=lambda file: file.stem)
def test_every_tariff_and_agreement_of_the_demo_is_accepted(file: Path, terms: str, cast: Cast, tmp_path: Path) -> None:
    """In New York, whose clock is changed in both months."""
    document: dict[str, Any] = json.loads(file.read_text())
    version = tariff_book.publish(tariff_book.add_version("Demo", file.stem, document, LONG_AGO))
    months.settle_in(cast.other_home, TERMS[terms], line=version.tariff)
    for start, end in ((MARCH, APRIL), (NOVEMBER, DECEMBER)):
        noisy(cast.other_home, start, end, letters="e")
        verdict = unpacked(months.issue(cast.other_home, start, end), tmp_path / start.isoformat()).verify()
        assert verdict.code == 0, verdict.said


def test_the_same_statement_gives_the_same_bytes(cast: Cast) -> None:
    statement = KINDS["revision"](cast)
    assert bundle(statement) == bundle(statement)


def test_a_draft_has_nothing_to_prove(cast: Cast) -> None:
    months.settle_in(cast.home)
    months.usual(cast.home)
    draft = months.draft(cast.home)
    with pytest.raises(NotIssued):
        bundle(draft)


def test_the_owner_gets_it_and_a_member_of_the_household_does_not(cast: Cast) -> None:
    statement = KINDS["hold_harmless"](cast)
    whole = bundle(statement)
    with acting_as(cast.people["owner"].pk):
        assert bundle(statement) == whole
    with acting_as(cast.people["member"].pk), pytest.raises(AgreementHidden):
        bundle(statement)


def test_two_lines_check_it_without_our_program(cast: Cast, tmp_path: Path) -> None:
    """As the README says: sha256sum of the hash before and the statement; tariffs are named by theirs."""
    found = unpacked(KINDS["revision"](cast), tmp_path)
    link = found.read("chain.json")
    content = (tmp_path / "statement.json").read_bytes()
    assert hashlib.sha256(link["previous_sha256"].encode() + content).hexdigest() == link["sha256"]
    assert link["sha256"] in (tmp_path / "README.txt").read_text()
    assert hashlib.sha256((tmp_path / found.tariff).read_bytes()).hexdigest() in found.tariff


def test_the_command_verifies_all_of_them_and_names_what_is_wrong(
    cast: Cast, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    KINDS["rich_november_with_solar"](cast)
    call_command("verify_statements")
    assert capsys.readouterr().out.startswith("2 statements: every cent")
    monkeypatch.setattr(checks, "settle", lambda bill, *_: [{**line, "with_cents": 1} for line in bill])
    with pytest.raises(CommandError, match="1 of 1 statements"):
        call_command("verify_statements", after=1)
    assert "statement 2: statement.lines[0].with_cents:" in capsys.readouterr().err


def test_the_program_imports_only_pythons_own_library() -> None:
    tree = ast.parse(program.source())
    modules = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in modules} <= sys.stdlib_module_names


def test_no_part_of_the_program_hides_another() -> None:
    names = []
    for node in ast.parse(program.source()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
        names += [target.id for target in targets if isinstance(target, ast.Name)]
    assert len(names) == len(set(names)) > 50
