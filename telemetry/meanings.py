"""What a series of a node is about: the column that its labels name, or a place in the generic table. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

import numpy as np

from telemetry.batch import OTHER, GpuSubject, OtherSubject
from telemetry.blanks import DCGM_PREFIX, LEAST_BLANK, are_blank
from telemetry.catalogue import (
    ALARMS,
    CIRCUIT_LABEL,
    COLUMNS,
    GPU_UUID_LABEL,
    INSTANCE_LABELS,
    OF_AN_INSTANCE,
    Column,
    Kind,
    find_source,
)
from telemetry.remote_write import parse_labels

MAX_CIRCUIT_NAME: Final = 60
"""Of longer names no circuit is made: cut, two could be one."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the samples of one series are: the column they feed, or their place in the generic table."""

    kind: int
    code: int
    subject: GpuSubject | OtherSubject | str | None
    scale: float
    low: float
    high: float
    has_blanks: bool = False
    """Whether some numbers say that there is none, as DCGM's do."""
    labels: bytes = b""
    """A digest of all labels, in whatever order they came."""

    @property
    def scaling(self) -> tuple[float, float, float, float]:
        """See known_series.Found.scaling."""
        return self.scale, self.low, self.high, float(self.has_blanks)

    @property
    def is_alarm(self) -> bool:
        return self.kind != OTHER and COLUMNS[Kind(self.kind)][self.code].name in ALARMS

    @property
    def cell(self) -> Hashable:
        """What the samples are of, whatever labels come with them: equal for series that tell of the same."""
        if isinstance(self.subject, OtherSubject):
            return self.subject.name, tuple(self.subject.labels.items())
        return self.kind, self.code, self.subject.uuid if isinstance(self.subject, GpuSubject) else self.subject

    def is_plain(self, value: float, at_ms: int, window_ms: tuple[int, int]) -> bool:
        """Whether a sample is kept without a second thought: in time, in bounds, and no blank."""
        is_blank = self.has_blanks and value >= LEAST_BLANK and bool(are_blank(np.array([value]))[0])
        return window_ms[0] <= at_ms <= window_ms[1] and self.low <= value * self.scale <= self.high and not is_blank


def meaning_of(label_bytes: bytes) -> Meaning:
    """What a series is by its labels. Raises BadSeries."""
    labels = parse_labels(label_bytes)
    name, everything = labels["__name__"], sorted(labels.items())
    digest = hashlib.blake2b(repr(everything).encode(), digest_size=16).digest()
    source = find_source(name, labels)
    subject = _subject(source.column, labels) if source else None
    if source is None or (source.column.kind is not Kind.NODE and subject is None):
        rest = {key: value for key, value in everything if key != "__name__"}
        is_dcgm = name.startswith(DCGM_PREFIX)
        return Meaning(OTHER, 0, OtherSubject(name, rest), 1.0, -np.inf, np.inf, is_dcgm, digest)
    column, is_dcgm = source.column, source.column.kind is Kind.GPU
    return Meaning(int(column.kind), column.code, subject, source.scale, column.low, column.high, is_dcgm, digest)


def _subject(column: Column, labels: dict[str, str]) -> GpuSubject | str | None:
    if column.kind is Kind.GPU:
        return _gpu(labels, column)
    circuit = labels.get(CIRCUIT_LABEL, "") if column.kind is Kind.CIRCUIT else ""
    return circuit if 0 < len(circuit) <= MAX_CIRCUIT_NAME else None


def _gpu(labels: dict[str, str], column: Column) -> GpuSubject | None:
    """None too for what a part of a GPU says of itself: it would pass for the whole."""
    if column.name in OF_AN_INSTANCE and any(labels.get(name) for name in INSTANCE_LABELS):
        return None
    uuid = labels.get(GPU_UUID_LABEL, "")
    slot = labels.get("gpu", "")
    if not uuid or len(uuid) > 64:
        return None
    return GpuSubject(
        uuid,
        int(slot) if slot.isdecimal() and len(slot) < 4 else None,
        labels.get("modelName", "")[:120],
        labels.get("pci_bus_id", "")[:32],
    )
