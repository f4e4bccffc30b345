"""What was measured, as a Markdown file: written anew after each part, so that a broken run leaves its figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from bench import machine
from bench.throughput import Throughput

PROMETHEUS, VICTORIA = "Prometheus", "VictoriaMetrics"


@dataclass
class Report:
    """Sections in the order in which they came."""

    file: Path
    command: str
    started: datetime
    runs: list[Throughput] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    sections: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._machine = machine.describe(self.started)

    def write(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(self.text(), encoding="utf-8")

    def text(self) -> str:
        lines = [f"# Bench of {self.started:%Y-%m-%d %H:%M} UTC", "", f"`{self.command}`", ""]
        lines += [f"- {line}" for line in [*self._machine, *self._versions()]]
        lines += [f"- **{name} is not installed and was left out.**" for name in self.absent]
        lines += [f"- **Failed: {failure}**" for failure in self.failures]
        for part in (throughput_section(self.runs), cost_section(self.runs), *self.sections):
            lines += ["", *part] if part else []
        return "\n".join(lines) + "\n"

    def _versions(self) -> list[str]:
        return sorted({f"{run.system}: {run.version}" for run in self.runs})


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, figures to the right."""
    rule = ["---", *("--:" for _ in head[1:])]
    return ["| " + " | ".join(row) + " |" for row in (head, rule, *rows)]


def throughput_section(runs: Sequence[Throughput]) -> list[str]:
    if not runs:
        return []
    head = ["cut, system", "acknowledged /s", "until queryable /s", f"x {PROMETHEUS}", f"x {VICTORIA}"]
    head += ["CPU s per million", "the same at rest", "p50 ms", "p99 ms", "told to wait", "sender's CPU s per million"]
    rows = [_throughput_row(runs, run) for run in runs]
    return [
        "## Throughput",
        "",
        "Samples a second from the first request to the last acknowledgement, and until a query finds all of them;"
        " CPU of all processes of a system until then, and until it has nothing more to do.",
        "",
        *table(head, rows),
        "",
        *(_verdict(run) for run in runs),
    ]


def _throughput_row(runs: Sequence[Throughput], run: Throughput) -> list[str]:
    return [
        f"{run.cut}, {run.system}",
        f"{run.acknowledged_rate:,.0f}",
        f"{run.queryable_rate:,.0f}",
        _ratio(runs, run, PROMETHEUS, lambda other: other.queryable_rate),
        _ratio(runs, run, VICTORIA, lambda other: other.queryable_rate),
        f"{run.cpu_per_million:.2f}",
        f"{run.cpu_settled_per_million:.2f}" + ("" if run.is_settled else " (not at rest yet)"),
        f"{run.sent.p50_ms:.1f}",
        f"{run.sent.p99_ms:.1f}",
        f"{run.sent.put_off:,}",
        f"{run.sent.cpu_seconds / run.samples * 1e6:.2f}",
    ]


def _ratio(runs: Sequence[Throughput], run: Throughput, to: str, of: Callable[[Throughput], float]) -> str:
    base = next((other for other in runs if other.cut == run.cut and other.system == to), None)
    return f"{of(run) / of(base):.2f}" if base and of(base) else "-"


def _verdict(run: Throughput) -> str:
    found = f"- {run.cut}, {run.system}: {run.samples:,} samples sent, {run.counted:,} read back"
    refused = "; ".join(f"{count} x {reason}" for reason, count in run.sent.refused.items())
    return found + (f"; refused: {refused}" if refused else "") + ("" if run.is_whole else " **(not the same)**")


def cost_section(runs: Sequence[Throughput]) -> list[str]:
    if not runs:
        return []
    rows = [
        [
            f"{run.cut}, {run.system}",
            f"{run.bytes_per_sample:.2f}",
            f"{run.disk.log / run.samples:.2f}",
            _ratio(runs, run, PROMETHEUS, lambda other: (other.disk.data + other.disk.log) / other.samples),
            _ratio(runs, run, VICTORIA, lambda other: (other.disk.data + other.disk.log) / other.samples),
        ]
        for run in runs
    ]
    head = ["cut, system", "bytes per sample", "in logs", f"all x {PROMETHEUS}", f"all x {VICTORIA}"]
    parts = [line for run in runs if len(run.cpu_queryable) > 1 for line in _parts(run)]
    return [
        "## Disk and processes",
        "",
        "Growth of the data folder when the system is at rest; logs are write-ahead logs and Redis' append-only file."
        " Nothing has been compacted into its final form yet: Prometheus does so after two hours, the portal when"
        " samples are as old and sealed, see there.",
        "",
        *table(head, rows),
        *parts,
    ]


def _parts(run: Throughput) -> list[str]:
    """Where the CPU time of a system of several parts goes, and the bytes of its tables."""
    million = run.samples / 1e6
    rows = [
        [name, f"{seconds / million:.2f}", f"{run.cpu_settled[name] / million:.2f}"]
        for name, seconds in sorted(run.cpu_queryable.items(), key=lambda item: -item[1])
        if run.cpu_settled.get(name, 0) / million >= 0.005
    ]
    largest = [f"{name} {size / run.samples:.2f}" for name, size in run.tables.items() if size / run.samples >= 0.05]
    lines = ["", f"{run.system}, {run.cut}: CPU seconds per million samples by process", ""]
    lines += table(["process", "until queryable", "at rest"], rows)
    return [*lines, "", f"Bytes per sample by table: {', '.join(largest)}"] if largest else lines
