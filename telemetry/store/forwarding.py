"""Wide rows back into bodies of Prometheus remote-write 1.0, under their canonical names.

Ends of series are not forwarded: a gap says the same, and a value of the next series at the same instant, which may
come in another body, would contradict the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import Final

import cramjam
import numpy as np
import numpy.typing as npt

from telemetry.catalogue import COLUMNS, Kind, LabelPairs, Shape
from telemetry.store import exact, names, subjects
from telemetry.wide_rows import Rows
from telemetry.widening import Ints, Others

Floats = npt.NDArray[np.float64]

BODY_BYTES: Final = 8 << 20
"""Of one request, before compression; engines take 32 MiB and more."""
SAMPLE_BYTES: Final = 18
_TIME_BYTES: Final = 6
_FIRST_MS, _LAST_MS = 1 << 35, (1 << 42) - 1
"""The milliseconds whose varint has six bytes: from 1971 to 2109."""
_OTHERS_LIMIT: Final = 500_000
_others: dict[int, bytes] = {}


def bodies(wide: Sequence[Rows], other: Others) -> Iterator[bytes]:
    """Compressed requests of about BODY_BYTES each, none when there are no samples.

    Raises ValueError for an instant that no engine could keep, KeyError for a subject that is not known any more.
    """
    held: list[bytes] = []
    size = 0
    for message in _messages(wide, other):
        held.append(message)
        size += len(message)
        if size >= BODY_BYTES:
            yield _compress(held)
            held, size = [], 0
    if held:
        yield _compress(held)


def _compress(parts: list[bytes]) -> bytes:
    return bytes(cramjam.snappy.compress_raw(b"".join(parts)))


def _messages(wide: Sequence[Rows], other: Others) -> Iterator[bytes]:
    for rows in wide:
        yield from _of_rows(rows)
    yield from _of_others(other)


def _of_rows(rows: Rows) -> Iterator[bytes]:
    new = np.flatnonzero(np.diff(rows.node_ids << 32 | rows.subject_ids, prepend=-1))
    about = _subject_labels(rows.kind, rows.node_ids[new].tolist(), rows.subject_ids[new].tolist())
    subject = np.repeat(np.arange(len(new)), np.diff(new, append=len(rows.at_ms)))
    yield from _of_matrix(_column_labels(rows.kind), about, subject, rows.at_ms, rows.values)
    counters = [column.code for column in COLUMNS[rows.kind] if column.shape is Shape.COUNTER]
    rest = exact.mantissas(rows.values[:, counters])
    yield from _of_matrix(_mantissa_labels(rows.kind), about, subject, rows.at_ms, rest)


def _of_matrix(
    metrics: Sequence[bytes], about: Sequence[bytes], subject: Ints, at_ms: Ints, values: Floats
) -> Iterator[bytes]:
    """One TimeSeries for each subject and column that has values; rows are sorted by subject and instant."""
    row, column = np.nonzero(~np.isnan(values))
    series = subject[row] * len(metrics) + column
    order = np.argsort(series, kind="stable")
    row, column, series = row[order], column[order], series[order]
    for key, samples in _split(series, at_ms[row], values[row, column]):
        which, code = divmod(key, len(metrics))
        content = metrics[code] + about[which] + samples
        yield _head(len(content)) + content


def _of_others(other: Others) -> Iterator[bytes]:
    _, series_ids, at_ms, values = other
    order = np.lexsort((at_ms, series_ids))
    series_ids, at_ms, values = series_ids[order], at_ms[order], values[order]
    # The same instant twice: the later to arrive stays, as in the table.
    last = np.append((np.diff(series_ids) != 0) | (np.diff(at_ms) != 0), True)[: len(values)]
    labels = _other_labels(np.unique(series_ids).tolist())
    for key, samples in _split(series_ids[last], at_ms[last], values[last]):
        content = labels[key] + samples
        yield _head(len(content)) + content


def _split(series: Ints, at_ms: Ints, values: Floats) -> Iterator[tuple[int, bytes]]:
    """(series, its Sample messages) of samples that are sorted by series."""
    encoded = _samples(at_ms, values)
    starts = np.flatnonzero(np.diff(series, prepend=-1))
    ends = np.append(starts[1:], len(series)) * SAMPLE_BYTES
    places = (starts * SAMPLE_BYTES).tolist(), ends[: len(starts)].tolist()
    return ((key, encoded[begin:end]) for key, begin, end in zip(series[starts].tolist(), *places, strict=True))


def _samples(at_ms: Ints, values: Floats) -> bytes:
    """Sample messages as fields of a TimeSeries, all of one length."""
    if len(at_ms) and (int(at_ms.min()) < _FIRST_MS or int(at_ms.max()) > _LAST_MS):
        raise ValueError("an instant before 1971 or after 2109")
    out = np.empty((len(at_ms), SAMPLE_BYTES), np.uint8)
    out[:, :3] = (0x12, SAMPLE_BYTES - 2, 0x09)
    out[:, 3:11] = values.astype("<f8").view(np.uint8).reshape(-1, 8)
    out[:, 11] = 0x10
    out[:, 12:] = at_ms[:, None] >> 7 * np.arange(_TIME_BYTES) & 0x7F
    out[:, 12:-1] |= 0x80
    return out.tobytes()


@cache
def _column_labels(kind: Kind) -> list[bytes]:
    return [_label_bytes((("__name__", names.metric(column)),)) for column in COLUMNS[kind]]


@cache
def _mantissa_labels(kind: Kind) -> list[bytes]:
    counters = [column for column in COLUMNS[kind] if column.shape is Shape.COUNTER]
    return [_label_bytes((("__name__", names.mantissa_metric(column)),)) for column in counters]


def _subject_labels(kind: Kind, node_ids: Sequence[int], subject_ids: Sequence[int]) -> list[bytes]:
    """All labels but the name, in order: circuit and gpu come before node."""
    label, known = names.SUBJECT_LABELS.get(kind), subjects.names(kind, subject_ids)
    found = []
    for node_id, subject in zip(node_ids, subject_ids, strict=True):
        own = ((label, known[kind, subject]),) if label else ()
        found.append(_label_bytes((*own, (names.NODE_LABEL, str(node_id)))))
    return found


def _other_labels(series_ids: Sequence[int]) -> dict[int, bytes]:
    unknown = [one for one in series_ids if one not in _others]
    if unknown:
        if len(_others) > _OTHERS_LIMIT:
            _others.clear()
            unknown = list(series_ids)
        for pk, (node_id, name, labels) in subjects.other_series(unknown).items():
            _others[pk] = _label_bytes(names.foreign(node_id, name, labels))
    return _others


@lru_cache(maxsize=100_000)
def _label_bytes(labels: LabelPairs) -> bytes:
    """Label messages as fields of a TimeSeries; sorted, as the protocol demands."""
    out = bytearray()
    for name, value in labels:
        one, other = name.encode(), value.encode()
        pair = b"\x0a" + _varint(len(one)) + one + b"\x12" + _varint(len(other)) + other
        out += b"\x0a" + _varint(len(pair)) + pair
    return bytes(out)


@lru_cache(maxsize=10_000)
def _head(length: int) -> bytes:
    """Where a TimeSeries of so many bytes begins in a WriteRequest."""
    return b"\x0a" + _varint(length)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
