"""Is what a statement was rated from still what is known? Asked before a draft is issued, and of what was issued."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from billing import bulk
from billing.models import Source
from billing.runs import CHANNELS, spans_json
from billing.tariff_book import Book, TariffMissing

_INPUTS: Final = """
SELECT s.id, p.home_id, p.start, p."end", r.spans, a.span @> daterange(p.start, p."end") AND r.reading_count =
  (SELECT count(*) FROM billing_reading d WHERE d.home_id = p.home_id AND d.channel = ANY(%s) AND d.source = ANY(%s)
   AND d."on" >= p.start AND d."on" < p."end")
FROM billing_statement s JOIN billing_billingperiod p ON p.id = s.period_id JOIN billing_ratingrun r ON r.id = s.run_id
JOIN billing_agreement a ON a.id = s.agreement_id WHERE s.id = ANY(%s)
"""
"""Versions of readings are counted on by one and never removed: as many as then means the same as then."""


def stale(statement_ids: Sequence[int]) -> set[int]:
    """Those of which a reading, the tariff or the agreement is another now. Whether that changes a cent is not said."""
    rows = bulk.fetch(_INPUTS, [[str(c) for c in CHANNELS], [str(s) for s in Source], list(statement_ids)])
    found = {row[0] for row in rows if not row[5]}
    groups: dict[tuple[date, date], list[tuple[Any, ...]]] = {}
    for row in rows:
        groups.setdefault((row[2], row[3]), []).append(row)
    for (start, end), group in groups.items():
        book = Book([row[1] for row in group], start, end)
        found |= {row[0] for row in group if _spans(book, row[1], start, end) != json.loads(row[4])}
    return found


def _spans(book: Book, home_id: UUID, start: date, end: date) -> list[dict[str, Any]] | None:
    try:
        return spans_json(book.spans(home_id, start, end))
    except TariffMissing:
        return None
