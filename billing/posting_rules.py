"""Which accounts a statement moves, and by how much. Pure: from its lines to cents by account that sum to zero."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from billing.models.ledger import Code
from billing.settlement import (
    CREDIT,
    ELECTRICITY,
    FEE,
    HOME_SHARE,
    INTERNET,
    NODE_REFUND,
    TO_HOST,
    TO_OPERATOR,
)

_AGAINST: Final = {
    NODE_REFUND: Code.NODE_ELECTRICITY,
    HOME_SHARE: Code.HOME_ELECTRICITY,
    FEE: Code.HOST_FEES,
    CREDIT: Code.HOST_CREDITS,
    TO_HOST: Code.HOST_CREDITS,
    TO_OPERATOR: Code.HOST_FEES,
}
"""By component of a settlement line: what the operator's side of it is."""


class Postable(Protocol):
    """What of a statement's line is posted."""

    @property
    def section(self) -> str: ...
    @property
    def component(self) -> str: ...
    @property
    def with_cents(self) -> int: ...
    @property
    def without_cents(self) -> int: ...
    @property
    def operator_cash_cents(self) -> int: ...
    @property
    def in_kind_cents(self) -> int: ...
    @property
    def amount_cents(self) -> int: ...


def moves(lines: Iterable[Postable]) -> Counter[Code]:
    """Of a statement that revises none.

    What the operator pays the utility is an expense, the node's share apart from the home's. What host and operator
    owe each other is one amount: a receivable if the host owes, otherwise a payable.
    """
    found: Counter[Code] = Counter()
    owed = 0
    for line in lines:
        if line.section == ELECTRICITY and (line.operator_cash_cents or line.in_kind_cents):
            found[Code.UTILITY_PAYABLE] -= line.with_cents
            found[Code.HOME_ELECTRICITY] += line.without_cents
            found[Code.NODE_ELECTRICITY] += line.with_cents - line.without_cents
        elif line.section == INTERNET:
            found[Code.INTERNET] += line.operator_cash_cents
            found[Code.INTERNET_PAYABLE] -= line.operator_cash_cents
        elif line.amount_cents:
            found[_AGAINST[line.component]] -= line.amount_cents
            owed += line.amount_cents
    found[Code.HOST_RECEIVABLE if owed > 0 else Code.HOST_PAYABLE] += owed
    return found


def difference(now: Mapping[Code, int], was: Mapping[Code, int]) -> dict[Code, int]:
    """What is still to be moved; accounts that do not move are not in it."""
    found = {code: now.get(code, 0) - was.get(code, 0) for code in dict.fromkeys([*now, *was])}
    return {code: cents for code, cents in found.items() if cents}
