"""The tariff book: import a document, see what it lacks, publish it. Published it is frozen."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from billing.line_names import months_of
from billing.models import Tariff, TariffAssignment, TariffVersion
from billing.rating import TariffSpan
from billing.tariffs import check, parse
from xfra_portal import bill_words, formats
from xfra_portal.desk import book_acts, doing
from xfra_portal.desk.doors import page, person, reads, takes_form, writes
from xfra_portal.desk.forms import TariffForm


@takes_form
def tariffs_page(request: HttpRequest) -> HttpResponse:
    """Every line with its versions; its form imports a document as a draft."""
    form = TariffForm(request.POST, request.FILES) if request.method == "POST" else TariffForm()
    if form.is_bound and form.is_valid():
        return _import(request, form)
    today = timezone.now().date()
    rows = [
        {
            "tariff": tariff,
            "versions": list(tariff.versions.defer("document").order_by("-version")),
            "homes": TariffAssignment.objects.filter(tariff=tariff, span__contains=today).count(),
        }
        for tariff in Tariff.objects.order_by("utility", "name")
    ]
    return page(request, "tariffs", "tariffs", {"rows": rows, "form": form}, 400 if form.is_bound else 200)


def _import(request: HttpRequest, form: TariffForm) -> HttpResponse:
    given = form.cleaned_data
    asked = given["utility"], given["name"], given["document"], given["valid_from"], given["note"]
    return doing.do(request, lambda: book_acts.import_tariff(*asked), reverse("desk-tariffs"))


@reads
def tariff_page(request: HttpRequest, version_id: int) -> HttpResponse:
    version = get_object_or_404(TariffVersion.objects.select_related("tariff", "published_by"), pk=version_id)
    problems = [] if version.published_at else check(version.document)
    context = {
        "version": version,
        "others": version.tariff.versions.defer("document").exclude(pk=version.pk).order_by("-version"),
        "problems": problems,
        "rows": [] if problems else _price_rows(version),
        "document": json.dumps(version.document, indent=1, ensure_ascii=False),
        "homes": TariffAssignment.objects.filter(tariff=version.tariff, span__isempty=False)
        .select_related("home")
        .order_by("home__name")[:60],
    }
    return page(request, "tariff", "tariffs", context)


def _price_rows(version: TariffVersion) -> list[dict[str, Any]]:
    """What it charges for energy, when, by step: to be compared with the utility's sheet."""
    tariff = parse(version.document)
    span = TariffSpan(tariff, version.valid_from, version.valid_from.replace(year=version.valid_from.year + 1))
    months = months_of(span.start, span.end)
    return [
        {
            "hours": bill_words.band_words(tariff.schedule, number, months),
            "steps": [
                {
                    "upper": f"up to {formats.plain(tier.upper)} {period.unit}" if tier.upper is not None else "beyond",
                    "rate": formats.rate(tier.rate, "kWh"),
                }
                for tier in period.tiers
            ],
        }
        for number, period in enumerate(tariff.energy)
    ]


@writes
def publish(request: HttpRequest, version_id: int) -> HttpResponse:
    version = get_object_or_404(TariffVersion.objects.select_related("tariff"), pk=version_id)
    here = reverse("desk-tariff", args=[version.pk])
    return doing.do(request, lambda: book_acts.publish(person(request), version), here)
