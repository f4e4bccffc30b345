"""What only a person can decide: readings in doubt, questions of hosts. And the log of what was decided."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from billing.models import CloseItem, DeskAction, Quarantine, StatementQuestion
from homes.models import Home
from xfra_portal import formats
from xfra_portal.desk import doing, month_acts
from xfra_portal.desk.done import Done, Refused
from xfra_portal.desk.doors import homes, page, person, reads, writes
from xfra_portal.desk.forms import AnswerForm, ReasonForm

PAGE = 40


@reads
def exceptions_page(request: HttpRequest) -> HttpResponse:
    found = Quarantine.objects.filter(state=Quarantine.State.OPEN, home__in=homes(request)).select_related("home")
    home = _home(request)
    if home is not None:
        found = found.filter(home=home)
    pages = Paginator(found.order_by("home__name", "started_at", "pk"), PAGE).get_page(request.GET.get("page"))
    held = CloseItem.objects.filter(stage=CloseItem.Stage.HELD).select_related("home", "close")
    context = {
        "pages": pages,
        "rows": [_row(one) for one in pages],
        "held": list(held.order_by("-close__month", "home__name")[:100]),
        "only": home,
        "answered": Quarantine.objects.filter(resolved_by__isnull=False)
        .select_related("home", "resolved_by__party")
        .order_by("-resolved_at")[:10],
    }
    return page(request, "exceptions", "exceptions", context)


def _home(request: HttpRequest) -> Home | None:
    try:
        return homes(request).filter(pk=uuid.UUID(request.GET.get("home", ""))).first()
    except ValueError:
        return None


def _row(one: Quarantine) -> dict[str, Any]:
    zone = one.home.zone
    start, end = one.started_at.astimezone(zone), one.ended_at.astimezone(zone)
    return {
        "one": one,
        "when": f"{start:%a} {start.day} {start:%b %Y}, {formats.clock(start)} to {_end(start, end)}",
        "quarters": int((one.ended_at - one.started_at).total_seconds() // 900),
        "wh": sum(one.wh) if one.wh else None,
        "most": max(one.wh) if one.wh else None,
    }


def _end(start: datetime, end: datetime) -> str:
    return formats.clock(end) if end.date() == start.date() else f"{end.day} {end:%b} {formats.clock(end)}"


@writes
def answer_reading(request: HttpRequest, quarantine_id: int) -> HttpResponse:
    question = get_object_or_404(
        Quarantine.objects.select_related("home").filter(home__in=homes(request)), pk=quarantine_id
    )
    form, back = ReasonForm(request.POST), reverse("desk-exceptions")
    if not form.is_valid():
        return doing.refuse(request, f"Nothing was done. {form.first_error}", back)
    why, action = form.cleaned_data["why"], request.POST.get("action")

    def act() -> Done:
        if action not in ("accept", "discard"):
            raise Refused("Choose accept or discard.")
        return month_acts.answer_reading(person(request), question, action == "accept", why)

    return doing.do(request, act, back)


@reads
def questions_page(request: HttpRequest) -> HttpResponse:
    found = StatementQuestion.objects.filter(home__in=homes(request)).select_related(
        "home", "statement__period", "answered_by", "asked_by"
    )
    context = {
        "open": found.filter(answered_at__isnull=True).order_by("pk")[:100],
        "answered": found.filter(answered_at__isnull=False).order_by("-answered_at")[:20],
        "now": timezone.now(),
    }
    return page(request, "questions", "questions", context)


@writes
def answer_question(request: HttpRequest, question_id: int) -> HttpResponse:
    found = StatementQuestion.objects.filter(home__in=homes(request)).select_related("home", "statement")
    question = get_object_or_404(found, pk=question_id)
    form, back = AnswerForm(request.POST), reverse("desk-questions")
    if not form.is_valid():
        return doing.refuse(request, f"Nothing was sent. {form.first_error}", back)

    text = form.cleaned_data["text"]
    return doing.do(request, lambda: month_acts.answer_question(person(request), question, text), back)


@reads
def log_page(request: HttpRequest) -> HttpResponse:
    found = DeskAction.objects.select_related("by", "home")
    home = _home(request)
    if home is not None:
        found = found.filter(home=home)
    pages = Paginator(found, PAGE).get_page(request.GET.get("page"))
    return page(request, "log", "log", {"pages": pages, "only": home})
