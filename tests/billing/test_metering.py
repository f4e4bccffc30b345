"""Registers to watt-hours: the cases whose answer is known, in one table, and what holds for any samples at all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.intervals.checks import NODE_LIMIT_WH, Problem, limit_wh
from billing.intervals.days import day_edges
from billing.intervals.edges import Edges, Epoch
from billing.intervals.metering import Metered, meter
from billing.intervals.shapes import Shape

PHOENIX, LOS_ANGELES = "America/Phoenix", "America/Los_Angeles"
DAY = date(2026, 6, 10)
FLAT = Shape.flat(PHOENIX)
SITE_LIMIT = limit_wh("site_import", 200)
KWH = 3.6e6


def boundaries(on: date = DAY, zone: str = PHOENIX) -> Any:
    return day_edges(zone, on)


def at(minutes: float, on: date = DAY, zone: str = PHOENIX) -> int:
    """Milliseconds, so many minutes into the day."""
    return int(boundaries(on, zone)[0]) * 1000 + int(minutes * 60_000)


def metered(
    samples: Sequence[tuple[float, float]],
    limit: int = SITE_LIMIT,
    shape: Shape = FLAT,
    epochs: Sequence[Epoch] = (),
    on: date = DAY,
    zone: str = PHOENIX,
) -> Metered:
    """From (minutes into the day, kWh on the register)."""
    at_ms = np.array([at(minute, on, zone) for minute, _ in samples], np.int64)
    joules = np.array([kwh * KWH for _, kwh in samples])
    return meter(Edges.of_samples(boundaries(on, zone), at_ms, joules), limit, lambda _: shape, epochs)


def steady(first: float, last: float, kwh: float, per_hour: float, step: float = 1.0) -> list[tuple[float, float]]:
    """A register read every `step` minutes over [first, last] minutes, from `kwh` on."""
    return [(minute, kwh + (minute - first) / 60 * per_hour) for minute in np.arange(first, last + step / 2, step)]


@dataclass(frozen=True)
class Case:
    """Samples, and what is read in some quarter-hours: their Wh and qualities."""

    name: str
    samples: list[tuple[float, float]]
    first: int
    wh: list[int]
    qualities: str
    problems: list[Problem] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    limit: int = SITE_LIMIT


CASES = [
    Case("the register at the boundary itself", [(0, 5.0), (15, 5.25)], 0, [250], "m"),
    Case("the last value before a boundary, 60 s old", [(-1, 5.0), (14, 5.25)], 0, [250], "m"),
    Case("61 s old is only a neighbour", [(0, 5.0), (15 - 61 / 60, 5.2), (15 + 59 / 60, 5.6)], 0, [403], "e"),
    Case(
        "a rollover at 100,000 kWh",
        [(0, 99_998.700), (15, 3.100)],
        0,
        [4_400],
        "m",
        epochs=[Epoch(0, modulus_wh=100_000_000)],
    ),
    Case("watt-hours that were cut off come later", [(0, 0.0006), (15, 1.0004), (30, 2.0008)], 0, [1_000, 1_000], "mm"),
    Case("two hours without a word: a straight line", [(0, 1.0), (120, 9.0)], 0, [1_000] * 8, "e" * 8),
    Case("nothing is known before the first word and after the last", [(20, 1.0), (30, 2.0)], 0, [0, 0, 0], "---"),
    Case("a register that fell", [(0, 50.0), (15, 2.0), (30, 3.0)], 0, [0, 1_000], "qm", [Problem.REGISTER_FELL]),
    Case(
        "a meter that was changed, with its last and its first word",
        [(0, 50.0), (15, 2.5), (30, 3.0)],
        0,
        [800, 500],
        "mm",
        epochs=[Epoch(at(7), closing_joules=50.3 * KWH, opening_joules=2.0 * KWH)],
    ),
    Case(
        "a meter that was changed, nobody wrote down how it stood",
        [(0, 50.0), (15, 51.0), (30, 52.0)],
        0,
        [0, 1_000],
        "qm",
        [Problem.DEVICE_CHANGED],
        [Epoch(at(7))],
    ),
    Case("a node at its limit", [(0, 0.0), (15, 4.8)], 0, [4_800], "m", limit=NODE_LIMIT_WH),
    Case("more than a node can draw", [(0, 0.0), (15, 4.801)], 0, [0], "q", [Problem.TOO_LARGE], limit=NODE_LIMIT_WH),
    Case("a 200 A site at its limit", [(0, 0.0), (15, 12.0)], 0, [12_000], "m"),
    Case("more than a 200 A site can carry", [(0, 0.0), (15, 12.001)], 0, [0], "q", [Problem.TOO_LARGE]),
    Case("more in a gap than the channel can carry", [(0, 0.0), (45, 37.0)], 0, [0] * 3, "qqq", [Problem.TOO_LARGE]),
    Case("a day of nothing is measured zeros", steady(0, 1440, 7.0, 0.0, 15), 0, [0] * 96, "m" * 96),
    Case(
        "a gap that begins between two boundaries",
        [(0, 0.0), (5, 0.2), (35, 0.8), (45, 1.0)],
        0,
        [400, 300, 300],
        "eee",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_cases_whose_answer_is_known(case: Case) -> None:
    found = metered(case.samples, case.limit, epochs=case.epochs)
    some = slice(case.first, case.first + len(case.wh))
    assert found.wh[some].tolist() == case.wh
    assert found.qualities[some] == case.qualities
    assert [question.problem for question in found.questions] == case.problems


def shape_of(kwh_at: Any, days: int = 14) -> Shape:
    """Like days before DAY whose quarter-hours carry `kwh_at(hour)` kWh."""
    wh = np.array([round(kwh_at(slot / 4) * 1000) for slot in range(96)])
    return Shape.of_days(PHOENIX, [(DAY - timedelta(days=n), wh, np.ones(96, np.bool_)) for n in range(1, days + 1)])


def test_a_gap_of_six_hours_takes_the_shape_of_like_days_and_adds_up() -> None:
    shape = shape_of(lambda hour: 3.0 if 17 <= hour < 20 else 0.5)
    samples = [*steady(0, 15 * 60, 100.0, 2.0), *steady(21 * 60, 24 * 60, 130.0 + 37.5, 2.0)]
    found = metered(samples, shape=shape)
    gap = found.wh[60:84]
    assert (len(gap), int(gap.sum())) == (24, 37_500)
    assert found.qualities == "m" * 60 + "e" * 24 + "m" * 12
    assert set(gap[8:20].tolist()) <= {2_678, 2_679}, "37,500 x 3 / 42"
    assert {*gap[:8], *gap[20:]} <= {446, 447}
    assert (metered(samples, shape=shape).wh == found.wh).all()


def test_a_gap_without_like_days_is_even() -> None:
    found = metered([(0, 0.0), (360, 37.5)])
    assert sorted(set(found.wh[:24].tolist())) == [1_562, 1_563]
    assert int(found.wh[:24].sum()) == 37_500


@pytest.mark.parametrize(
    ("on", "count"),
    [(date(2026, 3, 8), 92), (date(2026, 11, 1), 100), (date(2026, 6, 10), 96), (date(2028, 2, 29), 96)],
)
def test_days_have_as_many_quarter_hours_as_they_have(on: date, count: int) -> None:
    samples = steady(0, count * 15, 10.0, 1.0, 15)
    found = metered(samples, on=on, zone=LOS_ANGELES)
    assert found.wh.tolist() == [250] * count and found.qualities == "m" * count


def test_the_days_that_a_gap_touches_agree_about_it() -> None:
    shape = shape_of(lambda hour: 0.1 + hour / 24)
    samples = [*steady(1200, 1300, 5.0, 1.0), *steady(1440 + 300, 1440 + 400, 33.0, 1.0)]
    days = [DAY, DAY + timedelta(days=1)]
    at_ms = np.array([at(minute) for minute, _ in samples], np.int64)
    joules = np.array([kwh * KWH for _, kwh in samples])
    first, second = (
        meter(Edges.of_samples(boundaries(day), at_ms, joules), SITE_LIMIT, lambda _: shape) for day in days
    )
    both = np.concatenate([first.wh, second.wh])
    start, end = 1200 // 15, (1440 + 390) // 15
    moved = samples[-11][1] - samples[0][1]
    assert int(both[start:end].sum()) == round(moved * 1000)
    assert "e" in first.qualities and "e" in second.qualities
    assert not first.questions and not second.questions


# Properties

REGISTERS = st.lists(
    st.tuples(st.integers(-3600, 90_000), st.integers(0, 40_000_000)), min_size=2, max_size=60, unique_by=lambda s: s[0]
)


def rising(samples: list[tuple[int, int]]) -> tuple[Any, Any]:
    """The same instants with a register that only grows, slowly enough to be believed."""
    begin, total = int(boundaries()[0]), 1e9
    at_ms, joules = [], []
    previous = None
    for second, grown in sorted(samples):
        total += 0 if previous is None else min(grown, (second - previous) * 1000) + 0.37
        previous = second
        at_ms.append((begin + second) * 1000)
        joules.append(total)
    return np.array(at_ms, np.int64), np.array(joules)


@given(samples=REGISTERS, again=st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_the_order_and_the_number_of_messages_do_not_matter(samples: list[tuple[int, int]], again: Any) -> None:
    at_ms, joules = rising(samples)
    whole = Edges.of_samples(boundaries(), at_ms, joules)
    order = [again.randrange(len(at_ms)) for _ in range(len(at_ms))] + list(range(len(at_ms)))
    again.shuffle(order)
    cut = again.randrange(1, len(order))
    parts = [Edges.of_samples(boundaries(), at_ms[part], joules[part]) for part in (order[:cut], order[cut:])]
    joined = parts[0].joined(parts[1]).joined(parts[0])
    for found in (Edges.of_samples(boundaries(), at_ms[order], joules[order]), joined):
        expected, seen = meter(whole, SITE_LIMIT, lambda _: FLAT), meter(found, SITE_LIMIT, lambda _: FLAT)
        assert (seen.wh.tolist(), seen.qualities, seen.questions) == (
            expected.wh.tolist(),
            expected.qualities,
            expected.questions,
        )


@given(samples=REGISTERS)
@settings(max_examples=300)
def test_what_is_known_adds_up_to_the_register(samples: list[tuple[int, int]]) -> None:
    """Between any two boundaries with a fresh reading, and everything between them known, the sum is the register's."""
    at_ms, joules = rising(samples)
    edges = Edges.of_samples(boundaries(), at_ms, joules)
    found = meter(edges, 10**9, lambda _: FLAT)
    fresh = np.flatnonzero(edges.is_fresh)
    for first, last in itertools.pairwise(fresh):
        assert "-" not in found.qualities[first:last]
        moved = np.floor(edges.before_joules[last] / 3600) - np.floor(edges.before_joules[first] / 3600)
        assert int(found.wh[first:last].sum()) == int(moved)
    assert (found.wh >= 0).all()


@given(samples=REGISTERS, more=REGISTERS)
@settings(max_examples=200)
def test_more_messages_never_make_a_measured_quarter_hour_an_estimate(
    samples: list[tuple[int, int]], more: list[tuple[int, int]]
) -> None:
    at_ms, joules = rising([*samples, *(m for m in more if m[0] not in {s[0] for s in samples})])
    fewer = np.isin(at_ms, [(int(boundaries()[0]) + second) * 1000 for second, _ in samples])
    before = meter(Edges.of_samples(boundaries(), at_ms[fewer], joules[fewer]), 10**9, lambda _: FLAT)
    after = meter(Edges.of_samples(boundaries(), at_ms, joules), 10**9, lambda _: FLAT)
    for old, new in zip(before.qualities, after.qualities, strict=True):
        assert not (old == "m" and new != "m") and not (old == "e" and new == "-")
