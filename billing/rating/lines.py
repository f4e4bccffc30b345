"""From exact amounts to the cents of a statement's lines: rounded once, where the tariff says."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext

from billing.money import EXACT, cents
from billing.tariffs.document import Rounding


def round_lines(amounts: Sequence[Decimal], rounding: Rounding = Rounding.TOTAL) -> list[int]:
    """Cents of each amount.

    On the total: they sum to the rounded total, and what rounding leaves over goes to the amounts with the largest
    remainders, of equal ones to the earlier. On the line: each is rounded by itself. Negated amounts, negated cents.
    """
    if rounding is Rounding.LINE:
        return [cents(amount) for amount in amounts]
    with localcontext(EXACT):
        total = cents(sum(amounts, Decimal(0)))
        whole = [int(amount.scaleb(2)) for amount in amounts]
        rests = [amount.scaleb(2) - part for amount, part in zip(amounts, whole, strict=True)]
    left = total - sum(whole)
    step = 1 if left > 0 else -1
    for index in sorted(range(len(rests)), key=lambda i: -step * rests[i])[: abs(left)]:
        whole[index] += step
    return whole
