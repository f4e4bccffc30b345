"""Grouped aggregates are what a plain computation over lists says, absence included."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.aggregates import RANKING, Function, grouped, ranked

SUBJECTS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 4),
        st.lists(st.one_of(st.none(), st.integers(-50, 50).map(float)), min_size=3, max_size=3),
    ),
    max_size=14,
)
GROUPS, SLOTS = 4, 3


def _arrays(subjects: list[tuple[int, int, list[float | None]]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values = [[math.nan if value is None else value for value in row] for _, _, row in subjects]
    group, node = ([row[i] for row in subjects] for i in (0, 1))
    return np.array(values, float).reshape(-1, SLOTS), np.array(group, np.int64), np.array(node, np.int64)


def _quantile(values: list[float], share: float) -> float:
    """Linear interpolation between the two nearest, as Prometheus and numpy do it."""
    values = sorted(values)
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


PLAIN = {
    Function.SUM: lambda values, _: sum(values),
    Function.AVG: lambda values, _: statistics.fmean(values),
    Function.MIN: lambda values, _: min(values),
    Function.MAX: lambda values, _: max(values),
    Function.QUANTILE: _quantile,
}


@given(subjects=SUBJECTS, function=st.sampled_from(list(PLAIN)), share=st.floats(0, 1))
def test_as_a_plain_computation(
    subjects: list[tuple[int, int, list[float | None]]], function: Function, share: float
) -> None:
    found = grouped(function, *_arrays(subjects), GROUPS, share)
    for group in range(GROUPS):
        for slot in range(SLOTS):
            mine = [(node, row[slot]) for its, node, row in subjects if its == group and row[slot] is not None]
            known = [value for _, value in mine if value is not None]
            assert found.subjects[group, slot] == len(known)
            assert found.nodes[group, slot] == len({node for node, _ in mine})
            if known:
                assert found.values[group, slot] == pytest.approx(PLAIN[function](known, share), abs=1e-9)
            else:
                assert math.isnan(found.values[group, slot]), "nobody contributed: not zero"


@given(subjects=SUBJECTS, function=st.sampled_from(RANKING), k=st.integers(1, 3))
def test_a_ranking_as_a_plain_sort(
    subjects: list[tuple[int, int, list[float | None]]], function: Function, k: int
) -> None:
    values, group, _ = _arrays(subjects)
    sign = -1 if function is Function.TOP else 1
    expected = []
    for one in range(GROUPS):
        means = {
            i: statistics.fmean(known)
            for i, (its, _, row) in enumerate(subjects)
            if its == one and (known := [value for value in row if value is not None])
        }
        expected += [(one, round(sign * mean, 9)) for mean in sorted(means.values(), key=lambda m: sign * m)[:k]]
    found = ranked(function, values, group, k).tolist()
    assert [(int(group[i]), round(sign * float(np.nanmean(values[i])), 9)) for i in found] == expected


@pytest.mark.parametrize("share", [-0.1, 1.1, None])
def test_a_quantile_is_from_0_to_1(share: float | None) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        grouped(Function.QUANTILE, np.ones((1, 1)), np.zeros(1, np.int64), np.zeros(1, np.int64), 1, share)


def test_what_ranks_does_not_combine() -> None:
    one = np.zeros(1, np.int64)
    with pytest.raises(ValueError, match="ranks"):
        grouped(Function.TOP, np.ones((1, 1)), one, one, 1)
    with pytest.raises(ValueError, match="does not rank"):
        ranked(Function.SUM, np.ones((1, 1)), one, 1)
