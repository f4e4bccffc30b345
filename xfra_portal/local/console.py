"""What a person sees while the stack starts and runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable


class Console:
    """Prints short lines with the seconds since the start in front."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self._start:6.1f} s] {text}", flush=True)

    def quote(self, lines: Iterable[str]) -> None:
        for line in lines:
            print(f"             | {line}", flush=True)

    def plain(self, text: str = "") -> None:
        print(text, flush=True)

    def error(self, text: str) -> None:
        sys.stdout.flush()
        print(f"\nerror: {text}", file=sys.stderr, flush=True)
