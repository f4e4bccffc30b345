"""Tariffs and usages as hypothesis draws them: everything that the engine can rate, in any mixture."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import strategies as st

from billing.rating import Facts, History, Period, TariffSpan, Usage
from billing.tariffs import parse
from billing.tariffs.holidays import RULES

ZONES = ("America/Los_Angeles", "America/Phoenix", "America/New_York")
STARTS = (
    date(2026, 3, 1),
    date(2026, 3, 5),
    date(2026, 10, 28),
    date(2026, 11, 1),
    date(2028, 2, 1),
    date(2026, 12, 20),
)
rates = st.integers(0, 900_000).map(lambda millionths: millionths / 1_000_000)


@dataclass(frozen=True)
class Case:
    """What a rating is of, with the documents as a bundle would carry them."""

    usage: Usage
    documents: tuple[dict[str, Any], ...]
    spans: tuple[TariffSpan, ...]
    facts: Facts


@st.composite
def tiers(draw: st.DrawFn, bounds: list[float], **every: Any) -> list[dict[str, Any]]:
    found = [{"rate": draw(rates), **every} for _ in range(len(bounds) + 1)]
    for entry, bound in zip(found, bounds, strict=False):
        entry["max"] = bound
    if draw(st.booleans()):
        found[0]["adj"] = draw(st.integers(-50, 50)) / 1000
    return found


def bounds(most: int, largest: int) -> st.SearchStrategy[list[float]]:
    return st.lists(st.integers(1, largest), max_size=most, unique=True).map(
        lambda drawn: [n / 4 for n in sorted(drawn)]
    )


def tables(period_count: int) -> st.SearchStrategy[list[list[int]]]:
    """12 x 24: each month a time-of-use period that two stretches of hours depart from."""
    row = st.tuples(*[st.integers(0, period_count - 1)] * 3, st.integers(1, 11), st.integers(12, 23)).map(
        lambda drawn: [drawn[0]] * drawn[3] + [drawn[1]] * (drawn[4] - drawn[3]) + [drawn[2]] * (24 - drawn[4])
    )
    return st.lists(row, min_size=1, max_size=3).map(lambda rows: [rows[month % len(rows)] for month in range(12)])


@st.composite
def adders(draw: st.DrawFn, kind: str) -> list[dict[str, Any]]:
    shared = {"riders": ["energy", "fixed", "demand_flat"], "taxes": ["energy", "export", "rider", "minimum", "fixed"]}
    found = []
    for number in range(draw(st.integers(0, 2))):
        entry: dict[str, Any] = {"name": f"{kind} {number + 1}"}
        amounts = ["per_kwh", "per_day", "per_month", *(["rate"] if kind in shared else [])]
        amount = draw(st.sampled_from(amounts))
        entry[amount] = draw(rates)
        if amount == "rate":
            entry["on"] = draw(st.lists(st.sampled_from(shared[kind]), min_size=1, unique=True))
        if draw(st.booleans()):
            entry["months"] = draw(st.lists(st.integers(1, 12), min_size=1, max_size=11, unique=True))
        found.append(entry)
    return found


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    period_count = draw(st.integers(1, 3))
    rule = draw(st.sampled_from(["none", "net_metering", "net_billing", "buy_all_sell_all"]))
    bases = ["proportional", "per_period", *(["chronological"] if rule != "net_metering" else [])]
    basis, unit = draw(st.sampled_from(bases)), draw(st.sampled_from(["kWh", "kWh daily", "kWh/kW", "kWh/kW daily"]))
    largest = {"kWh": 4000, "kWh daily": 200, "kWh/kW": 800, "kWh/kW daily": 40}[unit]
    together = draw(bounds(2, largest))
    words = st.sampled_from(["days", "whole"])
    document: dict[str, Any] = {
        "utility": "Drawn Power",
        "name": "Drawn",
        "energyratestructure": [
            draw(tiers(draw(bounds(2, largest)) if basis == "per_period" else together, unit=unit, sell=draw(rates)))
            for _ in range(period_count)
        ],
        "energyweekdayschedule": draw(tables(period_count)),
        "energyweekendschedule": draw(tables(period_count)),
        "tier_basis": basis,
        "holidays": draw(holidays()),
        "proration": {name: draw(words) for name in ("fixed", "tiers", "demand", "minimum")},
        "rounding": draw(st.sampled_from(["total", "line"])),
        "demandwindow": draw(st.sampled_from([15, 30, 60])),
        "demand_window": draw(st.sampled_from(["fixed", "sliding"])),
        "export_rule": rule,
        "export_netting": draw(st.sampled_from(["interval", "hourly"])),
        "export_surplus": draw(st.sampled_from(["carry", "credit", "forfeit"])),
        **{kind: draw(adders(kind)) for kind in ("riders", "taxes", "credits")},
    }
    document |= draw(charges()) | draw(demands())
    return document


@st.composite
def holidays(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "treated_as": draw(st.sampled_from(["weekend", "weekend", "weekday"])),
        "days": draw(st.lists(st.sampled_from(sorted(RULES)), max_size=5, unique=True)),
        "observed": draw(st.sampled_from(["actual", "sunday_to_monday", "nearest_weekday"])),
        "dates": ["2026-03-04"],
    }


@st.composite
def charges(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {}
    units = st.sampled_from(["$/day", "$/month", "$/year"])
    if draw(st.booleans()):
        found |= {"fixedchargefirstmeter": draw(st.integers(0, 9000)) / 100, "fixedchargeunits": draw(units)}
    if draw(st.booleans()):
        found |= {"mincharge": draw(st.integers(0, 40_000)) / 100, "minchargeunits": draw(units)}
    if draw(st.booleans()):
        found["fueladjustmentsmonthly"] = draw(st.lists(rates, min_size=12, max_size=12))
    return found


@st.composite
def demands(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if draw(st.booleans()):
        count = draw(st.integers(1, 2))
        found["flatdemandstructure"] = [draw(tiers(draw(bounds(2, 60)))) for _ in range(count)]
        found["flatdemandmonths"] = draw(st.lists(st.integers(0, count - 1), min_size=12, max_size=12))
        if draw(st.booleans()):
            found["demandratchetpercentage"] = draw(
                st.lists(st.sampled_from([0.0, 0.5, 0.85]), min_size=12, max_size=12)
            )
            found["lookbackrange"] = draw(st.integers(1, 12))
    if draw(st.booleans()):
        count = draw(st.integers(1, 3))
        found["demandratestructure"] = [draw(tiers(draw(bounds(2, 60)))) for _ in range(count)]
        found["demandweekdayschedule"] = draw(tables(count))
        found["demandweekendschedule"] = draw(tables(count))
    return found


@st.composite
def histories(draw: st.DrawFn) -> History:
    months = [f"{year}-{month:02}" for year in (2025, 2026, 2027, 2028) for month in range(1, 13)]
    peaks = tuple((month, draw(st.integers(0, 30_000))) for month in months[:3]) + tuple((m, 9_000) for m in months[3:])
    return History(
        peaks_watts=peaks,
        since=draw(st.sampled_from([None, "2026-01"])),
        carried_wh=tuple(draw(st.lists(st.integers(0, 400_000), max_size=3))),
        year_charges=Decimal(draw(st.integers(0, 200_000))).scaleb(-4),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A period of up to 40 days, part of a cycle or all of it, by one tariff or two."""
    start, zone = draw(st.sampled_from(STARTS)), draw(st.sampled_from(ZONES))
    length = draw(st.integers(2, 40))
    period = Period(zone, start, start + timedelta(days=length))
    cut = start + timedelta(days=draw(st.integers(1, length - 1)))
    edges = draw(st.sampled_from([(start, period.end), (start, cut, period.end)]))
    drawn = tuple(draw(documents()) for _ in edges[1:])
    spans = tuple(
        TariffSpan(parse(document), *edge) for document, edge in zip(drawn, itertools.pairwise(edges), strict=True)
    )
    cycle = draw(st.sampled_from([(None, None), (start - timedelta(days=3), period.end + timedelta(days=2))]))
    facts = Facts(*cycle, draw(histories()), draw(histories()))
    return Case(draw(usages(period)), drawn, spans, facts)


@st.composite
def usages(draw: st.DrawFn, period: Period) -> Usage:
    """Noise of a drawn size: the shape of a household does not matter to arithmetic."""
    noise = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = period.interval_count
    bought = noise.integers(0, draw(st.sampled_from([1, 900, 6000])), count)
    sold = noise.integers(0, draw(st.sampled_from([1, 1, 900, 3000])), count) * (bought < 300)
    node = noise.integers(0, draw(st.sampled_from([1, 500, 3500])), count)
    return Usage(period, bought, sold, node, noise.integers(0, 2000, count))
