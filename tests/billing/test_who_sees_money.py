"""Whose money Postgres shows to whom, even if Python forgot to ask; and that Python asks the same."""

from __future__ import annotations

import pytest
from django.db.models import Model

from billing import notices, payouts
from billing.access import billed_homes, contracted_homes, is_desk
from billing.models import (
    Account,
    Agreement,
    BillingPeriod,
    ChainLink,
    Close,
    CloseItem,
    Entry,
    Notice,
    Payout,
    Posting,
    RatingRun,
    Segment,
    Statement,
    StatementLine,
    TariffAssignment,
    TariffVersion,
    UtilityBill,
)
from billing.notices import Telling
from billing.statement_content import statement_document
from homes.access import acting_as, acting_as_system
from tests.billing import months
from tests.billing.months import APRIL, HOLD, JUNE, MAY
from tests.cast import NAMES, Cast, needs_database

pytestmark = needs_database

BILLED: tuple[type[Model], ...] = (
    TariffAssignment,
    BillingPeriod,
    RatingRun,
    Segment,
    Statement,
    StatementLine,
    ChainLink,
    Account,
    Entry,
    Posting,
    UtilityBill,
    Notice,
)
CONTRACTED: tuple[type[Model], ...] = (Agreement, Payout)
DESKS: tuple[type[Model], ...] = (Close, CloseItem)
SEES = {
    "owner": {*BILLED, *CONTRACTED},
    "member": {*BILLED},
    "billing": {*BILLED, *CONTRACTED, *DESKS},
    "admin": {*BILLED, *CONTRACTED, *DESKS},
}
"""What of the first home; everybody else nothing. Of the second home nothing but for the desk."""


@pytest.fixture
def full(cast: Cast) -> Cast:
    """April is issued and a payout begun for both homes; May is drafted."""
    with acting_as_system():
        for home in (cast.home, cast.other_home):
            months.settle_in(home, HOLD)
            months.usual(home, APRIL, JUNE)
            UtilityBill.objects.create(home=home, number="1", start=APRIL, end=MAY, cents=1)
        months.close(APRIL)
        payouts.create_due()
        for home in (cast.home, cast.other_home):
            months.draft(home, MAY, JUNE)
    return cast


def counts() -> dict[type[Model], int]:
    found = {model: model._default_manager.count() for model in (*BILLED, *CONTRACTED, *DESKS)}
    return {**found, Account: Account.objects.filter(home__isnull=False).count()}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "anonymous"])
def test_postgres_shows_money_to_whom_it_concerns(full: Cast, name: str) -> None:
    with acting_as_system():
        everything = counts()
    assert all(everything.values())
    with acting_as(full.people[name].pk):
        seen = {model for model, count in counts().items() if count}
        whole = {model for model, count in counts().items() if count == everything[model]}
    expected = SEES.get(name, {*BILLED, *CONTRACTED} if name == "outsider" else set())
    assert seen == expected
    assert whole == (expected if name in ("billing", "admin") else set()), "the other home's rows are not there"


@pytest.mark.parametrize("name", ["owner", "member", "outsider"])
def test_drafts_are_the_desks(full: Cast, name: str) -> None:
    with acting_as(full.people[name].pk):
        assert [statement.state for statement in Statement.objects.all()] == ["issued"]
        assert not StatementLine.objects.exclude(statement__state="issued").exists()
        assert Statement.objects.visible_to(full.people[name]).count() == 1
    with acting_as(full.people["billing"].pk):
        assert Statement.objects.visible_to(full.people["billing"]).count() == 4


@pytest.mark.parametrize("name", NAMES)
def test_python_asks_the_same(full: Cast, name: str) -> None:
    person = full.person(name)
    with acting_as_system():
        billed, contracted = (set(homes.values_list("pk", flat=True)) for homes in (
            billed_homes(person), contracted_homes(person),
        ))  # fmt: skip
        statements = set(Statement.objects.visible_to(person).values_list("home", flat=True))
        desk = is_desk(person)
    both, mine = {full.home.pk, full.other_home.pk}, {full.home.pk}
    expected = {"owner": mine, "member": mine, "outsider": both - mine, "billing": both, "admin": both}
    assert billed == statements == expected.get(name, set())
    assert contracted == (set() if name == "member" else expected.get(name, set()))
    assert desk == (name in ("billing", "admin"))


def test_a_member_sees_neither_payouts_in_the_ledger_nor_notices_of_them(full: Cast) -> None:
    with acting_as_system():
        notices.put_many([Telling(full.home.pk, Notice.Kind.PAID, "paid", {"cents": 1, "problem": ""})])
    for name, kinds in (("owner", {"statement", "payout"}), ("member", {"statement"})):
        with acting_as(full.people[name].pk):
            assert set(Entry.objects.values_list("kind", flat=True)) == kinds
            assert Notice.objects.filter(kind="paid").exists() == (name == "owner")


def test_a_members_document_is_without_the_agreement(full: Cast) -> None:
    for name in ("owner", "member", "billing"):
        with acting_as(full.people[name].pk):
            document = statement_document(Statement.objects.filter(home=full.home, state="issued").get())
            assert (document["agreement"] is None, document["content"] is None) == (name == "member",) * 2
            assert len(document["lines"]) > 2
            assert document["figures"]["total_cents"] == -10_368


def test_published_tariffs_are_no_secret(full: Cast) -> None:
    with acting_as(full.people["viewer"].pk):
        assert TariffVersion.objects.count() == 2


def test_a_deactivated_owner_sees_nothing(full: Cast) -> None:
    owner = full.people["owner"]
    owner.is_active = False
    with acting_as_system():
        owner.save(update_fields=["is_active"])
    with acting_as(owner.pk):
        assert not any(counts().values())
    assert not billed_homes(owner).exists()
