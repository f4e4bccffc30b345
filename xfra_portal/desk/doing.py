"""The desk's forms: done once however often they are sent, in one transaction with their line in the log."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from billing.models import DeskAction
from homes.models import User
from xfra_portal.api.idempotency import AtWork, KeyReused, perform
from xfra_portal.desk.done import REFUSALS, Done, log, reason
from xfra_portal.desk.doors import person

TAG: Final = "desk"
_KEY: Final = re.compile(r"[0-9a-f]{32}(:[\w.:-]{1,60})?", re.ASCII)
_NOT_OF_THE_BODY: Final = ("csrfmiddlewaretoken",)


def do(request: HttpRequest, act: Callable[[], Done], back: str) -> HttpResponse:
    """Do it once and show what came of it; `back` is where to go if it cannot be done."""
    key = request.POST.get("key", "")
    if not _KEY.fullmatch(key):
        return refuse(request, "Nothing was done: the form was not whole. Here it is anew.", back)
    try:
        done = perform(person(request), f"desk:{key}", _digest(request), lambda: (303, _logged(person(request), act())))
    except KeyReused:
        return refuse(request, "Nothing was done: this form was sent before with other values.", back)
    except AtWork:
        return tell(request, messages.INFO, "That is being done just now: look again in a moment.", back)
    except REFUSALS as error:
        return refuse(request, f"Nothing was done. {reason(error)}", back)
    words = f"Done before, and not done twice: {done.answer['words']}" if done.is_replay else done.answer["words"]
    return tell(request, messages.SUCCESS, words, done.answer["to"])


def refuse(request: HttpRequest, words: str, to: str) -> HttpResponse:
    return tell(request, messages.ERROR, words, to)


def tell(request: HttpRequest, level: int, words: str, to: str) -> HttpResponse:
    """Tagged, so that what other pages had to say is not said here."""
    messages.add_message(request, level, words, extra_tags=TAG)
    return redirect(to)


def _logged(by: User, done: Done) -> dict[str, Any]:
    log(by, DeskAction.Way.PAGE, done)
    return {"words": done.words, "to": done.to}


def _digest(request: HttpRequest) -> str:
    """Of all that the form asks for."""
    found = hashlib.sha256(request.path.encode())
    for name, values in sorted(request.POST.lists()):
        if name not in _NOT_OF_THE_BODY:
            found.update(repr((name, values)).encode())
    for name, file in sorted(request.FILES.items()):
        found.update(repr((name, file.name)).encode() + b"".join(file.chunks()))  # type: ignore[union-attr]
        file.seek(0)  # type: ignore[union-attr]
    return found.hexdigest()
