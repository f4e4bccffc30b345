"""How long pages wait for their data: each read of each page and endpoint on a large data set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.bodies import Progress
from bench.portal import Portal
from bench.report import table
from bench.systems import BenchFailed

LIMIT_MS: Final = 100.0
SHARE: Final = 0.95


@dataclass(frozen=True)
class ReadOptions:
    nodes: int = 1000
    rounds: int = 30
    days: int = 30
    kept: Path | None = None

    @property
    def minutes_ahead(self) -> float:
        """For how long after it was begun there is data: making it and timing take about as long."""
        return 8 + self.nodes / 80


def measure(folder: Path, options: ReadOptions, say: Progress) -> list[str]:
    """The report's section. Pages in the production profile want TLS, so this runs in the local one.

    Nothing has to survive here, so Postgres does not wait for the disk while the data set is made.
    """
    portal = Portal(folder, profile="local", arguments=["--not-durable"], kept=options.kept)
    say(f"reads: starting the portal with {options.nodes} nodes")
    try:
        portal.start(options.nodes)
        made = _prepare(portal, options, say)
        sizes = portal.tables()
        say(f"reads: {options.rounds} rounds of every read")
        (found,) = portal.lines("bench.read_times", f"{options.rounds}", f"{portal.port}")
        return [*section(options, json.loads(found), sizes), *_age_of(made)]
    finally:
        portal.stop()


def _prepare(portal: Portal, options: ReadOptions, say: Progress) -> datetime:
    """Make the data set, unless it was kept. Returns when it was begun."""
    mark = portal.data_dir / "read-data.json"
    size = {"nodes": options.nodes, "days": options.days}
    if mark.exists():
        held = json.loads(mark.read_text(encoding="utf-8"))
        if {name: held[name] for name in size} != size:
            raise BenchFailed(f"{portal.data_dir} holds a data set of {held['nodes']} nodes and {held['days']} days")
        say("reads: the data set was kept")
        return datetime.fromisoformat(held["begun"])
    begun = datetime.now(UTC)
    for line in portal.lines("bench.read_data", f"{options.minutes_ahead}", f"{options.days}"):
        say(f"reads: {line}")
    mark.write_text(json.dumps({**size, "begun": begun.isoformat()}), encoding="utf-8")
    return begun


def _age_of(begun: datetime) -> list[str]:
    """An old data set ends before now, and what was measured of the last hour is then of little."""
    return ["", f"The data set was begun at {begun:%Y-%m-%d %H:%M} UTC."]


def section(options: ReadOptions, found: Sequence[Mapping[str, Any]], sizes: Mapping[str, int]) -> list[str]:
    """Rows in the order of the pages; what takes longer than LIMIT_MS is marked."""
    rows = [[f"{one['page']}: {one['read']}", *_figures(one["function"]), *_figures(one["http"])] for one in found]
    slow = {way: [one for one in found if _ms(one[way], SHARE) > LIMIT_MS] for way in ("function", "http")}
    head = ["page, read", "p50 ms", "p95 ms", "n", "over HTTP p50 ms", "p95 ms", "n"]
    held = ", ".join(f"{name} {size / 1e9:.2f}" for name, size in list(sizes.items())[:7])
    return [
        "## Reads",
        "",
        f"{options.nodes} nodes with 1 h of raw samples every 5 s, a day of minutes, {options.days} days of quarters"
        f" of an hour (of GPUs one day, which no page reads) and of hours; GB of the largest tables: {held}. Each of"
        f" {options.rounds} rounds looks at another node. First the function that a page calls, on behalf of whoever"
        " looks; then the whole page or answer over HTTP.",
        "",
        *table(head, rows),
        "",
        *(
            f"- {len(some)} of {sum(1 for one in found if one[way])} {words} have a p95 above {LIMIT_MS:.0f} ms"
            for (way, some), words in zip(slow.items(), ("reads", "pages and answers over HTTP"), strict=True)
        ),
    ]


def _ms(seconds: Sequence[float], share: float) -> float:
    return float(np.quantile(seconds, share)) * 1000 if len(seconds) else 0.0


def _figures(seconds: Sequence[float]) -> list[str]:
    if not seconds:
        return ["-", "-", "-"]
    p95 = _ms(seconds, SHARE)
    return [
        f"{_ms(seconds, 0.5):.1f}",
        f"**{p95:.1f}**" if p95 > LIMIT_MS else f"{p95:.1f}",
        str(len(seconds)),
    ]
