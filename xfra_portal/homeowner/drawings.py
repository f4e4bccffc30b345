"""Small drawings made on the server, so that a page is useful before any script ran. Pure geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xfra_portal.homeowner.figures import DayEnergy

WIDTH, HEIGHT, GAP = 620.0, 120.0, 3.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: the node's share stands on the home's. Heights in drawing units; 0 where nothing was measured."""

    x: float
    width: float
    home_y: float
    home_height: float
    node_y: float
    node_height: float
    known: bool


def day_bars(days: Sequence[DayEnergy], days_in_month: int) -> list[Bar]:
    """Bars for the days so far, leaving room for the rest of the month; all from zero on one scale."""
    width = WIDTH / days_in_month
    top = max(((day.home or 0) + (day.node or 0) for day in days), default=0.0)
    bars = []
    for i, day in enumerate(days):
        home = HEIGHT * (day.home or 0) / top if top else 0.0
        node = HEIGHT * (day.node or 0) / top if top else 0.0
        bars.append(
            Bar(
                x=round(i * width, 2),
                width=round(width - GAP, 2),
                home_y=round(HEIGHT - home, 2),
                home_height=round(home, 2),
                node_y=round(HEIGHT - home - node, 2),
                node_height=round(node, 2),
                known=day.home is not None or day.node is not None,
            )
        )
    return bars


@dataclass(frozen=True, slots=True)
class DayMark:
    """What stands below a day's bar: its number, or nothing."""

    text: str
    is_today: bool


MARKED_EVERY_DAYS = 7


def day_marks(days_in_month: int, today: int) -> list[DayMark]:
    """For each day of the month: the first of each week of it, and today, which has room to either side."""
    weekly = {day for day in range(1, days_in_month + 1, MARKED_EVERY_DAYS) if abs(day - today) > 1}
    marked = weekly | {today}
    return [DayMark(str(day) if day in marked else "", day == today) for day in range(1, days_in_month + 1)]


@dataclass(frozen=True, slots=True)
class Scale:
    """From cents to per cent of a drawing's width."""

    low: int
    high: int

    def bar(self, start: int, end: int) -> tuple[float, float]:
        """Where a bar between two levels begins, and how wide it is; never too thin to be seen."""
        each = 100 / (self.high - self.low or 1)
        return round((min(start, end) - self.low) * each, 2), max(round(abs(end - start) * each, 2), 0.5)


def window(levels: Sequence[int]) -> tuple[int, int]:
    """Lowest and highest level drawn: from zero, unless the levels differ by less than a third of the highest."""
    low, high = min(0, *levels), max(0, *levels)
    least = min(levels)
    if least > 0 and (high - least) * 3 < high:
        room = max(high - least, 100)
        low = max(0, least - room) // 1000 * 1000
    return low, high
