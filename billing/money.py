"""Money: integer cents, and Decimal dollars until the one rounding."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact

EXACT = Context(prec=90, traps=[Inexact])
"""Arithmetic under this context either is exact or raises: an amount is never rounded by accident."""

_WIDE = Context(prec=90)


def half_away(value: Decimal, digits: int = 0) -> Decimal:
    """The one rounding: to `digits` decimals, halves away from zero."""
    return value.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP, context=_WIDE)


def cents(dollars: Decimal) -> int:
    return int(half_away(dollars, 2).scaleb(2))


def divide_half_away(numerator: int, denominator: int) -> int:
    """numerator / denominator as an integer, halves away from zero. The denominator is positive."""
    size = (2 * abs(numerator) + denominator) // (2 * denominator)
    return size if numerator >= 0 else -size


def allocate(total: int, weights: Sequence[int]) -> list[int]:
    """Shares of `total` in proportion to `weights`, by largest remainder; they sum to it exactly.

    Of equal remainders the earlier is served first. allocate(-t, w) is the negative of allocate(t, w).
    Raises ValueError for a negative weight, and where there is something to share out but no weight to do it by.
    """
    whole = sum(weights)
    if min(weights, default=0) < 0:
        raise ValueError("a weight is negative")
    if not whole:
        if total:
            raise ValueError("nothing to allocate by: all weights are zero")
        return [0] * len(weights)
    size = abs(total)
    shares = [size * weight // whole for weight in weights]
    left = size - sum(shares)
    if left:
        remainders = [size * weight % whole for weight in weights]
        for index in sorted(range(len(shares)), key=remainders.__getitem__, reverse=True)[:left]:
            shares[index] += 1
    return shares if total >= 0 else [-share for share in shares]
