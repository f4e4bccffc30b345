"""Hypothesis' tariffs and usages: anything that can be published, on a few days of a zone whose clock is changed."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
from hypothesis import strategies as st

from billing.rating import Period, Usage
from tests.billing.documents import document

RATES = st.integers(0, 60_000).map(lambda number: number / 100_000)
DOLLARS = st.integers(1, 5_000).map(lambda number: number / 100)
ZONES = st.sampled_from(["America/Los_Angeles", "America/Phoenix"])
FIRST_DAYS = st.sampled_from([date(2026, 3, 7), date(2026, 10, 31), date(2026, 5, 30), date(2028, 2, 28)])


@st.composite
def periods(draw: st.DrawFn) -> Period:
    start = draw(FIRST_DAYS)
    return Period(draw(ZONES), start, start + timedelta(days=draw(st.integers(1, 4))))


@st.composite
def usages(draw: st.DrawFn, *, node: bool = True, export: bool = True) -> Usage:
    """Import and export may be in one quarter-hour, as they are under passing clouds."""
    period = draw(periods())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = period.interval_count

    def channel(most: int, share: float) -> np.ndarray[Any, Any]:
        return rng.integers(0, most + 1, count) * (rng.random(count) < share)

    return Usage(
        period,
        channel(draw(st.sampled_from([0, 7, 3000])), 0.9),
        channel(draw(st.sampled_from([0, 1, 2000])) if export else 0, 0.4),
        channel(draw(st.sampled_from([0, 5, 2750])) if node else 0, 0.9),
        channel(1500, 0.5),
    )


@st.composite
def schedules(draw: st.DrawFn, period_count: int) -> list[list[int]]:
    """Two kinds of months, each with up to three stretches of a day."""
    kinds = []
    for _ in range(2):
        edges = sorted(draw(st.lists(st.integers(1, 23), max_size=2, unique=True)))
        numbers = draw(st.lists(st.integers(0, period_count - 1), min_size=3, max_size=3))
        stretches = zip([0, *edges], [*edges, 24], numbers, strict=False)
        kinds.append([number for start, end, number in stretches for _ in range(end - start)])
    return [kinds[month in (5, 6, 7, 10)] for month in range(12)]


@st.composite
def documents(draw: st.DrawFn, **fixed: Any) -> dict[str, Any]:
    count, tier_count = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    unit = draw(st.sampled_from(["kWh", "kWh/kW", "kWh daily", "kWh/kW daily"]))
    bounds = sorted(draw(st.sets(st.integers(1, 900), min_size=tier_count - 1, max_size=tier_count - 1)))
    whole: dict[str, Any] = {
        "energyratestructure": [
            [
                {"rate": draw(RATES), "unit": unit, **({"max": bound / 10} if bound is not None else {})}
                for bound in [*bounds, None]
            ]
            for _ in range(count)
        ],
        "energyweekdayschedule": draw(schedules(count)),
        "energyweekendschedule": draw(schedules(count)),
        "holidays": {"treated_as": "weekend", "days": ["memorial_day"], "observed": "actual"},
        "tier_basis": draw(st.sampled_from(["proportional", "chronological", "per_period"])),
        "proration": draw(st.sampled_from(["days", "whole"])),
        "rounding": draw(st.sampled_from(["total", "line"])),
        **draw(_exports()),
        **draw(_demands()),
        **draw(_others()),
    }
    if whole["tier_basis"] == "chronological" and whole["export_rule"] == "net_metering":
        whole["tier_basis"] = "proportional"
    return document(**{**whole, **fixed})


@st.composite
def _exports(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "export_rule": draw(st.sampled_from(["none", "net_billing", "net_metering", "buy_all_sell_all"])),
        "export_netting": draw(st.sampled_from(["interval", "hourly"])),
        "export_rate": draw(RATES),
        "export_surplus": draw(st.sampled_from(["carry", "credit", "forfeit"])),
    }


@st.composite
def _demands(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {
        "demandwindow": draw(st.sampled_from([15, 30, 60])),
        "demand_window": draw(st.sampled_from(["fixed", "sliding"])),
    }
    if draw(st.booleans()):
        found["flatdemandstructure"] = [[{"rate": draw(DOLLARS), "max": 2.5}, {"rate": draw(DOLLARS)}]]
        found["flatdemandmonths"] = [0] * 12
    if draw(st.booleans()):
        count = draw(st.integers(1, 3))
        found["demandratestructure"] = [[{"rate": draw(DOLLARS)}] for _ in range(count)]
        found["demandweekdayschedule"] = draw(schedules(count))
        found["demandweekendschedule"] = draw(schedules(count))
    return found


@st.composite
def _others(draw: st.DrawFn) -> dict[str, Any]:
    components = ["energy", "fixed", "demand_flat"]
    found: dict[str, Any] = {
        "fixedchargefirstmeter": draw(DOLLARS),
        "fixedchargeunits": draw(st.sampled_from(["$/day", "$/month", "$/year"])),
    }
    if draw(st.booleans()):
        found |= {"mincharge": draw(DOLLARS), "minchargeunits": draw(st.sampled_from(["$/day", "$/month"]))}
    if draw(st.booleans()):
        found["riders"] = [
            {"name": "Fuel", "per_kwh": draw(RATES), "months": [3, 5, 11]},
            {"name": "Franchise", "rate": draw(RATES), "on": components},
        ]
    if draw(st.booleans()):
        found["taxes"] = [{"name": "City", "rate": draw(RATES), "on": [*components, "rider", "minimum", "export"]}]
    if draw(st.booleans()):
        found["credits"] = [{"name": "Climate", "per_month": draw(DOLLARS)}]
    if draw(st.booleans()):
        found["fueladjustmentsmonthly"] = [number / 1000 for number in range(12)]
    return found
