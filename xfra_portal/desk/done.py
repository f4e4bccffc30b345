"""What somebody did at the desk, and that something could not be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db import IntegrityError, InternalError

from billing import desk_log
from billing.agreements import AgreementRefused
from billing.closing import MonthNotOver
from billing.corrections import CannotRevise
from billing.greenbutton.filed import BadFile
from billing.ledger import KeyReused
from billing.models import DeskAction
from billing.payouts import NoPayee
from billing.questions import AnsweredAlready
from billing.reconciliation import NoStatement
from billing.recording import NotAnswerable
from billing.self_checks import BooksBroken
from billing.tariffs import UnsupportedTariff
from homes.models import Home, User

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
    KeyReused,
    MonthNotOver,
    NoPayee,
    NoStatement,
    NotAnswerable,
    UnsupportedTariff,
    IntegrityError,
    InternalError,
)
"""What billing says no with, and what Postgres does."""


@dataclass(frozen=True, slots=True)
class Done:
    """As the clerk is told and the log keeps it. `to` is the page that shows it, `made` the id of what it made."""

    kind: str
    words: str
    to: str
    home: Home | None = None
    subject: str = ""
    why: str = ""
    made: int | None = None


def reason(error: Exception) -> str:
    """Why something cannot be done, as a sentence. What Postgres refuses says so in our own words."""
    said = str(error)
    diagnosis = getattr(error.__cause__, "diag", None)
    if diagnosis is not None:
        said = _CONSTRAINTS.get(diagnosis.constraint_name or "", diagnosis.message_primary or said)
    said = said.strip()
    return f"{said[:1].upper()}{said[1:]}" + ("" if said.endswith((".", "!", "?")) else ".")


def log(by: User, way: DeskAction.Way, done: Done) -> None:
    """In the transaction of what was done."""
    with desk_log.by_way(way):
        desk_log.record(done.kind, done.words, by=by.party, home=done.home, subject=done.subject, why=done.why)
