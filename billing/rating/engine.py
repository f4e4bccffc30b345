"""Rating: a pure function from usage, tariffs and facts to segments. The same input gives the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from decimal import localcontext
from typing import Final

import numpy as np

from billing.money import EXACT
from billing.rating.charges import adder_segments, fixed_segments, fuel_segments, minimum_segments
from billing.rating.demand import demand_segments
from billing.rating.energy import EnergyOfSpan
from billing.rating.facts import NO_FACTS, Facts, History
from billing.rating.period import TZDATA_VERSION, Ints
from billing.rating.plans import Plan, plan_of
from billing.rating.segments import PairedRating, Rating, Segment, TariffSpan
from billing.rating.tallies import Tally, pair_rows, tally
from billing.rating.usage import UnusableUsage, Usage
from billing.tariffs.document import Component

ENGINE_VERSION: Final = "1"
"""Changes whenever the same input may give another result."""


def rate(usage: Usage, spans: Sequence[TariffSpan], facts: Facts = NO_FACTS) -> Rating:
    """The bill of the site as it was used."""
    plan = _plan(usage, spans, facts)
    bought, sold = usage.site_import_wh[np.newaxis].copy(), usage.site_export_wh[np.newaxis].copy()
    solar = usage.solar_wh[np.newaxis] if usage.solar_wh is not None else None
    with localcontext(EXACT):
        return _rated(plan, tally(plan, bought, sold, solar)[0], facts.with_node)


def rate_pair(usage: Usage, spans: Sequence[TariffSpan], facts: Facts = NO_FACTS) -> PairedRating:
    """The bills with and without the node, by the same tariffs, in one pass."""
    return rate_many([usage], spans, [facts])[0]


def rate_many(
    usages: Sequence[Usage], spans: Sequence[TariffSpan], facts: Sequence[Facts] | None = None
) -> list[PairedRating]:
    """Pairs for homes of one period, cycle and tariffs, in one pass. Some six arrays of each are held at once."""
    if not usages:
        return []
    facts = facts if facts is not None else [NO_FACTS] * len(usages)
    plan = _plan(usages[0], spans, facts[0])
    _refuse_mixed(usages, facts)
    bought, sold = pair_rows(usages)
    tallies = tally(plan, bought, sold, _solar_rows(usages))
    with localcontext(EXACT):
        return [
            PairedRating(
                _rated(plan, tallies[2 * index], each.with_node),
                _rated(plan, tallies[2 * index + 1], each.without_node),
            )
            for index, each in enumerate(facts)
        ]


def input_hash(usage: Usage, spans: Sequence[TariffSpan], facts: Facts = NO_FACTS) -> str:
    """SHA-256 over all that a rating depends on: a line of JSON, then each channel as int64, low byte first."""
    period = usage.period
    header = {
        "engine": ENGINE_VERSION,
        "tzdata": TZDATA_VERSION,
        "zone": period.zone,
        "start": period.start.isoformat(),
        "end": period.end.isoformat(),
        "spans": [[span.tariff.sha256, span.start.isoformat(), span.end.isoformat()] for span in spans],
        "facts": facts.as_json(),
        "has_solar": usage.solar_wh is not None,
    }
    digest = hashlib.sha256(json.dumps(header, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    for channel in (usage.site_import_wh, usage.site_export_wh, usage.node_wh, usage.solar_wh):
        if channel is not None:
            digest.update(channel.astype("<i8", copy=False).tobytes())
    return digest.hexdigest()


def _plan(usage: Usage, spans: Sequence[TariffSpan], facts: Facts) -> Plan:
    return plan_of(usage.period, tuple(spans), facts.cycle_start, facts.cycle_end)


def _refuse_mixed(usages: Sequence[Usage], facts: Sequence[Facts]) -> None:
    first, cycle = usages[0], (facts[0].cycle_start, facts[0].cycle_end)
    for usage, each in zip(usages, facts, strict=True):
        if usage.period != first.period or (each.cycle_start, each.cycle_end) != cycle:
            raise UnusableUsage("homes that are rated together need one period and one cycle")


def _solar_rows(usages: Sequence[Usage]) -> Ints | None:
    """The panels make the same with and without the node."""
    rows = [usage.solar_wh for usage in usages if usage.solar_wh is not None]
    if len(rows) != len(usages):
        return None
    return np.repeat(np.stack(rows), 2, axis=0)


def _rated(plan: Plan, tallied: Tally, history: History) -> Rating:
    segments: list[Segment] = []
    energies: list[EnergyOfSpan] = []
    carried: Sequence[int] = history.carried_wh
    for span in plan.spans:
        energy = EnergyOfSpan(span, tallied, carried)
        energy.add_energy()
        energy.add_exports()
        carried = energy.carried
        energies.append(energy)
        segments += energy.segments
        segments += demand_segments(plan, span, tallied.peaks[span.index], history)
        segments += fixed_segments(span)
        if span.tariff.fuel_by_month or span.tariff.riders:
            segments += fuel_segments(span, energy)
            segments += adder_segments(plan, span, Component.RIDER, span.tariff.riders, energy, segments)
    minimum, charged = minimum_segments(plan, segments, history)
    segments += minimum
    for span, energy in zip(plan.spans, energies, strict=True):
        if span.tariff.taxes or span.tariff.credits:
            segments += adder_segments(plan, span, Component.TAX, span.tariff.taxes, energy, segments)
            segments += adder_segments(plan, span, Component.CREDIT, span.tariff.credits, energy, segments)
    return Rating(tuple(segments), tallied.peak_watts, tuple(carried), charged)
