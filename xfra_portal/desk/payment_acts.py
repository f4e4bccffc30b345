"""What is decided about payouts and the utilities' bills; by pages and API alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from billing import payouts, reconciliation
from billing.models import Payout, UtilityBill
from billing.tasks import pursue_payouts
from homes.models import Home, User
from xfra_portal import formats
from xfra_portal.desk.done import Done, Refused

State = Payout.State


def create_payouts(by: User) -> Done:
    """Of all that is due."""
    made = payouts.create_due(by=by.party)
    if not made:
        raise Refused("Nothing is due that could be paid out.")
    total = formats.dollars(sum(one.cents for one in made))
    words = f"{formats.count(len(made), 'payout')} created, {total} in all."
    return Done("payouts_created", words, reverse("desk-payouts"), subject=", ".join(one.key for one in made)[:60])


def send_payouts() -> Done:
    """Have a worker ask the provider about everything; without a provider, what is created went by file."""
    to = reverse("desk-payouts")
    if settings.PAYOUT_PROVIDER:
        transaction.on_commit(lambda: pursue_payouts.apply_async(expires=300), robust=True)
        count = Payout.objects.filter(state__in=(State.CREATED, State.SENT)).count()
        return Done("payouts_sent", f"A worker sends and asks about {formats.count(count, 'payout')}.", to)
    handed = payouts.hand_over(list(Payout.objects.filter(state=State.CREATED).values_list("pk", flat=True)))
    if not handed:
        raise Refused("No payout is waiting to be sent.")
    return Done("payouts_sent", f"{formats.count(len(handed), 'payout')} went to the bank by file.", to)


def resolve_payout(payout: Payout, has_arrived: bool, why: str) -> Done:
    """A person found out what became of it."""
    if Payout.objects.filter(pk=payout.pk).exclude(state=State.SENT).exists():
        raise Refused("It is not on its way any more.")
    payouts.resolve(payout, has_arrived, why)
    what = "has arrived" if has_arrived else "has failed: the money is owed to the host again"
    words = f"The payout of {formats.dollars(payout.cents)} to the host of {payout.home.name} {what}."
    return Done("payout_resolved", words, reverse("desk-payouts"), payout.home, payout.key, why, payout.pk)


@dataclass(frozen=True, slots=True)
class Billed:
    """A utility's bill of local days [start, end)."""

    home: Home
    number: str
    start: date
    end: date
    cents: int
    import_wh: int | None = None


def enter_bill(by: User, billed: Billed) -> Done:
    """Keep it and compare it with the statement of its days. Raises NoStatement."""
    bill = UtilityBill.objects.create(
        home=billed.home,
        number=billed.number,
        start=billed.start,
        end=billed.end,
        import_wh=billed.import_wh,
        cents=billed.cents,
        entered_by=by.party,
    )
    found = reconciliation.reconcile(bill, by=by.party)
    difference = formats.change_dollars(found.difference_cents)
    words = f"Bill {bill.number} of {bill.home.name} is entered. {found.get_verdict_display()}: {difference}."
    return Done("bill_entered", words, reverse("desk-bills"), bill.home, bill.number, made=bill.pk)


def explain_bill(by: User, bill: UtilityBill, why: str) -> Done:
    """Compare again; with a reason, a difference is explained and posted."""
    found = reconciliation.reconcile(bill, why, by.party)
    words = f"Bill {bill.number} of {bill.home.name}: {found.get_verdict_display().lower()}."
    return Done("bill_explained", words, reverse("desk-bills"), bill.home, bill.number, why, bill.pk)


def pay_bill(by: User, bill: UtilityBill) -> Done:
    """We have paid the utility what it asked for."""
    try:
        reconciliation.pay(bill, by.party)
    except ValueError as error:
        raise Refused(str(error)) from error
    words = f"Bill {bill.number} of {bill.home.name}, {formats.dollars(bill.cents)}, is paid."
    return Done("bill_paid", words, reverse("desk-bills"), bill.home, bill.number, made=bill.pk)
