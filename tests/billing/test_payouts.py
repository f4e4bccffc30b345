"""Payouts: one at a time, paid at most once whatever the provider does, and the ledger follows."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing import ledger, payout_files, payouts, self_checks
from billing.ledger import Event
from billing.models import Code, Entry, Notice, Payout
from billing.payout_provider import Answer, Outcome, ProviderTimeout, SimulatedProvider, configured
from homes.models import Home, Membership
from tests.billing.checks import commit
from tests.billing.providers import Prompt, Silent
from tests.cast import Cast, needs_database

pytestmark = [needs_database, pytest.mark.usefixtures("as_system")]
State = Payout.State


class Forgetful(dict[str, dict[str, Any]]):
    """What the simulated provider remembers, in a test."""

    def set(self, key: str, value: dict[str, Any]) -> None:
        self[key] = dict(value)


def owe(home: Home, cents: int, key: str = "owed") -> None:
    moves = {Code.NODE_ELECTRICITY: cents, Code.HOST_PAYABLE: -cents}
    ledger.post(Event(Entry.Kind.ADJUSTMENT, f"{key}:{home.pk}", home.pk, moves))


def due(home: Home, cents: int = 10_000) -> Payout:
    owe(home, cents)
    (payout,) = payouts.create_due([home.pk])
    return payout


def test_paid(cast: Cast) -> None:
    payout = due(cast.home)
    assert (payout.cents, payout.host) == (10_000, cast.people["owner"].party)
    assert ledger.owed_to_host(cast.home.pk) == 0
    provider = Prompt()
    for _ in range(2):
        payout = payouts.send(payout, provider)
    commit()
    assert payout.state == State.PAID
    assert provider.asked == {payout.key: 1}
    assert (ledger.balance(Code.CASH), ledger.balance(Code.IN_TRANSIT)) == (-10_000, 0)
    assert [notice.kind for notice in Notice.objects.all()] == [Notice.Kind.PAID]


def test_what_times_out_stays_sent_and_keeps_its_key(cast: Cast) -> None:
    payout, provider = due(cast.home), Silent()
    for _ in range(3):
        payout = payouts.send(payout, provider)
    assert (payout.state, payout.attempts, payout.problem) == (State.SENT, 3, "no answer")
    assert provider.keys == [payout.key] * 3
    assert payouts.create_due() == []
    assert ledger.owed_to_host(cast.home.pk) == 0
    assert self_checks.self_check() == []


def test_unknown_after_a_day_a_person_finds_out(cast: Cast) -> None:
    payout = payouts.send(due(cast.home), Silent())
    assert payouts.unknown() == []
    tomorrow = timezone.now() + timedelta(days=1, minutes=1)
    assert payouts.unknown(tomorrow) == [payout]
    with pytest.raises(ValueError, match="how you know"):
        payouts.resolve(payout, True, " ")
    payout = payouts.resolve(payout, True, "the bank's statement of the 3rd")
    assert (payout.state, payout.problem) == (State.PAID, "the bank's statement of the 3rd")
    assert payouts.unknown(tomorrow) == []
    assert ledger.balance(Code.CASH) == -10_000


def test_refused_the_money_is_owed_again(cast: Cast) -> None:
    payout = payouts.send(due(cast.home), Prompt(Outcome.REFUSED, "account closed (R02)"))
    commit()
    assert (payout.state, payout.problem) == (State.FAILED, "account closed (R02)")
    assert (ledger.owed_to_host(cast.home.pk), ledger.balance(Code.IN_TRANSIT)) == (10_000, 0)
    (again,) = payouts.create_due()
    assert again.key != payout.key


def test_returned_after_it_was_paid(cast: Cast) -> None:
    payout = payouts.send(due(cast.home), Prompt())
    for _ in range(2):
        payout = payouts.ask(payout, Prompt(Outcome.RETURNED, "returned by the bank (R01)"))
    commit()
    assert payout.state == State.RETURNED
    assert (ledger.owed_to_host(cast.home.pk), ledger.balance(Code.CASH)) == (10_000, 0)
    assert Entry.objects.filter(kind="reversal").count() == 2
    assert payouts.send(payout, Prompt()).state == State.RETURNED


def test_returned_before_anybody_said_that_it_was_paid(cast: Cast) -> None:
    payout = payouts.send(due(cast.home), Prompt(Outcome.ACCEPTED))
    payout = payouts.ask(payout, Prompt(Outcome.RETURNED, "returned"))
    commit()
    assert payout.state == State.RETURNED
    assert ledger.owed_to_host(cast.home.pk) == 10_000


def test_a_late_word_changes_nothing(cast: Cast) -> None:
    payout = payouts.send(due(cast.home), Prompt(Outcome.REFUSED, "no account"))
    assert payouts.ask(payout, Prompt(Outcome.PAID)).state == State.FAILED
    assert ledger.balance(Code.CASH) == 0


def test_little_waits_and_fees_are_taken_off(cast: Cast) -> None:
    owe(cast.home, payouts.MINIMUM_CENTS - 1)
    assert payouts.create_due() == []
    fee = {Code.HOST_RECEIVABLE: 3_000, Code.HOST_FEES: -3_000}
    ledger.post(Event(Entry.Kind.ADJUSTMENT, "fee", cast.home.pk, fee))
    owe(cast.home, 10_000, "more")
    (payout,) = payouts.create_due()
    assert payout.cents == 10_000 + payouts.MINIMUM_CENTS - 1 - 3_000


def test_a_host_of_two_homes_gets_one_payout_at_a_time(cast: Cast) -> None:
    Membership.objects.filter(home=cast.other_home).update(user=cast.people["owner"])
    owe(cast.home, 5_000)
    owe(cast.other_home, 6_000)
    (first,) = payouts.create_due()
    assert payouts.create_due() == []
    payouts.send(first, Prompt())
    (second,) = payouts.create_due()
    assert {first.home_id, second.home_id} == {cast.home.pk, cast.other_home.pk}


def test_a_home_without_an_owner_has_nobody_to_pay(cast: Cast) -> None:
    Membership.objects.filter(home=cast.other_home).delete()
    owe(cast.other_home, 5_000)
    assert payouts.create_due() == []
    with pytest.raises(payouts.NoPayee):
        payouts.create(cast.other_home)


def test_the_simulated_provider_takes_a_key_on_once() -> None:
    memory = Forgetful()
    provider = SimulatedProvider(seed=3, memory=memory)
    seen: dict[str, int] = {}
    for number in range(300):
        key = f"payout:{number}"
        for _ in range(3):
            try:
                found = provider.pay(key, 100 + number, "party:1").outcome.value
            except ProviderTimeout:
                found = "timeout"
            seen[found] = seen.get(found, 0) + 1
    assert seen.keys() == {"accepted", "refused", "timeout"}
    taken = {key: known["cents"] for key, known in memory.items() if known["taken"]}
    assert sum(taken.values()) == sum(100 + int(key.split(":")[1]) for key in taken)
    assert provider.pay("payout:1", 999, "party:1").outcome is Outcome.REFUSED
    ends = {_last(provider, key).outcome for key in taken}
    assert ends == {Outcome.PAID, Outcome.RETURNED}
    assert provider.find("payout:none") is None


def _last(provider: SimulatedProvider, key: str) -> Answer:
    found = [provider.find(key) for _ in range(3)]
    assert found[-1] is not None
    return found[-1]


@pytest.mark.parametrize("seed", range(8))
def test_with_the_simulated_provider_every_payout_ends_and_the_books_add_up(cast: Cast, seed: int) -> None:
    provider = SimulatedProvider(seed=seed, memory=Forgetful())
    for number in range(6):
        owe(cast.home, 10_000, f"month {number}")
        payouts.create_due()
        for _ in range(4):
            payouts.pursue(provider)
    commit()
    assert not Payout.objects.filter(state__in=[State.CREATED, State.SENT]).exists()
    paid = sum(payout.cents for payout in Payout.objects.filter(state=State.PAID))
    assert paid + ledger.owed_to_host(cast.home.pk) == 60_000
    assert ledger.balance(Code.CASH) == -paid
    assert self_checks.self_check() == []


def test_the_file_for_the_bank(cast: Cast) -> None:
    payout = due(cast.home)
    party = payout.host
    party.name = '=HYPERLINK("x"); Zoë O\'Brien-Cast of the Long Name'
    party.save()
    lines = payout_files.as_csv(Payout.objects.select_related("host"), date(2026, 5, 4)).splitlines()
    assert lines[1] == f"6,22,PPD,260504,{party.pk},HYPERLINK  X    ZO  O,10000,XFRA HOST,{payout.key}"
    assert lines[2] == "8,220,PPD,260504,,,10000,CONTROL,1"
    payouts.send(payout, Prompt())
    assert len(payout_files.as_csv(Payout.objects.select_related("host"), date(2026, 5, 4)).splitlines()) == 2


def test_the_provider_is_a_setting(settings: Any) -> None:
    assert isinstance(configured(), SimulatedProvider)
    settings.PAYOUT_PROVIDER = ""
    assert configured() is None
