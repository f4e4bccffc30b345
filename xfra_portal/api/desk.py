"""The billing desk's endpoints. To everybody else they do not exist; what they do, the desk's pages do too."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, Final

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from billing import heartbeat
from billing.access import is_desk
from billing.models import Close, CloseItem, DeskAction
from telemetry.payloads import iso
from xfra_portal.api import desk_shapes, queries
from xfra_portal.api.base import Response, View, operation, write_operation
from xfra_portal.api.idempotency import once
from xfra_portal.api.pagination import PARAMETERS, CursorPagination
from xfra_portal.api.problems import ProblemType
from xfra_portal.desk import month_acts, month_figures
from xfra_portal.desk.done import REFUSALS, Done, log, reason

TAG: Final = "billing desk"
_FOR: Final = "For the billing desk and administrators."
Act = Callable[[dict[str, Any]], Done]


class InTheWay(APIException):
    """Something is not as it must be; `detail` says what helps."""

    status_code = 409
    problem_type = ProblemType.IN_THE_WAY


class DeskView(View):
    """Only for the desk: everybody else is told that there is nothing here."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not is_desk(request.user):
            raise Http404

    def do(self, request: Request, shape: Any, act: Act) -> Response:
        """Once, in one transaction with its line in the log."""
        return once(request, self.person, lambda: self._act(request, shape, act))

    def _act(self, request: Request, shape: Any, act: Act) -> Response:
        asked = shape(data=request.data)
        asked.is_valid(raise_exception=True)
        try:
            done = act(asked.validated_data)
            log(self.person, DeskAction.Way.API, done)
        except REFUSALS as error:
            raise InTheWay(reason(error)) from error
        answer = {
            "kind": done.kind,
            "words": done.words,
            "home": str(done.home.pk) if done.home else None,
            "made": done.made,
            "why": done.why,
        }
        return Response(answer, status=201)


def desk_operation(name: str, summary: str, asked: Any, description: str) -> Any:
    return write_operation(name, summary, asked, desk_shapes.DoneSerializer, TAG, f"{description} {_FOR}")


class Months(DeskView):
    @operation(
        "desk_months_list",
        "Months with their completeness and how far they are closed",
        desk_shapes.MonthsSerializer,
        TAG,
        description=f"The latest first, at most {month_figures.SHOWN_MONTHS}. Workers rate and issue; `worker_seen_at`"
        f" says whether any is at work. {_FOR}",
    )
    def get(self, request: Request) -> Response:
        months = [_month_json(row) for row in month_figures.overview(timezone.now())]
        return Response({"months": months, "worker_seen_at": iso(heartbeat.seen_at())})


def _month_json(row: month_figures.MonthRow) -> dict[str, Any]:
    return {
        "month": f"{row.month:%Y-%m}",
        "is_over": row.is_over,
        "is_begun": row.close is not None,
        "stages": {stage: row.stages.get(stage, 0) for stage in CloseItem.Stage.values},
        "doubted": row.questions,
        "known_ratio": row.known_ratio,
    }


class Items(DeskView):
    @operation(
        "desk_items_list",
        "A month's homes: their stage, what holds them, their statement",
        desk_shapes.ItemPageSerializer,
        TAG,
        [
            OpenApiParameter("stage", str, enum=CloseItem.Stage.values, description="Only those at this stage."),
            *PARAMETERS,
        ],
        description=f"One item for each home and agreement in the month. 404 where the close is not begun. {_FOR}",
    )
    def get(self, request: Request, month: date) -> Response:
        found = get_object_or_404(Close, month=month).items.select_related("statement").order_by()
        if request.query_params.get("stage"):
            found = found.filter(stage=queries.choice_of(request, "stage", CloseItem.Stage.values, ""))
        pages = CursorPagination()
        return pages.get_paginated_response(
            [_item_json(item) for item in pages.paginate_queryset(found, request) or []]
        )


def _item_json(item: CloseItem) -> dict[str, Any]:
    return {
        "id": item.pk,
        "home": str(item.home_id),
        "start": item.start.isoformat(),
        "end": item.end.isoformat(),
        "stage": item.stage,
        "problem": item.problem,
        "remedy": item.remedy,
        "statement": item.statement.number if item.statement else None,
        "total_cents": item.statement.total_cents if item.statement else None,
    }


class BeginClose(DeskView):
    @desk_operation(
        "desk_close",
        "Begin a month's close, or take it up again",
        desk_shapes.NothingSerializer,
        "Workers rate every home of the month and draft its statement; what was held is tried once more. Nothing is"
        " issued. 409 while the month still runs somewhere, or if the books do not add up.",
    )
    def post(self, request: Request, month: date) -> Response:
        return self.do(request, desk_shapes.NothingSerializer, lambda _: month_acts.begin(self.person, month))


class Approvals(DeskView):
    @desk_operation(
        "desk_approve",
        "Approve drafts for issue, or take approvals back",
        desk_shapes.ApprovalSerializer,
        "Approved is not issued: that is a decision of its own.",
    )
    def post(self, request: Request, month: date) -> Response:
        close = get_object_or_404(Close, month=month)

        def act(asked: dict[str, Any]) -> Done:
            if asked["take_back"]:
                return month_acts.take_back(close, asked["items"])
            return month_acts.approve(self.person, close, asked["items"])

        return self.do(request, desk_shapes.ApprovalSerializer, act)


class Issue(DeskView):
    @desk_operation(
        "desk_issue",
        "Issue what is approved",
        desk_shapes.NothingSerializer,
        "Workers number each statement, post it and tell the host. It cannot be undone, only corrected.",
    )
    def post(self, request: Request, month: date) -> Response:
        close = get_object_or_404(Close, month=month)
        return self.do(request, desk_shapes.NothingSerializer, lambda _: month_acts.issue(self.person, close))
