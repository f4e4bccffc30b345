"""What a statement says, as plain data: the part that is hashed into its home's chain, and everything around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from billing import agreements
from billing.agreements import plain
from billing.models import (
    Agreement,
    ChainLink,
    Entry,
    RatingRun,
    Segment,
    Statement,
    StatementLine,
    TariffVersion,
)

FIGURES: Final = (
    "total_cents",
    "bill_with_cents",
    "bill_without_cents",
    "internet_cents",
    "you_pay_cents",
    "we_pay_cents",
    "saved_cents",
)
_LINE: Final = (
    "ordinal",
    "section",
    "component",
    "span",
    "tou_period",
    "tier",
    "label",
    "clause",
    "quantity_with",
    "quantity_without",
    "unit",
    "rate",
    "with_cents",
    "without_cents",
    "host_cash_cents",
    "operator_cash_cents",
    "in_kind_cents",
    "amount_cents",
)


def load(statement_ids: Sequence[int]) -> list[Statement]:
    """With all that their content is made of, by three queries, in the order of their numbers.

    Their agreements are looked up apart: a member of the household sees the statement without it.
    """
    related = Statement.objects.select_related("home", "period", "run", "revises")
    return list(related.prefetch_related("lines").filter(pk__in=statement_ids).order_by("number", "pk"))


def agreements_of(statements: Sequence[Statement]) -> dict[int, Agreement]:
    """By id; for who may not see an agreement, without it."""
    return Agreement.objects.in_bulk({statement.agreement_id for statement in statements})


def content(statement: Statement, agreement: Agreement) -> dict[str, Any]:
    """What the statement is, for its hash: integers, strings and lists of them. Numbers that are exact are strings."""
    return {
        "format": "xfra-statement-1",
        "number": statement.number,
        "issued_at": _instant(statement.issued_at),
        "home": str(statement.home_id),
        "revises": statement.revises.number if statement.revises else None,
        "why": statement.why,
        "period": _period(statement),
        "run": _run(statement.run),
        "agreement": agreements.as_document(agreement),
        "figures": {name: getattr(statement, name) for name in FIGURES},
        "lines": [line_document(line) for line in statement.lines.all()],
    }


def _period(statement: Statement) -> dict[str, Any]:
    period = statement.period
    return {
        "zone": period.zone,
        "start": period.start.isoformat(),
        "end": period.end.isoformat(),
        "interval_count": period.interval_count,
    }


def line_document(line: StatementLine) -> dict[str, Any]:
    return {name: _plain(getattr(line, name)) for name in _LINE}


def statement_document(statement: Statement) -> dict[str, Any]:
    """Everything about one statement as plain JSON-able data: `content` is what its chain link hashes, the rest is what
    the content refers to. The readings themselves are fetched by their reference (`run.readings`).

    For who may not see the agreement, a member of the household, `agreement` is None and `content` cannot be shown:
    what is left of it is `figures` and `lines`, which everybody gets.
    """
    (found,) = load([statement.pk])
    agreement = agreements_of([found]).get(found.agreement_id)
    link = ChainLink.objects.select_related("key").filter(statement=found).first()
    return {
        "content": content(found, agreement) if agreement else None,
        "number": found.number,
        "figures": {name: getattr(found, name) for name in FIGURES},
        "lines": [line_document(line) for line in found.lines.all()],
        "period": _period(found),
        "why": found.why,
        "state": found.state,
        "chain": _link(link) if link else None,
        "run": {**_run(found.run), "facts": found.run.facts, "readings": found.run.readings, "spans": found.run.spans,
                "rated_at": _instant(found.run.rated_at)},
        "segments": [_segment(segment) for segment in found.run.segments.all()],
        "tariffs": _tariffs(found.run),
        "agreement": _agreement(agreement) if agreement else None,
        "entries": _entries(found),
        "revises": found.revises.number if found.revises else None,
        "revised_by": Statement.objects.issued().filter(revises=found).values_list("number", flat=True).first(),
        "home": {"id": str(found.home_id), "name": found.home.name, "utility": found.home.utility,
                 "is_simulated": found.home.is_simulated},
    }  # fmt: skip


def _run(run: RatingRun) -> dict[str, Any]:
    return {
        "input_sha256": run.input_sha256,
        "engine_version": run.engine_version,
        "tzdata_version": run.tzdata_version,
        "tariffs": [{key: span[key] for key in ("sha256", "start", "end")} for span in run.spans],
        "site_import_wh": run.site_import_wh,
        "site_export_wh": run.site_export_wh,
        "node_wh": run.node_wh,
        "estimated_intervals": run.estimated_intervals,
        "with_dollars": plain(run.with_dollars),
        "without_dollars": plain(run.without_dollars),
    }


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "side": segment.side,
        "ordinal": segment.ordinal,
        "component": segment.component,
        "span": segment.span,
        "period": segment.tou_period,
        "tier": segment.tier,
        "quantity": plain(segment.quantity),
        "unit": segment.unit,
        "rate": plain(segment.rate),
        "exact": plain(segment.exact),
        "label": segment.label,
        "days": segment.days,
        "of_days": segment.of_days,
    }


def _tariffs(run: RatingRun) -> list[dict[str, Any]]:
    ids = {span["tariff_version"] for span in run.spans}
    versions = TariffVersion.objects.select_related("tariff").filter(pk__in=ids).order_by("pk")
    return [
        {
            "id": version.pk,
            "utility": version.tariff.utility,
            "name": version.tariff.name,
            "version": version.version,
            "valid_from": version.valid_from.isoformat(),
            "known_at": _instant(version.known_at),
            "published_at": _instant(version.published_at),
            "sha256": version.sha256,
            "document": version.document,
        }
        for version in versions
    ]


def _agreement(agreement: Agreement) -> dict[str, Any]:
    until = agreement.span.upper
    return {
        **agreements.as_document(agreement),
        "end": until.isoformat() if until else None,
        "words": agreements.words(agreements.terms_of(agreement)),
    }


def _entries(statement: Statement) -> list[dict[str, Any]]:
    entries = Entry.objects.filter(statement=statement).prefetch_related("postings__account").order_by("pk")
    return [
        {
            "key": entry.key,
            "kind": entry.kind,
            "at": _instant(entry.at),
            "postings": [{"account": posting.account.code, "cents": posting.cents} for posting in entry.postings.all()],
        }
        for entry in entries
    ]


def _link(link: ChainLink) -> Mapping[str, Any]:
    return {
        "position": link.position,
        "previous_sha256": link.previous_sha256,
        "sha256": link.sha256,
        "signature": link.signature,
        "public_key": link.key.public_key,
    }


def _instant(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None


def _plain(value: Any) -> Any:
    return plain(value) if isinstance(value, Decimal) else value
