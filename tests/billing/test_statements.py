"""Statements: what they come to, what is posted, corrections, and what may not be done with them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.core.mail import EmailMessage
from django.db import transaction

from billing import (
    agreements,
    chain,
    corrections,
    ledger,
    notices,
    payouts,
    statement_content,
    statements,
    tariff_book,
)
from billing.models import ChainLink, Channel, Code, Entry, Notice, Reading, Statement
from billing.settlement import CREDIT_PER_KWH, HOST, OPERATOR, Item, Terms
from tests.billing import months, providers
from tests.billing.checks import commit
from tests.billing.months import APRIL, FLAT, HOLD, JUNE, MAY
from tests.cast import Cast, needs_database

pytestmark = [needs_database, pytest.mark.usefixtures("as_system")]

# April: 1,152 kWh at the site, 864 of it the node's, at $0.12 and $18 a month.
WITH, WITHOUT = 13_824 + 1_800, 3_456 + 1_800


def figures(statement: Statement) -> tuple[int, ...]:
    return (
        statement.bill_with_cents,
        statement.bill_without_cents,
        statement.total_cents,
        statement.you_pay_cents,
        statement.we_pay_cents,
        statement.saved_cents,
    )


def test_hold_harmless(cast: Cast) -> None:
    months.settle_in(cast.home, HOLD)
    months.usual(cast.home)
    statement = months.issue(cast.home)
    commit()
    node = WITH - WITHOUT
    assert figures(statement) == (WITH, WITHOUT, -node, WITHOUT, node + 7_000, 7_000)
    assert ledger.owed_to_host(cast.home.pk) == node
    assert ledger.balance(Code.NODE_ELECTRICITY) == node
    assert ledger.balance(Code.INTERNET) == 7_000


def test_flat_host_fee(cast: Cast) -> None:
    months.settle_in(cast.home, FLAT)
    months.usual(cast.home)
    statement = months.issue(cast.home)
    commit()
    assert figures(statement) == (WITH, WITHOUT, 15_000, 15_000, WITH + 7_000 - 15_000, WITHOUT + 7_000 - 15_000)
    assert ledger.owed_by_host(cast.home.pk) == 15_000
    assert ledger.owed_to_host(cast.home.pk) == 0
    assert ledger.balance(Code.UTILITY_PAYABLE, cast.home.pk) == -WITH
    assert (ledger.balance(Code.HOME_ELECTRICITY), ledger.balance(Code.HOST_FEES)) == (WITHOUT, -15_000)


def test_credit_per_kwh_with_an_item_each_month(cast: Cast) -> None:
    items = (Item("Space on the wall", 1_000, HOST), Item("Battery", 250, OPERATOR))
    terms = Terms(HOST, HOST, CREDIT_PER_KWH, credit_per_kwh=Decimal("0.055"), internet_cents=6_000, items=items)
    months.settle_in(cast.home, terms)
    months.usual(cast.home)
    statement = months.issue(cast.home)
    commit()
    credit = 4_752  # 864 kWh
    assert statement.total_cents == -credit - 1_000 + 250
    assert statement.you_pay_cents == WITH + 6_000 - credit - 750
    cash = [(line.component, line.host_cash_cents, line.in_kind_cents) for line in statement.lines.all()]
    assert cash[-4:] == [
        ("internet", 6_000, 0),
        ("credit", -credit, 0),
        ("to_host", -1_000, 0),
        ("to_operator", 250, 0),
    ]


def test_cash_and_in_kind_are_apart_on_every_line(cast: Cast) -> None:
    months.settle_in(cast.home, FLAT)
    months.usual(cast.home)
    lines = months.issue(cast.home).lines.all()
    assert sum(line.in_kind_cents for line in lines) == WITHOUT + 7_000
    assert sum(line.host_cash_cents for line in lines) == 15_000
    assert all(line.host_cash_cents == 0 for line in lines if line.section != "settlement")


def test_moving_in_on_the_ninth_prorates_what_is_monthly(cast: Cast) -> None:
    """$18 fixed, the 9th of 30 days: 13.20 for who moves in and 4.80 for who was there before."""
    before = months.settle_in(cast.home, HOLD)
    ninth = date(2026, 4, 9)
    months.usual(cast.home)
    agreements.conclude(cast.home, FLAT, ninth)
    before.refresh_from_db()
    assert before.span.upper == ninth
    first, second = months.issue(cast.home, APRIL, ninth), months.issue(cast.home, ninth, MAY)
    commit()
    fixed = [line.with_cents for one in (first, second) for line in one.lines.filter(component="fixed")]
    assert fixed == [480, 1_320]
    assert (first.internet_cents, second.internet_cents) == (1_867, 5_133)
    assert second.total_cents == 11_000


def test_a_month_of_measured_zeros_is_a_statement_of_nothing(cast: Cast) -> None:
    months.settle_in(cast.home, Terms(HOST, HOST, "hold_harmless"))
    months.read(cast.home, {Channel.SITE_IMPORT: 100, Channel.NODE: 0}, date(2026, 7, 1), date(2026, 8, 1))
    statement = months.issue(cast.home, date(2026, 7, 1), date(2026, 8, 1))
    commit()
    assert statement.period.interval_count == 2_976
    assert (statement.total_cents, statement.node_cents, statement.number) == (0, 0, 1)
    assert not Entry.objects.exists()


def test_without_readings_there_is_no_statement(cast: Cast) -> None:
    months.settle_in(cast.home)
    assert months.held(cast.home).code == "no_readings"


@pytest.mark.parametrize(("letter", "code"), [("-", "incomplete"), ("q", "quarantined")])
def test_a_quarter_hour_without_a_value_holds_the_month(cast: Cast, letter: str, code: str) -> None:
    months.settle_in(cast.home)
    months.read(cast.home, {Channel.SITE_IMPORT: 400})
    months.read(cast.home, {Channel.NODE: 300}, end=date(2026, 4, 30))
    months.write(cast.home, Channel.NODE, date(2026, 4, 30), [300] * 95 + [0], "m" * 95 + letter)
    held = months.held(cast.home)
    assert held.code == code
    assert held.problem.startswith("1 ")


def test_without_a_tariff_or_a_published_version_of_it_nothing_is_rated(cast: Cast) -> None:
    months.usual(cast.home)
    assert months.held(cast.home).remedy == "assign a tariff to the home"
    tariff_book.assign(cast.home, months.tariff("Later", valid_from=date(2026, 4, 2)), months.LONG_AGO)
    found = months.held(cast.home)
    assert (found.code, found.problem) == ("no_tariff", "no version is published for 2026-04-01")


def test_a_correction_posts_only_the_difference(cast: Cast) -> None:
    months.settle_in(cast.home, HOLD)
    months.usual(cast.home)
    first = months.issue(cast.home)
    assert corrections.find(APRIL) == []
    months.write(cast.home, Channel.NODE, date(2026, 4, 10), [200] * 96)  # 9.6 kWh less: $1.15
    (revision,) = corrections.draft_revisions(APRIL)
    statements.issue_many([revision.pk])
    commit()
    revision.refresh_from_db()
    assert revision.number == 2
    assert revision.total_cents - first.total_cents == 115
    entry = Entry.objects.get(statement=revision)
    assert sorted(entry.postings.values_list("account__code", "cents")) == [
        ("host_payable", 115),
        ("node_electricity", -115),
    ]
    assert [(c.section, c.change) for c in corrections.changes(revision) if c.change] == [("settlement", 115)]
    assert corrections.find(APRIL) == []
    assert list(Statement.objects.issued().current()) == [revision]


def test_issue_correct_and_correct_back_restores_the_balance(cast: Cast) -> None:
    months.settle_in(cast.home, HOLD)
    months.usual(cast.home)
    months.issue(cast.home)
    before = ledger.owed_to_host(cast.home.pk)
    for wh in (100, 300):
        months.write(cast.home, Channel.NODE, date(2026, 4, 3), [wh] * 96)
        (revision,) = corrections.draft_revisions(APRIL)
        statements.issue_many([revision.pk])
    commit()
    assert ledger.owed_to_host(cast.home.pk) == before
    assert Statement.objects.count() == 3


def test_a_correction_of_two_hundredths_of_a_cent_posts_one(cast: Cast) -> None:
    """3.4049 becomes 3.4051: 3.40, then 3.41."""
    months.settle_in(cast.home, line=months.tariff("Fine", rate=0.1, fixed=0.0))
    months.read(cast.home, {Channel.SITE_IMPORT: 100})
    months.spread(cast.home, Channel.NODE, 34_049)
    assert months.rated(cast.home).pair.node_cost == Decimal("3.4049")
    first = months.issue(cast.home)
    before = Reading.objects.get(on=APRIL, channel=Channel.NODE)
    months.write(cast.home, Channel.NODE, APRIL, [before.wh[0] + 2, *before.wh[1:]])
    (revision,) = corrections.draft_revisions(APRIL)
    statements.issue_many([revision.pk])
    assert revision.run.with_dollars - revision.run.without_dollars == Decimal("3.4051")
    assert (first.total_cents, revision.total_cents) == (-340, -341)
    assert Entry.objects.get(statement=revision).postings.get(account__code="host_payable").cents == -1


def test_a_correction_of_an_estimate_that_turns_out_right_changes_nothing(cast: Cast) -> None:
    months.settle_in(cast.home)
    months.read(cast.home, {Channel.SITE_IMPORT: 400, Channel.NODE: 300}, letter="e")
    months.issue(cast.home)
    months.write(cast.home, Channel.NODE, APRIL, [300] * 96, "m")
    assert len(corrections.find(APRIL)) == 1
    assert corrections.draft_revisions(APRIL) == []
    assert Statement.objects.count() == 1


def test_a_statement_is_revised_once(cast: Cast) -> None:
    months.settle_in(cast.home)
    months.usual(cast.home)
    first = months.issue(cast.home)
    months.write(cast.home, Channel.NODE, APRIL, [0] * 96)
    (revision,) = corrections.draft_revisions(APRIL)
    assert corrections.revise(first, "again") is not None, "a draft is made anew"
    (revision,) = Statement.objects.filter(state="draft")
    statements.issue_many([revision.pk])
    with pytest.raises(corrections.CannotRevise, match="latest"):
        corrections.revise(first, "and again")


def test_the_chain_holds_and_its_heads_are_signed(cast: Cast) -> None:
    months.settle_in(cast.home)
    months.usual(cast.home, APRIL, JUNE)
    issued = [months.issue(cast.home), months.issue(cast.home, MAY, JUNE)]
    commit()
    links = list(ChainLink.objects.order_by("position"))
    assert [link.position for link in links] == [1, 2]
    assert links[0].previous_sha256 == chain.FIRST_HASH
    for statement, link in zip(issued, links, strict=True):
        document = statement_content.statement_document(statement)
        assert chain.link_hash(link.previous_sha256, document["content"]) == link.sha256
        assert chain.is_signed(link.sha256, link.signature, document["chain"]["public_key"])
        assert not chain.is_signed(link.sha256[::-1], link.signature, document["chain"]["public_key"])
    assert links[1].previous_sha256 == links[0].sha256


def test_it_is_announced_once(cast: Cast, mailoutbox: list[EmailMessage]) -> None:
    months.settle_in(cast.home)
    months.usual(cast.home)
    months.issue(cast.home)
    assert Notice.objects.count() == 1
    assert [notices.send_some(), notices.send_some()] == [1, 0]
    (mail,) = mailoutbox
    assert sorted(mail.bcc) == ["member@cast.example", "owner@cast.example"]
    assert "You pay $52.56, we pay $173.68, you saved $70.00." in mail.body


def test_issuing_again_does_nothing(cast: Cast) -> None:
    months.settle_in(cast.home)
    months.usual(cast.home)
    statement = months.issue(cast.home)
    assert statements.issue_many([statement.pk]) == []
    assert Entry.objects.count() == 1


def test_rating_again_finds_the_run_that_is_there(cast: Cast) -> None:
    months.settle_in(cast.home)
    months.usual(cast.home)
    first, again = months.draft(cast.home), months.draft(cast.home)
    assert first.run_id == again.run_id
    assert Statement.objects.count() == 1


def test_a_rounded_total_is_shared_out_over_lines(cast: Cast) -> None:
    """Three lines of 0.335 on the total: .34 + .34 + .33 = 1.01."""
    rider = [{"name": name, "per_month": 0.335} for name in ("A", "B", "C")]
    line = months.tariff("Riders", rate=0.0, fixed=0.0, riders=rider)
    months.settle_in(cast.home, line=line)
    months.usual(cast.home)
    statement = months.issue(cast.home)
    assert [line.with_cents for line in statement.lines.filter(component="rider")] == [34, 34, 33]
    assert statement.bill_with_cents == 101


def test_a_down_correction_of_a_paid_month_carries_forward(cast: Cast) -> None:
    months.settle_in(cast.home, HOLD)
    months.usual(cast.home, APRIL, JUNE)
    months.issue(cast.home)
    (payout,) = payouts.create_due()
    payouts.send(payout, providers.Prompt())
    assert ledger.owed_to_host(cast.home.pk) == 0
    months.write(cast.home, Channel.NODE, APRIL, [200] * 96)
    (revision,) = corrections.draft_revisions(APRIL)
    statements.issue_many([revision.pk])
    commit()
    assert ledger.owed_to_host(cast.home.pk) == -115
    assert payouts.create_due() == [], "nothing is pulled from the host"
    may = months.issue(cast.home, MAY, JUNE)
    (second,) = payouts.create_due()
    assert second.cents == -may.total_cents - 115


def test_drafts_may_be_thrown_away(cast: Cast) -> None:
    months.settle_in(cast.home)
    months.usual(cast.home)
    statement = months.draft(cast.home)
    with transaction.atomic():
        statement.lines.all().delete()
        statement.delete()
    commit()
    assert not Statement.objects.exists()


def test_a_surplus_is_carried_into_the_next_month_and_corrected_with_it(cast: Cast) -> None:
    """Net metering looks back: May waits for April, and is revised when April's surplus turns out smaller."""
    line = months.tariff("Net", rate=0.1, fixed=0.0, export_rule="net_metering", export_surplus="carry")
    months.settle_in(cast.home, line=line)
    months.read(cast.home, {Channel.SITE_IMPORT: 0, Channel.SITE_EXPORT: 100, Channel.NODE: 0})
    months.read(cast.home, {Channel.SITE_IMPORT: 400, Channel.SITE_EXPORT: 0, Channel.NODE: 0}, MAY, JUNE)
    april = months.draft(cast.home)
    assert months.held(cast.home, MAY, JUNE).code == "no_facts"
    statements.issue_many([april.pk])
    may = months.issue(cast.home, MAY, JUNE)
    assert may.bill_with_cents == 11_904 - 2_880
    assert corrections.find(APRIL) == []
    months.write(cast.home, Channel.SITE_EXPORT, APRIL, [0] * 96)
    for _ in range(2):  # April by what it hands on, then May by what it gets
        statements.issue_many([draft.pk for draft in corrections.draft_revisions(APRIL)])
    commit()
    current = Statement.objects.issued().current().order_by("period__start")
    assert [one.bill_with_cents for one in current] == [0, 11_904 - 2_880 + 96]
    assert corrections.draft_revisions(APRIL) == []
