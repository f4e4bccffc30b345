"""Whoever carries money to hosts: the interface, and a simulated provider with a real one's bad habits.

A provider is always asked with a payout's key and pays a key at most once, however often it is asked.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol


class ProviderTimeout(TimeoutError):
    """No answer came: the money may be on its way or not. Ask with `find`, or again with the same key."""


class Outcome(StrEnum):
    ACCEPTED = "accepted"
    """Taken on, not arrived yet."""
    PAID = "paid"
    REFUSED = "refused"
    RETURNED = "returned"
    """It had arrived, and the host's bank sent it back."""


@dataclass(frozen=True, slots=True)
class Answer:
    outcome: Outcome
    reference: str
    problem: str = ""


class Provider(Protocol):
    def pay(self, key: str, cents: int, payee: str) -> Answer:
        """Ask for a payment, or how it went if the key was asked for before. Raises ProviderTimeout."""

    def find(self, key: str) -> Answer | None:
        """How a payment went; None if this key was never taken on. Raises ProviderTimeout."""


@dataclass(slots=True)
class _Payment:
    cents: int
    payee: str
    asked: int = 0
    looked: int = 0


_PERCENT: Final = {"timeout_lost": 6, "timeout_taken": 12, "refused": 4, "returned": 5}
_REFUSALS: Final = ("account closed (R02)", "no account (R03)", "invalid account number (R04)")


class SimulatedProvider:
    """For demo and tests. What happens to a payment follows from its key and the seed alone.

    Of a hundred payments some time out though they were taken on, some time out and were lost, some are refused, and
    some come back after they had arrived. `taken` is what it has really paid, by key.
    """

    def __init__(self, seed: int = 1) -> None:
        self._seed = seed
        self._payments: dict[str, _Payment] = {}
        self._asked: dict[str, int] = {}

    @property
    def taken(self) -> dict[str, int]:
        return {key: payment.cents for key, payment in self._payments.items()}

    def pay(self, key: str, cents: int, payee: str) -> Answer:
        self._asked[key] = self._asked.get(key, 0) + 1
        fate = self._fate(key)
        if fate == "timeout_lost" and self._asked[key] == 1:
            raise ProviderTimeout(f"no answer about {key}")
        if fate == "refused":
            return Answer(Outcome.REFUSED, self._reference(key), _REFUSALS[self._number(key, "why") % len(_REFUSALS)])
        payment = self._payments.setdefault(key, _Payment(cents, payee))
        if (payment.cents, payment.payee) != (cents, payee):
            return Answer(Outcome.REFUSED, self._reference(key), "the key was used for another payment")
        payment.asked += 1
        if fate == "timeout_taken" and payment.asked == 1:
            raise ProviderTimeout(f"no answer about {key}")
        return Answer(Outcome.ACCEPTED, self._reference(key))

    def find(self, key: str) -> Answer | None:
        """The first look finds a payment under way, the second finds it paid, and the third what came back."""
        payment = self._payments.get(key)
        if payment is None:
            return None
        payment.looked += 1
        if payment.looked == 1:
            return Answer(Outcome.ACCEPTED, self._reference(key))
        if payment.looked > 2 and self._fate(key) == "returned":
            return Answer(Outcome.RETURNED, self._reference(key), "returned by the bank (R01)")
        return Answer(Outcome.PAID, self._reference(key))

    def _fate(self, key: str) -> str:
        number = self._number(key, "fate") % 100
        for fate, percent in _PERCENT.items():
            if number < percent:
                return fate
            number -= percent
        return "paid"

    def _number(self, key: str, purpose: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self._seed} {purpose} {key}".encode()).digest()[:4], "big")

    def _reference(self, key: str) -> str:
        return f"SIM-{self._number(key, 'reference'):08X}"
