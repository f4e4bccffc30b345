"""From the series of one body to a batch: what is known, what is believed, what is refused and why.

Pure. One NodeSeries per node lives as long as the door process; it remembers what each series' label
bytes mean, so that the labels of a known series are never parsed again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from telemetry.batch import OTHER, Batch, Float64s, GpuSubject, OtherSubject
from telemetry.catalogue import CIRCUIT_LABEL, GPU_UUID_LABEL, NOT_SUPPORTED, Kind, find_source
from telemetry.remote_write import BadSeries, RawSeries, parse_labels

SERIES_BUDGET: Final = 3000
IDLE_SECONDS: Final = 3600.0
FUTURE_MS: Final = 600_000


@dataclass(slots=True)
class Meaning:
    """What the samples of one series are: the column they feed, or their place in the generic table."""

    kind: int
    code: int
    subject: GpuSubject | OtherSubject | str | None
    scale: float
    low: float
    high: float
    used_at: float


@dataclass(slots=True)
class Admitted:
    """What became of a body. `refused` counts samples (or series, where they have none) by reason."""

    batch: Batch
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def complaint(self) -> str:
        """One line for a 400, such as `3 of 500 refused: 3 more than 10 minutes in the future`."""
        parts = ", ".join(f"{count} {reason}" for reason, count in sorted(self.refused.items()))
        total = len(self.batch) + self.refused.total()
        return f"{self.refused.total()} of {total} refused: {parts}"


class NodeSeries:
    """The series that one node sends."""

    def __init__(self, budget: int = SERIES_BUDGET) -> None:
        self._known: dict[bytes, Meaning] = {}
        self._budget = budget

    def __len__(self) -> int:
        return len(self._known)

    def meaning(self, label_bytes: bytes, now: float) -> Meaning:
        """Raises BadSeries for malformed labels and for a new series beyond the budget."""
        known = self._known.get(label_bytes)
        if known is None:
            known = _meaning(parse_labels(label_bytes), now)
            if len(self._known) >= self._budget:
                self._forget_idle(now)
            if len(self._known) >= self._budget:
                raise BadSeries(f"over the budget of {self._budget} series per node")
            self._known[label_bytes] = known
        known.used_at = now
        return known

    def _forget_idle(self, now: float) -> None:
        self._known = {key: m for key, m in self._known.items() if now - m.used_at < IDLE_SECONDS}


def _meaning(labels: dict[str, str], now: float) -> Meaning:
    name = labels["__name__"]
    source = find_source(name, labels)
    column = source.column if source else None
    subject: GpuSubject | str | None = None
    if column is not None and column.kind is Kind.GPU:
        subject = _gpu(labels)
    elif column is not None and column.kind is Kind.CIRCUIT:
        subject = labels.get(CIRCUIT_LABEL, "")[:60] or None
    if column is None or source is None or (column.kind is not Kind.NODE and subject is None):
        rest = {key: value for key, value in sorted(labels.items()) if key != "__name__"}
        return Meaning(OTHER, 0, OtherSubject(name, rest), 1.0, -np.inf, np.inf, now)
    return Meaning(int(column.kind), column.code, subject, source.scale, column.low, column.high, now)


def _gpu(labels: dict[str, str]) -> GpuSubject | None:
    uuid = labels.get(GPU_UUID_LABEL, "")
    slot = labels.get("gpu", "")
    if not uuid or len(uuid) > 64:
        return None
    return GpuSubject(uuid, int(slot) if slot.isdecimal() and len(slot) < 4 else 0, labels.get("modelName", "")[:120])


def admit(node_id: int, body: Iterable[RawSeries], known: NodeSeries, now: float, oldest_ms: int) -> Admitted:
    """Keep what is well formed, in time and in bounds; count the rest by reason.

    `now` is Unix seconds, `oldest_ms` the oldest instant that storage still keeps.
    """
    meanings: list[Meaning] = []
    lengths: list[int] = []
    at_ms: list[int] = []
    values: list[float] = []
    refused: Counter[str] = Counter()
    for series in body:
        try:
            meaning = known.meaning(series.label_bytes, now)
        except BadSeries as error:
            refused[str(error)] += max(1, len(series.samples))
            continue
        if not series.samples:
            if not series.has_other_data:
                refused["series with nothing in it"] += 1
            continue
        meanings.append(meaning)
        lengths.append(len(series.samples))
        for at, value in series.samples:
            at_ms.append(at)
            values.append(value)
    return _believe(node_id, meanings, lengths, at_ms, values, refused, (oldest_ms, int(now * 1000) + FUTURE_MS))


def _believe(
    node_id: int,
    meanings: list[Meaning],
    lengths: list[int],
    at_ms: list[int],
    values: list[float],
    refused: Counter[str],
    window_ms: tuple[int, int],
) -> Admitted:
    repeat = np.asarray(lengths, dtype=np.int64)
    per_series = np.array([(m.kind, m.code, m.scale, m.low, m.high) for m in meanings], dtype=np.float64).reshape(-1, 5)
    kinds, codes, scale, low, high = np.repeat(per_series, repeat, axis=0).T
    at = np.array(at_ms, dtype=np.int64)
    value = np.array(values, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # a stale marker is a signalling NaN
        value = np.where((value >= NOT_SUPPORTED) & (kinds != OTHER), np.nan, value * scale)
    early, late = at < window_ms[0], at > window_ms[1]
    # A ratio printed in percent can come back a hair above one: that is rounding, not nonsense.
    wild = ((value < low - _hair(low)) | (value > high + _hair(high))) & ~early & ~late
    for reason, mask in (
        ("older than raw samples are kept", early),
        ("more than 10 minutes in the future", late),
        ("out of bounds", wild),
    ):
        if count := int(mask.sum()):
            refused[reason] += count
    keep = ~(early | late | wild)
    subjects, tables = _subject_index(meanings)
    batch = Batch(
        node_id=node_id,
        kinds=kinds[keep].astype(np.uint8),
        codes=codes[keep].astype(np.uint16),
        subjects=np.repeat(subjects, repeat)[keep],
        at_ms=at[keep],
        values=np.clip(value, low, high)[keep],
        gpus=tuple(tables[Kind.GPU]),
        circuits=tuple(tables[Kind.CIRCUIT]),
        other_series=tuple(tables[OTHER]),
    )
    return Admitted(batch, refused)


def _hair(bound: Float64s) -> Float64s:
    return 1e-9 * np.maximum(1.0, np.abs(np.where(np.isfinite(bound), bound, 1.0)))


def _subject_index(meanings: list[Meaning]) -> tuple[np.ndarray, dict[int, list]]:  # type: ignore[type-arg]
    """For each series the position of its subject among those of its kind, and those lists."""
    tables: dict[int, list[object]] = {OTHER: [], Kind.NODE: [], Kind.GPU: [], Kind.CIRCUIT: []}
    places: dict[tuple[int, object], int] = {}
    index = np.zeros(len(meanings), dtype=np.uint32)
    for i, meaning in enumerate(meanings):
        if meaning.subject is None:
            continue
        key = (meaning.kind, id(meaning.subject) if meaning.kind == OTHER else meaning.subject)
        place = places.get(key)
        if place is None:
            place = places[key] = len(tables[meaning.kind])
            tables[meaning.kind].append(meaning.subject)
        index[i] = place
    return index, tables
