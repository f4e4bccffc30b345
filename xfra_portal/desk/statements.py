"""A statement before and after it is issued: its lines down to the intervals, its files, and how it is corrected."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse

from billing import agreements, corrections, freshness
from billing.models import CloseItem, Entry, Segment, Statement, StatementLine, StatementQuestion
from xfra_portal import statement_files
from xfra_portal.desk import doing, month_acts
from xfra_portal.desk.doors import homes, page, person, reads, writes
from xfra_portal.desk.forms import ReasonForm
from xfra_portal.homeowner import line_pages, money


def _statement(request: HttpRequest, statement_id: int) -> Statement:
    found = Statement.objects.filter(home__in=homes(request)).select_related(
        "home", "period", "run__period", "agreement", "revises__period", "issued_by"
    )
    lines = Prefetch("lines", StatementLine.objects.order_by("ordinal"))
    statement: Statement = get_object_or_404(found.prefetch_related(lines), pk=statement_id)
    return statement


@reads
def statement_page(request: HttpRequest, statement_id: int) -> HttpResponse:
    statement = _statement(request, statement_id)
    revision = Statement.objects.filter(revises=statement).first()
    is_issued = statement.state == Statement.State.ISSUED
    context = {
        "statement": statement,
        "home": statement.home,
        "sheet": money.sheet_of(statement),
        "sentences": money.words_of(statement),
        "last": money.last_day(statement.period.end),
        "words": agreements.words(agreements.terms_of(statement.agreement)),
        "figures": money.changes(statement),
        "changes": corrections.changes(statement),
        "revision": revision,
        "revision_is_draft": revision is not None and revision.state == Statement.State.DRAFT,
        "is_issued": is_issued,
        "is_current": is_issued and (revision is None or revision.state == Statement.State.DRAFT),
        "is_stale": bool(freshness.stale([statement.pk])),
        "item": CloseItem.objects.filter(statement=statement).select_related("close", "reviewed_by").first(),
        "entry": Entry.objects.filter(statement=statement).prefetch_related("postings__account").first(),
        "files": statement_files.offered(True).items() if is_issued else [],
        "questions": StatementQuestion.objects.filter(statement=statement).select_related("answered_by"),
        "reason": ReasonForm(),
    }
    return page(request, "statement", "months", context)


@reads
def line_page(request: HttpRequest, statement_id: int, ordinal: int) -> HttpResponse:
    """One line: its formula, the engine's segments, the tariff's row, its days and their quarter-hours."""
    statement = _statement(request, statement_id)
    row = next((row for row in money.sheet_of(statement).rows if row.ordinal == ordinal), None)
    if row is None:
        raise Http404
    found = line_pages.of(row, money.priced_statement(statement), request.GET.get("day"))
    context = {
        "statement": statement,
        "home": statement.home,
        "page": found,
        "segments": _segments(statement, row.line),
    }
    return page(request, "line", "months", context)


def _segments(statement: Statement, line: Any) -> list[Segment]:
    """What the engine said before anything was rounded, with the node and without it."""
    if line.span is None:
        return []
    return list(
        Segment.objects.filter(
            run=statement.run_id,
            component=line.component,
            span=line.span,
            tou_period=line.tou_period,
            tier=line.tier,
            label=line.label,
        ).order_by("side", "ordinal")
    )


@reads
def file(request: HttpRequest, statement_id: int, kind: str) -> HttpResponse:
    statement = _statement(request, statement_id)
    chosen = statement_files.offered(True).get(kind)
    if chosen is None or statement.number is None:
        raise Http404
    name = chosen.name.format(number=statement.number)
    return HttpResponse(
        chosen.make(statement),
        content_type=chosen.media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@writes
def correct(request: HttpRequest, statement_id: int) -> HttpResponse:
    """Draft a revision from what is known now; nobody is told before it is issued."""
    statement = _statement(request, statement_id)
    here = reverse("desk-statement", args=[statement.pk])
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return doing.refuse(request, f"Nothing was done. {form.first_error}", here)
    why = form.cleaned_data["why"]

    return doing.do(request, lambda: month_acts.correct(statement, why), here)


@writes
def issue_revision(request: HttpRequest, statement_id: int) -> HttpResponse:
    statement = _statement(request, statement_id)
    here = reverse("desk-statement", args=[statement.pk])
    return doing.do(request, lambda: month_acts.issue_revision(person(request), statement), here)
