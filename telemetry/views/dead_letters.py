"""Batches that could not be stored: read by staff who see the whole fleet, decided on by operators."""

from __future__ import annotations

from typing import Any

import redis
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from homes.models import Node, OperatorRole, User
from homes.models.places import SEES_EVERY_HOME
from telemetry import dead_letters
from telemetry.dead_letters import NoRoomToRetry
from telemetry.views.staff import staff_only

DECIDES = (OperatorRole.Role.OPERATOR, OperatorRole.Role.ADMIN)
REASON_LENGTH = 200


@require_http_methods(["GET", "HEAD", "POST"])
@staff_only
@never_cache
def dead_letters_page(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)  # noqa: S101  (staff_only saw to it)
    role = request.user.operator_role
    if role not in SEES_EVERY_HOME:
        raise Http404
    if request.method == "POST":
        if role not in DECIDES:
            raise PermissionDenied
        _decide(request, request.user)
        return redirect("dead-letters")
    return render(request, "telemetry/dead_letters.html", _context(request, may_decide=role in DECIDES))


def _context(request: HttpRequest, may_decide: bool) -> dict[str, Any]:
    letters = dead_letters.page(request.GET.get("before", ""))
    known = {letter.node_id for letter in letters if letter.node_id is not None and 0 <= letter.node_id < 1 << 31}
    hostnames = dict(Node.objects.visible_to(request.user).filter(pk__in=known).values_list("pk", "hostname"))
    return {
        "shell": "operator",
        "place": "dead-letters",
        "count": dead_letters.count(),
        "rows": [(letter, hostnames.get(letter.node_id or 0)) for letter in letters],
        "newest": dead_letters.newest(),
        "older": letters[-1].id if len(letters) == dead_letters.PAGE else "",
        "is_first": "before" not in request.GET,
        "may_decide": may_decide,
        "reason_length": REASON_LENGTH,
    }


def _decide(request: HttpRequest, person: User) -> None:
    """Which letters: one by its `id`, or all that the page knew of, up to the id in `until`."""
    action, by = request.POST.get("action"), f"user {person.pk}"
    reason = " ".join(request.POST.get("reason", "").split())
    if action not in ("retry", "discard"):
        return _tell(request, messages.ERROR, "Nothing was done: choose retry or discard.")
    if action == "discard" and not 0 < len(reason) <= REASON_LENGTH:
        words = f"Nothing was discarded: say why, in at most {REASON_LENGTH} characters."
        return _tell(request, messages.ERROR, words)
    try:
        done = _each(request, lambda letter_id: _act(action, letter_id, by, reason))
    except NoRoomToRetry:
        words = "The stream takes nothing in now; what is still listed here was not retried. Try again in a minute."
        return _tell(request, messages.ERROR, words)
    except redis.ResponseError as error:
        return _tell(request, messages.ERROR, f"Redis refused, and what is still listed here is untouched: {error}")
    return _say(request, action, done)


def _tell(request: HttpRequest, level: int, words: str) -> None:
    """Tagged, so that what other pages had to say is not said here."""
    messages.add_message(request, level, words, extra_tags="dead-letters")


def _act(action: str, letter_id: str, by: str, reason: str) -> bool:
    return dead_letters.retry(letter_id, by) if action == "retry" else dead_letters.discard(letter_id, by, reason)


def _each(request: HttpRequest, act: Any) -> int:
    if until := request.POST.get("until"):
        return dead_letters.each(act, until)
    return int(act(request.POST.get("id", "")))


def _say(request: HttpRequest, action: str, done: int) -> None:
    letters = "1 letter" if done == 1 else f"{done:,} letters"
    if not done:
        _tell(request, messages.INFO, "Nothing to do: that was done already, or there is no such letter.")
    elif action == "retry":
        words = f"{letters} put back; a worker tries within seconds. What fails again returns here."
        _tell(request, messages.SUCCESS, words)
    else:
        _tell(request, messages.SUCCESS, f"{letters} discarded. The log says by whom and why.")
