"""Months: how complete, how far closed; begin, approve, issue. Workers do the work; the desk decides."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone

from billing import alarms, closing, heartbeat, payouts
from billing.models import Close, CloseItem, Quarantine, Statement, StatementQuestion
from xfra_portal.desk import doing, month_acts, month_figures
from xfra_portal.desk.done import Done, Refused
from xfra_portal.desk.doors import page, person, reads, writes

PAGE: Final = 50
Stage = CloseItem.Stage


@reads
def overview(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    context = {
        "months": month_figures.overview(now),
        "alarms": alarms.ringing(now),
        "doubted": Quarantine.objects.filter(state=Quarantine.State.OPEN).count(),
        "unowned": payouts.unowned(),
        "asked": StatementQuestion.objects.filter(answered_at__isnull=True).count(),
        "revisions": revisions_waiting(),
        "held": CloseItem.objects.filter(stage=Stage.HELD).count(),
        **worker(),
    }
    return page(request, "overview", "months", context)


def revisions_waiting() -> list[Statement]:
    """Drafts of corrections, which wait for somebody to issue them."""
    found = Statement.objects.filter(state=Statement.State.DRAFT, revises__isnull=False)
    return list(found.select_related("home", "period", "revises").order_by("period__start", "pk")[:50])


def worker() -> dict[str, Any]:
    seen = heartbeat.seen_at()
    return {"worker_seen": seen, "worker_is_alive": heartbeat.is_alive()}


@reads
def month_page(request: HttpRequest, month: date) -> HttpResponse:
    now = timezone.now()
    close = Close.objects.select_related("started_by", "issuing_by").filter(month=month).first()
    if close is None and month > now.date():
        raise Http404
    stage = request.GET.get("stage", "")
    # Before the rows: what workers do in between makes the page look again. After them, it would stand as it is.
    moving = _progress(close)
    found: Any = month_figures.agreed_homes(month)
    if close is not None:
        found = _items(close, stage)
    pages = Paginator(found, PAGE).get_page(request.GET.get("page"))
    rows = (
        month_figures.item_rows(list(pages), month, now.date())
        if close
        else month_figures.home_rows(list(pages), month, now.date())
    )
    context = {
        "month": month,
        "close": close,
        "pages": pages,
        "rows": rows,
        "stage": stage,
        "stages": [(str(one), words) for one, words in month_figures.STAGE_WORDS.items()],
        "is_over": closing.month_end(month) <= now.date(),
        **moving,
    }
    return page(request, "month", "months", context)


def _items(close: Close, stage: str) -> Any:
    items = close.items.select_related("home", "statement__run", "statement__period", "reviewed_by")
    if stage in Stage.values:
        items = items.filter(stage=stage)
    return items.order_by("home__name", "start")


@reads
def progress(request: HttpRequest, month: date) -> HttpResponse:
    """The part of a month's page that moves while workers close it."""
    close = get_object_or_404(Close.objects.select_related("issuing_by"), month=month)
    return render(request, "desk/_progress.html", {"month": month, "close": close, **_progress(close)})


def _progress(close: Close | None) -> dict[str, Any]:
    if close is None:
        return {"progress": None, **worker()}
    found = closing.progress(close)
    stages = {stage: found.stages.get(stage, 0) for stage in Stage.values}
    return {
        "progress": found,
        "counts": stages,
        "shares": month_figures.shares(stages),
        "moves": not found.is_done,
        **worker(),
    }


@writes
def begin(request: HttpRequest, month: date) -> HttpResponse:
    """Begin a month's close, or take it up again."""
    return doing.do(request, lambda: month_acts.begin(person(request), month), _address(month))


def _address(month: date) -> str:
    return reverse("desk-month", args=[month])


@writes
def approve(request: HttpRequest, month: date) -> HttpResponse:
    """All drafts, or those that are chosen; or take back approvals."""
    close = get_object_or_404(Close, month=month)
    ids = [int(pk) for pk in request.POST.getlist("item") if pk.isascii() and pk.isdecimal() and len(pk) < 19]
    action = request.POST.get("action")

    def act() -> Done:
        if action == "take_back":
            return month_acts.take_back(close, ids)
        if action not in ("approve", "approve_all"):
            raise Refused("Choose what to do.")
        return month_acts.approve(person(request), close, ids if action == "approve" else None)

    return doing.do(request, act, _address(month))


@writes
def issue(request: HttpRequest, month: date) -> HttpResponse:
    """Have workers issue what is approved."""
    close = get_object_or_404(Close, month=month)
    return doing.do(request, lambda: month_acts.issue(person(request), close), _address(month))
