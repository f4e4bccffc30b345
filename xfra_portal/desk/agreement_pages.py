"""A home's agreement: a new version, read as the host will read it before it is concluded."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from billing import agreements
from billing.models import Agreement
from billing.settlement import Terms
from homes.models import Home
from xfra_portal.desk import book_acts, doing
from xfra_portal.desk.agreement_forms import AgreementForm
from xfra_portal.desk.doors import home_or_404, page, person, takes_form
from xfra_portal.homeowner import money


@takes_form
def agreement_page(request: HttpRequest, home_id: uuid.UUID) -> HttpResponse:
    """First `preview` shows the words and what they change; only then `conclude` is offered."""
    home = home_or_404(request, home_id)
    current = Agreement.objects.filter(home=home, span__isempty=False).order_by("-version").first()
    form = AgreementForm(request.POST if request.method == "POST" else None, initial=_initial(home, current))
    if not form.is_bound or not form.is_valid():
        return _page(request, home, current, form, None, 400 if form.is_bound else 200)
    if request.POST.get("action") == "conclude":
        return _conclude(request, home, form)
    return _page(request, home, current, form, form.terms)


def _initial(home: Home, current: Agreement | None) -> dict[str, Any]:
    today = timezone.now().astimezone(home.zone).date()
    if current is None:
        return {"start": today.replace(day=1)}
    return {**AgreementForm.initial_of(agreements.terms_of(current)), "start": today}


def _page(
    request: HttpRequest,
    home: Home,
    current: Agreement | None,
    form: AgreementForm,
    terms: Terms | None,
    status: int = 200,
) -> HttpResponse:
    versions = list(Agreement.objects.filter(home=home, span__isempty=False).order_by("-version"))
    context = {
        "home": home,
        "form": form,
        "current": current,
        "preview": agreements.words(terms) if terms else [],
        "changes": agreements.diff(current, _unsaved(home, terms)) if terms else [],
        "versions": [
            {
                "one": one,
                "words": agreements.words(agreements.terms_of(one)),
                "last": money.last_day(one.span.upper) if one.span.upper else None,
                "changes": agreements.diff(before, one) if before else [],
            }
            for one, before in zip(versions, [*versions[1:], None], strict=False)
        ],
    }
    return page(request, "agreement", "homes", context, status)


def _unsaved(home: Home, terms: Terms) -> Agreement:
    """Only to be compared and read."""
    return Agreement(
        home=home,
        utility_payer=terms.utility_payer,
        internet_payer=terms.internet_payer,
        settlement=terms.settlement,
        fee_cents=terms.fee_cents,
        credit_per_kwh=terms.credit_per_kwh,
        internet_cents=terms.internet_cents,
        fixed_monthly=[{"label": item.label, "cents": item.cents, "to": item.to} for item in terms.items],
        due_days=terms.due_days,
        how_paid=terms.how_paid,
    )


def _conclude(request: HttpRequest, home: Home, form: AgreementForm) -> HttpResponse:
    here, given = reverse("desk-agreement", args=[home.pk]), form.cleaned_data
    asked = home, form.terms, given["start"], given["why"]
    return doing.do(request, lambda: book_acts.conclude(person(request), *asked), here)
