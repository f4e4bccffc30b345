"""The machine and the programs that figures come from, in words: no host name, no paths."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from datetime import datetime
from pathlib import Path


def describe(started: datetime) -> list[str]:
    """Lines of a list."""
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    return [
        f"begun {started:%Y-%m-%d %H:%M} UTC, commit {_commit()}",
        f"{os.cpu_count()} cores, {_cpu_model()}, {_memory_gib():.0f} GiB of memory",
        f"Linux {platform.release()}, Python {platform.python_version()}",
        f"load averages of 1, 5 and 15 minutes before the start: {load}",
    ]


def _commit() -> str:
    git = shutil.which("git")
    if git is None:
        return "unknown"
    root = Path(__file__).resolve().parent.parent

    def ask(*arguments: str) -> str:
        done = subprocess.run([git, *arguments], cwd=root, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = " with uncommitted changes" if ask("status", "--porcelain", "--untracked-files=no") else ""
    return (ask("rev-parse", "--short=12", "HEAD") or "unknown") + changed


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / float(1 << 30)
