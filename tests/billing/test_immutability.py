"""What the application's own role is refused, whatever it sends: the list of attempts to alter what was issued."""

from __future__ import annotations

import re
from datetime import date

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from billing import payouts, reconciliation, tariff_book
from billing.models import (
    Account,
    BillingPeriod,
    ChainLink,
    Channel,
    Entry,
    Payout,
    Posting,
    RatingRun,
    Statement,
    StatementLine,
    UtilityBill,
)
from homes.access import acting_as
from tests.billing import months, providers
from tests.billing.checks import commit, refused
from tests.billing.months import APRIL, HOLD, JUNE, MAY
from tests.cast import Cast, needs_database

pytestmark = [needs_database, pytest.mark.usefixtures("as_system")]

ATTEMPTS = {
    # readings
    "UPDATE billing_reading SET wh = array_fill(0, ARRAY[96])": "append-only",
    "UPDATE billing_reading SET qualities = replace(qualities, 'e', 'm'), known_at = now()": "append-only",
    "DELETE FROM billing_reading WHERE version > 1": "append-only",
    "DELETE FROM billing_reading": "append-only",
    # published tariffs, agreements, assignments
    "UPDATE billing_tariffversion SET document = '{}'": "is published",
    "UPDATE billing_tariffversion SET valid_from = '2020-01-01'": "is published",
    "UPDATE billing_tariffversion SET published_at = NULL": "is published",
    "DELETE FROM billing_tariffversion": "is published",
    "UPDATE billing_tariff SET name = 'other'": "has published versions",
    "UPDATE billing_agreement SET fee_cents = 1": "only the end|settles_one_way",
    "UPDATE billing_agreement SET internet_cents = 1": "only the end",
    "UPDATE billing_agreement SET span = daterange('2023-01-01', NULL)": "only the end",
    "UPDATE billing_agreement SET span = daterange('2024-01-01', '2026-04-10')": "within a period that was rated",
    "UPDATE billing_agreement SET span = daterange('2024-01-01', '2026-04-01')": "has settled days",
    "UPDATE billing_agreement SET span = 'empty'": "has settled days",
    "DELETE FROM billing_agreement": "never deleted",
    "UPDATE billing_tariffassignment SET span = daterange('2023-01-01', NULL)": "only the end",
    "DELETE FROM billing_tariffassignment": "never deleted",
    # runs and segments
    "UPDATE billing_billingperiod SET interval_count = 1": "append-only",
    "DELETE FROM billing_billingperiod": "foreign key",
    "UPDATE billing_ratingrun SET with_dollars = 0": "append-only",
    "UPDATE billing_ratingrun SET input_sha256 = repeat('0', 64)": "append-only",
    "DELETE FROM billing_ratingrun": "append-only",
    "UPDATE billing_segment SET exact = exact * 2": "append-only",
    "DELETE FROM billing_segment": "append-only",
    # statements and lines
    "UPDATE billing_statement SET total_cents = 0": "is issued",
    "UPDATE billing_statement SET number = number - 1": "is issued",
    "UPDATE billing_statement SET number = 1000000": "is issued",
    "UPDATE billing_statement SET state = 'draft', number = NULL, issued_at = NULL": "is issued",
    "UPDATE billing_statement SET issued_at = now() - interval '1 year'": "is issued",
    "UPDATE billing_statement SET why = 'because'": "is issued",
    "DELETE FROM billing_statement": "is issued",
    "UPDATE billing_statementline SET amount_cents = 0": "is issued",
    "UPDATE billing_statementline SET label = 'other'": "is issued",
    "DELETE FROM billing_statementline": "is issued",
    "INSERT INTO billing_statementline (statement_id, ordinal, section, component, label, clause, unit, with_cents,"
    " without_cents, host_cash_cents, operator_cash_cents, in_kind_cents, amount_cents)"
    " SELECT id, 99, 'settlement', 'fee', 'more', '', '', 0, 0, 0, 0, 0, 0 FROM billing_statement": "is issued",
    # the chain
    "UPDATE billing_chainlink SET sha256 = repeat('0', 64)": "append-only",
    "UPDATE billing_chainlink SET signature = repeat('0', 128)": "append-only",
    "DELETE FROM billing_chainlink": "append-only",
    "UPDATE billing_chainkey SET public_key = repeat('0', 64)": "append-only",
    "DELETE FROM billing_chainkey": "append-only",
    # the ledger
    "UPDATE billing_posting SET cents = -cents": "append-only",
    "UPDATE billing_posting SET cents = cents * 2": "append-only",
    "UPDATE billing_posting SET account_id = (SELECT min(id) FROM billing_account)": "append-only",
    "DELETE FROM billing_posting": "append-only",
    "UPDATE billing_entry SET key = key || '!'": "append-only",
    "UPDATE billing_entry SET at = now()": "append-only",
    "DELETE FROM billing_entry": "append-only",
    "UPDATE billing_account SET code = 'cash', home_id = NULL": "append-only",
    "DELETE FROM billing_account": "append-only",
    # payouts, bills, taxes, notices
    "UPDATE billing_payout SET cents = cents + 1": "settled",
    "UPDATE billing_payout SET host_id = (SELECT max(id) FROM homes_party)": "settled",
    "UPDATE billing_payout SET key = 'other'": "settled",
    "UPDATE billing_payout SET state = 'created'": "cannot go",
    "UPDATE billing_payout SET state = 'sent'": "cannot go",
    "DELETE FROM billing_payout": "never deleted",
    "UPDATE billing_utilitybill SET cents = 1": "append-only",
    "DELETE FROM billing_utilitybill": "append-only",
    "UPDATE billing_reconciliation SET verdict = 'agrees'": "append-only",
    "DELETE FROM billing_reconciliation": "append-only",
    "UPDATE billing_taxthreshold SET cents = 0": "append-only",
    "DELETE FROM billing_taxthreshold": "append-only",
    "UPDATE billing_notice SET facts = '{}'": "what was said",
    "DELETE FROM billing_notice": "what was said",
    "UPDATE billing_closeitem SET stage = 'waiting'": "stays issued",
    "DELETE FROM billing_closeitem": "stays issued",
    # taking the rules away
    **{
        f"TRUNCATE {table}": "permission denied"
        for table in (
            "billing_reading",
            "billing_entry CASCADE",
            "billing_posting",
            "billing_statement CASCADE",
            "billing_tariffversion CASCADE",
            "billing_chainlink",
        )
    },
    "ALTER TABLE billing_posting DISABLE TRIGGER ALL": "must be owner",
    "ALTER TABLE billing_entry DISABLE TRIGGER append_only": "must be owner",
    "ALTER TABLE billing_statement DISABLE TRIGGER keep_issued": "must be owner",
    "DROP TRIGGER append_only ON billing_posting": "must be owner",
    "DROP TRIGGER keep_issued ON billing_statement": "must be owner",
    "CREATE TRIGGER mine BEFORE UPDATE ON billing_posting FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates"
    "_trigger()": "permission denied",
    "CREATE OR REPLACE FUNCTION billing_keep_issued() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'":
        "permission denied|must be owner",
    "CREATE OR REPLACE FUNCTION xfra_refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'":
        "permission denied|must be owner",
    "DROP FUNCTION billing_check_balance() CASCADE": "must be owner",
    "ALTER TABLE billing_statement DROP CONSTRAINT statement_bills_are_paid": "must be owner",
    "DROP INDEX one_payout_in_flight": "must be owner",
    "ALTER TABLE billing_posting DISABLE ROW LEVEL SECURITY": "must be owner",
    "SET session_replication_role = replica": "permission denied",
    "DROP TABLE billing_posting": "must be owner",
    "ALTER TABLE billing_statement OWNER TO CURRENT_USER": "must be owner",
}  # fmt: skip
"""By statement: what the refusal says."""


@pytest.fixture
def issued(cast: Cast) -> Cast:
    """April closed and paid, its utility bill reconciled; a payout of what May gave is under way."""
    months.settle_in(cast.home, HOLD)
    months.usual(cast.home, APRIL, JUNE)
    months.write(cast.home, Channel.NODE, APRIL, [250] * 96)
    months.close(APRIL)
    (payout,) = payouts.create_due()
    payouts.send(payout, providers.Prompt())
    statement = Statement.objects.get()
    bill = UtilityBill.objects.create(
        home=cast.home, number="A-1", start=APRIL, end=MAY, cents=statement.bill_with_cents
    )
    reconciliation.reconcile(bill)
    commit()
    return cast


def test_what_was_issued_cannot_be_altered(issued: Cast) -> None:
    """Every attempt, each undone to a savepoint: what was not refused, or not for its reason."""
    assert {attempt: said for attempt, said in ATTEMPTS.items() if not re.search(said, _answer(attempt))} == {}


def _answer(attempt: str) -> str:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(attempt)
            commit()
            raise _NotRefused
    except _NotRefused:
        return "not refused"
    except DatabaseError as error:
        return str(error)


class _NotRefused(Exception):
    pass


def test_there_was_something_to_alter(issued: Cast) -> None:
    for model in (Statement, StatementLine, Entry, Posting, Account, Payout, ChainLink, RatingRun, BillingPeriod):
        assert model._default_manager.exists(), model


def test_the_application_works_as_a_role_that_owns_nothing(issued: Cast) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_class WHERE pg_get_userbyid(relowner) = current_user AND relkind = 'r'"
            " AND relpersistence <> 't'"
        )
        assert cursor.fetchone() == (0,)


def test_an_entry_that_does_not_balance_never_commits(issued: Cast) -> None:
    account = Account.objects.filter(home=None).first()
    with refused("not balanced"):
        entry = Entry.objects.create(kind="adjustment", key="odd", at=timezone.now())
        Posting.objects.create(entry=entry, account=account, cents=5)
    with refused("not balanced"):
        Entry.objects.create(kind="adjustment", key="empty", at=timezone.now())


def test_an_entry_of_a_statement_says_what_the_statement_says(issued: Cast) -> None:
    months.settle_in(issued.other_home, HOLD)
    months.usual(issued.other_home)
    statement = months.issue(issued.other_home)
    receivable, _ = Account.objects.get_or_create(code="host_receivable", home=issued.home)
    cash = Account.objects.get(code="cash")
    with refused("duplicate key|already exists"):
        Entry.objects.create(kind="statement", key="twice", at=timezone.now(), statement=statement)
    with refused("another home"):
        entry = Entry.objects.create(kind="receipt", key="theirs", at=timezone.now(), home=issued.other_home)
        Posting.objects.create(entry=entry, account=receivable, cents=-5)
        Posting.objects.create(entry=entry, account=cash, cents=5)


def test_a_statement_whose_total_is_not_its_lines_never_commits(issued: Cast) -> None:
    draft = months.draft(issued.home, MAY, JUNE)
    with refused("not the sums of its lines"):
        Statement.objects.filter(pk=draft.pk).update(total_cents=draft.total_cents + 1)
    with refused("not the sums of its lines"):
        line = draft.lines.first()
        StatementLine.objects.filter(pk=line.pk).update(with_cents=1)
    with refused("not the sums of its lines"):
        draft.lines.all().delete()


def test_numbers_are_the_databases_own(issued: Cast) -> None:
    draft = months.draft(issued.home, MAY, JUNE)
    for number in (1, 2, 7):
        with refused("given by the database"):
            Statement.objects.filter(pk=draft.pk).update(state="issued", number=number, issued_at=timezone.now())
    with refused("not in its chain"):
        Statement.objects.filter(pk=draft.pk).update(state="issued")
    with refused("begins as a draft"):
        _insert_issued(draft)


def _insert_issued(draft: Statement) -> None:
    copy = Statement.objects.get(pk=draft.pk)
    copy.pk, copy.state, copy.issued_at, copy.number = None, "issued", timezone.now(), None
    copy.save(force_insert=True)


def test_a_link_continues_its_chain(issued: Cast) -> None:
    draft = months.draft(issued.home, MAY, JUNE)
    link = ChainLink.objects.get()
    for position, previous in ((2, "0" * 64), (3, link.sha256), (1, "0" * 64)):
        with refused("does not continue"):
            Statement.objects.filter(pk=draft.pk).update(state="issued")
            ChainLink.objects.create(
                home=issued.home, position=position, statement=draft, previous_sha256=previous, sha256="1" * 64,
                key=link.key, signature="",
            )  # fmt: skip


def test_one_day_has_one_tariff_one_agreement_one_period(issued: Cast) -> None:
    tariff = months.tariff("Other")
    for query, arguments in {
        "INSERT INTO billing_tariffassignment (home_id, tariff_id, span, created_at)"
        " VALUES (%s, %s, daterange('2026-04-05', '2026-04-06'), now())": [issued.home.pk, tariff.pk],
        "INSERT INTO billing_agreement (home_id, version, span, utility_payer, internet_payer, settlement,"
        " internet_cents, fixed_monthly, due_days, how_paid, concluded_at)"
        " VALUES (%s, %s, daterange('2027-01-01', NULL), 'host', 'host', 'hold_harmless', 0, '[]', 14, '', now())":
            [issued.home.pk, 9],
        'INSERT INTO billing_billingperiod (home_id, start, "end", zone, starts_at, ends_at, interval_count)'
        " VALUES (%s, '2026-04-30', %s, 'America/Phoenix', '2026-04-30 07:00+00', '2026-05-02 07:00+00', 192)":
            [issued.home.pk, date(2026, 5, 2)],
    }.items():  # fmt: skip
        with refused("conflicting key value violates exclusion constraint"), connection.cursor() as cursor:
            cursor.execute(query, arguments)


def test_a_payout_in_flight_is_the_only_one_of_its_host(issued: Cast) -> None:
    months.issue(issued.home, MAY, JUNE)
    (first,) = payouts.create_due()
    with refused("one_payout_in_flight"):
        Payout.objects.create(home=issued.home, host=first.host, cents=5, key="another")
    for state in ("paid", "returned"):
        with refused("cannot go from created"):
            Payout.objects.filter(pk=first.pk).update(state=state)


@pytest.mark.parametrize("name", ["owner", "member", "operator", "outsider"])
def test_only_the_desk_writes(issued: Cast, name: str) -> None:
    statement, link = Statement.objects.get(), ChainLink.objects.get()
    with acting_as(issued.people[name].pk):
        with refused("row-level security"):
            Entry.objects.create(kind="adjustment", key="mine", at=timezone.now(), home_id=issued.home.pk)
        with refused("row-level security"):
            UtilityBill.objects.create(home_id=issued.home.pk, number="B", start=APRIL, end=MAY, cents=1)
        with refused("row-level security"):
            tariff_book.add_version("Mine", "Cheap", months.document(), APRIL)
        assert Statement.objects.filter(pk=statement.pk).update(total_cents=0) == 0
        assert ChainLink.objects.filter(pk=link.pk).delete()[0] == 0


def test_a_temporary_table_cannot_pass_for_one_of_ours(issued: Cast) -> None:
    """The rules look at public's tables, even where a session has made one of the same name for itself."""
    with refused("is issued"), connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE billing_statement (id bigint, state text) ON COMMIT DROP")
        cursor.execute("INSERT INTO billing_statement SELECT id, 'draft' FROM public.billing_statement")
        cursor.execute("UPDATE billing_statementline SET label = 'other'")
