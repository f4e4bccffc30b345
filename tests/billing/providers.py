"""Payout providers for tests: one that pays at once, and one that never answers."""

from __future__ import annotations

from billing.payout_provider import Answer, Outcome, ProviderTimeout


class Prompt:
    """Pays whatever it is asked for; `asked` is how often, by key."""

    name = "a prompt one"

    def __init__(self, outcome: Outcome = Outcome.PAID, problem: str = "") -> None:
        self.answer = Answer(outcome, "REF-1", problem)
        self.asked: dict[str, int] = {}

    def pay(self, key: str, cents: int, payee: str) -> Answer:
        self.asked[key] = self.asked.get(key, 0) + 1
        return self.answer

    def find(self, key: str) -> Answer | None:
        return self.answer


class Silent:
    """Takes everything on and never says so."""

    name = "a silent one"

    def __init__(self) -> None:
        self.keys: list[str] = []

    def pay(self, key: str, cents: int, payee: str) -> Answer:
        self.keys.append(key)
        raise ProviderTimeout("no answer")

    def find(self, key: str) -> Answer | None:
        raise ProviderTimeout("no answer")
