"""What the database checks at COMMIT, asked within a test's transaction; and its refusals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction


def commit() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


@contextmanager
def refused(said: str) -> Iterator[None]:
    """Postgres refuses with these words, at once or at COMMIT; the test goes on from a savepoint of its own."""
    with pytest.raises((psycopg.Error, DatabaseError), match=said), transaction.atomic():
        yield
        commit()
