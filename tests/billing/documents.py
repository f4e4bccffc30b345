"""Tariff documents for tests: the smallest that can be published, and the variations on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from billing.rating import Period, TariffSpan
from billing.tariffs import Tariff, parse

ALWAYS = [[0] * 24] * 12


def document(**changes: Any) -> dict[str, Any]:
    """A tariff of ten cents at all times; a change to None removes the field."""
    whole = {
        "name": "Test",
        "utility": "Test Power",
        "energyratestructure": [[{"rate": 0.10}]],
        "energyweekdayschedule": ALWAYS,
        "energyweekendschedule": ALWAYS,
        "export_rule": "none",
        "proration": "days",
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def tariff(**changes: Any) -> Tariff:
    return parse(document(**changes))


def tiers(*steps: float | tuple[float, float]) -> list[dict[str, float]]:
    """tiers((350, 0.13), 0.19): up to 350 kWh 13 cents, beyond 19."""
    return [{"max": step[0], "rate": step[1]} if isinstance(step, tuple) else {"rate": step} for step in steps]


def hours(*edges: tuple[int, int]) -> list[list[int]]:
    """hours((0, 0), (16, 1), (21, 0)): period 1 from 16:00 to 21:00, in every month."""
    row: list[int] = []
    for number, (start, period) in enumerate(edges):
        end = edges[number + 1][0] if number + 1 < len(edges) else 24
        row += [period] * (end - start)
    return [row] * 12


def spans(period: Period, first: Tariff, *later: tuple[date, Tariff]) -> Sequence[TariffSpan]:
    """One tariff for all of the period, or each from its day on."""
    starts = [(period.start, first), *later]
    ends = [start for start, _ in later] + [period.end]
    return [TariffSpan(each, start, end) for (start, each), end in zip(starts, ends, strict=True)]


EVENING = {
    "energyratestructure": [tiers((100, 0.1), 0.2), tiers((100, 0.3), 0.4)],
    "energyweekdayschedule": hours((0, 0), (12, 1)),
    "energyweekendschedule": hours((0, 0), (12, 1)),
}
FLAT_DEMAND = {"flatdemandstructure": [[{"rate": 10}]], "flatdemandmonths": [0] * 12, "demandwindow": 15}
