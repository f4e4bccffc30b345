"""The series of a body, each once, with all their samples as plain arrays. Pure.

What is believed of them is for `admission` to say. Arrays, because they are handed from process to process.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from telemetry.batch import Float64s, Int64s
from telemetry.known_series import LABEL_BYTES_BUDGET, SERIES_BUDGET, key_of
from telemetry.meanings import Meaning, meaning_of
from telemetry.remote_write import MAX_LABELS_BYTES, BadSeries, RawSeries

MAX_MEANT: Final = SERIES_BUDGET
"""Of so many series of a body, and no more than a node may have of their bytes, the labels are looked at."""


@dataclass(slots=True)
class Gathered:
    """(n,) arrays of samples; `series` are positions in `keys`. What cannot be understood is counted by reason."""

    keys: list[bytes]
    label_bytes: list[bytes]
    """Of the first of them: see MAX_MEANT."""
    series: npt.NDArray[np.uint32]
    at_ms: Int64s
    values: Float64s
    refused: Counter[str]
    histograms: int = 0
    exemplars: int = 0
    meanings: dict[int, Meaning | str] = field(default_factory=dict)
    """What was looked up already: a text says why a series means nothing."""

    def meaning(self, place: int) -> Meaning | str | None:
        """What a series means, why it means nothing, or None for one too many."""
        found = self.meanings.get(place)
        if found is None and place < len(self.label_bytes):
            found = self.meanings[place] = _meaning(self.label_bytes[place])
        return found

    def understand(self) -> None:
        """Look all up now, in a process that has the time."""
        for place in range(len(self.label_bytes)):
            self.meaning(place)


def _meaning(label_bytes: bytes) -> Meaning | str:
    try:
        return meaning_of(label_bytes)
    except BadSeries as error:
        return str(error)


def gather(body: Iterable[RawSeries]) -> Gathered:
    """Raises what reading the body raises: BadBody or TooLarge."""
    places: dict[bytes, int] = {}
    labels: list[bytes] = []
    series, at_ms, values = array("L"), array("q"), array("d")
    refused: Counter[str] = Counter()
    histograms = exemplars = label_bytes = 0
    for one in body:
        histograms += one.histograms
        exemplars += one.exemplars
        fault = _fault(one)
        if fault:
            refused[fault] += len(one.samples) or not (one.histograms or one.exemplars)
            continue
        if not one.samples:
            continue
        key = key_of(one.label_bytes)
        place = places.get(key)
        if place is None:
            place = places[key] = len(places)
            label_bytes += len(one.label_bytes)
            if place < MAX_MEANT and label_bytes <= LABEL_BYTES_BUDGET:
                labels.append(one.label_bytes)
        for at, value in one.samples:
            series.append(place)
            at_ms.append(at)
            values.append(value)
    return Gathered(
        list(places),
        labels,
        np.array(series, np.uint32),
        np.array(at_ms, np.int64),
        np.array(values, np.float64),
        refused,
        histograms,
        exemplars,
    )


def _fault(one: RawSeries) -> str:
    """Why a series is refused before its labels are looked at."""
    if one.fault:
        return one.fault
    if len(one.label_bytes) > MAX_LABELS_BYTES:
        return f"labels of more than {MAX_LABELS_BYTES} bytes"
    if not (one.samples or one.histograms or one.exemplars):
        return "series with nothing in it"
    return ""
