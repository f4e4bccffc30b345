"""What the endpoints share: the doors to homes and nodes, and how they appear in the schema."""

from __future__ import annotations

import uuid
from typing import Any, cast

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from homes.models import Home, HomeAddress, Membership, Node, OperatorRole, User, WorkOrder
from xfra_portal.api import examples
from xfra_portal.api.renderers import CsvRenderer, JSONRenderer
from xfra_portal.api.serializers import ProblemSerializer

_UNITS = "Base units, as each name says; instants are ISO 8601 in UTC; null is unknown and never zero."
PERIOD_PARAMETERS = [
    OpenApiParameter("start", str, description="ISO 8601 with offset, or relative to now: -24h, -30d. Default -24h."),
    OpenApiParameter("end", str, description="ISO 8601 with offset, or relative. Default: now."),
]
HISTORY_PARAMETERS = [
    *PERIOD_PARAMETERS,
    OpenApiParameter("metrics", str, description="Metric names, separated by commas."),
    OpenApiParameter(
        "step", int, description="Bucket length in seconds; 0 for raw samples; default about 300 buckets."
    ),
    OpenApiParameter("format", str, enum=["json", "csv"], description="csv: one row per instant, base units."),
]


_PROBLEMS = (
    (400, "A parameter cannot be used; `errors` names it, says what is wrong and what is allowed."),
    (401, "Not signed in, or the token has expired or was withdrawn."),
    (404, "Does not exist, or is not yours to see; the two look the same."),
    (406, "The Accept header allows no media type that this answers with."),
    (429, "Too many requests; see Retry-After."),
    (503, "A part of the portal is away; see Retry-After."),
)


def operation(
    name: str,
    summary: str,
    answer: Any,
    tag: str,
    parameters: list[OpenApiParameter] | None = None,
    *,
    description: str = "",
    csv: bool = False,
) -> Any:
    """Schema of one GET: its answer with an example, and the problems that any of them can answer with."""
    problems = {
        (status, "application/problem+json"): OpenApiResponse(ProblemSerializer, description=words)
        for status, words in _PROBLEMS
    }
    answers: dict[Any, Any] = {(200, "application/json"): answer}
    if csv:
        answers[200, "text/csv"] = OpenApiTypes.STR
    return extend_schema(
        operation_id=name,
        summary=summary,
        description=description or f"{summary}. {_UNITS}",
        tags=[tag],
        parameters=parameters or [],
        responses={**answers, **problems},
        examples=examples.of(name),
    )


class View(APIView):
    """Answers are personal: nothing between here and the person may keep them."""

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        finished = super().finalize_response(request, response, *args, **kwargs)
        finished["Cache-Control"] = "no-store"
        return finished

    @property
    def person(self) -> User:
        return cast(User, self.request.user)

    def home(self, home_id: uuid.UUID) -> Home:
        """A home that this person may know of and that has a node, or 404."""
        visible = Home.objects.visible_to(self.person).select_related("node")
        return get_object_or_404(visible, pk=home_id, node__isnull=False)

    def address(self, home: Home) -> HomeAddress | None:
        """Where a visible home is, for those who may know: owner, member, admin, technician on an open order."""
        role = self.person.operator_role
        lives_there = home.role_of(self.person) in (Membership.Role.OWNER, Membership.Role.MEMBER)
        visits = role == OperatorRole.Role.TECHNICIAN and WorkOrder.objects.filter(
            node__home=home, technician=self.person, closed_at__isnull=True
        )
        may_know = lives_there or role == OperatorRole.Role.ADMIN or (visits and visits.exists())
        return HomeAddress.objects.filter(home=home).first() if may_know else None

    def node(self, node_id: int) -> Node:
        """A node, for the operator's staff, or 404."""
        if self.person.operator_role is None or node_id >= 1 << 31:
            raise Http404
        return get_object_or_404(Node.objects.visible_to(self.person).select_related("home"), pk=node_id)


class HistoryView(View):
    """Answers as JSON or CSV."""

    renderer_classes = (JSONRenderer, CsvRenderer)


__all__ = ["HISTORY_PARAMETERS", "PERIOD_PARAMETERS", "HistoryView", "Response", "View", "operation"]
