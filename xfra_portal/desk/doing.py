"""What the desk does: once per form however often it is sent, in one transaction with its line in the log."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.db import IntegrityError, InternalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from billing.agreements import AgreementRefused
from billing.closing import MonthNotOver
from billing.corrections import CannotRevise
from billing.greenbutton.filed import BadFile
from billing.ledger import KeyReused as EntryKeyReused
from billing.models import DeskAction
from billing.payouts import NoPayee
from billing.questions import AnsweredAlready
from billing.reconciliation import NoStatement
from billing.recording import NotAnswerable
from billing.self_checks import BooksBroken
from billing.tariffs import UnsupportedTariff
from homes.models import Home, User
from xfra_portal.api.idempotency import AtWork, KeyReused, perform
from xfra_portal.desk.doors import person

TAG: Final = "desk"
_KEY: Final = re.compile(r"[0-9a-f]{32}(:[\w.:-]{1,60})?", re.ASCII)
_NOT_OF_THE_BODY: Final = ("csrfmiddlewaretoken",)
_CONSTRAINTS: Final = {
    "one_tariff_a_day": "The home has another tariff on some of these days: end that one first, or begin later.",
    "one_agreement_a_day": "A later agreement covers some of these days: begin after it, or end this one before it.",
    "utility_bill_once": "A bill of this number was entered for this home before.",
    "one_payout_in_flight": "The host has a payout on its way: wait until it has arrived or failed.",
}


class Refused(ValueError):
    """It cannot be done; the message says why and what helps."""


REFUSALS: Final = (
    Refused,
    AgreementRefused,
    AnsweredAlready,
    BadFile,
    BooksBroken,
    CannotRevise,
    EntryKeyReused,
    MonthNotOver,
    NoPayee,
    NoStatement,
    NotAnswerable,
    UnsupportedTariff,
)


@dataclass(frozen=True, slots=True)
class Done:
    """What was done, as the clerk is told and as the log keeps it; `to` is the page that shows it."""

    kind: str
    words: str
    to: str
    home: Home | None = None
    subject: str = ""
    why: str = ""


def do(request: HttpRequest, act: Callable[[], Done], back: str) -> HttpResponse:
    """Do it once and show what came of it; `back` is where to go if it cannot be done."""
    key = request.POST.get("key", "")
    if not _KEY.fullmatch(key):
        return tell(request, messages.ERROR, "Nothing was done: the form was not whole. Here it is anew.", back)
    try:
        done = perform(person(request), f"desk:{key}", _digest(request), lambda: (303, _logged(person(request), act())))
    except KeyReused:
        return tell(request, messages.ERROR, "Nothing was done: this form was sent before with other values.", back)
    except AtWork:
        return tell(request, messages.INFO, "That is being done just now: look again in a moment.", back)
    except (*REFUSALS, IntegrityError, InternalError) as error:
        return tell(request, messages.ERROR, f"Nothing was done. {reason(error)}", back)
    words = f"Done before, and not done twice: {done.answer['words']}" if done.is_replay else done.answer["words"]
    return tell(request, messages.SUCCESS, words, done.answer["to"])


def refuse(request: HttpRequest, words: str, to: str) -> HttpResponse:
    return tell(request, messages.ERROR, words, to)


def tell(request: HttpRequest, level: int, words: str, to: str) -> HttpResponse:
    """Tagged, so that what other pages had to say is not said here."""
    messages.add_message(request, level, words, extra_tags=TAG)
    return redirect(to)


def reason(error: Exception) -> str:
    """Why something cannot be done, as a sentence. What Postgres refuses says so in our own words."""
    said = str(error)
    diagnosis = getattr(error.__cause__, "diag", None)
    if diagnosis is not None:
        said = _CONSTRAINTS.get(diagnosis.constraint_name or "", diagnosis.message_primary or said)
    said = said.strip()
    return f"{said[:1].upper()}{said[1:]}" + ("" if said.endswith((".", "!", "?")) else ".")


def log(by: User, done: Done) -> None:
    DeskAction.objects.create(
        by=by.party,
        kind=done.kind,
        what=done.words[:400],
        home=done.home,
        subject=done.subject[:60],
        why=done.why[:500],
    )


def _logged(by: User, done: Done) -> dict[str, Any]:
    log(by, done)
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
