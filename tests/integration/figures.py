"""What tests measured. Shown at the end of the run and left as JSON in pytest's temporary folder, never asserted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Figures:
    """By test; each line is for people, the numbers are for programs."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._numbers: dict[str, Any] = {}

    def note(self, name: str, line: str, numbers: Any) -> None:
        self.lines.append(f"{name}: {line}")
        self._numbers[name] = numbers

    def write(self, file: Path) -> None:
        if self._numbers:
            file.write_text(json.dumps(self._numbers, indent=1))


def spread(seconds: list[float]) -> str:
    """Median and worst, as people read them."""
    ordered = sorted(seconds)
    return f"median {ordered[len(ordered) // 2]:.2f} s, worst {ordered[-1]:.2f} s of {len(ordered)}"
