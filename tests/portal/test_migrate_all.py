"""A database of this version is taken; one that lacks something although every migration is applied is not."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from tests.cast import needs_database
from xfra_portal.management.commands import migrate_all

pytestmark = needs_database


@pytest.fixture(autouse=True)
def _migrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the test database is. Both roles would wait for each other in the test's two transactions."""
    monkeypatch.setattr(migrate_all, "call_command", lambda *args, **options: None)
    monkeypatch.setattr(migrate_all, "ensure_partitions", lambda: None)


def test_a_whole_database_is_taken(db: None) -> None:
    call_command("migrate_all", verbosity=0)


@pytest.mark.parametrize(
    ("damage", "lacks"),
    [
        ("ALTER TABLE homes_home DROP COLUMN feeder", r"lacks homes_home\.feeder, although"),
        ("DROP TABLE telemetry_gpuxid", r"lacks telemetry_gpuxid\.code, .* and more, although"),
    ],
)
def test_one_that_an_earlier_version_made_is_named_with_the_remedy(db: None, damage: str, lacks: str) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(damage)
    with pytest.raises(CommandError, match=rf"{lacks} every migration is applied.* `make clean`"):
        call_command("migrate_all", verbosity=0)
