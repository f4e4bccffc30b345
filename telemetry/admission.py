"""From one body to a batch: what is believed, what is refused and why. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from telemetry.batch import OTHER, Batch, Float64s, Instants, Int64s
from telemetry.blanks import are_blank
from telemetry.catalogue import SENSORS, Kind
from telemetry.expected_bytes import Slate
from telemetry.gathering import Gathered
from telemetry.known_series import Found, KnownSeries
from telemetry.meanings import Meaning
from telemetry.remote_write import STALE_BITS, BadSeries
from telemetry.rivals import Verdict, repeated

FUTURE_MS: Final = 600_000
_SENSOR_WORDS: Final = (b"leak", b"open")
TOO_OLD: Final = "older than raw samples are kept"
TOO_NEW: Final = "more than 10 minutes in the future"
OUT_OF_BOUNDS: Final = "out of bounds"
CONTRADICTED: Final = "of what another series tells otherwise"
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


def window_of(now: float, oldest_ms: int) -> tuple[int, int]:
    """The oldest and the newest instant that can be kept, in milliseconds."""
    return oldest_ms, int(now * 1000) + FUTURE_MS


def admit_expected(
    node_id: int, slate: Slate, message: bytes | None, known: KnownSeries, now: float, oldest_ms: int
) -> Admitted | None:
    """A WriteRequest on the slate by comparison, where it is as it came before; else, where its bytes are given, what
    is new may be learned on the way. None for anything in another form: then `admit` has the word.
    """
    found = known.read(message, now, window_of(now, oldest_ms)) if message else known.recognise(slate, now)
    return None if found is None else _believe(node_id, found, known, now, oldest_ms)


def admit(
    node_id: int, body: Gathered, known: KnownSeries, now: float, oldest_ms: int, *, all_or_told: bool = False
) -> Admitted:
    """Keep what is well formed, in time and in bounds; count the rest by reason. A series of which nothing is kept
    becomes none of the node's.

    `now` is Unix seconds, `oldest_ms` the oldest instant that storage still keeps. With `all_or_told`, native
    histograms and exemplars are refused, since they are not kept; else they are only counted.
    """
    refused, window_ms = Counter(body.refused), window_of(now, oldest_ms)
    instants_ms = _redated(body, window_ms)
    early, late = instants_ms < window_ms[0], instants_ms > window_ms[1]
    refused += Counter({TOO_OLD: int(early.sum()), TOO_NEW: int(late.sum())})
    timely = ~(early | late)
    counts = np.bincount(body.series[timely], minlength=len(body.keys))
    numbers, meanings = _look_up(body, counts, known, now, refused)
    chosen = timely & _marked(list(meanings), len(body.keys))[body.series]
    places = body.series[chosen]
    scaling, is_other = _scaling(meanings, len(body.keys))
    raw, at_ms = body.values[chosen], instants_ms[chosen]
    sifted = _sift(raw, scaling[:, places], is_other[places])
    refused += Counter({OUT_OF_BOUNDS: sifted.wild})
    kept = _register(body, places[sifted.keep], numbers, meanings, known, now, refused)
    if all_or_told:
        refused += Counter({HISTOGRAMS: body.histograms, EXEMPLARS: body.exemplars})
    series = numbers[places[sifted.keep]][kept].astype(np.uint16)
    batch = Batch(
        node_id, known.layout, series, Instants.of(at_ms[sifted.keep][kept]), sifted.values[sifted.keep][kept]
    )
    not_kept = 0 if all_or_told else body.histograms + body.exemplars
    return _settle(Admitted(batch, refused, sifted.nothing, not_kept), known, len(np.unique(series)) < len(series))


def _redated(body: Gathered, window_ms: tuple[int, int]) -> Int64s:
    """When the samples were taken; a sensor of danger whose instant cannot be is believed to have spoken as it came."""
    undated = _is_undated(body.at_ms, body.values, window_ms)
    if not undated.any():
        return body.at_ms
    places = np.unique(body.series[undated]).tolist()
    sensors = [place for place in places if _is_sensor(body, place)]
    return np.where(undated & _marked(sensors, len(body.keys))[body.series], window_ms[1] - FUTURE_MS, body.at_ms)


def _is_undated(at_ms: Int64s, values: Float64s, window_ms: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Where a sensor's instant cannot be and its word counts all the same: of what is too old, which may be a queue of
    days ago, only a bad one does."""
    with np.errstate(invalid="ignore"):  # a stale marker is a signalling NaN
        return ((at_ms > window_ms[1]) & (values >= 0)) | ((at_ms < window_ms[0]) & (values > 0))


def _is_sensor(body: Gathered, place: int) -> bool:
    """Reads the labels of what may be one, and of nothing else: others are refused unread."""
    label_bytes = b"".join(body.label_bytes[place : place + 1])  # of those beyond MAX_MEANT there are none
    if not any(word in label_bytes for word in _SENSOR_WORDS):
        return False
    meaning = body.meaning(place)
    return isinstance(meaning, Meaning) and meaning.kind == Kind.NODE and meaning.code in SENSORS


def _look_up(
    body: Gathered, counts: Int64s, known: KnownSeries, now: float, refused: Counter[str]
) -> tuple[Int64s, dict[int, Meaning]]:
    """By place: the number of each series that is known, else -1, and what each means of which a sample is in time."""
    numbers = np.full(len(body.keys), -1, np.int64)
    meanings: dict[int, Meaning] = {}
    is_full = known.is_full(now)
    for place in np.flatnonzero(counts).tolist():
        number = known.find(body.keys[place])
        if number is not None:
            numbers[place], meanings[place] = number, known.meaning(number)
            continue
        meaning = None if is_full else body.meaning(place)
        if isinstance(meaning, Meaning):
            meanings[place] = meaning
        else:
            refused[meaning or known.too_many] += int(counts[place])
    return numbers, meanings


def _marked(places: list[int], count: int) -> npt.NDArray[np.bool_]:
    marked = np.zeros(count, np.bool_)
    marked[places] = True
    return marked


def _scaling(meanings: dict[int, Meaning], places: int) -> tuple[Float64s, npt.NDArray[np.bool_]]:
    """Of each place, as Found.scaling has it, and whether it is outside the catalogue."""
    scaling, is_other, chosen = np.zeros((4, places)), np.zeros(places, np.bool_), list(meanings)
    if chosen:
        scaling[:, chosen] = np.array([one.scaling for one in meanings.values()]).T
        is_other[chosen] = [one.kind == OTHER for one in meanings.values()]
    return scaling, is_other


def _register(
    body: Gathered,
    kept: npt.NDArray[np.uint32],
    numbers: Int64s,
    meanings: dict[int, Meaning],
    known: KnownSeries,
    now: float,
    refused: Counter[str],
) -> npt.NDArray[np.bool_]:
    """Give a number to each series that is new and of which a sample is kept, as far as there is room; which of the
    samples have one."""
    places, counts = np.unique(kept, return_counts=True)
    for place, count in zip(places.tolist(), counts.tolist(), strict=True):
        if numbers[place] < 0:
            try:
                numbers[place] = known.learn(body.label_bytes[place], meanings[place], now)
            except BadSeries as error:
                refused[str(error)] += count
    known.use(numbers[places][numbers[places] >= 0], now)
    return numbers[kept] >= 0


def _believe(node_id: int, found: Found, known: KnownSeries, now: float, oldest_ms: int) -> Admitted:
    scale, low, high, has_blanks = found.scaling
    window_ms = window_of(now, oldest_ms)
    raw, at_ms = found.values, found.instants.at_ms.tolist()
    with np.errstate(invalid="ignore"):  # a stale marker is a signalling NaN
        value = raw * scale
        blank = are_blank(raw) & (has_blanks != 0)
        odd = blank.any() or not ((value >= low) & (value <= high)).all()  # NaN is odd
    batch = Batch(node_id, known.layout, found.series, found.instants, value)
    if odd or (at_ms and (min(at_ms) < window_ms[0] or max(at_ms) > window_ms[1])):
        return _settle(_kept_of(batch, found, window_ms), known, found.repeats)
    return _settle(Admitted(batch), known, found.repeats)


def _settle(admitted: Admitted, known: KnownSeries, repeats: bool) -> Admitted:
    """One value for a cell at an instant: what contradicts the one that is kept is refused."""
    batch = admitted.batch
    verdicts = known.rivals.judge(batch)
    if repeats:
        again = repeated(batch.series, batch.at_ms, batch.values) * np.uint8(Verdict.REFUSE)
        verdicts = again if verdicts is None else np.maximum(verdicts, again)
    if verdicts is None or not verdicts.any():
        return admitted
    contradicted = Counter({CONTRADICTED: int((verdicts == Verdict.REFUSE).sum())})
    keep = verdicts == Verdict.KEEP
    kept = replace(batch, series=batch.series[keep], instants=Instants.of(batch.at_ms[keep]), values=batch.values[keep])
    absent = admitted.absent + int((verdicts == Verdict.LEAVE).sum())
    return replace(admitted, batch=kept, refused=admitted.refused + contradicted, absent=absent)


def _kept_of(batch: Batch, found: Found, window_ms: tuple[int, int]) -> Admitted:
    """A batch with something in it that is not simply true. A sensor of danger whose instant cannot be is believed to
    have spoken when it came; of what is too old, which may be a queue of days ago, only a bad word counts."""
    at = batch.at_ms
    early, late = at < window_ms[0], at > window_ms[1]
    is_sensor = (batch.kinds == Kind.NODE) & np.isin(batch.codes, SENSORS)
    undated = is_sensor & _is_undated(at, batch.values, window_ms)
    at = np.where(undated, window_ms[1] - FUTURE_MS, at)
    early, late = early & ~undated, late & ~undated
    timely = ~(early | late)
    sifted = _sift(found.values[timely], found.scaling[:, timely], (batch.kinds == OTHER)[timely])
    refused = Counter({TOO_OLD: int(early.sum()), TOO_NEW: int(late.sum()), OUT_OF_BOUNDS: sifted.wild})
    keep = sifted.keep
    instants = Instants.of(at[timely][keep])
    kept = Batch(batch.node_id, batch.layout, batch.series[timely][keep], instants, sifted.values[keep])
    return Admitted(kept, +refused, sifted.nothing)


@dataclass(frozen=True, slots=True)
class _Sifted:
    """Samples in time: their values in base units, which to keep, and how many are out of bounds or say nothing."""

    values: Float64s
    keep: npt.NDArray[np.bool_]
    wild: int
    nothing: int


def _sift(raw: Float64s, scaling: Float64s, is_other: npt.NDArray[np.bool_]) -> _Sifted:
    """In the catalogue a stale marker or a blank ends the series, and any other NaN (an exporter's "no reading just
    now") says nothing. Outside it NaN is a value, as in a Go summary, and an end leaves nothing to store.
    """
    scale, low, high, has_blanks = scaling
    is_end = raw.view(np.uint64) == STALE_BITS
    with np.errstate(invalid="ignore"):  # a stale marker is a signalling NaN
        blank = are_blank(raw) & (has_blanks != 0)
        value = np.where(blank, np.nan, raw * scale)
        # A ratio printed in percent can come back a hair above one: that is rounding, not nonsense.
        wild = (value < low - _hair(low)) | (value > high + _hair(high))
    nothing = np.where(is_other, is_end | blank, np.isnan(raw) & ~is_end)
    return _Sifted(np.clip(value, low, high), ~(wild | nothing), int(wild.sum()), int(nothing.sum()))


def _hair(bound: Float64s) -> Float64s:
    return 1e-9 * np.maximum(1.0, np.abs(np.where(np.isfinite(bound), bound, 1.0)))
