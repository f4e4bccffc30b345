"""Statements: drafted from what was rated; issued with number, chain link, postings and notice in one transaction.

A draft may be made anew as often as one likes. Of what is issued nothing changes: a correction is a statement that
revises it (billing.corrections), and only its difference is posted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from billing import bulk, chain, ledger, notices, posting_rules, settlement, statement_content
from billing.agreements import terms_of
from billing.bill_lines import bill_lines
from billing.failpoints import reach
from billing.ledger import Event
from billing.models import Agreement, ChainLink, Entry, Notice, Statement, StatementLine
from billing.notices import Telling
from billing.rules.statements import FIRST_HASH
from billing.runs import Rated
from billing.settlement import Line, Settled
from homes.models import Party

_TEXT: Final = ("section", "component", "label", "clause", "unit")
_COLUMNS: Final = {
    **dict.fromkeys(_TEXT, "text"),
    **dict.fromkeys(("span", "tou_period", "tier"), "smallint"),
    **dict.fromkeys(("quantity_with", "quantity_without", "rate"), "numeric"),
    **dict.fromkeys(
        ("with_cents", "without_cents", "host_cash_cents", "operator_cash_cents", "in_kind_cents", "amount_cents"),
        "bigint",
    ),
}


def settle(rated: Rated, agreement: Agreement) -> Settled:
    """A statement before it is in the database."""
    days = rated.days
    return settlement.settle(
        bill_lines(rated.pair, rated.spans), terms_of(agreement), days.start, days.end, rated.node_kwh
    )


def insert_drafts(
    drafts: Sequence[tuple[int, int, Rated, Agreement]], revises: Sequence[tuple[int, str]] = ()
) -> list[int]:
    """Draft statements, in order, for (period, run, what was rated, agreement).

    `revises` names, for revisions, the issued statement of each and why. An earlier draft of the same gives way.
    """
    _discard_drafts([period_id for period_id, *_ in drafts], bool(revises))
    settled = [settle(rated, agreement) for _, _, rated, agreement in drafts]
    now = timezone.now()
    columns: bulk.Columns = {
        "home_id": ("uuid", [rated.days.home.pk for _, _, rated, _ in drafts]),
        "period_id": ("bigint", [period_id for period_id, *_ in drafts]),
        "run_id": ("bigint", [run_id for _, run_id, _, _ in drafts]),
        "agreement_id": ("bigint", [agreement.pk for *_, agreement in drafts]),
        "state": ("text", [str(Statement.State.DRAFT) for _ in drafts]),
        "revises_id": ("bigint", [revised for revised, _ in revises] or [None for _ in drafts]),
        "why": ("text", [why for _, why in revises] or ["" for _ in drafts]),
        "due_days": ("smallint", [agreement.due_days for *_, agreement in drafts]),
        "how_paid": ("text", [agreement.how_paid for *_, agreement in drafts]),
        "created_at": ("timestamptz", [now for _ in drafts]),
        **{name: ("bigint", [one.figures[name] for one in settled]) for name in statement_content.FIGURES},
    }
    made = dict(bulk.insert("billing_statement", columns, returning="period_id, id"))
    ids = [made[period_id] for period_id, *_ in drafts]
    _insert_lines([(pk, one.lines) for pk, one in zip(ids, settled, strict=True)])
    return ids


def _discard_drafts(period_ids: Sequence[int], of_revisions: bool) -> None:
    found = Statement.objects.filter(
        period__in=period_ids, state=Statement.State.DRAFT, revises__isnull=not of_revisions
    ).values_list("pk", flat=True)
    drafts = list(found.select_for_update())
    StatementLine.objects.filter(statement__in=drafts).delete()
    Statement.objects.filter(pk__in=drafts).delete()


def _insert_lines(statements: Iterable[tuple[int, Sequence[Line]]]) -> None:
    rows = [(pk, ordinal, line) for pk, lines in statements for ordinal, line in enumerate(lines, start=1)]
    columns: dict[str, tuple[str, Sequence[Any]]] = {
        "statement_id": ("bigint", [pk for pk, _, _ in rows]),
        "ordinal": ("smallint", [ordinal for _, ordinal, _ in rows]),
    }
    for name, kind in _COLUMNS.items():
        columns[name] = (kind, [getattr(line, name) for _, _, line in rows])
    bulk.insert("billing_statementline", columns)


@transaction.atomic
def issue_many(statement_ids: Sequence[int], by: Party | None = None) -> list[Statement]:
    """Number, chain, post and announce drafts; what is issued already is left alone. Returns what is issued now.

    Issuers wait for each other from the first number to COMMIT: a number that is rolled back goes to the next.
    """
    drafts = Statement.objects.filter(pk__in=statement_ids, state=Statement.State.DRAFT).order_by("period__start", "pk")
    changed = list(drafts.select_for_update(of=("self",)).values_list("pk", flat=True))
    _number(changed, by)
    reach("numbered")
    statements = statement_content.load(changed)
    _chain(statements)
    reach("chained")
    _post(statements)
    reach("posted")
    notices.put_many([_telling(statement) for statement in statements])
    reach("noticed")
    return statements


def _number(statement_ids: Sequence[int], by: Party | None) -> None:
    """One after the other, because within one UPDATE the rows, and so the numbers, come in any order."""
    query = "UPDATE billing_statement SET state = 'issued', issued_by_id = %s WHERE id = %s"
    with connection.cursor() as cursor:
        cursor.executemany(query, [(by.pk if by else None, pk) for pk in statement_ids])


def _chain(statements: Sequence[Statement]) -> None:
    key, agreed = chain.current_key(), statement_content.agreements_of(statements)
    heads = _heads({statement.home_id for statement in statements})
    links = []
    for statement in statements:
        position, previous = heads.get(statement.home_id, (0, FIRST_HASH))
        digest = chain.link_hash(previous, statement_content.content(statement, agreed[statement.agreement_id]))
        heads[statement.home_id] = (position + 1, digest)
        links.append(
            ChainLink(
                home_id=statement.home_id,
                position=position + 1,
                statement=statement,
                previous_sha256=previous,
                sha256=digest,
                key=key,
                signature=chain.sign(digest),
            )
        )
    ChainLink.objects.bulk_create(links)


def _heads(home_ids: Iterable[UUID]) -> dict[UUID, tuple[int, str]]:
    """By home: position and hash of the last link."""
    rows = ChainLink.objects.filter(home__in=list(home_ids)).order_by("home", "-position").distinct("home")
    return {home_id: (position, digest) for home_id, position, digest in rows.values_list("home", "position", "sha256")}


def _post(statements: Sequence[Statement]) -> None:
    """A statement that moves nothing, such as one of a month without use, has no entry."""
    revised = {statement.revises_id for statement in statements if statement.revises_id}
    was: dict[int, list[StatementLine]] = {}
    for line in StatementLine.objects.filter(statement__in=revised):
        was.setdefault(line.statement_id, []).append(line)
    events = []
    for statement in statements:
        before = posting_rules.moves(was.get(statement.revises_id or 0, ()))
        moves = posting_rules.difference(posting_rules.moves(statement.lines.all()), before)
        if moves:
            kind = Entry.Kind.REVISION if statement.revises_id else Entry.Kind.STATEMENT
            key = f"statement:{statement.number}"
            note = f"Statement {statement.number}"
            events.append(Event(kind, key, statement.home_id, moves, statement.issued_at, note, statement.pk))
    ledger.post_many(events)


def _telling(statement: Statement) -> Telling:
    period = statement.period
    facts = {
        "number": statement.number,
        "start": period.start.isoformat(),
        "last": (period.end - timedelta(days=1)).isoformat(),
        "why": statement.why,
        **{name: getattr(statement, name) for name in statement_content.FIGURES},
    }
    kind = Notice.Kind.REVISED if statement.revises_id else Notice.Kind.ISSUED
    return Telling(statement.home_id, kind, f"statement:{statement.number}", facts)
