"""What is rated together, what is refused before it is rated, and what a rating's hash depends on."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from billing.rating import (
    Facts,
    History,
    Period,
    UntiledPeriod,
    UnusableUsage,
    input_hash,
    rate,
    rate_many,
    rate_pair,
)
from tests.billing.documents import EVENING, FLAT_DEMAND, spans, tariff
from tests.billing.usages import evenly, month, none, usage

JUNE = month(2026, 6)
DECEMBER = month(2026, 12)


def test_many_homes_at_once_are_rated_as_each_by_itself() -> None:
    tariff_ = tariff(**EVENING, **FLAT_DEMAND, tier_basis="chronological", export_rule="net_billing", export_rate=0.05)
    rng = np.random.default_rng(7)
    homes = [
        usage(
            JUNE,
            imported=rng.integers(0, 900, JUNE.interval_count),
            exported=rng.integers(0, 90, JUNE.interval_count),
            node=rng.integers(0, 500, JUNE.interval_count),
        )
        for _ in range(5)
    ]
    together = rate_many(homes, spans(JUNE, tariff_))
    for home, pair in zip(homes, together, strict=True):
        alone = rate_pair(home, spans(JUNE, tariff_))
        assert (
            alone.with_node.serialised() == pair.with_node.serialised() == rate(home, spans(JUNE, tariff_)).serialised()
        )
        assert alone.without_node.serialised() == pair.without_node.serialised()
        assert pair.without_node.serialised() == rate(home.without_node(), spans(JUNE, tariff_)).serialised()
    assert rate_many([], spans(JUNE, tariff_)) == []


def test_homes_of_different_periods_are_not_rated_together() -> None:
    with pytest.raises(UnusableUsage, match="one period"):
        rate_many([usage(JUNE, imported=none(JUNE)), usage(DECEMBER, imported=none(DECEMBER))], spans(JUNE, tariff()))


@pytest.mark.parametrize(
    "wrong",
    [np.zeros(5, dtype=np.int64), np.full(JUNE.interval_count, -1), np.zeros(JUNE.interval_count)],
    ids=["too short", "negative", "not integers"],
)
def test_usage_that_does_not_describe_the_period_is_refused(wrong: Any) -> None:
    with pytest.raises(UnusableUsage):
        usage(JUNE, imported=wrong)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (date(2026, 6, 2), date(2026, 7, 1)),
        (date(2026, 6, 1), date(2026, 6, 30)),
        (date(2026, 5, 31), date(2026, 7, 1)),
        (date(2026, 6, 1), date(2026, 7, 2)),
    ],
)
def test_tariffs_that_do_not_tile_the_period_are_refused(start: date, end: date) -> None:
    [whole] = spans(JUNE, tariff())
    with pytest.raises(UntiledPeriod):
        rate(usage(JUNE, imported=none(JUNE)), [replace(whole, start=start, end=end)])


def test_a_period_outside_its_cycle_is_refused() -> None:
    with pytest.raises(UntiledPeriod, match="cycle"):
        rate(usage(JUNE, imported=none(JUNE)), spans(JUNE, tariff()), Facts(cycle_end=date(2026, 6, 20)))


def test_the_input_hash_changes_with_every_input() -> None:
    used, on = usage(JUNE, imported=evenly(JUNE, 10)), spans(JUNE, tariff())
    first = input_hash(used, on)
    assert first == input_hash(usage(JUNE, imported=evenly(JUNE, 10)), spans(JUNE, tariff()))
    touched = used.node_wh.copy()
    touched[5] = 1
    others = [
        input_hash(replace(used, node_wh=touched), on),
        input_hash(replace(used, site_import_wh=touched, node_wh=used.site_import_wh), on),
        input_hash(replace(used, solar_wh=none(JUNE)), on),
        input_hash(used, spans(JUNE, tariff(name="Other"))),
        input_hash(used, spans(JUNE, tariff(), (date(2026, 6, 3), tariff()))),
        input_hash(used, on, Facts(cycle_start=date(2026, 5, 1))),
        input_hash(used, on, Facts(with_node=History(peaks_watts=(("2026-05", 1),)))),
        input_hash(replace(used, period=Period("America/Hermosillo", JUNE.start, JUNE.end)), on),
    ]
    assert len({first, *others}) == len(others) + 1
