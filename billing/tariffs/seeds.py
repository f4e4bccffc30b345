"""Four real tariffs of the pilot's states, as documents that can be published: billing/seed/tariffs/<name>.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).resolve().parent.parent / "seed" / "tariffs"


def seed_names() -> list[str]:
    return sorted(file.stem for file in FOLDER.glob("*.json"))


def seed_document(name: str) -> dict[str, Any]:
    """Raises KeyError for a name that there is not."""
    if name not in seed_names():
        raise KeyError(name)
    document: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return document
