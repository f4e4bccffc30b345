"""The utility's bill beside the statement, and a year's payments beside the thresholds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from billing import ledger, payouts, reconciliation, year_end
from billing.models import Code, Entry, Reconciliation, TaxThreshold, UtilityBill
from tests.billing import months
from tests.billing.checks import commit
from tests.billing.months import APRIL, FLAT, HOLD, JUNE, MAY
from tests.billing.providers import Prompt
from tests.cast import Cast, needs_database

pytestmark = [needs_database, pytest.mark.usefixtures("as_system")]
Verdict = Reconciliation.Verdict


def bill(cast: Cast, cents: int, number: str = "U-1", wh: int | None = None) -> UtilityBill:
    return UtilityBill.objects.create(home=cast.home, number=number, start=APRIL, end=MAY, cents=cents, import_wh=wh)


@pytest.mark.parametrize(
    ("difference", "note", "verdict"),
    [
        (0, "", Verdict.AGREES),
        (5, "", Verdict.TOLERABLE),
        (-6, "", Verdict.DIFFERS),
        (6, "a franchise fee that the tariff lacks", Verdict.EXPLAINED),
    ],
)
def test_verdicts(cast: Cast, difference: int, note: str, verdict: Verdict) -> None:
    months.settle_in(cast.home, FLAT)
    months.usual(cast.home)
    statement = months.issue(cast.home)
    found = reconciliation.reconcile(bill(cast, statement.bill_with_cents + difference, wh=1_152_010), note)
    commit()
    assert (found.verdict, found.difference_cents, found.difference_wh) == (verdict, difference, 10)
    posted = 0 if verdict is Verdict.DIFFERS else difference
    assert ledger.balance(Code.UTILITY_PAYABLE, cast.home.pk) == -statement.bill_with_cents - posted
    assert [r.pk for r in reconciliation.open_differences()] == ([found.pk] if verdict is Verdict.DIFFERS else [])


def test_explained_later_it_is_posted_once_and_paid_once(cast: Cast) -> None:
    months.settle_in(cast.home, FLAT)
    months.usual(cast.home)
    asked = bill(cast, months.issue(cast.home).bill_with_cents + 900)
    for note in ("", "a fuel charge of March", "a fuel charge of March"):
        reconciliation.reconcile(asked, note)
    assert Entry.objects.filter(kind=Entry.Kind.UTILITY_BILL).count() == 1
    assert reconciliation.open_differences() == []
    for _ in range(2):
        reconciliation.pay(asked)
    commit()
    assert ledger.balance(Code.UTILITY_PAYABLE, cast.home.pk) == 0
    assert ledger.balance(Code.CASH) == -asked.cents


def test_where_the_host_pays_nothing_is_posted(cast: Cast) -> None:
    months.settle_in(cast.home, HOLD)
    months.usual(cast.home)
    asked = bill(cast, months.issue(cast.home).bill_with_cents + 3)
    before = Entry.objects.count()
    assert reconciliation.reconcile(asked).verdict == Verdict.TOLERABLE
    assert Entry.objects.count() == before
    with pytest.raises(ValueError, match="the host pays"):
        reconciliation.pay(asked)


def test_there_must_be_a_statement_of_the_same_days(cast: Cast) -> None:
    with pytest.raises(reconciliation.NoStatement):
        reconciliation.compare(bill(cast, 1))


def test_the_threshold_of_a_year() -> None:
    assert [year_end.threshold(year) for year in (2024, 2025, 2026, 2027)] == [60_000, 60_000, 200_000, 200_000]
    assert year_end.threshold(2026, TaxThreshold.Form.NEC) == 200_000
    with pytest.raises(year_end.NoThreshold):
        year_end.threshold(1950)


def test_a_years_payments(cast: Cast) -> None:
    months.settle_in(cast.home, HOLD)
    months.usual(cast.home, APRIL, JUNE)
    for start, end, paid_at in (
        (APRIL, MAY, datetime(2026, 5, 3, tzinfo=UTC)),
        (MAY, JUNE, datetime(2027, 1, 1, 6, 59, tzinfo=UTC)),  # still 2026 in Phoenix
    ):
        months.issue(cast.home, start, end)
        (payout,) = payouts.create_due()
        payouts.send(payout, Prompt(), now=paid_at)
    (year,) = year_end.years([cast.home], 2026)
    assert (year.payouts, year.cash_cents, year.is_reported) == (2, 10_368 + 10_714, False)
    assert (year.in_kind_cents, year.saved_cents, year.threshold_cents) == (14_000, 14_000, 200_000)
    payouts.ask(payout, Prompt(outcome=payouts.Outcome.RETURNED), now=datetime(2026, 12, 31, tzinfo=UTC))
    assert year_end.years([cast.home], 2025) == []
