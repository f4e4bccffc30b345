"""From one body to a batch: what is believed, what is refused and why. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from telemetry.batch import OTHER, Batch, Float64s, Instants
from telemetry.catalogue import are_blank
from telemetry.expected_bytes import Slate
from telemetry.known_series import Found, KnownSeries
from telemetry.remote_write import STALE_BITS, BadSeries, RawSeries, decompress, walk

FUTURE_MS: Final = 600_000
TOO_OLD: Final = "older than raw samples are kept"
TOO_NEW: Final = "more than 10 minutes in the future"
OUT_OF_BOUNDS: Final = "out of bounds"
HISTOGRAMS: Final = "native histograms, which are not kept"
EXEMPLARS: Final = "exemplars, which are not kept"


@dataclass(slots=True)
class Admitted:
    """What became of a body. `refused` counts samples (or series, where they have none) and the like by reason."""

    batch: Batch
    refused: Counter[str] = field(default_factory=Counter)
    absent: int = 0
    """Samples that were understood and leave nothing to store."""
    not_kept: int = 0
    """How many exemplars and native histograms came of which the sender is told nothing."""

    @property
    def taken(self) -> int:
        """How many samples a sender may be told were written."""
        return len(self.batch) + self.absent

    @property
    def complaint(self) -> str:
        """One line for a 400, such as `3 of 500 refused: 3 more than 10 minutes in the future`."""
        parts = ", ".join(f"{count} {reason}" for reason, count in sorted(self.refused.items()))
        total = self.taken + self.refused.total()
        return f"{self.refused.total()} of {total} refused: {parts}"


def admit_body(node_id: int, body: bytes, known: KnownSeries, slate: Slate, now: float, oldest_ms: int) -> Admitted:
    """A compressed WriteRequest, by comparison where it is as expected and by `admit` where it is not.

    Raises BadBody or TooLarge.
    """
    found = known.recognise(slate, now) if slate.fill(body) else None
    if found is None:
        message = decompress(body)
        found = known.read(message, now)
        if found is None:
            return admit(node_id, walk(message), known, now, oldest_ms)
    return _believe(node_id, found, known, Counter(), now, oldest_ms)


def admit(
    node_id: int,
    body: Iterable[RawSeries],
    known: KnownSeries,
    now: float,
    oldest_ms: int,
    *,
    all_or_told: bool = False,
) -> Admitted:
    """Keep what is well formed, in time and in bounds; count the rest by reason.

    `now` is Unix seconds, `oldest_ms` the oldest instant that storage still keeps. With `all_or_told`, native
    histograms and exemplars are refused, since they are not kept; else they are only counted.
    """
    numbers: list[int] = []
    at_ms: list[int] = []
    values: list[float] = []
    refused: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    for series in body:
        left_out[HISTOGRAMS] += series.histograms
        left_out[EXEMPLARS] += series.exemplars
        try:
            number = _number(series, known, now)
        except BadSeries as error:
            refused[str(error)] += len(series.samples) or not (series.histograms or series.exemplars)
            continue
        for at, value in series.samples:
            numbers.append(number)
            at_ms.append(at)
            values.append(value)
    order = np.array(numbers, np.uint16)
    instants = Instants.of(np.array(at_ms, np.int64))
    found = Found(order, instants, np.array(values, np.float64), known.scaling(order))
    if all_or_told:
        refused += left_out
    admitted = _believe(node_id, found, known, refused, now, oldest_ms)
    admitted.not_kept = 0 if all_or_told else left_out.total()
    return admitted


def _number(series: RawSeries, known: KnownSeries, now: float) -> int:
    """Of a series that says something. Raises BadSeries."""
    if series.fault:
        raise BadSeries(series.fault)
    number = known.number(series.label_bytes, now)
    if not (series.samples or series.histograms or series.exemplars):
        raise BadSeries("series with nothing in it")
    return number


def _believe(
    node_id: int, found: Found, known: KnownSeries, refused: Counter[str], now: float, oldest_ms: int
) -> Admitted:
    scale, low, high, has_blanks = found.scaling
    newest_ms = int(now * 1000) + FUTURE_MS
    raw, at_ms = found.values, found.instants.at_ms.tolist()
    with np.errstate(invalid="ignore"):  # a stale marker is a signalling NaN
        value = raw * scale
        blank = are_blank(raw) & (has_blanks != 0)
        odd = blank.any() or not ((value >= low) & (value <= high)).all()  # NaN is odd
    batch = Batch(node_id, known.layout, found.series, found.instants, value)
    if odd or (at_ms and (min(at_ms) < oldest_ms or max(at_ms) > newest_ms)):
        return _sift(batch, raw, blank, (low, high), (oldest_ms, newest_ms), refused)
    return Admitted(batch, refused)


def _sift(
    batch: Batch,
    raw: Float64s,
    blank: npt.NDArray[np.bool_],
    bounds: tuple[Float64s, Float64s],
    window_ms: tuple[int, int],
    refused: Counter[str],
) -> Admitted:
    """A batch with something in it that is not simply true.

    In the catalogue a stale marker or a blank ends the series, and any other NaN (an exporter's "no reading just now")
    says nothing. Outside it NaN is a value, as in a Go summary, and an end leaves nothing to store.
    """
    (low, high), at, is_other = bounds, batch.at_ms, batch.kinds == OTHER
    is_end = raw.view(np.uint64) == STALE_BITS
    value = np.where(blank, np.nan, batch.values)
    early, late = at < window_ms[0], at > window_ms[1]
    # A ratio printed in percent can come back a hair above one: that is rounding, not nonsense.
    wild = ((value < low - _hair(low)) | (value > high + _hair(high))) & ~early & ~late
    for reason, mask in (
        (TOO_OLD, early),
        (TOO_NEW, late),
        (OUT_OF_BOUNDS, wild),
    ):
        if count := int(mask.sum()):
            refused[reason] += count
    nothing = np.where(is_other, is_end | blank, np.isnan(raw) & ~is_end) & ~early & ~late
    keep = ~(early | late | wild | nothing)
    return Admitted(
        Batch(batch.node_id, batch.layout, batch.series[keep], Instants.of(at[keep]), np.clip(value, low, high)[keep]),
        refused,
        int(nothing.sum()),
    )


def _hair(bound: Float64s) -> Float64s:
    return 1e-9 * np.maximum(1.0, np.abs(np.where(np.isfinite(bound), bound, 1.0)))
