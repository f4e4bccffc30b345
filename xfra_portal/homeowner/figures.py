"""The figures of the homeowner's pages, from telemetry and the home's own calendar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from homes.calendar import day_edges, month_start
from homes.models import Home, Node
from telemetry import reads
from telemetry.readings import Energy


@dataclass(frozen=True, slots=True)
class DayEnergy:
    """A local day's energy in watt-hours; None where nothing was measured."""

    day: date
    home: float | None
    node: float | None

    @property
    def whole(self) -> float | None:
        """Of home and node; None where either is unknown."""
        return None if self.home is None or self.node is None else self.home + self.node


@dataclass(frozen=True, slots=True)
class MonthEnergy:
    """This month so far: days, totals in watt-hours, and how much of the time readings cover."""

    days: list[DayEnergy]
    home: float | None
    node: float | None
    site_import: float | None
    site_export: float | None
    solar: float | None
    battery_in: float | None
    battery_out: float | None
    covered_ratio: float

    @property
    def highest_day(self) -> DayEnergy | None:
        """The day on which home and node used most; None while no day is wholly known."""
        known = [day for day in self.days if day.whole is not None]
        return max(known, key=lambda day: day.whole or 0.0) if known else None


def month_energy(node: Node, home: Home, now: datetime) -> MonthEnergy:
    first = month_start(home.zone, now)
    edges = day_edges(home.zone, first, now)
    found = reads.energy_by_bucket(node.pk, edges)
    days = [
        DayEnergy(start.astimezone(home.zone).date(), energy.home_watt_hours, energy.watt_hours["node"])
        for start, energy in zip(edges[:-1], found, strict=True)
    ]
    return MonthEnergy(
        days=days,
        home=_total([day.home for day in days]),
        node=_total([day.node for day in days]),
        **{name: _total([energy.watt_hours[name] for energy in found]) for name in _REGISTERS},
        covered_ratio=_covered(found),
    )


_REGISTERS = ("site_import", "site_export", "solar", "battery_in", "battery_out")


def _covered(found: Sequence[Energy]) -> float:
    seconds = [(energy.end - energy.start).total_seconds() for energy in found]
    covered = sum(e.covered_ratio * s for e, s in zip(found, seconds, strict=True))
    return covered / sum(seconds) if seconds else 0.0


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
