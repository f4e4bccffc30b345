"""Exact numbers: whole numbers and fractions until the one rounding, which takes halves away from zero."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any


def number(value: Any) -> Fraction:
    """A number of the bundle, written as a number or, where it has many digits, as text."""
    if isinstance(value, bool) or not isinstance(value, int | str | Fraction):
        raise ValueError(f"{value!r} is not a number")
    return Fraction(value)


def half_away(value: Fraction) -> int:
    """The nearest whole number, halves away from zero."""
    size = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return size if value >= 0 else -size


def part_of_days(amount: Fraction, days: int, of_days: int) -> Fraction:
    """An amount that is meant for `of_days`, for `days` of them: rounded to 12 decimals unless it is for all."""
    if days == of_days:
        return amount
    return Fraction(half_away(amount * days / of_days * 10**12), 10**12)


def share_out(total: int, weights: Sequence[int]) -> list[int]:
    """Whole shares in proportion to the weights; what is left over goes to the largest remainders, the first first."""
    whole = sum(weights)
    if whole == 0:
        return [0 for _ in weights]
    shares = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: -(total * weights[index] % whole))
    for index in by_remainder[: total - sum(shares)]:
        shares[index] += 1
    return shares


def cents(dollars: Fraction) -> int:
    return half_away(dollars * 100)


def cents_of_lines(amounts: Sequence[Fraction], *, each_by_itself: bool) -> list[int]:
    """Dollars of lines as cents: each line rounded, or the total rounded and the lines made to sum to it.

    For the latter every line drops its fraction of a cent, and what the total then lacks or has too much is given to,
    or taken from, the lines whose fractions are the largest.
    """
    if each_by_itself:
        return [cents(amount) for amount in amounts]
    found = [int(amount * 100) for amount in amounts]
    fractions = [amount * 100 - whole for amount, whole in zip(amounts, found, strict=True)]
    lacking = cents(sum(amounts, Fraction(0))) - sum(found)
    step = 1 if lacking > 0 else -1
    for index in sorted(range(len(found)), key=lambda index: -step * fractions[index])[: abs(lacking)]:
        found[index] += step
    return found
