"""Homes and their ledgers: accounts, entries with a running balance, tariff, agreement, readings."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from django.core.paginator import Paginator
from django.db.models import Max, Prefetch
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from billing import agreements, closing, completeness, ledger
from billing.models import (
    Agreement,
    BooksCheck,
    Code,
    DeskAction,
    Entry,
    Posting,
    Quarantine,
    Statement,
    TariffAssignment,
)
from billing.models.ledger import OF_A_HOME
from billing.readings import usage_of_many
from homes.models import Home
from xfra_portal.desk import book_acts, doing, month_figures
from xfra_portal.desk.doors import home_or_404, homes, page, reads, takes_form, writes
from xfra_portal.desk.forms import AssignForm, ReadingsFileForm
from xfra_portal.homeowner import money

PAGE: Final = 50


@reads
def homes_page(request: HttpRequest) -> HttpResponse:
    query = request.GET.get("q", "").replace("\x00", "")[:80]
    found = (
        homes(request).filter(name__icontains=query).order_by("name", "pk")
        if query
        else homes(request).order_by("name", "pk")
    )
    pages = Paginator(found, PAGE).get_page(request.GET.get("page"))
    balances = ledger.balances([home.pk for home in pages])
    today = timezone.now().date()
    agreed = agreements.in_force([home.pk for home in pages], today, today.replace(year=today.year + 50))
    last = dict(
        Statement.objects.issued()
        .filter(home__in=list(pages))
        .values_list("home")
        .annotate(Max("period__end"))
        .order_by()
    )
    rows = [
        {
            "home": home,
            "owed_to": -balances.get((home.pk, Code.HOST_PAYABLE), 0),
            "owed_by": balances.get((home.pk, Code.HOST_RECEIVABLE), 0),
            "utility": -balances.get((home.pk, Code.UTILITY_PAYABLE), 0),
            "agreement": next(iter(agreed.get(home.pk, [])), None),
            "billed_to": money.last_day(last[home.pk]) if home.pk in last else None,
        }
        for home in pages
    ]
    return page(request, "homes", "homes", {"pages": pages, "rows": rows, "query": query, **_books()})


def _books() -> dict[str, Any]:
    return {"books": BooksCheck.objects.order_by("-checked_at").first()}


@dataclass(frozen=True, slots=True)
class Told:
    """An entry as the ledger's page shows it; `balances` are those of the home's accounts after it."""

    entry: Entry
    postings: Sequence[Posting]
    balances: dict[str, int]


def running(entries: Sequence[Entry]) -> list[Told]:
    """Entries of one home, the earliest first, told with running balances, the latest first."""
    balances = dict.fromkeys(map(str, OF_A_HOME), 0)
    found = []
    for entry in entries:
        postings = list(entry.postings.all())
        for posting in postings:
            if posting.account.code in balances:
                balances[posting.account.code] += posting.cents
        found.append(Told(entry, postings, dict(balances)))
    return list(reversed(found))


@takes_form
def home_page(request: HttpRequest, home_id: uuid.UUID) -> HttpResponse:
    """A home's money on one page; its form assigns a tariff."""
    home = home_or_404(request, home_id)
    form = AssignForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        return _assign(request, home, form)
    return _home_page(request, home, form, status=400 if form.is_bound else 200)


def _home_page(request: HttpRequest, home: Home, form: AssignForm, status: int = 200) -> HttpResponse:
    postings = Prefetch("postings", Posting.objects.select_related("account").order_by("pk"))
    entries = Entry.objects.filter(home=home).select_related("statement", "payout", "by").prefetch_related(postings)
    told = running(list(entries.order_by("recorded_at", "pk")))
    now = timezone.now()
    context = {
        "home": home,
        "accounts": [
            (Code(code).label, cents)
            for code, cents in (told[0].balances if told else dict.fromkeys(OF_A_HOME, 0)).items()
        ],
        "pages": Paginator(told, PAGE).get_page(request.GET.get("page")),
        "zero": sum(posting.cents for one in told for posting in one.postings),
        "agreements": _agreements(home),
        "assignments": _assignments(home, now.date()),
        "statements": Statement.objects.filter(home=home)
        .select_related("period", "revises")
        .order_by("-period__start", "-pk")[:24],
        "months": _months(home, now.date()),
        "doubted": Quarantine.objects.filter(home=home, state=Quarantine.State.OPEN).count(),
        "assign": form,
        "file": ReadingsFileForm(),
        "actions": DeskAction.objects.filter(home=home).select_related("by")[:8],
        **_books(),
    }
    return page(request, "home", "homes", context, status)


def _agreements(home: Home) -> list[dict[str, Any]]:
    found = Agreement.objects.filter(home=home, span__isempty=False).order_by("-version")
    return [{"one": one, "words": agreements.words(agreements.terms_of(one)), **_days(one.span)} for one in found]


def _assignments(home: Home, today: date) -> list[dict[str, Any]]:
    found = TariffAssignment.objects.filter(home=home, span__isempty=False).select_related("tariff").order_by("-span")
    rows = []
    for one in found:
        published = one.tariff.versions.published().filter(valid_from__lte=today).order_by("-valid_from", "-version")
        rows.append({"one": one, "version": published.first(), **_days(one.span)})
    return rows


def _days(span: Any) -> dict[str, Any]:
    return {"first": span.lower, "last": money.last_day(span.upper) if span.upper else None}


def _months(home: Home, today: date) -> list[dict[str, Any]]:
    """The last four months' completeness."""
    month, rows = today.replace(day=1), []
    for _ in range(4):
        end = min(closing.month_end(month), today)
        is_older = closing.month_end(month) <= home.created_at.astimezone(home.zone).date()
        if end > month and not is_older:
            rows.append({"month": month, "known": month_figures.known([home], month, end)[home.pk]})
        month = money.last_day(month).replace(day=1)
    return rows


def _assign(request: HttpRequest, home: Home, form: AssignForm) -> HttpResponse:
    tariff, start = form.cleaned_data["tariff"], form.cleaned_data["start"]
    here = reverse("desk-home", args=[home.pk])
    return doing.do(request, lambda: book_acts.assign(home, tariff, start), here)


@reads
def readings_page(request: HttpRequest, home_id: uuid.UUID, month: date) -> HttpResponse:
    """A month of a home, day by day and channel by channel."""
    home = home_or_404(request, home_id)
    today = timezone.now().astimezone(home.zone).date()
    end = max(min(closing.month_end(month), today), month + timedelta(days=1))
    (usage,) = usage_of_many([home], month, end)
    counted = completeness.by_day(usage)
    channels = list(dict.fromkeys(one.channel for one in counted))
    days: dict[date, dict[str, Any]] = {}
    for one in counted:
        days.setdefault(one.on, {})[one.channel] = one.counts
    context = {
        "home": home,
        "month": month,
        "channels": channels,
        "days": [(on, [counts.get(channel) for channel in channels]) for on, counts in sorted(days.items())],
        "sums": [int(usage.wh_of(channel).sum()) for channel in channels],
    }
    return page(request, "readings", "homes", context)


@writes
def import_readings(request: HttpRequest, home_id: uuid.UUID) -> HttpResponse:
    """The utility's own file, Green Button XML or CSV: its count of the site takes the place of the panel's."""
    home = home_or_404(request, home_id)
    here = reverse("desk-home", args=[home.pk])
    form = ReadingsFileForm(request.POST, request.FILES)
    if not form.is_valid():
        return doing.refuse(request, f"Nothing was imported. {form.first_error}", here)
    file, meter = form.cleaned_data["file"], form.cleaned_data["meter"]
    return doing.do(request, lambda: book_acts.import_readings(home, file.name, file.read(), meter), here)
