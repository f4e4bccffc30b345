"""What the bench of push counts: when each scrape, or a newer one, was first there; and what never was."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from bench.feed import FIRST_MARK
from bench.push import PushOptions, measure, shown_after


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([(101, 10.5), (102, 15.25), (103, 20.0)], [0.5, 0.25, 0.0]),
        ([(100, 9.0), (101, 10.5), (103, 20.5)], [0.5, 5.5, 0.5]),
        ([(102, 15.5)], [5.5, 0.5, inf]),
        ([(100, 9.0)], [inf, inf, inf]),
        ([], [inf, inf, inf]),
    ],
)
def test_a_newer_value_counts_for_those_before_it_and_an_older_one_for_none(
    seen: list[tuple[int, float]], expected: list[float]
) -> None:
    assert FIRST_MARK == 101
    assert shown_after([10.0, 15.0, 20.0], seen) == expected


@pytest.mark.stack
def test_everything_that_is_posted_is_shown(tmp_path: Path) -> None:
    """Small: three nodes, and sockets of every kind; the page only where there is a Chromium."""
    said: list[str] = []
    section = measure(tmp_path, PushOptions(nodes=3, sockets=20, ticks=2, connections=2), said.append)
    rows = {row[0]: row[1:3] for line in section if (row := [cell.strip() for cell in line.strip("|").split("|")])[1:]}
    shown = {name: tuple(cells) for name, cells in rows.items() if "socket" in name}
    assert shown == {
        "1 sockets, fleet": ("6", "0"),
        "4 sockets, node": ("8", "0"),
        "15 sockets, home": ("30", "0"),
        "1 socket, fleet: the first scrape of each node": ("3", "0"),
    }
    assert not [line for line in section if "were closed" in line]
