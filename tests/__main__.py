"""Every test, in three parts: `python -m tests [options of pytest]`, which is what `make test` runs.

All parts run whatever became of those before, with one seed for their order and their numbers, and a table at the
end says how each went. `--randomly-seed=N` repeats a run.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

_SEED: Final = "--randomly-seed="


@dataclass(frozen=True)
class Part:
    """Tests that share what they may take of the machine."""

    name: str
    options: tuple[str, ...]


PARTS: Final = (
    Part(
        "tests of parts, three at a time",
        ("-n", "3", "--dist", "loadfile", "-m", "not stack and not browser and not alone"),
    ),
    Part(
        "tests of the whole, two at a time",
        ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "-m", "stack or browser"),
    ),
    Part("what is measured, alone", ("-m", "alone")),
)


@dataclass(frozen=True)
class Outcome:
    """What became of a part. A part that ended without a report has failed once more than was counted."""

    name: str
    passed: int
    failed: int
    skipped: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.passed} passed, {self.failed} failed, {self.skipped} skipped in {self.seconds:.0f} s"
        )


def run(part: Part, options: list[str], report: Path) -> Outcome:
    print(part.name, flush=True)
    begun = time.monotonic()
    command = [sys.executable, "-m", "pytest", *part.options, f"--junit-xml={report}", *options]
    code = subprocess.run(command, check=False).returncode
    total = failed = skipped = 0
    if report.exists():
        for suite in ElementTree.parse(report).iter("testsuite"):  # noqa: S314 (pytest's own report)
            total += int(suite.get("tests", 0))
            failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped += int(suite.get("skipped", 0))
    # An error in tearing down counts beside its test, which may have passed.
    passed = max(0, total - failed - skipped)
    return Outcome(part.name, passed, failed or int(code != 0), skipped, time.monotonic() - begun)


def main(options: list[str]) -> int:
    if not any(option.startswith(_SEED) for option in options):
        options = [f"{_SEED}{random.getrandbits(32)}", *options]
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="xfra-reports-") as folder:
        for number, part in enumerate(PARTS):
            outcomes.append(run(part, options, Path(folder, f"{number}.xml")))
    print("", *outcomes, next(option for option in options if option.startswith(_SEED)), sep="\n")
    failed = sum(outcome.failed for outcome in outcomes)
    passed, skipped = (sum(getattr(outcome, kind) for outcome in outcomes) for kind in ("passed", "skipped"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
