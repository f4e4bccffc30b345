"""Errors as RFC 9457 problem documents, the same for every endpoint."""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from xfra_portal.unreadable import SIGN_IN, Unreadable

MEDIA_TYPE = "application/problem+json"


class ProblemType(StrEnum):
    """What programs can tell apart where the status does not say it; an exception names its own as `problem_type`."""

    PLAIN = "about:blank"
    NO_NODE = "/api/v1/docs/#problem-no-node"
    AT_WORK = "/api/v1/docs/#problem-at-work"
    IN_THE_WAY = "/api/v1/docs/#problem-in-the-way"
    KEY_REUSED = "/api/v1/docs/#problem-key-reused"


PROBLEM_TYPES: Final = [
    (ProblemType.PLAIN.value, "the status says what kind of problem it is"),
    (ProblemType.NO_NODE.value, "404: the home is there, and has no node yet; ask again when it has"),
    (ProblemType.AT_WORK.value, "409: a request under this key is still at work; wait Retry-After, send it again"),
    (ProblemType.IN_THE_WAY.value, "409: something is not as it must be; `detail` says what, and what helps"),
    (ProblemType.KEY_REUSED.value, "422: the key was used for another request; choose a new one"),
]


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: `title`, `status`, `detail`, and `errors` by field for invalid input."""
    response = exception_handler(error, context)
    if response is None:
        return None
    kind = getattr(error, "problem_type", ProblemType.PLAIN)
    body = problem(response.status_code, _detail(error, response.data), kind)
    if isinstance(error, exceptions.ValidationError):
        body["errors"] = _by_field(response.data)
    response.data = body
    response.content_type = MEDIA_TYPE
    return response


def problem(status: int, detail: str, kind: ProblemType = ProblemType.PLAIN) -> dict[str, Any]:
    return {"type": kind.value, "title": HTTPStatus(status).phrase, "status": status, "detail": detail}


def _detail(error: Exception, data: Any) -> str:
    if isinstance(error, exceptions.ValidationError):
        return "; ".join(f"{name}: {' '.join(messages)}" for name, messages in _by_field(data).items())
    if isinstance(error, Http404):
        return "This does not exist, or it is not yours to see."
    if isinstance(error, PermissionDenied):
        return "Your account may not do this."
    return str(data.get("detail", "")) if isinstance(data, dict) else str(data)


def _by_field(data: Any) -> dict[str, list[str]]:
    if isinstance(data, dict):
        return {name: [str(m) for m in (found if isinstance(found, list) else [found])] for name, found in data.items()}
    return {"request": [str(message) for message in data]}


@csrf_exempt  # it changes nothing, and its answer to any method must be a problem document
def not_found(request: HttpRequest, path: str = "") -> JsonResponse:
    """For addresses under /api/ that nothing answers."""
    body = problem(404, "There is no such address in this API; /api/v1/docs/ lists what there is.")
    return JsonResponse(body, status=404, content_type=MEDIA_TYPE)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400: what cannot be read (xfra_portal.unreadable), and what Django refuses by itself, such as a host that
    is not ours or a body that is too large. Each kind of door is answered in its own words."""
    status, said = 400, str(exception) if isinstance(exception, Unreadable) else "This request cannot be understood."
    if isinstance(exception, RequestDataTooBig):
        status, said = 413, f"The body is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes: send less at once."
    elif isinstance(exception, DisallowedHost):
        said = f"This portal is reached at {settings.ORIGINS[0]} and under no other name."
    if request.path.startswith(SIGN_IN):
        errors = [{"code": "unreadable", "message": said}]  # as allauth's own answers have it
        return JsonResponse({"status": status, "errors": errors}, status=status)
    if request.path.startswith("/api/"):
        return JsonResponse(problem(status, said), status=status, content_type=MEDIA_TYPE)
    return HttpResponse(render_to_string("400.html", {"said": said}), status=status)
