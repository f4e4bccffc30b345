"""The published list: every link of every chain by its statement's number, signed, and telling nobody whose it is.

Whoever keeps a copy can prove that a statement was exchanged afterwards: numbers have no gaps, each link names the one
before it in its home's chain, and `verify_statement.py --heads` looks a statement up in it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from billing import bulk
from homes.access import acting_as_system

HEADS_ADDRESS: Final = "/api/v1/statement-heads"
"""Where the list is, below the portal's own address."""
MOST: Final = 1000
"""Heads in one answer."""

_HEADS: Final = """
SELECT encode(sha256(convert_to('xfra-home:' || c.home_id::text, 'UTF8')), 'hex'), c.position, s.number,
  c.previous_sha256, c.sha256, c.signature, k.public_key
FROM billing_chainlink c JOIN billing_statement s ON s.id = c.statement_id JOIN billing_chainkey k ON k.id = c.key_id
WHERE s.number > %s
"""
_OF_HOME: Final = """ AND c.home_id IN
  (SELECT id FROM homes_home WHERE encode(sha256(convert_to('xfra-home:' || id::text, 'UTF8')), 'hex') = %s)
"""
_ORDER: Final = " ORDER BY s.number LIMIT %s"


@dataclass(frozen=True, slots=True)
class Head:
    """A link as it is published. `home` is the home's mark: a hash of its id."""

    home: str
    position: int
    statement: int
    previous_sha256: str
    sha256: str
    signature: str
    public_key: str


def home_mark(home_id: UUID | str) -> str:
    """How a home is named in the published list. Its id is random, so that nobody finds it from this."""
    return hashlib.sha256(f"xfra-home:{home_id}".encode()).hexdigest()


def published(after: int = 0, mark: str | None = None, limit: int | None = None) -> list[Head]:
    """Heads of statements with numbers above `after`, in order; of all homes, or of the one with this mark.

    Public: it is read as the system, and holds nothing that belongs to a person.
    """
    arguments = [after, *([mark] if mark is not None else []), limit or MOST]
    query = _HEADS + (_OF_HOME if mark is not None else "") + _ORDER
    with acting_as_system():
        return [Head(*row) for row in bulk.fetch(query, arguments)]
