"""What needs somebody, as the fleet page lists it: one list in one order, whatever the page is filtered by."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from telemetry import attention
from telemetry.attention import Item, Row

MOST: Final = 25
"""So many rows are listed unless all are asked for."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A row, and whether one of its nodes is among those that the page shows."""

    row: Row
    is_here: bool


@dataclass(frozen=True, slots=True)
class Needs:
    """`rows` are the first of `count`, of which `here` are of nodes that the page shows."""

    rows: list[Listed]
    count: int
    here: int

    @property
    def more(self) -> int:
        return self.count - len(self.rows)


def needs_of(items: Iterable[Item], shown: Collection[int], is_whole: bool) -> Needs:
    """`shown` are the ids of the page's nodes. A filter hides nothing of what needs somebody, and moves nothing."""
    found = [Listed(row, _is_here(row, shown)) for row in attention.rows(items)]
    return Needs(found if is_whole else found[:MOST], len(found), sum(one.is_here for one in found))


def _is_here(row: Row, shown: Collection[int]) -> bool:
    return any(item.subject.glance.node_id in shown for item in row.items)
