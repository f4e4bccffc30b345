"""What is true of every rating, whatever the tariff and the usage."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.money import EXACT, allocate, cents, half_away
from billing.rating import Component, Rating, TariffSpan, Usage, rate, rate_pair, round_lines
from billing.rating.calendar import calendar_of, scheduled
from billing.rating.plans import plan_of
from billing.tariffs import Rounding, Tariff, parse
from tests.billing.strategies import documents, usages

AMOUNTS = st.lists(st.decimals(-10_000, 10_000, places=6), max_size=12)


def whole(usage: Usage, tariff: Tariff) -> list[TariffSpan]:
    return [TariffSpan(tariff, usage.period.start, usage.period.end)]


def halves(usage: Usage, first: Tariff, second: Tariff) -> list[TariffSpan]:
    """The second tariff holds on the last day, or from the first on where there is only one."""
    last = max(usage.period.end - timedelta(days=1), usage.period.start)
    spans = [TariffSpan(first, usage.period.start, last), TariffSpan(second, last, usage.period.end)]
    return [span for span in spans if span.start < span.end]


def kwh(rating: Rating, component: Component) -> Decimal:
    return sum((s.quantity for s in rating.segments if s.component is component), Decimal(0))


@given(documents(), documents(), usages())
@settings(max_examples=150, deadline=None)
def test_segments_cover_each_readings_wh_exactly_once(
    first: dict[str, Any], second: dict[str, Any], usage: Usage
) -> None:
    pair = rate_pair(usage, halves(usage, parse(first), parse(second)))
    for rating, used in ((pair.with_node, usage), (pair.without_node, usage.without_node())):
        net_wh = int(used.site_import_wh.sum() - used.site_export_wh.sum())
        assert kwh(rating, Component.ENERGY) - kwh(rating, Component.EXPORT) == Decimal(net_wh) / 1000


@given(documents(export_rule="none", export_netting="interval"), usages())
@settings(max_examples=60, deadline=None)
def test_every_time_of_use_period_has_its_own_wh(document: dict[str, Any], usage: Usage) -> None:
    tariff = parse(document)
    where = scheduled(calendar_of(usage.period), tariff.schedule, tariff.holidays)
    rating = rate(usage, whole(usage, tariff))
    found: Counter[int] = Counter()
    for segment in rating.segments:
        if segment.component is Component.ENERGY and segment.period is not None:
            found[segment.period] += segment.quantity * 1000  # type: ignore[assignment]
    for period in range(len(tariff.energy)):
        assert found[period] == int(usage.site_import_wh[where == period].sum())


@given(documents(), documents(), usages(node=False))
@settings(max_examples=100, deadline=None)
def test_a_node_that_used_nothing_costs_nothing_on_every_component(
    first: dict[str, Any], second: dict[str, Any], usage: Usage
) -> None:
    pair = rate_pair(usage, halves(usage, parse(first), parse(second)))
    assert all(pair.node_cost_of(component) == 0 for component in Component)
    assert pair.with_node.serialised() == pair.without_node.serialised()


@given(documents(), usages())
@settings(max_examples=100, deadline=None)
def test_the_bill_less_the_nodes_cost_is_the_bill_without_the_node(document: dict[str, Any], usage: Usage) -> None:
    spans = whole(usage, parse(document))
    pair = rate_pair(usage, spans)
    with localcontext(EXACT):
        assert pair.with_node.total() - pair.node_cost == rate(usage.without_node(), spans).total()
        assert sum(map(pair.node_cost_of, Component), Decimal(0)) == pair.node_cost


@given(documents(), usages())
@settings(max_examples=60, deadline=None)
def test_rating_twice_gives_the_same_bytes(document: dict[str, Any], usage: Usage) -> None:
    first = rate_pair(usage, whole(usage, parse(document)))
    plan_of.cache_clear()
    calendar_of.cache_clear()
    again = rate_pair(replace(usage, node_wh=usage.node_wh.copy()), whole(usage, parse(document)))
    assert first.with_node.serialised() == again.with_node.serialised()
    assert first.without_node.serialised() == again.without_node.serialised()


@given(documents(), usages())
@settings(max_examples=100, deadline=None)
def test_every_amount_is_the_product_that_its_segment_says(document: dict[str, Any], usage: Usage) -> None:
    for segment in rate(usage, whole(usage, parse(document))).segments:
        with localcontext(EXACT):
            product = segment.quantity * segment.rate
        if segment.days == segment.of_days:
            assert segment.exact == product
        else:
            with localcontext(prec=60):
                assert segment.exact == half_away(product * segment.days / segment.of_days, 12)


@given(documents(tier_basis="proportional", export_rule="none"), usages(export=False), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_energy_does_not_depend_on_the_order_of_what_a_time_of_use_period_used(
    document: dict[str, Any], usage: Usage, seed: int
) -> None:
    tariff = parse(
        {
            **document,
            "energyratestructure": [[{**t, "unit": "kWh"} for t in p] for p in document["energyratestructure"]],
        }
    )
    calendar = calendar_of(usage.period)
    where = scheduled(calendar, tariff.schedule, tariff.holidays) * 12 + calendar.month
    shuffled = usage.site_import_wh.copy()
    for key in np.unique(where):
        shuffled[where == key] = np.random.default_rng(seed).permutation(shuffled[where == key])
    rated, again = (rate(each, whole(usage, tariff)) for each in (usage, replace(usage, site_import_wh=shuffled)))
    assert rated.total(Component.ENERGY) == again.total(Component.ENERGY)


@given(st.integers(-(10**12), 10**12), st.lists(st.integers(0, 10**9), min_size=1, max_size=100))
def test_allocation_is_exact_and_odd_symmetric(total: int, weights: list[int]) -> None:
    if not any(weights):
        weights[0] = 1
    shares = allocate(total, weights)
    assert sum(shares) == total
    assert allocate(-total, weights) == [-share for share in shares]
    whole = sum(weights)
    assert all(abs(share * whole - total * weight) < whole for share, weight in zip(shares, weights, strict=True))
    assert all(share == 0 for share, weight in zip(shares, weights, strict=True) if weight == 0)


@given(st.integers(0, 10**6), st.integers(1, 1000), st.integers(1, 60))
def test_allocation_is_stable_the_earlier_of_equals_is_served_first(total: int, weight: int, count: int) -> None:
    shares = allocate(total, [weight] * count)
    assert shares == sorted(shares, reverse=True)
    assert max(shares) - min(shares) <= 1


@given(AMOUNTS)
def test_cents_of_lines_sum_to_the_rounded_total_and_are_odd_symmetric(amounts: list[Decimal]) -> None:
    on_total = round_lines(amounts)
    assert sum(on_total) == cents(sum(amounts, Decimal(0)))
    assert round_lines([-amount for amount in amounts]) == [-each for each in on_total]
    assert all(
        abs(Decimal(each) / 100 - amount) < Decimal("0.01") for each, amount in zip(on_total, amounts, strict=True)
    )
    assert round_lines(amounts, Rounding.LINE) == [cents(amount) for amount in amounts]


@given(st.decimals(-(10**9), 10**9, places=9))
def test_rounding_is_odd_symmetric_and_never_further_off_than_half(amount: Decimal) -> None:
    assert cents(-amount) == -cents(amount)
    assert abs(Decimal(cents(amount)) / 100 - amount) <= Decimal("0.005")
