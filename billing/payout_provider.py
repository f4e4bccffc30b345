"""Whoever carries money to hosts: the interface, and a simulated provider with a real one's bad habits.

A provider is always asked with a payout's key and pays a key at most once, however often it is asked.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol, cast

from django.conf import settings
from django.core.cache import cache
from django.utils.module_loading import import_string


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
    name: str
    """What the desk calls it."""

    def pay(self, key: str, cents: int, payee: str) -> Answer:
        """Ask for a payment, or how it went if the key was asked for before. Raises ProviderTimeout."""

    def find(self, key: str) -> Answer | None:
        """How a payment went; None if this key was never taken on. Raises ProviderTimeout."""


_PERCENT: Final = {"timeout_lost": 6, "timeout_taken": 12, "refused": 4, "returned": 5}
_REFUSALS: Final = ("account closed (R02)", "no account (R03)", "invalid account number (R04)")
_REMEMBERED_SECONDS: Final = 400 * 86_400


class Memory(Protocol):
    """Where the simulated provider remembers: a dict in tests, otherwise the cache that all workers share."""

    def get(self, key: str) -> dict[str, Any] | None: ...
    def set(self, key: str, value: dict[str, Any]) -> None: ...


class CacheMemory:
    def get(self, key: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = cache.get(f"simulated-payment:{key}")
        return found

    def set(self, key: str, value: dict[str, Any]) -> None:
        cache.set(f"simulated-payment:{key}", value, _REMEMBERED_SECONDS)


class SimulatedProvider:
    """For demo and tests. What happens to a payment follows from its key and the seed alone.

    Of a hundred payments some time out though they were taken on, some time out and were lost, some are refused, and
    some come back after they had arrived. It takes a key on once, however often it is asked.
    """

    name = "a simulated provider: no money moves"

    def __init__(self, seed: int = 1, memory: Memory | None = None) -> None:
        self._seed = seed
        self._memory = memory if memory is not None else CacheMemory()

    def pay(self, key: str, cents: int, payee: str) -> Answer:
        fate, known = self._fate(key), self._memory.get(key) or {"asked": 0, "looked": 0, "taken": False}
        known["asked"] += 1
        known |= {"cents": known.get("cents", cents), "payee": known.get("payee", payee)}
        is_lost = fate == "timeout_lost" and known["asked"] == 1
        is_other = (known["cents"], known["payee"]) != (cents, payee)
        known["taken"] = known["taken"] or not (is_lost or is_other or fate == "refused")
        self._memory.set(key, known)
        if is_other:
            return Answer(Outcome.REFUSED, self._reference(key), "the key was used for another payment")
        if fate == "refused":
            return Answer(Outcome.REFUSED, self._reference(key), _REFUSALS[self._number(key, "why") % len(_REFUSALS)])
        if known["asked"] == 1 and fate in ("timeout_lost", "timeout_taken"):
            raise ProviderTimeout(f"no answer about {key}")
        return Answer(Outcome.ACCEPTED, self._reference(key))

    def find(self, key: str) -> Answer | None:
        """The first look finds a payment under way, the second finds it paid, and the third what came back."""
        known = self._memory.get(key)
        if known is None or not known["taken"]:
            return None
        known["looked"] += 1
        self._memory.set(key, known)
        if known["looked"] == 1:
            return Answer(Outcome.ACCEPTED, self._reference(key))
        if known["looked"] > 2 and self._fate(key) == "returned":
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


def configured() -> Provider | None:
    """The provider that settings name; None where payouts go by file."""
    return cast(Provider, import_string(settings.PAYOUT_PROVIDER)()) if settings.PAYOUT_PROVIDER else None
