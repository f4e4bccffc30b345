"""What rating needs to know that is neither usage nor tariff: the cycle a period is a part of, and what was before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any


class MissingFacts(ValueError):
    """The tariff asks for something of the past that was not given."""


@dataclass(frozen=True, slots=True)
class History:
    """The past of one scenario: with the node and without it each has its own.

    peaks_watts     highest demand of earlier months, as ("2026-03", 14200); for ratchets
    since           the home's first month, as "2026-01": before it there were no peaks to look back upon
    carried_wh      by time-of-use period, the surplus carried in under net metering
    year_charges    what was charged earlier in the calendar year and counts towards an annual minimum
    """

    peaks_watts: tuple[tuple[str, int], ...] = ()
    since: str | None = None
    carried_wh: tuple[int, ...] = ()
    year_charges: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """`cycle_start` and `cycle_end` (half-open) are the whole billing cycle; without them it is the period."""

    cycle_start: date | None = None
    cycle_end: date | None = None
    with_node: History = History()
    without_node: History = History()

    def as_json(self) -> dict[str, Any]:
        return {
            "cycle_start": self.cycle_start and self.cycle_start.isoformat(),
            "cycle_end": self.cycle_end and self.cycle_end.isoformat(),
            "with_node": _history(self.with_node),
            "without_node": _history(self.without_node),
        }


NO_FACTS = Facts()


def _history(history: History) -> dict[str, Any]:
    return {
        "peaks_watts": [list(peak) for peak in history.peaks_watts],
        "since": history.since,
        "carried_wh": list(history.carried_wh),
        "year_charges": None if history.year_charges is None else format(history.year_charges, "f"),
    }
