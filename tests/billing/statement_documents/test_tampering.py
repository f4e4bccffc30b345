"""One value changed anywhere in a bundle, and the verifier says where."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection, transaction

from billing import chain
from billing.documents.bundle import bundle
from billing.documents.verifier.sources import day_digest
from homes.access import acting_as_system
from tests import cast as people
from tests.billing.statement_documents.statements import KINDS, Unpacked, unpack
from tests.billing.statement_documents.tamperings import HOLD, READINGS, RICH, STATEMENT, TABLE, TARIFF, Tampering
from tests.cast import needs_database

pytestmark = needs_database


@pytest.fixture(scope="module")
def bundles(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, bytes]]:
    """Made once each, in a transaction that is rolled back."""
    found: dict[str, bytes] = {}
    with django_db_blocker.unblock():
        for kind in sorted({row.kind for row in TABLE}):
            with acting_as_system(), transaction.atomic():
                found[kind] = bundle(KINDS[kind](people.build()))
                transaction.set_rollback(True)
        connection.close()
    return found


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name.replace(" ", "-"))
def test_one_changed_value_is_found_and_named(row: Tampering, bundles: dict[str, bytes], tmp_path: Path) -> None:
    found = unpack(bundles[row.kind], tmp_path)
    name = found.tariff if row.file == TARIFF else row.file
    document = found.read(name)
    row.change(document)
    found.write(name, document)
    verdict = found.verify()
    assert verdict.code == 1, verdict.said
    assert any(line.strip().startswith(row.place) for line in verdict.said.splitlines()), verdict.said


def sealed_again(found: Unpacked, key: Ed25519PrivateKey) -> None:
    """What a forger with a key of their own would do: every hash made right again."""
    content, link = found.read(STATEMENT), found.read("chain.json")
    link["sha256"] = chain.link_hash(link["previous_sha256"], content)
    link["signature"] = key.sign(link["sha256"].encode()).hex()
    link["public_key"] = key.public_key().public_bytes_raw().hex()
    found.write("chain.json", link)
    manifest = found.read("manifest.json")
    for name in manifest["sha256"]:
        manifest["sha256"][name] = hashlib.sha256((found.folder / name).read_bytes()).hexdigest()
    found.write("manifest.json", manifest)


def test_a_cent_is_found_even_when_every_hash_is_made_right(bundles: dict[str, bytes], tmp_path: Path) -> None:
    found = unpack(bundles[HOLD], tmp_path)
    content = found.read(STATEMENT)
    content["lines"][0]["with_cents"] += 1
    content["lines"][0]["host_cash_cents"] += 1
    found.write(STATEMENT, content)
    sealed_again(found, Ed25519PrivateKey.generate())
    verdict = found.verify()
    assert verdict.code == 1
    said = "statement.lines[0].with_cents: the bundle says 13825, the readings, the tariff and the agreement make 13824"
    assert said in verdict.said
    assert "chain" not in verdict.said.split("not right:")[1]


def test_a_reading_is_found_even_when_its_day_is_sealed_again(bundles: dict[str, bytes], tmp_path: Path) -> None:
    """Moved by a quarter-hour, no sum and no hash of a day tells: the run's own hash does."""
    found = unpack(bundles[HOLD], tmp_path)
    readings = found.read(READINGS)
    day = readings["channels"]["node"][6]
    day["wh"][10], day["wh"][11] = 250, 350
    day["sha256"] = day_digest("node", day)
    found.write(READINGS, readings)
    verdict = found.verify()
    assert verdict.code == 1
    assert "statement.run.input_sha256:" in verdict.said and "readings.node[" not in verdict.said


@pytest.mark.parametrize("harm", ["missing", "no json", "other format", "no zip"])
def test_what_is_no_bundle_is_said_to_be_none(harm: str, bundles: dict[str, bytes], tmp_path: Path) -> None:
    found = unpack(bundles[HOLD], tmp_path)
    if harm == "missing":
        (tmp_path / "readings.json").unlink()
    elif harm == "no json":
        (tmp_path / "run.json").write_text("{")
    elif harm == "other format":
        found.write(STATEMENT, {**found.read(STATEMENT), "format": "xfra-statement-9"})
    (tmp_path / "no.zip").write_bytes(b"PK")
    verdict = found.verify(*([str(tmp_path / "no.zip")] if harm == "no zip" else []))
    assert (verdict.code, "cannot be read" in verdict.said) == (2, True)


def test_a_zip_is_read_as_it_came(bundles: dict[str, bytes], tmp_path: Path) -> None:
    found = unpack(bundles[RICH], tmp_path / "unpacked")
    file = tmp_path / "statement.zip"
    file.write_bytes(bundles[RICH])
    assert found.verify(str(file)).code == 0
