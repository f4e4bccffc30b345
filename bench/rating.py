"""How long a home-month takes to rate, with and without the node, down to exact segments; SAM beside it in one run."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bench.bodies import Progress
from bench.report import table
from bench.sam import model_of, year_bills
from bench.systems import BenchFailed
from billing.rating import Component, Period, TariffSpan, Usage, rate_many, rate_pair
from billing.rating.plans import plan_of
from billing.tariffs import Tariff, parse

YEAR, ZONE = 2018, "Etc/GMT+7"
"""A year that begins on a Monday, in a zone without daylight saving, as SAM's does."""
BATCH: Final = 25
STRETCH: Final = 5
"""The stretch goal: a fifth of what SAM takes."""
TOLERANCE: Final = 1e-6


@dataclass(frozen=True)
class RatingOptions:
    rounds: int


def document() -> dict[str, Any]:
    """Three time-of-use periods of three tiers, flat and time-of-use demand, a fixed charge."""
    weekday = [[0] * 7 + [1] * 9 + [2] * 5 + [0] * 3] * 12
    weekend = [[0] * 10 + [1] * 12 + [0] * 2] * 12
    rates = ((0.11, 0.15, 0.20), (0.18, 0.21, 0.27), (0.31, 0.38, 0.41))
    return {
        "name": "Bench",
        "utility": "Bench Power",
        "energyratestructure": [
            [{"rate": first, "max": 350}, {"rate": second, "max": 900}, {"rate": third}]
            for first, second, third in rates
        ],
        "energyweekdayschedule": weekday,
        "energyweekendschedule": weekend,
        "demandratestructure": [[{"rate": 1.5}], [{"rate": 3.25}], [{"rate": 9.5}]],
        "demandweekdayschedule": weekday,
        "demandweekendschedule": weekend,
        "flatdemandstructure": [[{"rate": 4.75}]],
        "flatdemandmonths": [0] * 12,
        "demandwindow": 15,
        "fixedchargefirstmeter": 18,
        "fixedchargeunits": "$/month",
        "tier_basis": "proportional",
        "holidays": {"treated_as": "weekday"},
        "proration": "days",
        "export_rule": "none",
    }


def measure(options: RatingOptions, say: Progress) -> list[str]:
    """The report's section. Raises BenchFailed when the two do not agree: then it is not the same that is timed."""
    rng = np.random.default_rng(20261125)
    node_wh, home_wh = rng.integers(1800, 2700, 365 * 96), rng.integers(50, 900, 365 * 96)
    load_kw, system_kw = ((home_wh + node_wh) / 250).tolist(), (node_wh / 250).tolist()
    model, tariff = model_of(document(), load_kw, system_kw), parse(document())
    months = [_month(tariff, number, home_wh + node_wh, node_wh) for number in range(12)]
    _refuse_disagreement(model, months)
    say(f"rating: {options.rounds} rounds")
    usage, spans = months[6]

    def assign_and_read() -> None:
        model.Load.load, model.SystemOutput.gen = load_kw, system_kw
        year_bills(model)

    compared = _timed(
        options.rounds,
        {
            "ours": (12, lambda: [rate_pair(*month) for month in months]),
            "many": (BATCH, lambda: rate_many([usage] * BATCH, spans)),
            "sam": (12, lambda: model.execute(0)),
            "sam_home": (12, assign_and_read),
        },
    )
    return section(options.rounds, compared, statistics.median(_first_times(months)))


def section(rounds: int, compared: dict[str, float], first: float) -> list[str]:
    """`compared` has medians in milliseconds of a home-month."""
    ours = compared["ours"]

    def row(name: str, milliseconds: float) -> list[str]:
        return [
            name,
            f"{milliseconds:.3f}",
            *(f"{milliseconds / compared[sam]:.2f}" for sam in ("sam", "sam_home")),
        ]

    def verdict(limit: float) -> str:
        return "kept" if ours <= compared["sam_home"] * limit else "missed"

    return [
        "## Rating",
        "",
        "A home-month of quarter-hours on a tariff of three time-of-use periods by three tiers, flat and time-of-use"
        " demand, with and without the node, down to exact segments. Beside it a twelfth of what SAM (Utilityrate5)"
        " takes for a year of the same quarter-hours, which gives both bills too. The year's twelve months in turn,"
        f" {rounds} rounds, medians, in one process; the bills of all months agree within {TOLERANCE:g}."
        f" No longer than SAM for a home: {verdict(1)}; a fifth of that: {verdict(1 / STRETCH)}.",
        "",
        *table(
            ["a home-month", "ms", "of SAM's calculation", "of SAM for a home"],
            [
                row("ours, one home", ours),
                row(f"ours, {BATCH} homes of one tariff together", compared["many"]),
                row("ours, the first home of a tariff, zone and month", first),
                row("SAM, calculation alone", compared["sam"]),
                row("SAM for a home: load given, calculated, bills read", compared["sam_home"]),
            ],
        ),
    ]


def _month(
    tariff: Tariff, number: int, site_wh: npt.NDArray[np.int64], node_wh: npt.NDArray[np.int64]
) -> tuple[Usage, list[TariffSpan]]:
    period = Period(ZONE, date(YEAR, number + 1, 1), date(YEAR + number // 11, (number + 1) % 12 + 1, 1))
    first = (period.start - date(YEAR, 1, 1)).days * 96
    within = slice(first, first + period.interval_count)
    usage = Usage(period, site_wh[within], np.zeros(period.interval_count, dtype=np.int64), node_wh[within])
    return usage, [TariffSpan(tariff, period.start, period.end)]


def _refuse_disagreement(model: Any, months: list[tuple[Usage, list[TariffSpan]]]) -> None:
    theirs = year_bills(model)
    for number, month in enumerate(months):
        ours = rate_pair(*month)
        for rating, bills in ((ours.with_node, theirs.of_load), (ours.without_node, theirs.of_load_less_system)):
            for name in ("energy", "demand_flat", "demand_tou", "fixed"):
                one, other = float(rating.total(Component(name))), bills[name][number]
                if abs(one - other) > TOLERANCE * abs(other):
                    raise BenchFailed(f"month {number + 1}, {name}: {one} is ours, {other} is SAM's")


def _timed(rounds: int, calls: dict[str, tuple[int, Callable[[], object]]]) -> dict[str, float]:
    """Median milliseconds of each, by home-months, taken in turn so that a disturbance meets all of them."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    gc.collect()
    for _ in range(rounds):
        for name, (months, call) in calls.items():
            start = time.perf_counter()
            call()
            found[name].append((time.perf_counter() - start) * 1000 / months)
    return {name: statistics.median(times) for name, times in found.items()}


def _first_times(months: list[tuple[Usage, list[TariffSpan]]]) -> list[float]:
    """With the index arrays of a tariff and a month worked out, where only the local calendar is known."""
    times = []
    for month in months:
        plan_of.cache_clear()
        start = time.perf_counter()
        rate_pair(*month)
        times.append((time.perf_counter() - start) * 1000)
    return times
