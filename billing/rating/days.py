"""What a part of a billing cycle has of an amount that is meant for all of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from billing.money import divide_half_away

PRECISION: Final = 12
"""Decimals of an amount that is a part of a whole cycle's."""


def share_of_days(amount: Decimal, days: int, of_days: int) -> Decimal:
    """amount x days / of_days, to 12 decimals where it is not exact."""
    if days == of_days:
        return amount
    decimals = max(PRECISION, -int(amount.as_tuple().exponent))
    numerator, denominator = int(amount.scaleb(decimals)) * days, of_days * 10 ** (decimals - PRECISION)
    return Decimal(divide_half_away(numerator, denominator)).scaleb(-PRECISION).normalize()
