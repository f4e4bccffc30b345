"""Is what a statement was rated from still what is known? Asked before a draft is issued, and of what was issued."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from billing import bulk, history
from billing.history import Past
from billing.models import Source
from billing.rating import MissingFacts
from billing.runs import CHANNELS, spans_json, spans_of
from billing.tariff_book import Book, TariffMissing

_INPUTS: Final = """
SELECT s.id, p.home_id, p.start, p."end", r.spans, r.facts, a.span @> daterange(p.start, p."end") AND r.reading_count =
  (SELECT count(*) FROM billing_reading d WHERE d.home_id = p.home_id AND d.channel = ANY(%s) AND d.source = ANY(%s)
   AND d."on" >= p.start AND d."on" < p."end")
FROM billing_statement s JOIN billing_billingperiod p ON p.id = s.period_id JOIN billing_ratingrun r ON r.id = s.run_id
JOIN billing_agreement a ON a.id = s.agreement_id WHERE s.id = ANY(%s)
"""
"""Versions of readings are counted on by one and never removed: as many as then means the same as then."""


def stale(statement_ids: Sequence[int]) -> set[int]:
    """Those of which a reading, the tariff or the agreement is another now. Whether that changes a cent is not said."""
    rows = bulk.fetch(_INPUTS, [[str(c) for c in CHANNELS], [str(s) for s in Source], list(statement_ids)])
    found = {row[0] for row in rows if not row[6]}
    groups: dict[tuple[date, date], list[tuple[Any, ...]]] = {}
    for row in rows:
        groups.setdefault((row[2], row[3]), []).append(row)
    for (start, end), group in groups.items():
        home_ids = [row[1] for row in group]
        book, past = Book(home_ids, start, end), history.past_of(home_ids, start)
        for pk, home_id, _, _, spans, facts, _ in group:
            if _inputs(book, past[home_id], home_id, start, end) != (json.loads(spans), json.loads(facts)):
                found.add(pk)
    return found


def _inputs(book: Book, past: Past, home_id: UUID, start: date, end: date) -> tuple[Any, Any] | None:
    """Tariffs and facts as a run keeps them; None where there are none now."""
    try:
        versions = book.spans(home_id, start, end)
        tariffs = [span.tariff for span in spans_of(versions)]
        facts = history.facts_of(tariffs, past, start, end).as_json()
    except (TariffMissing, MissingFacts):
        return None
    return spans_json(versions), json.loads(json.dumps(facts))
