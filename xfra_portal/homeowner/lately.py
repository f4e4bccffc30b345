"""What happened lately to a node, as its household is told: what belongs together is one line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from homes.models import Home, Node
from telemetry import reads
from telemetry.node_state import Cause, State
from telemetry.readings import StateSpan
from xfra_portal import formats, wording
from xfra_portal.homeowner import circuits, outages

SHORTEST_TOLD_SECONDS: Final = 60.0
TOGETHER: Final = timedelta(minutes=30)
"""What comes again within this time is one happening."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of `Lately`."""

    state: str
    when: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Lately:
    """What happened, newest first. `is_known` is False where nothing is known of the time at all."""

    happenings: Sequence[Happening]
    is_known: bool


def lately(node: Node, home: Home, now: datetime, most: int = 5) -> Lately:
    """The last week besides ordinary work, with what still goes on."""
    spans = reads.state_spans(node.pk, now - timedelta(days=7), now)
    told = together(span for span in spans if span.state is not State.WORKING)
    lasting = [some for some in told if sum(seconds(span, now) for span in some) >= SHORTEST_TOLD_SECONDS]
    is_known = any(span.cause is not Cause.NEVER_HEARD for span in spans)
    return Lately([_happening(node, home, some, now) for some in reversed(lasting[-most:])], is_known)


def together(spans: Iterable[StateSpan]) -> list[list[StateSpan]]:
    """Runs of the same state and cause with no more than TOGETHER between two of them, oldest first."""
    runs: list[list[StateSpan]] = []
    for span in spans:
        last = runs[-1][-1] if runs else None
        is_same = last and (last.state, last.cause) == (span.state, span.cause)
        if last and is_same and last.end and span.start - last.end <= TOGETHER:
            runs[-1].append(span)
        else:
            runs.append([span])
    return runs


def seconds(span: StateSpan, now: datetime) -> float:
    return ((span.end or now) - span.start).total_seconds()


def _happening(node: Node, home: Home, some: Sequence[StateSpan], now: datetime) -> Happening:
    first, last = some[0], some[-1]
    circuit = circuits.risen_before(node.pk, first.start, now) if first.cause is Cause.HEADROOM else None
    words = wording.past(first.state, first.cause, circuit)
    lasted = formats.duration(sum(seconds(span, now) for span in some))
    text = f"{words} for {lasted}" if len(some) == 1 else f"{words}, {lasted} in all"
    if first.cause is Cause.OUTAGE:
        text += f"; {outages.power_words(outages.had_power(node, first.start, last.end or now, now))}"
    return Happening(first.state.value, _when(home, some, now), text if last.end else f"{text} so far", first.start)


def _when(home: Home, some: Sequence[StateSpan], now: datetime) -> str:
    """6:54 pm; Sat 6:54 pm; of several Sat 6:54 to 7:15 pm."""
    start, end = (at.astimezone(home.zone) for at in (some[0].start, some[-1].end or now))
    day = "" if start.date() == now.astimezone(home.zone).date() else f"{start:%a} "
    if len(some) == 1 or formats.clock(start) == formats.clock(end):
        return f"{day}{formats.clock(start)}"
    same_half = start.date() == end.date() and f"{start:%p}" == f"{end:%p}"
    begin = formats.clock(start).removesuffix(f" {start:%p}".lower()) if same_half else formats.clock(start)
    return f"{day}{begin} to {formats.clock(end)}"
