"""The utility's own bills: entered, compared with what was computed, explained, paid."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse

from billing import ledger, reconciliation
from billing.models import Entry, Payer, Reconciliation, UtilityBill
from xfra_portal import formats
from xfra_portal.desk import doing
from xfra_portal.desk.doing import Done, Refused
from xfra_portal.desk.doors import homes, page, person, takes_form, writes
from xfra_portal.desk.forms import ReasonForm, UtilityBillForm

PAGE: Final = 40


@takes_form
def bills_page(request: HttpRequest) -> HttpResponse:
    form = UtilityBillForm(homes(request), request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        return _enter(request, form)
    found = UtilityBill.objects.filter(home__in=homes(request)).select_related("home", "entered_by")
    pages = Paginator(found.prefetch_related("reconciliations__statement__agreement", "entries"), PAGE).get_page(
        request.GET.get("page")
    )
    context = {"pages": pages, "rows": [_row(bill) for bill in pages], "form": form, "reason": ReasonForm()}
    return page(request, "bills", "bills", context, 400 if form.is_bound else 200)


def _row(bill: UtilityBill) -> dict[str, object]:
    latest: Reconciliation | None = next(iter(bill.reconciliations.all()), None)
    we_pay = latest is not None and latest.statement.agreement.utility_payer == Payer.OPERATOR
    return {
        "bill": bill,
        "last": bill.end - timedelta(days=1),
        "latest": latest,
        "we_pay": we_pay,
        "is_paid": any(entry.kind == Entry.Kind.UTILITY_PAID for entry in bill.entries.all()),
        "differs": latest is not None and latest.verdict == Reconciliation.Verdict.DIFFERS,
    }


def _enter(request: HttpRequest, form: UtilityBillForm) -> HttpResponse:
    here, given = reverse("desk-bills"), form.cleaned_data

    def act() -> Done:
        bill = UtilityBill.objects.create(
            home=given["home"],
            number=given["number"],
            start=given["start"],
            end=given["last"] + timedelta(days=1),
            import_wh=given["import_wh"],
            cents=given["amount"],
            entered_by=person(request).party,
        )
        found = reconciliation.reconcile(bill, by=person(request).party)
        difference = formats.change_dollars(found.difference_cents)
        words = f"Bill {bill.number} of {bill.home.name} is entered. {found.get_verdict_display()}: {difference}."
        return Done("bill_entered", words, here, bill.home, bill.number)

    return doing.do(request, act, here)


def _bill(request: HttpRequest, bill_id: int) -> UtilityBill:
    found = UtilityBill.objects.filter(home__in=homes(request)).select_related("home")
    bill: UtilityBill = get_object_or_404(found, pk=bill_id)
    return bill


@writes
def explain(request: HttpRequest, bill_id: int) -> HttpResponse:
    """Compare again; with a reason, a difference is explained and posted."""
    bill, here = _bill(request, bill_id), reverse("desk-bills")
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return doing.refuse(request, f"Nothing was done. {form.first_error}", here)

    def act() -> Done:
        found = reconciliation.reconcile(bill, form.cleaned_data["why"], person(request).party)
        words = f"Bill {bill.number} of {bill.home.name}: {found.get_verdict_display().lower()}."
        return Done("bill_explained", words, here, bill.home, bill.number, form.cleaned_data["why"])

    return doing.do(request, act, here)


@writes
def pay(request: HttpRequest, bill_id: int) -> HttpResponse:
    """We have paid the utility what it asked for."""
    bill, here = _bill(request, bill_id), reverse("desk-bills")

    def act() -> Done:
        try:
            reconciliation.pay(bill, person(request).party)
        except ledger.KeyReused:
            raise
        except ValueError as error:
            raise Refused(str(error)) from error
        words = f"Bill {bill.number} of {bill.home.name}, {formats.dollars(bill.cents)}, is paid."
        return Done("bill_paid", words, here, bill.home, bill.number)

    return doing.do(request, act, here)
