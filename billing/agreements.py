"""Agreements: concluding and ending them, what they say in plain words, and what one changed of the one before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateRange

from billing.models import Agreement
from billing.settlement import CREDIT_PER_KWH, FLAT_HOST_FEE, HOST, OPERATOR, Item, Terms
from homes.models import Home, Party

_UTILITY: Final = {HOST: "You pay the electricity bill.", OPERATOR: "We pay the electricity bill, all of it."}
MOST_DUE_DAYS: Final = 120
MOST_HOW_PAID: Final = 200
_INTERNET: Final = {HOST: "You pay the internet provider", OPERATOR: "We pay the internet provider"}


class AgreementRefused(ValueError):
    """The terms cannot be agreed on; the message names the field and the remedy."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field of two versions of an agreement, as people read it. None where there was nothing."""

    field: str
    was: str | None
    now: str | None


@transaction.atomic
def conclude(home: Home, terms: Terms, start: date, end: date | None = None, by: Party | None = None) -> Agreement:
    """A new version of the home's agreement from `start`; the one in force then ends there.

    The database refuses to begin within a period that was rated, and two agreements on one day.
    """
    _check(terms)
    Home.objects.select_for_update(no_key=True).get(pk=home.pk)  # versions are counted by one at a time
    before = Agreement.objects.filter(home=home).order_by("-version").first()
    for current in Agreement.objects.filter(home=home, span__contains=start):
        end_on(current, start)
    return Agreement.objects.create(
        home=home,
        version=before.version + 1 if before else 1,
        span=DateRange(start, end),
        utility_payer=terms.utility_payer,
        internet_payer=terms.internet_payer,
        settlement=terms.settlement,
        fee_cents=terms.fee_cents if terms.settlement == FLAT_HOST_FEE else None,
        credit_per_kwh=terms.credit_per_kwh if terms.settlement == CREDIT_PER_KWH else None,
        internet_cents=terms.internet_cents,
        fixed_monthly=[{"label": item.label, "cents": item.cents, "to": item.to} for item in terms.items],
        due_days=terms.due_days,
        how_paid=terms.how_paid,
        concluded_by=by,
    )


def end_on(agreement: Agreement, end: date) -> None:
    """The agreement's first day without it. On its own first day, it never was."""
    begin = agreement.span.lower
    span = DateRange(begin, end) if begin < end else DateRange(empty=True)
    Agreement.objects.filter(pk=agreement.pk).update(span=span)
    agreement.span = span


def _check(terms: Terms) -> None:
    if terms.fee_cents < 0 or terms.internet_cents < 0 or terms.credit_per_kwh < 0:
        raise AgreementRefused(
            "an amount is below zero: say who pays whom by the kind of settlement or the item's `to`"
        )
    if not 1 <= terms.due_days <= MOST_DUE_DAYS:
        raise AgreementRefused(f"due_days: from 1 to {MOST_DUE_DAYS} days after a statement's issue are allowed")
    if len(terms.how_paid) > MOST_HOW_PAID:
        raise AgreementRefused(f"how_paid: at most {MOST_HOW_PAID} characters")
    for item in terms.items:
        if item.to not in (HOST, OPERATOR) or item.cents < 1 or not item.label.strip():
            raise AgreementRefused(f"fixed_monthly: {item.label!r} needs a label, an amount, and `to` host or operator")


def terms_of(agreement: Agreement) -> Terms:
    return Terms(
        utility_payer=agreement.utility_payer,
        internet_payer=agreement.internet_payer,
        settlement=agreement.settlement,
        fee_cents=agreement.fee_cents or 0,
        credit_per_kwh=agreement.credit_per_kwh or Decimal(0),
        internet_cents=agreement.internet_cents,
        items=tuple(Item(item["label"], item["cents"], item["to"]) for item in agreement.fixed_monthly),
        due_days=agreement.due_days,
        how_paid=agreement.how_paid,
    )


def in_force(home_ids: Iterable[UUID], start: date, end: date) -> dict[UUID, list[Agreement]]:
    """By home: agreements with any of the days [start, end), the earliest first."""
    found: dict[UUID, list[Agreement]] = {}
    rows = Agreement.objects.filter(home__in=list(home_ids), span__overlap=DateRange(start, end))
    for agreement in rows.order_by("home", "span"):
        found.setdefault(agreement.home_id, []).append(agreement)
    return found


def words(terms: Terms) -> list[str]:
    """The agreement as sentences to the host."""
    internet = f"{_INTERNET[terms.internet_payer]} ({money(terms.internet_cents)} a month)."
    said = [_UTILITY[terms.utility_payer], internet if terms.internet_cents else "Internet is not part of it."]
    return [*said, _settlement_words(terms), *map(_item_words, terms.items), due_words(terms)]


def due_words(terms: Terms) -> str:
    """When and how the host pays what a statement says is owed."""
    days = "1 day" if terms.due_days == 1 else f"{terms.due_days} days"
    said = f"What a statement says that you owe us is due {days} after it is issued."
    return f"{said} {how_paid_words(terms.how_paid)}"


def how_paid_words(how_paid: str) -> str:
    """The agreement's sentence on how the host pays, or that it has none."""
    return how_paid or "How it is paid is not written in the agreement: ask the billing desk."


def _settlement_words(terms: Terms) -> str:
    if terms.settlement == FLAT_HOST_FEE:
        return f"You pay us {money(terms.fee_cents)} a month, whatever the bills are."
    if terms.settlement == CREDIT_PER_KWH:
        return f"For each kWh that the node uses we credit you ${plain(terms.credit_per_kwh)}."
    if terms.utility_payer == OPERATOR:
        return "You pay us what the electricity bill would have been without the node."
    return "We pay you what the node added to the electricity bill: the bill with it less the bill without it."


def _item_words(item: Item) -> str:
    who = "We pay you" if item.to == HOST else "You pay us"
    return f"{who} {money(item.cents)} a month: {item.label}."


def diff(was: Agreement | None, now: Agreement) -> list[Change]:
    """What `now` changed; everything, where there was none."""
    old, new = _fields(was) if was else {}, _fields(now)
    return [
        Change(name, old.get(name), new.get(name))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]


def _fields(agreement: Agreement) -> dict[str, str]:
    terms = terms_of(agreement)
    found = {
        "Electricity bill": _UTILITY[terms.utility_payer],
        "Internet": f"{_INTERNET[terms.internet_payer]}, {money(terms.internet_cents)} a month",
        "Settlement": _settlement_words(terms),
        "Payment": due_words(terms),
    }
    return found | {f"Each month: {item.label}": _item_words(item) for item in terms.items}


def money(amount: int) -> str:
    return f"{'-' if amount < 0 else ''}${abs(amount) // 100:,}.{abs(amount) % 100:02d}"


def plain(number: Decimal) -> str:
    """Without exponent and trailing zeros."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def as_document(agreement: Agreement) -> Mapping[str, Any]:
    """What is settled by, for a statement's document and hash. The end of its days may still move: it is left out."""
    terms = terms_of(agreement)
    return {
        "version": agreement.version,
        "start": agreement.span.lower.isoformat() if agreement.span.lower else None,
        "utility_payer": terms.utility_payer,
        "internet_payer": terms.internet_payer,
        "settlement": terms.settlement,
        "fee_cents": agreement.fee_cents,
        "credit_per_kwh": None if agreement.credit_per_kwh is None else plain(agreement.credit_per_kwh),
        "internet_cents": terms.internet_cents,
        "fixed_monthly": [{"label": item.label, "cents": item.cents, "to": item.to} for item in terms.items],
        "due_days": terms.due_days,
        "how_paid": terms.how_paid,
    }
