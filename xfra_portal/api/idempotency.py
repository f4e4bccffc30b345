"""Writes that may be repeated: one that carries an Idempotency-Key is done once, however often it is sent.

The same key and the same body get the same answer; another body under that key is refused with 422, one that is still
at work with 409. The key is committed before the work begins; the answer in the transaction of the work, so that there
is no moment at which the one is there without the other. What failed is forgotten and may be tried again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import KeyedRequest
from homes.models import User
from xfra_portal.api.problems import ProblemType

HEADER: Final = "Idempotency-Key"
PARAMETER: Final = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    required=True,
    pattern="^[!-~]{8,200}$",
    description="Yours to choose, a new one for each thing you want done: 8 to 200 printable characters, as a UUID."
    " Send it again with the same body and you get the same answer, and nothing is done twice.",
)
KEPT: Final = timedelta(days=30)
LEASE: Final = timedelta(seconds=60)
"""After so long without an end the work is taken to have died, and may be done by whoever sends the key again."""
_USABLE: Final = re.compile(r"[!-~]{8,200}", re.ASCII)


class KeyReused(APIException):
    status_code = 422
    problem_type = ProblemType.KEY_REUSED
    default_detail = f"This {HEADER} was used for another request: choose a new one."


class AtWork(APIException):
    status_code = 409
    problem_type = ProblemType.AT_WORK
    default_detail = f"A request with this {HEADER} is still at work: send it again in a moment."
    wait = 2  # seconds, for Retry-After


def once(request: Request, person: User, act: Callable[[], Response]) -> Response:
    """The answer of `act`, or the one that it gave before under this key. What `act` raises is not kept.

    `act` works in one transaction with the keeping of its answer. Its data must be JSON.
    """
    key = request.headers.get(HEADER, "")
    if not _USABLE.fullmatch(key):
        raise ValidationError({HEADER: "send this header with 8 to 200 printable characters, as a UUID"})
    done = perform(person, key, _digest(request), lambda: _kept(act()))
    headers = {"Idempotency-Replayed": "true"} if done.is_replay else None
    return Response(done.answer, status=done.status, headers=headers)


def _kept(answer: Response) -> tuple[int, Any]:
    return answer.status_code, answer.data


@dataclass(frozen=True, slots=True)
class Performed:
    """The answer of a request under a key; `is_replay` if it was given before."""

    status: int
    answer: Any
    is_replay: bool


def perform(person: User, key: str, sha256: str, act: Callable[[], tuple[int, Any]]) -> Performed:
    """What `act` answers (status and JSON), or what it answered before to the same body under this key.

    `act` works in one transaction with the keeping of its answer; what it raises is not kept. Raises KeyReused, AtWork.
    """
    claimed = _claim(person, key, sha256)
    if claimed.finished_at is not None:
        return Performed(claimed.status or 200, claimed.answer, is_replay=True)
    try:
        with transaction.atomic():
            status, answer = act()
            _finish(claimed, status, answer)
    except BaseException:
        KeyedRequest.objects.filter(pk=claimed.pk, started_at=claimed.started_at, finished_at=None).delete()
        raise
    return Performed(status, answer, is_replay=False)


def _digest(request: Request) -> str:
    """Of all that the request asks for. Read before the parsers take the stream."""
    head = f"{request.method} {request.get_full_path()} {request.content_type}\n".encode()
    return hashlib.sha256(head + request._request.body).hexdigest()


def _claim(person: User, key: str, digest: str) -> KeyedRequest:
    """The row of this key: a finished one, or one that is ours to work on. Committed when this returns."""
    now = timezone.now()
    with transaction.atomic():
        KeyedRequest.objects.filter(user=person, started_at__lt=now - KEPT).delete()
        found, is_new = KeyedRequest.objects.get_or_create(
            user=person, key=key, defaults={"sha256": digest, "started_at": now}
        )
        if is_new:
            return found
        if found.sha256 != digest:
            raise KeyReused
        if found.finished_at is None:
            stalled = KeyedRequest.objects.filter(
                pk=found.pk, finished_at=None, started_at=found.started_at, started_at__lt=now - LEASE
            )
            if not stalled.update(started_at=now):
                raise AtWork
            found.started_at = now
        return found


def _finish(claimed: KeyedRequest, status: int, answer: Any) -> None:
    """Raises AtWork where somebody else took over meanwhile, which undoes what was done here."""
    mine = KeyedRequest.objects.filter(pk=claimed.pk, started_at=claimed.started_at, finished_at=None)
    if not mine.update(finished_at=timezone.now(), status=status, answer=answer):
        raise AtWork
