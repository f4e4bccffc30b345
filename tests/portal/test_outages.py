"""Outages from a flag's buckets and its latest word. A letter is a minute: u up, d down, h half of it, . nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from telemetry.readings import Cell
from xfra_portal.homeowner.outages import Bucket, Ending, Outage, covered_ratio, outages_of, up_ratio

START = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
UP = {"u": 1.0, "d": 0.0, "h": 0.5, ".": None}
OVER, GOING_ON, UNKNOWN = Ending.OVER, Ending.GOING_ON, Ending.UNKNOWN


def minutes(letters: str, start: datetime = START, seconds: int = 60) -> list[Bucket]:
    step = timedelta(seconds=seconds)
    return [Bucket(start + i * step, seconds, UP[letter]) for i, letter in enumerate(letters)]


def told(found: Iterable[Outage]) -> list[tuple[float, float, Ending, bool]]:
    """Minute in which it began, minutes of its length, how it ended, whether it is at least so long."""
    return [((o.start - START).total_seconds() / 60, o.seconds / 60, o.ending, o.at_least) for o in found]


CASES = [
    ("uuuu", 1.0, []),
    ("udhu", 1.0, [(1, 1.5, OVER, False)]),
    ("uddu.", 1.0, [(1, 2, OVER, False)]),
    ("udd.", 0.0, [(1, 2.9, GOING_ON, False)]),
    ("udd.", 1.0, [(1, 2, OVER, False)]),
    ("uddd" + 56 * ".", None, [(1, 3, UNKNOWN, True)]),
    ("uddd" + 56 * ".", 1.0, [(1, 3, OVER, True)]),
    ("uddd" + 56 * ".", 0.0, [(1, 3, GOING_ON, True)]),
    ("ud..du", 1.0, [(1, 2, OVER, True)]),
    ("ud......u", 1.0, [(1, 1, OVER, True)]),
    ("uduudu", 1.0, [(1, 1, OVER, False), (4, 1, OVER, False)]),
    ("uuuu.", 0.0, [(4.9, 0, GOING_ON, False)]),
    ("......", None, []),
]


@pytest.mark.parametrize(("letters", "latest", "expected"), CASES)
def test_outages(letters: str, latest: float | None, expected: list[tuple[float, float, Ending, bool]]) -> None:
    """The latest word is six seconds old, if there is one that is fresh; an old one says nothing."""
    now = START + timedelta(minutes=len(letters))
    cell = Cell(0.0, now - timedelta(minutes=10)) if latest is None else Cell(latest, now - timedelta(seconds=6))
    assert told(outages_of(minutes(letters), cell, now)) == expected


def test_an_outage_across_the_edge_of_minutes_is_one() -> None:
    buckets = minutes("uud", START - timedelta(minutes=45), 900) + minutes("ddu")
    found = outages_of(buckets, Cell(1.0, buckets[-1].end), buckets[-1].end)
    assert told(found) == [(-15, 17, OVER, False)]


def test_shares_are_of_what_was_measured_and_say_how_much_that_is() -> None:
    buckets = minutes("uudd....uuuu")
    assert up_ratio(buckets) == pytest.approx(6 / 8)
    assert covered_ratio(buckets, buckets[-1].end) == pytest.approx(8 / 12)
    assert up_ratio(minutes("....")) is None
    assert covered_ratio(minutes("......"), START + timedelta(hours=1)) == 0


def test_minutes_that_are_not_rolled_up_yet_are_not_missing() -> None:
    now = START + timedelta(minutes=10)
    assert covered_ratio(minutes("uuuuuuuu.."), now) == 1
    assert covered_ratio(minutes("uuuuu....."), now) == pytest.approx(5 / 7)
