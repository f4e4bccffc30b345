"""The utility's own bills: entered, compared with what was computed, explained, paid."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse

from billing.models import Entry, Payer, Reconciliation, UtilityBill
from xfra_portal.desk import doing, payment_acts
from xfra_portal.desk.doors import homes, page, person, takes_form, writes
from xfra_portal.desk.forms import ReasonForm, UtilityBillForm
from xfra_portal.desk.payment_acts import Billed

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
    given = form.cleaned_data
    end = given["last"] + timedelta(days=1)
    billed = Billed(given["home"], given["number"], given["start"], end, given["amount"], given["import_wh"])
    return doing.do(request, lambda: payment_acts.enter_bill(person(request), billed), reverse("desk-bills"))


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

    why = form.cleaned_data["why"]
    return doing.do(request, lambda: payment_acts.explain_bill(person(request), bill, why), here)


@writes
def pay(request: HttpRequest, bill_id: int) -> HttpResponse:
    """We have paid the utility what it asked for."""
    bill = _bill(request, bill_id)
    return doing.do(request, lambda: payment_acts.pay_bill(person(request), bill), reverse("desk-bills"))
