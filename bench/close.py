"""How long it takes to close a month of many homes, and how much memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.bodies import Progress
from bench.portal import Portal
from bench.report import table
from bench.systems import BenchFailed

LIMIT_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class CloseOptions:
    homes: int
    tariffs: int


def measure(folder: Path, options: CloseOptions, say: Progress) -> list[str]:
    """The report's section. Raises BenchFailed when a home was not closed or the books do not add up."""
    portal = Portal(folder, profile="local")
    say(f"close: starting the portal, then making a month of {options.homes:,} homes")
    try:
        portal.start(1)
        for line in portal.lines("bench.close_data", str(options.homes), str(options.tariffs)):
            say(f"close: {line}")
        found = json.loads(line)
    finally:
        portal.stop()
    if found["statements"] != options.homes or found["problems"]:
        raise BenchFailed(f"not every home was closed as it should be: {found}")
    return section(options, found)


def section(options: CloseOptions, found: dict[str, Any]) -> list[str]:
    rows = [
        ["readings to drafts", f"{found['draft_seconds']:.1f}"],
        ["drafts to issued", f"{found['issue_seconds']:.1f}"],
        ["together", f"{found['seconds']:.1f}"],
        ["limit", f"{LIMIT_SECONDS:.0f}"],
    ]
    return [
        "## Close",
        "",
        f"{options.homes:,} homes, {options.tariffs} tariffs (three time-of-use periods of two tiers, flat and"
        " time-of-use demand), a month of quarter-hours of three channels: rated with and without the node, drafted,"
        f" reviewed, numbered, chained, posted and announced by one process, which used {found['cpu_seconds']:.0f} CPU"
        f" seconds and {found['peak_mib']:.0f} MiB ({found['memory_before_mib']:.0f} MiB before). It wrote"
        f" {found['segments']:,} segments, {found['lines']:,} lines and {found['postings']:,} postings; the books add"
        " up.",
        "",
        *table(["part", "seconds"], rows),
    ]
