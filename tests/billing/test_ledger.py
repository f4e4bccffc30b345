"""The ledger: balanced whatever happens, each event once, reversed at most once."""

from __future__ import annotations

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import bulk, ledger, self_checks
from billing.ledger import AlreadyReversed, Event, KeyReused
from billing.models import BooksCheck, Code, Entry, Posting
from tests.billing.checks import commit, refused
from tests.cast import Cast, needs_database

pytestmark = [needs_database, pytest.mark.usefixtures("as_system")]


def owing(cast: Cast, key: str, cents: int = 500) -> Event:
    moves = {Code.NODE_ELECTRICITY: cents, Code.HOST_PAYABLE: -cents}
    return Event(Entry.Kind.ADJUSTMENT, key, cast.home.pk, moves)


def test_an_event_is_posted_once(cast: Cast) -> None:
    first = ledger.post(owing(cast, "a"))
    assert ledger.post(owing(cast, "a")) == first
    commit()
    assert (Entry.objects.count(), Posting.objects.count(), ledger.owed_to_host(cast.home.pk)) == (1, 2, 500)


def test_a_key_stands_for_one_event(cast: Cast) -> None:
    ledger.post(owing(cast, "a"))
    with pytest.raises(KeyReused):
        ledger.post(owing(cast, "a", 501))
    elsewhere = Event(Entry.Kind.ADJUSTMENT, "a", cast.other_home.pk, owing(cast, "a").moves)
    with pytest.raises(KeyReused):
        ledger.post(elsewhere)


@pytest.mark.parametrize("moves", [{}, {Code.CASH: 5}, {Code.CASH: 0}, {Code.CASH: 5, Code.HOST_FEES: -4}])
def test_what_does_not_balance_is_not_posted(cast: Cast, moves: dict[Code, int]) -> None:
    with pytest.raises(ValueError, match="not balanced"):
        ledger.post(Event(Entry.Kind.ADJUSTMENT, "odd", cast.home.pk, moves))


def test_an_entry_is_reversed_once(cast: Cast) -> None:
    entry = ledger.post(owing(cast, "a"))
    undone = ledger.reverse(entry, "a:undone", "a mistake")
    assert ledger.reverse(entry, "a:undone", "a mistake") == undone
    with pytest.raises(AlreadyReversed):
        ledger.reverse(entry, "a:again", "a mistake")
    commit()
    assert ledger.owed_to_host(cast.home.pk) == 0


def test_a_reversal_is_the_exact_opposite(cast: Cast) -> None:
    entry = ledger.post(owing(cast, "a"))
    half = {Code.NODE_ELECTRICITY: -250, Code.HOST_PAYABLE: 250}
    with refused("not the opposite"):
        ledger.post(Event(Entry.Kind.REVERSAL, "half", cast.home.pk, half, reverses_id=entry.pk))


def test_what_the_host_pays_lowers_what_the_host_owes(cast: Cast) -> None:
    fee = {Code.HOST_RECEIVABLE: 15_000, Code.HOST_FEES: -15_000}
    ledger.post(Event(Entry.Kind.ADJUSTMENT, "fee", cast.home.pk, fee))
    for _ in range(2):
        ledger.receive(cast.home.pk, 10_000, "receipt:1")
    assert ledger.owed_by_host(cast.home.pk) == 5_000
    with pytest.raises(ValueError, match="one cent"):
        ledger.receive(cast.home.pk, 0, "receipt:2")


def test_balances_of_many_homes_are_one_query(cast: Cast, django_assert_num_queries: object) -> None:
    ledger.post_many([owing(cast, "a"), owing(cast, "b", 300)])
    with django_assert_num_queries(1):  # type: ignore[operator]
        found = ledger.balances([cast.home.pk, cast.other_home.pk])
    assert found == {(cast.home.pk, Code.HOST_PAYABLE): -800}


codes = st.sampled_from([code for code in Code if code is not Code.IN_TRANSIT])  # payouts have that to themselves
happenings = st.lists(
    st.tuples(st.sampled_from(["post", "again", "reverse", "receive"]), st.integers(-(10**9), 10**9), codes, codes),
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(happenings)
def test_the_ledger_sums_to_zero_after_anything(cast: Cast, done: list[tuple[str, int, Code, Code]]) -> None:
    with transaction.atomic():
        made: list[Entry] = []
        for number, (what, cents, one, other) in enumerate(done):
            if what == "post" and cents and one != other:
                moves = {one: cents, other: -cents}
                made.append(ledger.post(Event(Entry.Kind.ADJUSTMENT, f"e{number}", cast.home.pk, moves)))
            elif what == "receive":
                made.append(ledger.receive(cast.home.pk, abs(cents) + 1, f"r{number}"))
            elif made and what == "reverse" and made[-1].kind != Entry.Kind.REVERSAL:
                ledger.reverse(made[-1], f"{made[-1].key}:undone", "undone")
        commit()
        assert bulk.fetch("SELECT coalesce(sum(cents), 0)::bigint FROM billing_posting") == [(0,)]
        assert self_checks.self_check() == []
        transaction.set_rollback(True)


def test_the_books_are_checked_and_the_findings_kept(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    assert self_checks.check_and_keep() == []
    monkeypatch.setitem(self_checks._CHECKS, "always", ("Something is wrong", "SELECT 'here'"))
    (finding,) = self_checks.check_and_keep()
    assert (finding.sentence, finding.examples) == ("Something is wrong", ("here",))
    assert [len(check.findings) for check in BooksCheck.objects.order_by("pk")] == [0, 1]
    with pytest.raises(self_checks.BooksBroken, match=r"Something is wrong \(here\)"):
        self_checks.refuse_if_broken()
