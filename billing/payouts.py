"""Payouts: what the operator owes hosts, sent with a key that never changes, and posted as it goes.

Money leaves the host's account in the ledger when a payout is created, so that nothing is paid twice; it comes back
when the payout fails or is returned. What times out stays `sent`: it is asked about with the same key, and after a day
without an answer somebody has to look. Nothing is ever pulled from a host: what was overpaid lowers the next payout.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing import desk_log, ledger, notices, self_checks
from billing.agreements import money
from billing.ledger import Event
from billing.models import Code, Entry, Notice, Payout
from billing.notices import Telling
from billing.payout_provider import Answer, Outcome, Provider, ProviderTimeout
from homes.models import Home, Membership, Party

MINIMUM_CENTS: Final = 100
"""Less than this waits for the next month."""
UNKNOWN_AFTER: Final = timedelta(days=1)
RETURNS_WITHIN: Final = timedelta(days=60)
"""How long a paid payout is still asked about."""
State = Payout.State


class NoPayee(LookupError):
    """Nobody owns the home, so there is nobody to pay."""


def create_due(home_ids: Iterable[UUID] | None = None, by: Party | None = None) -> list[Payout]:
    """Payouts of what is owed, for homes with an owner who has none in flight. Raises BooksBroken."""
    self_checks.refuse_if_broken()
    homes = Home.objects.filter(memberships__role=Membership.Role.OWNER, accounts__code=Code.HOST_PAYABLE)
    if home_ids is not None:
        homes = homes.filter(pk__in=list(home_ids))
    made = [create(home, by) for home in homes.order_by("pk").distinct()]
    return [payout for payout in made if payout is not None]


@dataclass(frozen=True, slots=True)
class Unowned:
    """Homes that are owed money and that nobody owns, and what is owed to them in cents."""

    homes: int
    cents: int


def unowned() -> Unowned:
    """What cannot be paid out until somebody owns the home. Of homes that the reader may see."""
    homes = Home.objects.filter(accounts__code=Code.HOST_PAYABLE)
    lacking = homes.exclude(memberships__role=Membership.Role.OWNER).values_list("pk", flat=True)
    balances = ledger.balances(list(lacking), (Code.HOST_PAYABLE,))
    owed = [-cents for cents in balances.values() if -cents >= MINIMUM_CENTS]
    return Unowned(len(owed), sum(owed))


@transaction.atomic
def create(home: Home, by: Party | None = None) -> Payout | None:
    """A payout of all that is owed to this home's owner; None if that is too little or one is in flight."""
    Home.objects.select_for_update(no_key=True).get(pk=home.pk)
    owner = Membership.objects.select_related("user__party").filter(home=home, role=Membership.Role.OWNER).first()
    if owner is None:
        raise NoPayee(f"home {home.pk} has no owner")
    Party.objects.select_for_update(no_key=True).get(pk=owner.user.party_id)  # a host may own several homes
    cents = ledger.owed_to_host(home.pk) - max(ledger.owed_by_host(home.pk), 0)
    in_flight = Payout.objects.filter(host=owner.user.party, state__in=(State.CREATED, State.SENT)).exists()
    if cents < MINIMUM_CENTS or in_flight:
        return None
    number = Payout.objects.filter(home=home).count() + 1
    payout = Payout.objects.create(
        home=home, host=owner.user.party, cents=cents, key=f"payout:{home.pk}:{number}", created_by=by
    )
    moves = {Code.HOST_PAYABLE: cents, Code.IN_TRANSIT: -cents}
    ledger.post(Event(Entry.Kind.PAYOUT, payout.key, home.pk, moves, payout_id=payout.pk))
    return payout


def send(payout: Payout, provider: Provider, now: datetime | None = None) -> Payout:
    """Ask the provider. `sent` is committed before it is asked: whatever happens then, the money may be on its way."""
    at = now or timezone.now()
    with transaction.atomic():
        found = _locked(payout)
        if found.state not in (State.CREATED, State.SENT):
            return found
        found.state, found.sent_at = State.SENT, found.sent_at or at
        found.attempts += 1
        found.save(update_fields=["state", "sent_at", "attempts"])
    try:
        answer = provider.pay(found.key, found.cents, f"party:{found.host_id}")
    except ProviderTimeout as error:
        return _note(found, str(error))
    return _heard(found, answer, at)


@transaction.atomic
def hand_over(payout_ids: Iterable[int], now: datetime | None = None) -> list[Payout]:
    """Those that are created go to the bank by file: they are sent, and people say what became of them."""
    created = Payout.objects.select_for_update().filter(pk__in=list(payout_ids), state=State.CREATED).order_by("pk")
    found = list(created)
    for payout in found:
        payout.state, payout.sent_at, payout.attempts = State.SENT, now or timezone.now(), payout.attempts + 1
        payout.save(update_fields=["state", "sent_at", "attempts"])
    return found


def ask(payout: Payout, provider: Provider, now: datetime | None = None) -> Payout:
    """How did it go? One that the provider never took on is sent again, with the same key."""
    at = now or timezone.now()
    try:
        answer = provider.find(payout.key)
    except ProviderTimeout as error:
        return _note(payout, str(error))
    if answer is not None:
        return _heard(payout, answer, at)
    return send(payout, provider, at) if payout.state == State.SENT else payout


def pursue(provider: Provider, now: datetime | None = None) -> int:
    """Send what is created, ask about what is sent or was paid lately. Returns how many."""
    at = now or timezone.now()
    sent = Payout.objects.filter(state=State.SENT)
    paid = Payout.objects.filter(state=State.PAID, settled_at__gt=at - RETURNS_WITHIN)
    asked = [*sent.order_by("pk"), *paid.order_by("pk")]
    created = list(Payout.objects.filter(state=State.CREATED).order_by("pk"))
    for payout in asked:
        ask(payout, provider, at)
    for payout in created:
        send(payout, provider, at)
    return len(asked) + len(created)


def unknown(now: datetime | None = None) -> list[Payout]:
    """Sent more than a day ago and nobody knows what became of them: a person has to find out."""
    return list(Payout.objects.filter(state=State.SENT, sent_at__lt=(now or timezone.now()) - UNKNOWN_AFTER))


def resolve(payout: Payout, is_paid: bool, reason: str, now: datetime | None = None) -> Payout:
    """A person found out. Raises ValueError without a reason."""
    if not reason.strip():
        raise ValueError("say how you know")
    outcome = Outcome.PAID if is_paid else Outcome.REFUSED
    return _settle(payout, Answer(outcome, payout.reference, reason), now or timezone.now())


@transaction.atomic
def _heard(payout: Payout, answer: Answer, at: datetime) -> Payout:
    """What the provider says became of it; in the log where that is news."""
    before = _locked(payout).state
    found = _settle(payout, answer, at)
    if found.state != before:
        said = {State.PAID: "arrived", State.FAILED: "did not go through", State.RETURNED: "came back"}
        words = f"Payout of {money(found.cents)} {said.get(State(found.state), found.state)}, says the provider."
        desk_log.record(f"payout_{found.state}", words, home=found.home, subject=found.key, why=found.problem)
    return found


@transaction.atomic
def _settle(payout: Payout, answer: Answer, at: datetime) -> Payout:
    """Take the provider's word once: the same word again changes nothing."""
    found = _locked(payout)
    found.reference = answer.reference or found.reference
    if answer.outcome is Outcome.PAID and found.state == State.SENT:
        found.state, found.settled_at, found.problem = State.PAID, at, answer.problem
        moves = {Code.IN_TRANSIT: found.cents, Code.CASH: -found.cents}
        ledger.post(Event(Entry.Kind.PAID, f"{found.key}:paid", found.home_id, moves, at, payout_id=found.pk))
        _tell(found, Notice.Kind.PAID)
    elif answer.outcome is Outcome.REFUSED and found.state in (State.CREATED, State.SENT):
        found.state, found.settled_at, found.problem = State.FAILED, at, answer.problem
        _reverse(found, Entry.Kind.PAYOUT, answer.problem)
        _tell(found, Notice.Kind.FAILED)
    elif answer.outcome is Outcome.RETURNED and found.state in (State.SENT, State.PAID):
        if found.state == State.SENT:
            return _settle(_settle(found, Answer(Outcome.PAID, answer.reference), at), answer, at)
        found.state, found.returned_at, found.problem = State.RETURNED, at, answer.problem
        _reverse(found, Entry.Kind.PAID, answer.problem)
        _reverse(found, Entry.Kind.PAYOUT, answer.problem)
        _tell(found, Notice.Kind.FAILED)
    elif found.state in (State.FAILED, State.RETURNED):
        return found
    found.save(update_fields=["state", "reference", "problem", "settled_at", "returned_at"])
    return found


def _reverse(payout: Payout, kind: Entry.Kind, note: str) -> None:
    entry = Entry.objects.get(payout=payout, kind=kind)
    ledger.reverse(entry, f"{entry.key}:reversed", note)


def _tell(payout: Payout, kind: Notice.Kind) -> None:
    facts = {"cents": payout.cents, "problem": payout.problem}
    notices.put_many([Telling(payout.home_id, kind, f"{payout.key}:{payout.state}", facts)])


def _note(payout: Payout, problem: str) -> Payout:
    """It stays as it is; only what was tried is noted."""
    with transaction.atomic():
        found = _locked(payout)
        if found.state == State.SENT:
            found.problem = problem
            found.save(update_fields=["problem"])
    return found


def _locked(payout: Payout) -> Payout:
    return Payout.objects.select_for_update().get(pk=payout.pk)
