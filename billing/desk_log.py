"""The log of the billing desk is written here alone: what people decide, and what workers and commands do.

Whoever begins work says by which way it comes (`by_way`); what is recorded within is of that way. Where nobody said
so, it is a worker's. A line is written in the transaction of what it tells of.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from billing.models import DeskAction
from homes.models import Home, Party

Way = DeskAction.Way
_way: ContextVar[DeskAction.Way] = ContextVar("way", default=Way.WORKER)


@contextmanager
def by_way(way: DeskAction.Way) -> Iterator[None]:
    """What is recorded within came by this way."""
    before = _way.set(way)
    try:
        yield
    finally:
        _way.reset(before)


def record(
    kind: str, what: str, *, by: Party | None = None, home: Home | None = None, subject: str = "", why: str = ""
) -> None:
    """A line in the log. `what` is a sentence that names no person; texts are cut to what the log holds."""
    DeskAction.objects.create(
        by=by, way=_way.get(), kind=kind, what=what[:400], home=home, subject=subject[:60], why=why[:500]
    )
