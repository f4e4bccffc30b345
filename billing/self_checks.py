"""Does billing still add up? Asked in SQL before and after each close and by a scheduled task.

The database refuses all of this when it is written; what is found here was done past it, or by a rule that is wrong.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final

from django.utils import timezone

from billing import bulk
from billing.models import BooksCheck

logger = logging.getLogger("billing.self_checks")

_SHOWN: Final = 5
_KEPT: Final = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Finding:
    """A check that failed, in words, with the first of what it is about."""

    check: str
    sentence: str
    examples: tuple[str, ...]


class BooksBroken(RuntimeError):
    """Billing does not add up: nothing is closed or paid until somebody has looked."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("; ".join(f"{finding.sentence} ({', '.join(finding.examples)})" for finding in findings))
        self.findings = findings


_CHECKS: Final = {
    "ledger_sums_to_zero": (
        "All postings together are not zero",
        "SELECT sum(cents)::text FROM billing_posting HAVING sum(cents) <> 0",
    ),
    "entries_balance": (
        "Entries are not balanced",
        "SELECT e.key FROM billing_entry e LEFT JOIN billing_posting p ON p.entry_id = e.id GROUP BY e.id"
        " HAVING coalesce(sum(p.cents), 1) <> 0 OR count(p.id) < 2",
    ),
    "reversals_undo": (
        "Reversals are not the opposite of what they reverse",
        "SELECT e.key FROM billing_entry e JOIN billing_posting p ON p.entry_id IN (e.id, e.reverses_id)"
        " WHERE e.reverses_id IS NOT NULL GROUP BY e.id, p.account_id HAVING sum(p.cents) <> 0",
    ),
    "numbers_have_no_gaps": (
        "Statement numbers have gaps",
        "SELECT (max(number) - count(*))::text FROM billing_statement WHERE number IS NOT NULL"
        " HAVING max(number) <> count(*)",
    ),
    "totals_are_their_lines": (
        "Statements are not the sums of their lines",
        "SELECT coalesce(s.number, s.id)::text FROM billing_statement s"
        " LEFT JOIN billing_statementline l ON l.statement_id = s.id GROUP BY s.id"
        " HAVING s.total_cents <> coalesce(sum(l.amount_cents), 0)"
        " OR s.bill_with_cents <> coalesce(sum(l.with_cents), 0)"
        " OR s.bill_without_cents <> coalesce(sum(l.without_cents), 0)"
        " OR s.you_pay_cents <> coalesce(sum(l.host_cash_cents), 0)"
        " OR s.we_pay_cents <> coalesce(sum(l.operator_cash_cents), 0)",
    ),
    "statements_are_posted": (
        "Statements and what was posted for them differ",
        "SELECT s.number::text FROM billing_statement s LEFT JOIN billing_statement r ON r.id = s.revises_id"
        " LEFT JOIN billing_entry e ON e.statement_id = s.id"
        " LEFT JOIN (billing_posting p JOIN billing_account a ON a.id = p.account_id"
        "            AND a.code IN ('host_receivable', 'host_payable')) ON p.entry_id = e.id"
        " WHERE s.state = 'issued' GROUP BY s.id, r.total_cents"
        " HAVING s.total_cents - coalesce(r.total_cents, 0) <> coalesce(sum(p.cents), 0)",
    ),
    "statements_are_chained": (
        "Issued statements are not in their home's chain",
        "SELECT s.number::text FROM billing_statement s LEFT JOIN billing_chainlink c ON c.statement_id = s.id"
        " WHERE s.state = 'issued' AND c.id IS NULL",
    ),
    "chains_hold": (
        "Links do not continue their chain",
        "SELECT c.home_id || ' ' || c.position FROM (SELECT *, lag(sha256, 1, repeat('0', 64)) OVER w AS before,"
        " row_number() OVER w AS place FROM billing_chainlink WINDOW w AS (PARTITION BY home_id ORDER BY position)) c"
        " WHERE c.previous_sha256 <> c.before OR c.position <> c.place",
    ),
    "payouts_are_posted": (
        "Payouts and what is on its way by the ledger differ",
        "SELECT t.payouts || ' and ' || t.ledger FROM (SELECT"
        " (SELECT coalesce(sum(cents), 0) FROM billing_payout WHERE state IN ('created', 'sent')) AS payouts,"
        " (SELECT coalesce(-sum(p.cents), 0) FROM billing_posting p JOIN billing_account a ON a.id = p.account_id"
        "  WHERE a.code = 'in_transit') AS ledger) t WHERE t.payouts <> t.ledger",
    ),
}


def self_check() -> list[Finding]:
    """What is wrong; empty when everything adds up. Asks as whoever is acting, so the system or the desk must."""
    found = []
    for name, (sentence, query) in _CHECKS.items():
        rows = bulk.fetch(f"{query} LIMIT {_SHOWN}")
        if rows:
            found.append(Finding(name, sentence, tuple(str(row[0]) for row in rows)))
    return found


def check_and_keep() -> list[Finding]:
    """The scheduled check: what is found is kept, rings (billing.alarms) and is logged. Old checks go."""
    findings = self_check()
    BooksCheck.objects.create(findings=[asdict(finding) for finding in findings])
    BooksCheck.objects.filter(checked_at__lt=timezone.now() - _KEPT).delete()
    for finding in findings:
        logger.error("the books do not add up: %s: %s", finding.sentence, ", ".join(finding.examples))
    return findings


def refuse_if_broken() -> None:
    """Raises BooksBroken."""
    findings = self_check()
    if findings:
        raise BooksBroken(findings)
