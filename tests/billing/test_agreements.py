"""Agreements: versions that never overlap, in plain words, with what changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from billing import agreements
from billing.agreements import AgreementRefused
from billing.models import Agreement
from billing.settlement import CREDIT_PER_KWH, HOLD_HARMLESS, HOST, OPERATOR, Item, Terms
from tests.billing import months
from tests.billing.checks import refused
from tests.billing.months import APRIL, FLAT, HOLD, MAY
from tests.cast import Cast, needs_database

pytestmark = [needs_database, pytest.mark.usefixtures("as_system")]


def test_a_new_version_ends_the_one_before(cast: Cast) -> None:
    first = agreements.conclude(cast.home, HOLD, APRIL)
    second = agreements.conclude(cast.home, FLAT, MAY)
    first.refresh_from_db()
    assert (first.version, first.span.lower, first.span.upper) == (1, APRIL, MAY)
    assert (second.version, second.span.lower, second.span.upper) == (2, MAY, None)
    found = agreements.in_force([cast.home.pk], date(2026, 4, 20), date(2026, 5, 20))
    assert found == {cast.home.pk: [first, second]}


def test_concluded_again_for_the_same_day_the_first_never_was(cast: Cast) -> None:
    agreements.conclude(cast.home, HOLD, APRIL)
    agreements.conclude(cast.home, FLAT, APRIL)
    assert [bool(a.span.isempty) for a in Agreement.objects.order_by("version")] == [True, False]


def test_nothing_begins_within_days_that_were_rated(cast: Cast) -> None:
    months.settle_in(cast.home, HOLD)
    months.usual(cast.home)
    months.issue(cast.home)
    with refused("within a period that was rated|has settled days"):
        agreements.conclude(cast.home, FLAT, date(2026, 4, 15))
    assert agreements.conclude(cast.home, FLAT, MAY).version == 2


@pytest.mark.parametrize(
    "terms",
    [
        replace(HOLD, items=(Item("Wall", 0, HOST),)),
        replace(HOLD, items=(Item(" ", 5, HOST),)),
        replace(HOLD, items=(Item("Wall", 5, "utility"),)),
        replace(HOLD, internet_cents=-1),
        replace(HOLD, due_days=0),
        replace(HOLD, due_days=121),
        replace(HOLD, how_paid="By bank transfer. " * 20),
    ],
)
def test_terms_that_say_nothing_are_refused(cast: Cast, terms: Terms) -> None:
    with pytest.raises(AgreementRefused):
        agreements.conclude(cast.home, terms, APRIL)


def test_in_plain_words() -> None:
    assert agreements.words(FLAT) == [
        "We pay the electricity bill, all of it.",
        "We pay the internet provider ($70.00 a month).",
        "You pay us $150.00 a month, whatever the bills are.",
        "What a statement says that you owe us is due 14 days after it is issued. By bank transfer.",
    ]
    assert agreements.words(replace(HOLD, internet_cents=0, items=(Item("space on the wall", 1_250, HOST),))) == [
        "You pay the electricity bill.",
        "Internet is not part of it.",
        "We pay you what the node added to the electricity bill: the bill with it less the bill without it.",
        "We pay you $12.50 a month: space on the wall.",
        "What a statement says that you owe us is due 30 days after it is issued. How it is paid is not written in the"
        " agreement: ask the billing desk.",
    ]
    credit = Terms(HOST, HOST, CREDIT_PER_KWH, credit_per_kwh=Decimal("0.110000"), internet_cents=1)
    assert agreements.words(credit)[2] == "For each kWh that the node uses we credit you $0.11."
    whole = Terms(OPERATOR, HOST, HOLD_HARMLESS)
    assert agreements.words(whole)[2] == "You pay us what the electricity bill would have been without the node."


def test_what_a_version_changed(cast: Cast) -> None:
    first = agreements.conclude(cast.home, HOLD, APRIL)
    second = agreements.conclude(cast.home, replace(HOLD, items=(Item("wall", 500, HOST),)), MAY)
    assert [(c.field, c.was, c.now) for c in agreements.diff(first, second)] == [
        ("Each month: wall", None, "We pay you $5.00 a month: wall.")
    ]
    assert len(agreements.diff(None, first)) == 4
    assert agreements.diff(second, second) == []
    assert agreements.terms_of(second).items == (Item("wall", 500, HOST),)
