"""A connection remembers on whose behalf it was asked; a rollback must not make it remember wrongly."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.db import connection, transaction

from homes.access import acting_as, acting_as_system


def asked_as() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('xfra.access', true)")
        return str(cursor.fetchone()[0])


def test_after_a_rollback_it_is_asked_on_behalf_of_the_right_person(
    django_db_setup: None, django_db_blocker: Any
) -> None:
    with django_db_blocker.unblock():
        try:
            with acting_as_system():
                assert asked_as() == "system"
            with acting_as(7), suppress(LookupError), transaction.atomic():
                assert asked_as() == "7"
                raise LookupError
            with acting_as(7):
                assert asked_as() == "7"
        finally:
            connection.close()
