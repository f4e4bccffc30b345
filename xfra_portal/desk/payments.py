"""Payouts to hosts: what is owed, what is on its way, and what nobody has heard of for a day."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from billing import ledger, payout_files, payout_provider, payouts
from billing.models import Account, Code, Payout
from homes.models import Home, Membership
from xfra_portal import formats
from xfra_portal.desk import doing, payment_acts
from xfra_portal.desk.done import Done, Refused
from xfra_portal.desk.doors import homes, page, person, reads, writes
from xfra_portal.desk.forms import ReasonForm
from xfra_portal.desk.months import worker

PAGE: Final = 40
DUE_SHOWN: Final = 200
State = Payout.State


@reads
def payouts_page(request: HttpRequest) -> HttpResponse:
    found = Payout.objects.filter(home__in=homes(request)).select_related("home", "host", "created_by")
    state = request.GET.get("state", "")
    if state in State.values:
        found = found.filter(state=state)
    pages = Paginator(found.order_by("-created_at", "-pk"), PAGE).get_page(request.GET.get("page"))
    lost = payouts.unknown()
    due = due_homes(request)
    context = {
        "pages": pages,
        "lost": Payout.objects.filter(pk__in=[one.pk for one in lost]).select_related("home", "host"),
        "due": due,
        "due_cents": sum(row["cents"] for row in due if row["can"]),
        "can_count": sum(row["can"] for row in due),
        "counts": {one: Payout.objects.filter(state=one).count() for one in State.values},
        "states": State.choices,
        "state": state,
        "goes_by_file": not settings.PAYOUT_PROVIDER,
        "provider": provider.name if (provider := payout_provider.configured()) else "",
        "unowned": payouts.unowned(),
        "minimum": payouts.MINIMUM_CENTS,
        "reason": ReasonForm(),
        **worker(),
    }
    return page(request, "payouts", "payouts", context)


def due_homes(request: HttpRequest) -> list[dict[str, Any]]:
    """What is owed to hosts on balance, the most first, and why it cannot be paid out where it cannot."""
    owed = Account.objects.filter(code=Code.HOST_PAYABLE, home__in=homes(request)).values_list("home", flat=True)
    balances = ledger.balances(list(owed), (Code.HOST_PAYABLE, Code.HOST_RECEIVABLE))
    cents = {
        home_id: -balances.get((home_id, Code.HOST_PAYABLE), 0)
        - max(balances.get((home_id, Code.HOST_RECEIVABLE), 0), 0)
        for home_id in owed
    }
    known = Home.objects.in_bulk([home_id for home_id, amount in cents.items() if amount])
    owners = set(Membership.objects.filter(role=Membership.Role.OWNER, home__in=known).values_list("home", flat=True))
    flying = set(Payout.objects.filter(state__in=(State.CREATED, State.SENT)).values_list("home", flat=True))
    rows = [
        _due(known[home_id], amount, home_id in owners, home_id in flying)
        for home_id, amount in cents.items()
        if amount
    ]
    return sorted(rows, key=lambda row: (-row["cents"], row["home"].name))[:DUE_SHOWN]


def _due(home: Home, cents: int, has_owner: bool, is_flying: bool) -> dict[str, Any]:
    why = ""
    if cents < 0:
        why = "overpaid: carried forward to the next statement"
    elif cents < payouts.MINIMUM_CENTS:
        why = f"below {formats.dollars(payouts.MINIMUM_CENTS)}: waits for the next month"
    elif not has_owner:
        why = "nobody owns this home"
    elif is_flying:
        why = "a payout is on its way"
    return {"home": home, "cents": cents, "why": why, "can": not why}


@writes
def create(request: HttpRequest) -> HttpResponse:
    """Payouts of all that is due."""
    return doing.do(request, lambda: payment_acts.create_payouts(person(request)), reverse("desk-payouts"))


@writes
def send(request: HttpRequest) -> HttpResponse:
    return doing.do(request, payment_acts.send_payouts, reverse("desk-payouts"))


@writes
def resolve(request: HttpRequest, payout_id: int) -> HttpResponse:
    """A person found out what became of a payout."""
    payout = get_object_or_404(Payout.objects.select_related("home").filter(home__in=homes(request)), pk=payout_id)
    form, here = ReasonForm(request.POST), reverse("desk-payouts")
    if not form.is_valid():
        return doing.refuse(request, f"Nothing was done. {form.first_error}", here)
    action = request.POST.get("action")

    def act() -> Done:
        if action not in ("paid", "failed"):
            raise Refused("Say whether it arrived or failed.")
        return payment_acts.resolve_payout(payout, action == "paid", form.cleaned_data["why"])

    return doing.do(request, act, here)


@reads
def payouts_file(request: HttpRequest) -> HttpResponse:
    """What is not settled yet, as the fields of NACHA entries."""
    today = timezone.now().date()
    found = Payout.objects.filter(state__in=(State.CREATED, State.SENT), home__in=homes(request))
    text = payout_files.as_csv(found.select_related("host").order_by("pk"), today)
    name = f"payouts-{today:%Y-%m-%d}.csv"
    return HttpResponse(
        text, content_type="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
