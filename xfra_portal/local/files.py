"""Files under the data folder: written whole or not at all, and readable by nobody else."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any


def write_private(path: Path, text: str) -> None:
    """Replace a file at once, with mode 0600: a reader sees the old text or the new, never half of one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    write_private(path, json.dumps(value, indent=1) + "\n")


def last_lines(path: Path, since: int = 0, count: int = 12) -> list[str]:
    """The end of a log, at most `count` lines, none of them from before byte `since`."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(since, size - 16_384))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line[:400] for line in text.splitlines() if line.strip()][-count:]
