"""The endpoints about a home's statements, down to the quarter-hours that each line is made of."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.dateparse import parse_date
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from billing import questions
from billing.agreements import plain
from billing.models import Segment, Statement, StatementQuestion
from billing.priced_intervals import Interval
from billing.questions import NoSuchLine
from billing.waterfall import Figure
from homes.models import Home
from telemetry.payloads import iso
from xfra_portal import bill_words, statement_files
from xfra_portal.api import money_json, money_shapes, queries
from xfra_portal.api.base import HistoryView, Response, View, file_operation, operation, write_operation
from xfra_portal.api.idempotency import once
from xfra_portal.api.pagination import PARAMETERS, CursorPagination
from xfra_portal.api.renderers import FileRenderer, JSONRenderer
from xfra_portal.homeowner import line_pages, money

TAG: Final = "statements"
_CENTS: Final = "Cents are whole; days are the home's own, the end excluded."


class StatementView(View):
    """A statement of a home whose money the person may see. Drafts do not exist here."""

    def statement(self, home_id: uuid.UUID, number: int) -> Statement:
        home = self.billed_home(home_id)
        found = money.issued(self.person, home).select_related("run__period", "revision").prefetch_related("lines")
        return get_object_or_404(found, number=number)

    def shows_agreement(self, home: Home) -> bool:
        return money.shows_agreement(self.person, home)


class ByNumber(CursorPagination):
    ordering = "-number"


class Statements(View):
    @operation(
        "statements_list",
        "Issued statements, the latest number first",
        money_shapes.StatementPageSerializer,
        TAG,
        PARAMETERS,
        description=f"Issued statements of a home, corrections among them, the latest number first. {_CENTS}",
    )
    def get(self, request: Request, home_id: uuid.UUID) -> Response:
        home, pages = self.billed_home(home_id), ByNumber()
        found = money.issued(self.person, home).select_related("revision").order_by()
        rows = pages.paginate_queryset(found, request, self)
        return pages.get_paginated_response([money_json.statement_json(row) for row in rows or []])


class StatementDetail(StatementView):
    @operation(
        "statements_read",
        "A statement with its lines and files",
        money_shapes.StatementDetailSerializer,
        TAG,
        description=f"A statement with its lines, its files, and, if it corrects another, what changed. {_CENTS}",
    )
    def get(self, request: Request, home_id: uuid.UUID, number: int) -> Response:
        statement = self.statement(home_id, number)
        return Response(
            {
                **money_json.statement_json(statement),
                "changes": money_json.changes_json(statement),
                "lines": [money_json.line_json(row) for row in money.sheet_of(statement).rows],
                "files": money_json.files_json(statement, self.shows_agreement(statement.home)),
            }
        )


class StatementLines(StatementView):
    @operation(
        "statement_lines",
        "The lines of a statement",
        money_shapes.LinesSerializer,
        TAG,
        description=f"The lines of a statement; their sums are the statement's figures. {_CENTS}",
    )
    def get(self, request: Request, home_id: uuid.UUID, number: int) -> Response:
        rows = money.sheet_of(self.statement(home_id, number)).rows
        return Response({"lines": [money_json.line_json(row) for row in rows]})


class StatementLine(StatementView):
    @operation(
        "statement_line_read",
        "A line, opened: the tariff's row and the days it applied on",
        money_shapes.LineDetailSerializer,
        TAG,
        description="A line with the row of the tariff that priced it and what was used on each day under that row."
        " `intervals` has the quarter-hours. " + _CENTS,
    )
    def get(self, request: Request, home_id: uuid.UUID, number: int, ordinal: int) -> Response:
        statement = self.statement(home_id, number)
        for row in money.sheet_of(statement).rows:
            if row.ordinal == ordinal:
                page = line_pages.of(row, money.priced_statement(statement), None)
                return Response(money_json.line_detail_json(page))
        raise Http404


class StatementSegments(StatementView):
    @operation(
        "statement_segments",
        "The exact amounts that the lines are made of",
        money_shapes.SegmentsSerializer,
        TAG,
        description="What came out of the rating engine, with the node and without it, before anything was rounded.",
    )
    def get(self, request: Request, home_id: uuid.UUID, number: int) -> Response:
        statement = self.statement(home_id, number)
        run = statement.run
        names = {_of(row.line): row.name for row in money.sheet_of(statement).rows}
        return Response(
            {
                "input_sha256": run.input_sha256,
                "engine_version": run.engine_version,
                "tzdata_version": run.tzdata_version,
                "segments": [_segment_json(segment, names) for segment in run.segments.all()],
            }
        )


def _of(part: Any) -> tuple[object, ...]:
    """What a segment and the statement's line that it went into have in common."""
    return part.span, part.component, part.tou_period, part.tier, part.label, part.unit, part.rate


def _segment_json(segment: Segment, names: Mapping[tuple[object, ...], str]) -> dict[str, Any]:
    """`names` are the statement's lines'."""
    plainly = ("side", "ordinal", "component", "span", "tou_period", "tier", "unit", "days", "of_days")
    exact = {field: plain(getattr(segment, field)) for field in ("quantity", "rate", "exact")}
    name = names.get(_of(segment), segment.label)
    return {**{field: getattr(segment, field) for field in plainly}, **exact, "name": name}


class StatementIntervals(StatementView, HistoryView):
    @operation(
        "statement_intervals",
        "The quarter-hours that a statement was rated from",
        money_shapes.IntervalsSerializer,
        TAG,
        [
            OpenApiParameter("start", str, description="First local day, as 2026-10-01. Default: the statement's."),
            OpenApiParameter("end", str, description="The local day after the last. Default: the statement's."),
            OpenApiParameter("format", str, enum=["json", "csv"], description="csv: one row per quarter-hour."),
        ],
        csv=True,
        description="Wh of each quarter-hour, of exactly the versions of the readings that were rated, what would have"
        " been used without the node, and the tariff's period and prices. Instants in UTC.",
    )
    def get(self, request: Request, home_id: uuid.UUID, number: int) -> Response | HttpResponse:
        statement = self.statement(home_id, number)
        start, end = _days(request, statement)
        found = money.priced_statement(statement).intervals_of(start, end)
        if queries.choice_of(request, "format", ["json", "csv"], "json") == "csv" or _asks_for_csv(request):
            return _csv(found)
        return Response({"timezone": statement.period.zone, **_columns(found)})


def _asks_for_csv(request: Request) -> bool:
    accepted = getattr(request, "accepted_renderer", None)
    return "format" not in request.query_params and accepted is not None and accepted.format == "csv"


def _days(request: Request, statement: Statement) -> tuple[date, date]:
    first, last = statement.period.start, statement.period.end
    start, end = _day(request, "start") or first, _day(request, "end") or last
    if not first <= start < end <= last:
        raise ValidationError({"start": f"days from {first} to {last}, the end excluded"})
    return start, end


def _day(request: Request, name: str) -> date | None:
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        found = parse_date(text)
    except ValueError:
        found = None
    if found is None:
        raise ValidationError({name: "write a day like 2026-10-01"})
    return found


_WH: Final = ("site_import_wh", "site_export_wh", "node_wh", "without_import_wh", "without_export_wh", "tou_period")


def _columns(found: list[Interval]) -> dict[str, Any]:
    return {
        "at": [money_json.instant(each.at) for each in found],
        **{name: [getattr(each, name) for each in found] for name in _WH},
        "rates": [[plain(rate) for rate in each.rates] for each in found],
    }


def _csv(found: list[Interval]) -> HttpResponse:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow(["at", *_WH, "rates"])
    for each in found:
        rates = " ".join(plain(rate) for rate in each.rates)
        rows.writerow([money_json.instant(each.at), *(getattr(each, name) for name in _WH), rates])
    return HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")


class StatementDifference(StatementView):
    @operation(
        "statement_difference",
        "Why a statement differs from the one before, to the cent",
        money_shapes.DifferenceSerializer,
        TAG,
        [OpenApiParameter("of", str, enum=[figure.value for figure in Figure], description="Default you_pay.")],
        description="One figure's change since the statement before, taken apart into causes that sum to it exactly.",
    )
    def get(self, request: Request, home_id: uuid.UUID, number: int) -> Response:
        statement = self.statement(home_id, number)
        figure = Figure(queries.choice_of(request, "of", [each.value for each in Figure], Figure.YOU_PAY.value))
        before = money.before(self.person, statement)
        if before is None:
            now = getattr(statement, f"{figure}_cents")
            empty = {"compared_with": None, "was_cents": None, "now_cents": now, "steps": []}
            return Response({"figure": figure.value, **empty})
        bills = money.bill_of(before), money.bill_of(statement)
        found = money.compare(before, statement, figure).found
        told = [(step, bill_words.told(step, *bills)) for step in found.steps]
        return Response(
            {
                "figure": figure.value,
                "compared_with": before.number,
                "was_cents": found.was,
                "now_cents": found.now,
                "steps": [
                    {"cause": step.cause.value, "cents": step.cents, "name": said.name, "why": said.why}
                    for step, said in told
                ],
            }
        )


class StatementFiles(StatementView):
    @operation(
        "statement_files",
        "The files that there are of a statement",
        money_shapes.FilesSerializer,
        TAG,
        description="The files of it that you may have. The proof bundle holds the agreement and is the owner's alone.",
    )
    def get(self, request: Request, home_id: uuid.UUID, number: int) -> Response:
        statement = self.statement(home_id, number)
        return Response({"files": money_json.files_json(statement, self.shows_agreement(statement.home))})


class StatementFile(StatementView):
    renderer_classes = (JSONRenderer, FileRenderer)

    @file_operation(
        "statement_file_read",
        "One file of a statement: PDF, CSV, Green Button or proof bundle",
        sorted({kind.media_type for kind in statement_files.KINDS.values()}),
        TAG,
        "The bytes of one file. The same statement gives the same bytes, always. `kind` is one of"
        f" {', '.join(statement_files.KINDS)}.",
        [OpenApiParameter("kind", str, OpenApiParameter.PATH, enum=list(statement_files.KINDS))],
    )
    def get(self, request: Request, home_id: uuid.UUID, number: int, kind: str) -> HttpResponse:
        statement = self.statement(home_id, number)
        chosen = statement_files.offered(self.shows_agreement(statement.home)).get(kind)
        if chosen is None:
            raise Http404
        name = chosen.name.format(number=number)
        return HttpResponse(
            chosen.make(statement),
            content_type=chosen.media_type,
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )


class StatementQuestions(StatementView):
    @operation(
        "statement_questions_list",
        "What the household asked about a statement, and the answers",
        money_shapes.QuestionsSerializer,
        TAG,
        description="All questions about a statement, the first one first; an answer that is empty is still to come.",
    )
    def get(self, request: Request, home_id: uuid.UUID, number: int) -> Response:
        asked = StatementQuestion.objects.filter(statement=self.statement(home_id, number)).order_by("pk")
        return Response({"questions": [_question_json(question) for question in asked]})

    @write_operation(
        "statement_questions_ask",
        "Ask the billing desk about a statement, or about one of its lines",
        money_shapes.AskSerializer,
        money_shapes.QuestionSerializer,
        TAG,
        "Whoever of the household sees the statement may ask; the desk answers within three working days.",
    )
    def post(self, request: Request, home_id: uuid.UUID, number: int) -> Response:
        statement = self.statement(home_id, number)
        return once(request, self.person, lambda: self._ask(request, statement))

    def _ask(self, request: Request, statement: Statement) -> Response:
        asked = money_shapes.AskSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        try:
            found = questions.ask(
                statement, asked.validated_data["text"], self.person.party, asked.validated_data.get("line")
            )
        except NoSuchLine as missing:
            raise ValidationError({"line": str(missing)}) from missing
        return Response(_question_json(found), status=201)


def _question_json(question: StatementQuestion) -> dict[str, Any]:
    return {
        "id": question.pk,
        "line": question.line,
        "text": question.text,
        "asked_at": iso(question.asked_at),
        "answer": question.answer,
        "answered_at": iso(question.answered_at),
    }
