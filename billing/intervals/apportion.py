"""Whole numbers that add up: a total in proportion to weights, by largest remainder."""

from __future__ import annotations

from collections.abc import Sequence


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Parts of a total >= 0 in proportion to whole weights >= 0; their sum is the total.

    What is left over goes where most was cut off, the earlier first. Where all weights are 0 they count as equal.
    """
    if not weights:
        raise ValueError("nobody to give anything to")
    whole = sum(weights)
    if whole == 0:
        weights, whole = [1] * len(weights), len(weights)
    parts = [divmod(total * weight, whole) for weight in weights]
    left = total - sum(part for part, _ in parts)
    most = sorted(range(len(parts)), key=lambda i: (-parts[i][1], i))[:left]
    out = [part for part, _ in parts]
    for i in most:
        out[i] += 1
    return out
