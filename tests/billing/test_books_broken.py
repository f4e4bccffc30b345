"""What the self-checks find when somebody has written past the rules, as only the owner of the tables can."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from billing import alarms, closing, ledger, payouts, self_checks
from billing.ledger import Event
from billing.models import BooksCheck, Code, Entry, Posting, RatingRun, Segment, Statement
from telemetry.attention import Severity
from tests.billing import months
from tests.billing.checks import refused
from tests.billing.committed import World, _django_db_helper, world
from tests.cast import needs_database

__all__ = ["_django_db_helper", "world"]

pytestmark = needs_database

TAMPERED = {
    "ledger_sums_to_zero": "UPDATE billing_posting SET cents = cents + 1 WHERE id ="
    " (SELECT min(id) FROM billing_posting)",
    "entries_balance": "DELETE FROM billing_posting WHERE id = (SELECT min(id) FROM billing_posting)",
    "reversals_undo": "UPDATE billing_posting SET cents = cents * 2 WHERE entry_id = (SELECT id FROM billing_entry"
    " WHERE kind = 'reversal')",
    "numbers_have_no_gaps": "UPDATE billing_statement SET number = 99 WHERE number = 2",
    "totals_are_their_lines": "UPDATE billing_statementline SET amount_cents = amount_cents + 1 WHERE id ="
    " (SELECT max(id) FROM billing_statementline)",
    "statements_are_posted": "UPDATE billing_statement SET total_cents = total_cents - 1 WHERE number = 1",
    "statements_are_chained": "DELETE FROM billing_chainlink WHERE id = (SELECT max(id) FROM billing_chainlink)",
    "chains_hold": "UPDATE billing_chainlink SET previous_sha256 = repeat('1', 64)",
    "payouts_are_posted": "UPDATE billing_payout SET cents = cents + 1",
}


@pytest.fixture
def closed(world: World) -> World:
    months.close()
    entry = ledger.receive(world.homes[0].pk, 700, "receipt")
    ledger.reverse(entry, "receipt:undone", "it bounced")
    return world


def tamper(statement: str) -> None:
    with connections["owner"].cursor() as cursor:
        for table in ("posting", "entry", "statement", "statementline", "chainlink", "payout"):
            cursor.execute(f"ALTER TABLE billing_{table} DISABLE TRIGGER USER")
        cursor.execute(statement)
        for table in ("posting", "entry", "statement", "statementline", "chainlink", "payout"):
            cursor.execute(f"ALTER TABLE billing_{table} ENABLE TRIGGER USER")


def test_each_check_finds_what_it_is_for(closed: World) -> None:
    assert TAMPERED.keys() == self_checks._CHECKS.keys()
    assert self_checks.self_check() == []


@pytest.mark.parametrize("check", [check for check in TAMPERED if check != "payouts_are_posted"])
def test_tampering_is_found_rings_and_stops_the_next_close(closed: World, check: str) -> None:
    tamper(TAMPERED[check])
    assert check in {finding.check for finding in self_checks.self_check()}
    with pytest.raises(self_checks.BooksBroken):
        closing.begin(months.APRIL)
    self_checks.check_and_keep()
    assert alarms.ringing()[0].severity is Severity.CRITICAL


def test_a_payout_that_was_not_posted_is_found(closed: World) -> None:
    event = Event(Entry.Kind.ADJUSTMENT, "odd", closed.homes[0].pk, {Code.IN_TRANSIT: -5, Code.NODE_ELECTRICITY: 5})
    ledger.post(event)
    assert [finding.check for finding in self_checks.self_check()] == ["payouts_are_posted"]
    with pytest.raises(self_checks.BooksBroken):
        payouts.create_due()


def test_books_that_nobody_checks_ring_too(closed: World) -> None:
    assert "have not been checked" in alarms.ringing()[0].sentence
    self_checks.check_and_keep()
    assert alarms.ringing() == []
    assert "have not been checked" in alarms.ringing(timezone.now() + timedelta(hours=4))[0].sentence
    assert BooksCheck.objects.count() == 1


def test_nothing_is_added_to_an_entry_or_a_run_afterwards(closed: World) -> None:
    posting, segment = Posting.objects.first(), Segment.objects.first()
    assert posting is not None
    assert segment is not None
    with refused("come in the transaction of their entry"):
        for cents in (5, -5):
            Posting.objects.create(entry_id=posting.entry_id, account_id=posting.account_id, cents=cents)
    with refused("come in the transaction of their run"):
        segment.pk, segment.ordinal = None, 99
        segment.save(force_insert=True)
    assert RatingRun.objects.count() == Statement.objects.count()
