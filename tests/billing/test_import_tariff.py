"""manage.py import_tariff: a file becomes a version, and says what it lacks."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from billing import tariff_book
from billing.models import TariffVersion
from billing.tariff_book import Book, TariffMissing
from billing.tariffs import UnsupportedTariff
from tests.billing import months
from tests.cast import Cast, needs_database

pytestmark = [needs_database, pytest.mark.usefixtures("as_system")]


def file(folder: Path, document: Any, name: str = "tariff.json") -> str:
    path = folder / name
    path.write_text(json.dumps(document))
    return str(path)


def test_published_with_the_fields_that_it_lacked(tmp_path: Path, db: None) -> None:
    whole = months.document()
    lacking = {key: value for key, value in whole.items() if key not in ("export_rule", "proration")}
    lacking["startdate"] = "2026-04-01"
    with pytest.raises(CommandError, match="2 problems, nothing was added"):
        call_command("import_tariff", file(tmp_path, lacking), "--publish")
    assert not TariffVersion.objects.exists()
    fields = file(tmp_path, {"export_rule": "none", "proration": "days"}, "fields.json")
    call_command("import_tariff", file(tmp_path, {"items": [lacking]}), "--fields", fields, "--publish")
    version = TariffVersion.objects.get()
    assert (version.valid_from, version.published_at is not None) == (date(2026, 4, 1), True)


def test_a_draft_may_lack_anything_and_is_not_published(tmp_path: Path, db: None) -> None:
    call_command(
        "import_tariff", file(tmp_path, {"a": 1}), "--utility", "U", "--name", "N", "--valid-from", "2026-01-01"
    )
    with pytest.raises(UnsupportedTariff):
        tariff_book.publish(TariffVersion.objects.get())
    assert TariffVersion.objects.get().published_at is None


@pytest.mark.parametrize(
    ("document", "said"),
    [([], "not one tariff"), ({}, "no utility|no startdate"), ({"name": "N", "utility": "U"}, "startdate")],
)
def test_what_cannot_be_imported(tmp_path: Path, db: None, document: Any, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("import_tariff", file(tmp_path, document))
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import_tariff", str(tmp_path / "none.json"))


def test_versions_tile_the_days(cast: Cast) -> None:
    line = months.tariff("Line", valid_from=date(2026, 1, 1))
    tariff_book.publish(tariff_book.add_version(line.utility, line.name, months.document(0.2), date(2026, 4, 15)))
    tariff_book.add_version(line.utility, line.name, months.document(0.3), date(2026, 4, 20))  # a draft bills nobody
    tariff_book.assign(cast.home, line, date(2026, 4, 1))
    other = months.tariff("Other")
    tariff_book.assign(cast.home, other, date(2026, 4, 25))
    spans = Book([cast.home.pk], date(2026, 4, 1), date(2026, 5, 1)).spans(
        cast.home.pk, date(2026, 4, 1), date(2026, 5, 1)
    )
    assert [(span.start.day, span.end.day) for span in spans] == [(1, 15), (15, 25), (25, 1)]
    with pytest.raises(TariffMissing, match="no tariff is assigned on 2026-03-31"):
        Book([cast.home.pk], date(2026, 3, 1), date(2026, 5, 1)).spans(
            cast.home.pk, date(2026, 3, 31), date(2026, 5, 1)
        )


def test_publishing_again_changes_nothing(db: None) -> None:
    version = tariff_book.add_version("U", "N", months.document(), date(2026, 1, 1))
    first = tariff_book.publish(version)
    assert tariff_book.publish(version).published_at == first.published_at
