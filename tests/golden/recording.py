"""One recorded request: NAME.bin is its body, byte for byte, and NAME.json says who sent it and what it means."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent / "bodies"
STALE: Final = "stale"
_STALE_BITS: Final = 0x7FF0000000000002

Value = float | str
"""A number, or STALE."""
Labels = tuple[tuple[str, str], ...]
"""Sorted, without the metric's name."""
Samples = dict[tuple[str, Labels, int], Value]
"""By metric, labels and milliseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Recording:
    """`recorded_ms` is when it arrived; `headers` lack the token, the host and the length. `others` counts what is
    not a sample: exemplars, native histograms, metadata."""

    sender: str
    version: str
    recorded_ms: int
    path: str
    headers: Mapping[str, str]
    body: bytes
    samples: Samples
    others: Mapping[str, int] = field(default_factory=dict)

    def save(self, name: str) -> None:
        fields = {
            "sender": self.sender,
            "version": self.version,
            "recorded_ms": self.recorded_ms,
            "path": self.path,
            "headers": dict(self.headers),
            "others": dict(self.others),
        }
        lines = [f'"{key}": {json.dumps(value)},' for key, value in fields.items()]
        tables = ",\n".join(json.dumps(table, allow_nan=False) for table in _tables(self.samples))
        (FOLDER / f"{name}.bin").write_bytes(self.body)
        (FOLDER / f"{name}.json").write_text("\n".join(["{", *lines, '"samples": [', tables, "]}", ""]))

    @classmethod
    def load(cls, name: str) -> Recording:
        fields = json.loads((FOLDER / f"{name}.json").read_text())
        return cls(**{**fields, "body": (FOLDER / f"{name}.bin").read_bytes(), "samples": _flat(fields["samples"])})


def of_session(name: str) -> list[Recording]:
    """What one sender sent, in order."""
    return [Recording.load(path.stem) for path in sorted(FOLDER.glob(f"{name}.[0-9].json"))]


def sessions() -> list[str]:
    return sorted({path.name.split(".")[0] for path in FOLDER.glob("*.json")})


def value_of(number: float) -> Value:
    """STALE for the stale marker, which is one NaN among many."""
    if math.isnan(number) and struct.unpack("<Q", struct.pack("<d", number))[0] == _STALE_BITS:
        return STALE
    return number


def _tables(samples: Samples) -> list[dict[str, Any]]:
    """Metrics by label sets: what 16 GPUs have in common is said once."""
    rows: dict[tuple[Labels, int], dict[str, Value]] = {}
    for (metric, labels, at_ms), value in samples.items():
        rows.setdefault((labels, at_ms), {})[metric] = value
    tables: dict[tuple[int, tuple[str, ...]], list[tuple[Labels, dict[str, Value]]]] = {}
    for (labels, at_ms), values in rows.items():
        tables.setdefault((at_ms, tuple(sorted(values))), []).append((labels, values))
    found = []
    for (at_ms, metrics), members in tables.items():
        common = set.intersection(*(set(labels) for labels, _ in members))
        found.append(
            {
                "at_ms": at_ms,
                "common": dict(sorted(common)),
                "labels": [
                    {name: text for name, text in labels if (name, text) not in common} for labels, _ in members
                ],
                "values": {metric: [values[metric] for _, values in members] for metric in metrics},
            }
        )
    return found


def _flat(tables: list[dict[str, Any]]) -> Samples:
    return {
        (metric, tuple(sorted((table["common"] | labels).items())), table["at_ms"]): value
        for table in tables
        for metric, values in table["values"].items()
        for labels, value in zip(table["labels"], values, strict=True)
    }
