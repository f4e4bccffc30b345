"""The ledger's only writer: double entry, each event once however often it is reported, nothing ever changed.

Cents above zero are debits. Idempotency is by key: posting a key again returns what was posted; posting something else
under it raises KeyReused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing import bulk
from billing.models import Code, Entry, Posting
from billing.models.ledger import OF_A_HOME


class KeyReused(ValueError):
    """The key stands for another event already."""


class AlreadyReversed(ValueError):
    """An entry is reversed at most once."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, before it is an entry. `moves` are cents by account; those of zero are left out."""

    kind: Entry.Kind
    key: str
    home_id: UUID | None
    moves: Mapping[Code, int]
    at: datetime | None = None
    note: str = ""
    statement_id: int | None = None
    payout_id: int | None = None
    utility_bill_id: int | None = None
    reverses_id: int | None = None
    by_id: int | None = None

    @property
    def postings(self) -> dict[Code, int]:
        return {code: cents for code, cents in self.moves.items() if cents}


def post(event: Event) -> Entry:
    """The entry of this event, made now or before."""
    post_many([event])
    return Entry.objects.get(key=event.key)


@transaction.atomic
def post_many(events: Sequence[Event]) -> None:
    """Post what is not posted yet. Raises ValueError for an event that is not balanced or moves nothing."""
    for event in events:
        if sum(event.moves.values()) or not event.postings:
            raise ValueError(f"{event.key} is not balanced or moves nothing: {event.moves}")
    accounts = _accounts(events)
    made = dict(_insert_entries(events))
    _insert_postings([(made[event.key], event) for event in events if event.key in made], accounts)
    _compare([event for event in events if event.key not in made])


@transaction.atomic
def reverse(entry: Entry, key: str, note: str, by_id: int | None = None) -> Entry:
    """The opposite of an entry. Asked again with the same key, the same reversal."""
    found = Entry.objects.filter(reverses=entry).first()
    if found is not None and found.key != key:
        raise AlreadyReversed(f"{entry.key} was reversed by {found.key}")
    moves = Counter[Code]()
    for code, cents in entry.postings.values_list("account__code", "cents"):
        moves[Code(code)] -= cents
    return post(
        Event(
            Entry.Kind.REVERSAL,
            key,
            entry.home_id,
            moves,
            note=note,
            payout_id=entry.payout_id,
            utility_bill_id=entry.utility_bill_id,
            reverses_id=entry.pk,
            by_id=by_id,
        )
    )


def receive(home_id: UUID, cents: int, key: str, *, at: datetime | None = None, by_id: int | None = None) -> Entry:
    """Money that the host paid to the operator. Raises ValueError below one cent."""
    if cents < 1:
        raise ValueError("a receipt is at least one cent")
    moves = {Code.CASH: cents, Code.HOST_RECEIVABLE: -cents}
    return post(Event(Entry.Kind.RECEIPT, key, home_id, moves, at=at, by_id=by_id))


def balances(home_ids: Iterable[UUID], codes: Iterable[Code] = OF_A_HOME) -> dict[tuple[UUID, Code], int]:
    """Cents by home and account; what has no postings is not there."""
    rows = bulk.fetch(
        "SELECT a.home_id, a.code, sum(p.cents)::bigint FROM billing_account a"
        " JOIN billing_posting p ON p.account_id = a.id WHERE a.home_id = ANY(%s) AND a.code = ANY(%s)"
        " GROUP BY a.home_id, a.code",
        [list(home_ids), [str(code) for code in codes]],
    )
    return {(home_id, Code(code)): cents for home_id, code, cents in rows}


def balance(code: Code, home_id: UUID | None = None) -> int:
    """Cents on one account; 0 where nothing was ever posted."""
    found = bulk.fetch(
        "SELECT coalesce(sum(p.cents), 0)::bigint FROM billing_account a JOIN billing_posting p ON p.account_id = a.id"
        " WHERE a.code = %s AND a.home_id IS NOT DISTINCT FROM %s",
        [str(code), home_id],
    )
    return int(found[0][0])


def owed_to_host(home_id: UUID) -> int:
    """Cents the operator owes the host on balance; below zero the host has been overpaid, which carries forward."""
    return -balance(Code.HOST_PAYABLE, home_id)


def owed_by_host(home_id: UUID) -> int:
    """Cents the host owes the operator in fees."""
    return balance(Code.HOST_RECEIVABLE, home_id)


_Account = tuple[Code, UUID | None]


def _account_of(event: Event, code: Code) -> _Account:
    return (code, event.home_id if code in OF_A_HOME else None)


def _accounts(events: Sequence[Event]) -> dict[_Account, int]:
    """Ids of all accounts that the events post to, opened where they are not. In one order, so that two writers that
    open the same accounts wait for each other and never in a circle."""
    wanted = sorted({_account_of(event, code) for event in events for code in event.postings}, key=str)
    codes, homes = [str(code) for code, _ in wanted], [home for _, home in wanted]
    found = _find_accounts(codes, homes)
    missing = [account for account in wanted if account not in found]
    if missing:
        columns: bulk.Columns = {
            "code": ("text", [str(code) for code, _ in missing]),
            "home_id": ("uuid", [h for _, h in missing]),
        }
        bulk.insert("billing_account", columns, skip_existing=True)
        found = _find_accounts(codes, homes)
    return found


def _find_accounts(codes: Sequence[str], homes: Sequence[UUID | None]) -> dict[_Account, int]:
    rows = bulk.fetch(
        "SELECT a.code, a.home_id, a.id FROM billing_account a JOIN unnest(%s::text[], %s::uuid[]) w(code, home_id)"
        " ON a.code = w.code AND a.home_id = w.home_id UNION ALL SELECT code, home_id, id FROM billing_account"
        " WHERE home_id IS NULL",
        [list(codes), list(homes)],
    )
    return {(Code(code), home_id): pk for code, home_id, pk in rows}


def _insert_entries(events: Sequence[Event]) -> list[tuple[str, int]]:
    now = timezone.now()
    columns: bulk.Columns = {
        "home_id": ("uuid", [event.home_id for event in events]),
        "kind": ("text", [str(event.kind) for event in events]),
        "key": ("text", [event.key for event in events]),
        "at": ("timestamptz", [event.at or now for event in events]),
        "recorded_at": ("timestamptz", [now for _ in events]),
        "note": ("text", [event.note for event in events]),
        "statement_id": ("bigint", [event.statement_id for event in events]),
        "payout_id": ("bigint", [event.payout_id for event in events]),
        "utility_bill_id": ("bigint", [event.utility_bill_id for event in events]),
        "reverses_id": ("bigint", [event.reverses_id for event in events]),
        "by_id": ("bigint", [event.by_id for event in events]),
    }
    return [(key, pk) for key, pk in bulk.insert("billing_entry", columns, skip_existing=True, returning="key, id")]


def _insert_postings(entries: Sequence[tuple[int, Event]], accounts: Mapping[_Account, int]) -> None:
    rows = [
        (pk, accounts[_account_of(event, code)], cents)
        for pk, event in entries
        for code, cents in event.postings.items()
    ]
    columns: bulk.Columns = {
        "entry_id": ("bigint", [row[0] for row in rows]),
        "account_id": ("bigint", [row[1] for row in rows]),
        "cents": ("bigint", [row[2] for row in rows]),
    }
    bulk.insert("billing_posting", columns)


def _compare(repeated: Sequence[Event]) -> None:
    """What was posted before must be what is posted now."""
    if not repeated:
        return
    said: dict[str, dict[Code, int]] = {event.key: {} for event in repeated}
    postings = Posting.objects.filter(entry__key__in=said).values_list("entry__key", "account__code", "cents")
    for key, code, cents in postings:
        said[key][Code(code)] = cents
    homes = dict(Entry.objects.filter(key__in=said).values_list("key", "home_id"))
    for event in repeated:
        if said[event.key] != event.postings or homes[event.key] != event.home_id:
            raise KeyReused(f"{event.key} stands for something else already")
