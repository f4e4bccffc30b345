"""What needs somebody, as the fleet page lists it: of the nodes that it shows, and how much more there is elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from telemetry import attention
from telemetry.attention import Item, Row

MOST: Final = 25
"""So many rows are listed unless all are asked for."""


@dataclass(frozen=True, slots=True)
class Needs:
    """`rows` are the first of `here` many; `elsewhere` counts what the page's filters leave out, `worst` leads it."""

    rows: list[Row]
    here: int
    elsewhere: int
    worst: Row | None

    @property
    def more(self) -> int:
        return self.here - len(self.rows)


def needs_of(items: Iterable[Item], shown: Collection[int], is_whole: bool) -> Needs:
    """`shown` are the ids of the page's nodes. What is left out is still told of: a filter must hide no leak."""
    by_place: dict[bool, list[Item]] = {True: [], False: []}
    for item in items:
        by_place[item.subject.glance.node_id in shown].append(item)
    here, elsewhere = attention.rows(by_place[True]), attention.rows(by_place[False])
    return Needs(
        rows=here if is_whole else here[:MOST],
        here=len(here),
        elsewhere=len(elsewhere),
        worst=elsewhere[0] if elsewhere else None,
    )
