"""The endpoints about a home's money besides its statements: month, agreement, tariff, payouts, ledger, meters."""

from __future__ import annotations

import uuid
from datetime import date, timedelta
from typing import Any, Final, cast

from django.core.exceptions import PermissionDenied
from django.db.backends.postgresql.psycopg_any import DateRange
from django.http import HttpResponse
from django.utils import timezone
from django.utils.dateparse import parse_date
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from billing import agreements, green_button_files, ledger, utility_files
from billing.access import is_desk
from billing.green_button_files import NothingRead
from billing.greenbutton.filed import BadFile
from billing.models import Agreement, Entry, Payout, TariffAssignment, TariffVersion
from billing.tariff_book import Book, TariffMissing, VersionSpan
from homes.models import Home
from telemetry.payloads import iso
from xfra_portal.api import money_json, money_shapes
from xfra_portal.api.base import Response, View, file_operation, operation, write_operation
from xfra_portal.api.idempotency import once
from xfra_portal.api.pagination import PARAMETERS, NewestFirst
from xfra_portal.api.renderers import FileRenderer, JSONRenderer
from xfra_portal.homeowner import money

TAG: Final = "money"
_CENTS: Final = "Cents are whole; days are the home's own, the end excluded."


class MonthToDateView(View):
    @operation(
        "month_to_date",
        "This month so far, and about how it will end",
        money_shapes.MonthToDateSerializer,
        TAG,
        description="The month so far by the engine that makes the statements, to the last whole day that was read; not"
        " final. The forecast continues the basis' days to the end of the month: about, not a promise. " + _CENTS,
    )
    def get(self, request: Request, home_id: uuid.UUID) -> Response:
        return Response(money_json.month_json(money.so_far(self.billed_home(home_id))))


class Agreements(View):
    @operation(
        "agreements_list",
        "The agreement and its earlier versions",
        money_shapes.AgreementsSerializer,
        TAG,
        description="Every version of the home's agreement with its days, the latest first. For the owner. " + _CENTS,
    )
    def get(self, request: Request, home_id: uuid.UUID) -> Response:
        home = self.contracted_home(home_id)
        found = list(Agreement.objects.filter(home=home, span__isempty=False).order_by("-version"))
        befores = [*found[1:], None]
        return Response(
            {"agreements": [_agreement_json(one, before) for one, before in zip(found, befores, strict=False)]}
        )


def _agreement_json(one: Agreement, before: Agreement | None) -> dict[str, Any]:
    changes = agreements.diff(before, one) if before else []
    return {
        **agreements.as_document(one),
        "end": money_json.day(one.span.upper),
        "words": agreements.words(agreements.terms_of(one)),
        "changes": [{"field": change.field, "was": change.was, "now": change.now} for change in changes],
    }


class Tariffs(View):
    @operation(
        "tariffs_list",
        "The tariffs that bill the home",
        money_shapes.TariffsSerializer,
        TAG,
        description="Published versions that bill the home from the first of this month on, each with its document.",
    )
    def get(self, request: Request, home_id: uuid.UUID) -> Response:
        home = self.billed_home(home_id)
        first = timezone.now().astimezone(home.zone).date().replace(day=1)
        end = first + timedelta(days=400)
        spans = _until_missing(Book([home.pk], first, end), home, first, end)
        assigned = TariffAssignment.objects.filter(home=home, span__overlap=DateRange(first, end))
        days = {row.tariff_id: row.span for row in assigned}
        versions = TariffVersion.objects.select_related("tariff").in_bulk([span.version_id for span in spans])
        ordered = [versions[span.version_id] for span in spans]
        return Response({"tariffs": [_tariff_json(one, days[one.tariff_id]) for one in ordered]})


def _until_missing(book: Book, home: Home, first: date, end: date) -> list[VersionSpan]:
    """The spans from `first` on, up to the first day that no tariff bills."""
    try:
        return book.spans(home.pk, first, end)
    except TariffMissing as missing:
        return book.spans(home.pk, first, missing.on)


def _tariff_json(version: TariffVersion, assigned: DateRange) -> dict[str, Any]:
    return {
        "utility": version.tariff.utility,
        "name": version.tariff.name,
        "version": version.version,
        "valid_from": version.valid_from.isoformat(),
        "published_at": iso(version.published_at),
        "sha256": version.sha256,
        "assigned_from": money_json.day(assigned.lower),
        "assigned_until": money_json.day(assigned.upper),
        "document": version.document,
    }


class Payouts(View):
    @operation(
        "payouts_list",
        "What was paid to the host, the latest first",
        money_shapes.PayoutPageSerializer,
        TAG,
        PARAMETERS,
        description="Payouts and their state: created, sent, paid or failed; what was paid may come back. The owner's.",
    )
    def get(self, request: Request, home_id: uuid.UUID) -> Response:
        home, pages = self.contracted_home(home_id), NewestFirst()
        found = pages.paginate_queryset(Payout.objects.filter(home=home).order_by(), request, self)
        return pages.get_paginated_response([_payout_json(payout) for payout in found or []])


def _payout_json(payout: Payout) -> dict[str, Any]:
    instants = ("created_at", "sent_at", "settled_at", "returned_at")
    return {
        **{name: getattr(payout, name) for name in ("key", "cents", "state", "problem")},
        **{name: iso(getattr(payout, name)) for name in instants},
    }


class Ledger(View):
    @operation(
        "ledger_read",
        "The home's accounts and what was posted to them, the latest first",
        money_shapes.LedgerSerializer,
        TAG,
        PARAMETERS,
        description="Double entry: each entry's postings sum to zero, and no entry ever changes. Payouts are the"
        " owner's alone to see, and balances are of what you see.",
    )
    def get(self, request: Request, home_id: uuid.UUID) -> Response:
        home, pages = self.billed_home(home_id), NewestFirst()
        entries = Entry.objects.filter(home=home).select_related("statement").prefetch_related("postings__account")
        found = pages.paginate_queryset(entries.order_by(), request, self)
        answer = pages.get_paginated_response([_entry_json(entry) for entry in found or []])
        balances = sorted((str(code), cents) for (_, code), cents in ledger.balances([home.pk]).items())
        answer.data["balances"] = [{"account": code, "cents": cents} for code, cents in balances]
        return answer


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "key": entry.key,
        "kind": entry.kind,
        "at": iso(entry.at),
        "note": entry.note,
        "statement": entry.statement.number if entry.statement else None,
        "postings": [{"account": each.account.code, "cents": each.cents} for each in entry.postings.all()],
    }


class FileParser(BaseParser):
    """The body as it is."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return bytes(stream.read())


class GreenButton(View):
    parser_classes = (FileParser,)
    renderer_classes = (JSONRenderer, FileRenderer)

    @file_operation(
        "green_button_read",
        "Quarter-hours as a Green Button file",
        ["application/atom+xml"],
        TAG,
        "Any days of the home by what is known now: the site's both directions and the node. Missing quarter-hours are"
        f" not in it. At most {green_button_files.LONGEST_DAYS} days; default this month so far.",
        parameters=[
            OpenApiParameter("start", str, description="First local day, as 2026-10-01."),
            OpenApiParameter("end", str, description="The local day after the last."),
        ],
    )
    def get(self, request: Request, home_id: uuid.UUID) -> HttpResponse:
        home = self.billed_home(home_id)
        start, end = _days(request, home)
        try:
            body = green_button_files.of_days(home, start, end, timezone.now())
        except NothingRead as nothing:
            raise NotFound(str(nothing)) from nothing
        name = f"green-button-{start}.xml"
        return HttpResponse(
            body,
            content_type="application/atom+xml",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @write_operation(
        "green_button_import",
        "Import a utility's file: Green Button XML or CSV",
        {"application/atom+xml": OpenApiTypes.BINARY, "text/csv": OpenApiTypes.BINARY},
        money_shapes.ImportedSerializer,
        TAG,
        "For the billing desk. The utility's own count of the site takes the place of the panel's; where they differ"
        " too much, somebody is asked. The same file again changes nothing.",
    )
    def post(self, request: Request, home_id: uuid.UUID) -> Response:
        home = self.billed_home(home_id)
        if not is_desk(self.person):
            raise PermissionDenied
        return once(request, self.person, lambda: _import(request, home))


def _import(request: Request, home: Home) -> Response:
    try:
        found = utility_files.import_file(home, cast(bytes, request.data), "api")
    except BadFile as bad:
        raise ValidationError({"file": str(bad)}) from bad
    counts = {name: getattr(found, name) for name in ("is_new", "days", "versions", "questions")}
    return Response(counts, status=201)


def _days(request: Request, home: Home) -> tuple[date, date]:
    today = timezone.now().astimezone(home.zone).date()
    start = _day(request, "start") or today.replace(day=1)
    end = _day(request, "end") or max(today, start + timedelta(days=1))
    if not start < end:
        raise ValidationError({"end": "must be after start"})
    if (end - start).days > green_button_files.LONGEST_DAYS:
        raise ValidationError({"start": f"at most {green_button_files.LONGEST_DAYS} days in one file"})
    return start, end


def _day(request: Request, name: str) -> date | None:
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        found = parse_date(text)
    except ValueError:
        found = None
    if found is None or not date(2020, 1, 1) <= found <= date(2100, 1, 1):
        raise ValidationError({name: "write a day like 2026-10-01"})
    return found
