"""What the endpoints share: the doors to homes and nodes, and how they appear in the schema."""

from __future__ import annotations

import uuid
from typing import Any, Final, cast

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.access import billed_homes, contracted_homes
from homes.models import Home, HomeAddress, Membership, Node, OperatorRole, User, WorkOrder
from xfra_portal.api import examples
from xfra_portal.api.idempotency import PARAMETER as KEY_PARAMETER
from xfra_portal.api.problems import ProblemType
from xfra_portal.api.renderers import CsvRenderer, JSONRenderer
from xfra_portal.api.serializers import ProblemSerializer

_UNITS = "Base units, as each name says; instants are ISO 8601 in UTC; null is unknown and never zero."


def period_parameters(default: str) -> list[OpenApiParameter]:
    """`start` and `end`; `default` says where a period begins that has no start."""
    start = f"ISO 8601 with offset, or relative to now: -24h, -30d. Default {default}; at most 400 days before end."
    return [
        OpenApiParameter("start", str, description=start),
        OpenApiParameter("end", str, description="ISO 8601 with offset, or relative; itself excluded. Default: now."),
    ]


HISTORY_PARAMETERS = [
    *period_parameters("-24h"),
    OpenApiParameter(
        "step",
        int,
        description="Bucket length in seconds, at most 5,000 buckets; 0: raw samples, at most 6 hours; default about"
        " 300 buckets.",
    ),
    OpenApiParameter("format", str, enum=["json", "csv"], description="csv: one row per instant, base units."),
]


_PROBLEMS = (
    (400, "A parameter cannot be used; `errors` names it, says what is wrong and what is allowed."),
    (401, "Not signed in, or the token has expired or was withdrawn."),
    (404, "Does not exist, or is not yours to see: the two look the same. Or begins with a node that is yet to come."),
    (406, "The Accept header allows no media type that this answers with."),
    (429, "Too many requests; see Retry-After."),
    (503, "A part of the portal is away; see Retry-After."),
)

_HEADERS: Final = [
    OpenApiParameter(
        "Retry-After", int, OpenApiParameter.HEADER, response=[429, 503], description="Seconds to wait; add jitter."
    ),
    OpenApiParameter(
        "WWW-Authenticate", str, OpenApiParameter.HEADER, response=[401], description="Bearer: renew the access token."
    ),
]
_HEADERS_OF_WRITES: Final = [
    OpenApiParameter(
        "Idempotency-Replayed",
        str,
        OpenApiParameter.HEADER,
        response=[201],
        description="true: it was done before, and this is the answer of then.",
    ),
]


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
    problems = _problems(_PROBLEMS)
    answers: dict[Any, Any] = {(200, "application/json"): answer}
    if csv:
        answers[200, "text/csv"] = OpenApiTypes.STR
    return _described(
        parameters,
        operation_id=name,
        summary=summary,
        description=description or f"{summary}. {_UNITS}",
        tags=[tag],
        responses={**answers, **problems},
        examples=examples.of(name),
    )


def _described(parameters: list[OpenApiParameter] | None, **described: Any) -> Any:
    """extend_schema for a read, which leaves on the method which query parameters it takes: View refuses others."""
    query = frozenset(one.name for one in parameters or [] if one.location == OpenApiParameter.QUERY)

    def decorate(method: Any) -> Any:
        found = extend_schema(parameters=[*(parameters or []), *_HEADERS], **described)(method)
        found.query_names = query
        return found

    return decorate


_OF_WRITES = (
    (403, "Seen, but not yours to change; or a browser session without its CSRF token."),
    (409, "A request under this key is still at work, or something is in the way; `detail` says what."),
    (413, "The body is too large."),
    (415, "A body of another media type than those that are taken."),
    (422, "The key was used for another request."),
)


def _problems(of: Any) -> dict[Any, Any]:
    return {
        (status, "application/problem+json"): OpenApiResponse(ProblemSerializer, description=words)
        for status, words in of
    }


def file_operation(
    name: str,
    summary: str,
    media_types: list[str],
    tag: str,
    description: str,
    parameters: list[OpenApiParameter] | None = None,
) -> Any:
    """Schema of a GET that answers with a file."""
    answers = {(200, media_type): OpenApiTypes.BINARY for media_type in media_types}
    return _described(
        parameters,
        operation_id=name,
        summary=summary,
        description=description,
        tags=[tag],
        responses={**answers, **_problems(_PROBLEMS)},
    )


def write_operation(name: str, summary: str, asked: Any, answer: Any, tag: str, description: str) -> Any:
    """Schema of a POST that makes something and may be repeated under its key."""
    return extend_schema(
        operation_id=name,
        summary=summary,
        description=f"{description} Send an Idempotency-Key; answers to a repeated one say Idempotency-Replayed.",
        tags=[tag],
        request=asked,
        parameters=[KEY_PARAMETER, *_HEADERS, *_HEADERS_OF_WRITES],
        responses={(201, "application/json"): answer, **_problems((*_PROBLEMS, *_OF_WRITES))},
        examples=examples.of(name, "201"),
    )


class NoNode(NotFound):
    """To those who see the home: what they ask for begins with its node."""

    problem_type = ProblemType.NO_NODE
    default_detail = "This home has no node yet; what is measured appears with the first one."


def _check_query(request: Request, known: frozenset[str]) -> None:
    """A parameter that is misspelled or said twice would be answered with something else than was asked for."""
    wrong: dict[str, list[str]] = {}
    for name, values in request.query_params.lists():
        if name not in known:
            takes = f"takes {', '.join(sorted(known))}" if known else "takes no parameters"
            wrong[name[:80]] = [f"is no parameter of this address, which {takes}"]
        elif len(values) > 1:
            wrong[name] = ["is said more than once: say it once"]
    if wrong:
        raise ValidationError(wrong)


class View(APIView):
    """Answers are personal: nothing between here and the person may keep them."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        _check_query(request, getattr(getattr(self, (request.method or "").lower(), None), "query_names", frozenset()))

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        finished = super().finalize_response(request, response, *args, **kwargs)
        finished["Cache-Control"] = "no-store"
        return finished

    @property
    def person(self) -> User:
        return cast(User, self.request.user)

    def home(self, home_id: uuid.UUID) -> Home:
        """A home that this person may know of, or 404. It may have no node yet."""
        visible = Home.objects.visible_to(self.person).select_related("node", "internet_line")
        return get_object_or_404(visible, pk=home_id)

    def served_home(self, home_id: uuid.UUID) -> Home:
        """A home that this person may know of and that has a node, or 404."""
        home = self.home(home_id)
        if not hasattr(home, "node"):
            raise NoNode
        return home

    def address(self, home: Home) -> HomeAddress | None:
        """Where a visible home is, for those who may know: owner, member, admin, technician on an open order."""
        role = self.person.operator_role
        lives_there = home.role_of(self.person) in (Membership.Role.OWNER, Membership.Role.MEMBER)
        visits = role == OperatorRole.Role.TECHNICIAN and WorkOrder.objects.filter(
            node__home=home, technician=self.person, closed_at__isnull=True
        )
        may_know = lives_there or role == OperatorRole.Role.ADMIN or (visits and visits.exists())
        return HomeAddress.objects.filter(home=home).first() if may_know else None

    def billed_home(self, home_id: uuid.UUID) -> Home:
        """A home whose money this person may see, or 404."""
        return get_object_or_404(billed_homes(self.person), pk=home_id, node__isnull=False)

    def contracted_home(self, home_id: uuid.UUID) -> Home:
        """A home whose agreement and payouts this person may see, or 404."""
        return get_object_or_404(contracted_homes(self.person), pk=home_id, node__isnull=False)

    def node(self, node_id: int) -> Node:
        """A node, for the operator's staff, or 404."""
        if self.person.operator_role is None or node_id >= 1 << 31:
            raise Http404
        return get_object_or_404(Node.objects.visible_to(self.person).select_related("home"), pk=node_id)


class HistoryView(View):
    """Answers as JSON or CSV."""

    renderer_classes = (JSONRenderer, CsvRenderer)


__all__ = [
    "HISTORY_PARAMETERS",
    "HistoryView",
    "Response",
    "View",
    "file_operation",
    "operation",
    "period_parameters",
    "write_operation",
]
