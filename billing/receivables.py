"""What of each statement the host still owes: what came in pays the oldest first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from billing import bulk
from billing.models import Code, Statement


@dataclass(frozen=True, slots=True)
class Open:
    """A statement of which `cents` are not paid yet."""

    statement: Statement
    cents: int


def allocate(moves: Iterable[tuple[int | None, int]]) -> dict[int, int]:
    """Cents that are open by statement, of those that asked for any.

    `moves` are what happened to the host's account in the order in which it happened: (statement, cents), where cents
    above zero are owed and below zero were paid, credited or taken back. What is paid before anything is owed is kept
    for what comes. Owed without a statement, such as an adjustment, is paid in its turn and not listed.
    """
    owed: list[tuple[int | None, int]] = []
    paid = 0
    for statement, cents in moves:
        if cents > 0:
            owed.append((statement, cents))
        else:
            paid -= cents
    found: dict[int, int] = {}
    for statement, cents in owed:
        settled = min(paid, cents)
        paid -= settled
        if statement is not None:
            found[statement] = found.get(statement, 0) + cents - settled
    return found


def open_by_statement(home_id: UUID) -> dict[int, int]:
    """Cents that are open by statement id, 0 for one that is paid; only of statements after which the host owed."""
    rows = bulk.fetch(
        "SELECT e.statement_id, p.cents FROM billing_posting p JOIN billing_account a ON a.id = p.account_id"
        " JOIN billing_entry e ON e.id = p.entry_id WHERE a.home_id = %s AND a.code = %s ORDER BY e.at, e.id",
        [home_id, str(Code.HOST_RECEIVABLE)],
    )
    return allocate((statement, cents) for statement, cents in rows)


def unpaid(home_id: UUID) -> list[Open]:
    """Statements of which something is open, the oldest first."""
    cents = {pk: amount for pk, amount in open_by_statement(home_id).items() if amount}
    found = Statement.objects.filter(pk__in=cents).select_related("period").order_by("number")
    return [Open(statement, cents[statement.pk]) for statement in found]
