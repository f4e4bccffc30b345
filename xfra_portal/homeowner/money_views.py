"""The homeowner's pages about money. To whoever may see no money of the home they do not exist."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any, Final, cast

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from billing import agreements, ledger, questions, receivables
from billing.access import billed_homes, contracted_homes
from billing.documents import tables
from billing.documents.content import YearContent, years_of
from billing.models import Agreement, Payout, Statement, StatementQuestion
from billing.waterfall import Figure
from billing.year_end import NoThreshold
from homes.models import Home, User
from xfra_portal import bill_words, statement_files
from xfra_portal.error_pages import NotShared
from xfra_portal.homeowner import line_pages, money
from xfra_portal.homeowner.forms import QuestionForm
from xfra_portal.homeowner.pages import show

_NO_MONEY: Final = "The owner shares power, internet and battery of this home with you, and not its money."
_NO_AGREEMENT: Final = (
    "The agreement and the payouts are between the owner and us. The statements are yours to see, too."
)


@require_safe
@login_required
@never_cache
def month_page(request: HttpRequest, home_id: uuid.UUID) -> HttpResponse:
    """The month so far, line by line."""
    home = billed_home(request, home_id)
    found = money.so_far(home)
    context = {
        "so_far": found,
        "sheet": money.sheet_so_far(found),
        "to_day": money.last_day(found.end),
        "month_last": money.last_day(found.month_end),
        "bands": money.bands(found),
    }
    return _page(request, home, "portal/month.html", "month", context)


@require_safe
@login_required
@never_cache
def month_line_page(request: HttpRequest, home_id: uuid.UUID, ordinal: int) -> HttpResponse:
    home = billed_home(request, home_id)
    found = money.so_far(home)
    row = _row(money.sheet_so_far(found), ordinal)
    page = line_pages.of(row, money.priced_so_far(found, ordinal), request.GET.get("day"))
    return _page(request, home, "portal/line.html", "month", {"page": page, "so_far": found})


@require_safe
@login_required
@never_cache
def statements_page(request: HttpRequest, home_id: uuid.UUID) -> HttpResponse:
    home = billed_home(request, home_id)
    found = money.issued(_user(request), home).select_related("revision")
    return _page(request, home, "portal/statements.html", "statements", {"statements": found})


@require_safe
@login_required
@never_cache
def statements_file(request: HttpRequest, home_id: uuid.UUID) -> HttpResponse:
    """All of a home's statements as CSV, one line each."""
    home = billed_home(request, home_id)
    found = money.issued(_user(request), home).select_related("period", "run", "revises", "revision")
    return _csv(tables.statements_csv(found), "statements.csv")


@require_safe
@login_required
@never_cache
def statement_page(request: HttpRequest, home_id: uuid.UUID, number: int) -> HttpResponse:
    home = billed_home(request, home_id)
    return _statement_page(request, home, _statement(request, home, number), QuestionForm())


@require_POST
@login_required
@never_cache
def ask(request: HttpRequest, home_id: uuid.UUID, number: int) -> HttpResponse:
    """A question about a statement; asked by a form that needs no script."""
    home = billed_home(request, home_id)
    statement, form = _statement(request, home, number), QuestionForm(request.POST)
    if not form.is_valid():
        return _statement_page(request, home, statement, form, status=400)
    questions.ask(statement, form.cleaned_data["text"], _user(request).party)
    return redirect("home-statement", home.pk, number)


@require_safe
@login_required
@never_cache
def statement_file(request: HttpRequest, home_id: uuid.UUID, number: int, kind: str) -> HttpResponse:
    home = billed_home(request, home_id)
    chosen = statement_files.offered(money.shows_agreement(_user(request), home)).get(kind)
    if chosen is None:
        raise Http404
    found = _statement(request, home, number)
    name = chosen.name.format(number=number)
    return HttpResponse(
        chosen.make(found),
        content_type=chosen.media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@require_safe
@login_required
@never_cache
def statement_line_page(request: HttpRequest, home_id: uuid.UUID, number: int, ordinal: int) -> HttpResponse:
    home = billed_home(request, home_id)
    statement = _statement(request, home, number)
    row = _row(money.sheet_of(statement), ordinal)
    page = line_pages.of(row, money.priced_statement(statement), request.GET.get("day"))
    return _page(request, home, "portal/line.html", "statements", {"page": page, "statement": statement})


@require_safe
@login_required
@never_cache
def agreement_page(request: HttpRequest, home_id: uuid.UUID) -> HttpResponse:
    home = contracted_home(request, home_id)
    today = timezone.now().astimezone(home.zone).date()
    found = list(Agreement.objects.filter(home=home, span__isempty=False).order_by("-version"))
    versions = [
        {
            "agreement": one,
            "words": agreements.words(agreements.terms_of(one)),
            "changes": agreements.diff(before, one) if before else [],
            "last": money.last_day(one.span.upper) if one.span.upper else None,
            "is_current": one.span.lower <= today and (one.span.upper is None or today < one.span.upper),
        }
        for one, before in zip(found, [*found[1:], None], strict=False)
    ]
    return _page(request, home, "portal/agreement.html", "agreement", {"versions": versions})


@require_safe
@login_required
@never_cache
def payouts_page(request: HttpRequest, home_id: uuid.UUID) -> HttpResponse:
    home = contracted_home(request, home_id)
    context = {
        "payouts": Payout.objects.filter(home=home),
        "years": _years(home),
        "owed_to_host": max(ledger.owed_to_host(home.pk), 0),
        "overpaid": max(-ledger.owed_to_host(home.pk), 0),
        "owed_by_host": ledger.owed_by_host(home.pk),
        "unpaid": receivables.unpaid(home.pk),
        "today": timezone.now().astimezone(home.zone).date(),
    }
    return _page(request, home, "portal/payouts.html", "payouts", context)


@require_safe
@login_required
@never_cache
def years_file(request: HttpRequest, home_id: uuid.UUID) -> HttpResponse:
    """The years in which the home was paid as CSV, for whoever does the taxes."""
    home = contracted_home(request, home_id)
    return _csv(tables.years_csv(_years(home)), "years.csv")


def _years(home: Home) -> list[YearContent]:
    """Of each year with a payout, the newest first; without the years of which nobody knows the threshold yet."""
    found: list[YearContent] = []
    settled = Payout.objects.filter(home=home, settled_at__isnull=False)
    for at in settled.datetimes("settled_at", "year", order="DESC", tzinfo=home.zone):
        with suppress(NoThreshold):
            found += years_of([home], at.year)
    return found


def _csv(text: str, name: str) -> HttpResponse:
    return HttpResponse(
        text, content_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def billed_home(request: HttpRequest, home_id: uuid.UUID) -> Home:
    """A home whose money this person may see, or 404."""
    _say_what_is_not_shared(request, home_id, billed_homes(_user(request)), _NO_MONEY)
    return get_object_or_404(billed_homes(_user(request)), pk=home_id, node__isnull=False)


def contracted_home(request: HttpRequest, home_id: uuid.UUID) -> Home:
    """A home whose agreement and payouts this person may see, or 404."""
    _say_what_is_not_shared(request, home_id, billed_homes(_user(request)), _NO_MONEY)
    _say_what_is_not_shared(request, home_id, contracted_homes(_user(request)), _NO_AGREEMENT)
    return get_object_or_404(contracted_homes(_user(request)), pk=home_id, node__isnull=False)


def _say_what_is_not_shared(request: HttpRequest, home_id: uuid.UUID, shown: QuerySet[Home], words: str) -> None:
    """Raises NotShared for somebody of the household who may not see this. Strangers learn nothing."""
    household = Home.objects.visible_to(request.user).filter(pk=home_id, memberships__user=_user(request))
    if not shown.filter(pk=home_id).exists() and household.exists():
        raise NotShared(words)


def _statement(request: HttpRequest, home: Home, number: int) -> Statement:
    found = money.issued(_user(request), home).select_related("run__period").prefetch_related("lines")
    return get_object_or_404(found, number=number)


def _statement_page(
    request: HttpRequest, home: Home, statement: Statement, form: QuestionForm, status: int = 200
) -> HttpResponse:
    sheet = money.sheet_of(statement)
    before = money.before(_user(request), statement)
    shows_agreement = money.shows_agreement(_user(request), home)
    context = {
        "statement": statement,
        "sentences": money.words_of(statement),
        "open_cents": receivables.open_by_statement(home.pk).get(statement.pk) if shows_agreement else None,
        "today": timezone.now().astimezone(home.zone).date(),
        "sheet": sheet,
        "revision": Statement.objects.issued().filter(revises=statement).first(),
        "changes": money.changes(statement) if statement.revises else [],
        "comparison": money.compare(before, statement, _figure(request)) if before else None,
        "figures": [(figure.value, words) for figure, words in bill_words.FIGURES.items()],
        "questions": StatementQuestion.objects.filter(statement=statement).order_by("pk"),
        "form": form,
        "files": statement_files.offered(shows_agreement).items(),
        "last": money.last_day(statement.period.end),
    }
    return _page(request, home, "portal/statement.html", "statements", context, status)


def _figure(request: HttpRequest) -> Figure | None:
    asked = request.GET.get("of")
    return Figure(asked) if asked in [figure.value for figure in Figure] else None


def _row(sheet: money.Sheet, ordinal: int) -> money.Row:
    for row in sheet.rows:
        if row.ordinal == ordinal:
            return row
    raise Http404


def _page(
    request: HttpRequest, home: Home, template: str, tab: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    shared = {"tab": tab, "shows_agreement": money.shows_agreement(_user(request), home)}
    return show(request, home, "electricity", template, {**shared, **context}, status)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
