"""The utility's own bill beside what was computed for the same days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db import transaction
from django.db.models import Exists, OuterRef

from billing import ledger
from billing.ledger import Event
from billing.models import Agreement, Code, Entry, Payer, Reconciliation, Statement, UtilityBill
from homes.models import Party

TOLERANCE_CENTS: Final = 5
"""Utilities round each line; so much may come of that."""


class NoStatement(LookupError):
    """No issued statement is of exactly the bill's days."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Billed by the utility less computed, in cents and, where the bill says, in Wh of import."""

    statement: Statement
    difference_cents: int
    difference_wh: int | None

    @property
    def verdict(self) -> Reconciliation.Verdict:
        if self.difference_cents == 0:
            return Reconciliation.Verdict.AGREES
        if abs(self.difference_cents) <= TOLERANCE_CENTS:
            return Reconciliation.Verdict.TOLERABLE
        return Reconciliation.Verdict.DIFFERS


def compare(bill: UtilityBill) -> Comparison:
    """With the current statement of the bill's days. Raises NoStatement."""
    current = Statement.objects.issued().current().select_related("run")
    statement = current.filter(home=bill.home_id, period__start=bill.start, period__end=bill.end).first()
    if statement is None:
        raise NoStatement(f"no statement is issued for {bill.start} to {bill.end}")
    difference_wh = None if bill.import_wh is None else bill.import_wh - statement.run.site_import_wh
    return Comparison(statement, bill.cents - statement.bill_with_cents, difference_wh)


@transaction.atomic
def reconcile(bill: UtilityBill, note: str = "", by: Party | None = None) -> Reconciliation:
    """Record how the bill compares; with a note, a difference is explained.

    Where the operator pays the utility, what it owes becomes what the utility asks for: the difference is posted once.
    """
    found = compare(bill)
    verdict = found.verdict
    if verdict is Reconciliation.Verdict.DIFFERS and note.strip():
        verdict = Reconciliation.Verdict.EXPLAINED
    made = Reconciliation.objects.create(
        home_id=bill.home_id,
        bill=bill,
        statement=found.statement,
        billed_cents=bill.cents,
        computed_cents=found.statement.bill_with_cents,
        difference_wh=found.difference_wh,
        verdict=verdict,
        note=note.strip(),
        made_by=by,
    )
    if verdict is not Reconciliation.Verdict.DIFFERS and _operator_pays(found.statement):
        _post_difference(bill, found.difference_cents)
    return made


def pay(bill: UtilityBill, by: Party | None = None) -> Entry:
    """The operator has paid the utility. Raises ValueError where it is the host who pays."""
    if not _operator_pays(compare(bill).statement):
        raise ValueError("the host pays this utility")
    moves = {Code.UTILITY_PAYABLE: bill.cents, Code.CASH: -bill.cents}
    key = f"utility:{bill.pk}:paid"
    return ledger.post(
        Event(Entry.Kind.UTILITY_PAID, key, bill.home_id, moves, utility_bill_id=bill.pk, by_id=by.pk if by else None)
    )


def open_differences() -> list[Reconciliation]:
    """The latest word on each bill, where that is that somebody must look."""
    later = Reconciliation.objects.filter(bill=OuterRef("bill"), pk__gt=OuterRef("pk"))
    return list(Reconciliation.objects.filter(~Exists(later), verdict=Reconciliation.Verdict.DIFFERS))


def _operator_pays(statement: Statement) -> bool:
    return Agreement.objects.filter(pk=statement.agreement_id, utility_payer=Payer.OPERATOR).exists()


def _post_difference(bill: UtilityBill, cents: int) -> None:
    """What was posted for this bill before counts: only the rest is posted now."""
    before = Entry.objects.filter(utility_bill=bill, kind=Entry.Kind.UTILITY_BILL)
    posted = sum(
        -cents
        for cents in before.filter(postings__account__code=Code.UTILITY_PAYABLE).values_list(
            "postings__cents", flat=True
        )
    )
    rest = cents - posted
    if rest:
        moves = {Code.NODE_ELECTRICITY: rest, Code.UTILITY_PAYABLE: -rest}
        key = f"utility:{bill.pk}:difference:{before.count() + 1}"
        ledger.post(Event(Entry.Kind.UTILITY_BILL, key, bill.home_id, moves, utility_bill_id=bill.pk))
