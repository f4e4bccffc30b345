"""What a sample of the simulator costs on disk, as a wide row and sealed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from bench.bodies import Progress
from bench.portal import Portal
from bench.report import table
from bench.systems import BenchFailed

ROW_LIMIT: Final = 13.0
SEALED_LIMIT: Final = 1.5
_LATER: Final = {"XFRA_SEAL_AFTER_HOURS": "1000000"}


def measure(folder: Path, nodes: int, say: Progress) -> list[str]:
    """The report's section. The stack itself seals nothing meanwhile. Raises BenchFailed when something got lost."""
    portal = Portal(folder, profile="local", environment=_LATER)
    say(f"sealing: starting the portal with {nodes} nodes")
    try:
        portal.start(nodes)
        for line in portal.lines("bench.seal_data"):
            say(f"sealing: {line}")
        found = json.loads(line)
    finally:
        portal.stop()
    if not found["is_whole"] or found["left_as_rows"]:
        raise BenchFailed(f"what was sealed is not what there was: {found}")
    return section(nodes, found)


def section(nodes: int, found: dict[str, Any]) -> list[str]:
    samples = found["samples"]
    forms = [("rows", "row_bytes", ROW_LIMIT), ("sealed", "sealed_bytes", SEALED_LIMIT)]
    rows = [
        [name, f"{found[key] / samples:.2f}", f"{limit:g}", f"{found[key] / 1e6:,.1f}"] for name, key, limit in forms
    ]
    return [
        "## Sealing",
        "",
        f"{nodes} simulated nodes, an hour of everything they send every 5 s: {samples:,} samples, stored by the"
        " writer, sealed, and read back the same to the bit. Tables with their indexes. Sealing took"
        f" {found['cpu_seconds'] / samples * 1e6:.2f} CPU s per million samples, without Postgres'.",
        "",
        *table(["form", "bytes per sample", "limit", "MB"], rows),
    ]
