"""The raw samples of an hour of one kind of a node, sealed into one body, every value kept to the bit.

Pure. A column is written as whole numbers where its values are decimals of few digits, which is what instruments
report, and otherwise by the bits of its floats. Of these numbers, their differences or the differences of those,
whatever takes the least room is kept: byte by byte in planes, so that the zeros lie together, compressed with
zstd. Each column stands for itself, so that a chart of one metric opens no other.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import cramjam
import numpy as np
import numpy.typing as npt

from telemetry.catalogue import COLUMNS, Column, Kind, Shape
from telemetry.raw_rows import RawRows

_MAGIC: Final = b"XFS1"
_HEAD: Final = struct.Struct("<4siHIIH")
"""magic, node id, subjects, instants, rows, columns"""
_ENTRY: Final = struct.Struct("<HII")
"""code, bytes that say which rows have a value (0: all), bytes of the values"""
_NUMBERS: Final = struct.Struct("<bBB")
"""decimal digits, how often differences were taken, bytes of each number"""
_BITS: Final = -128
"""In place of the decimal digits: the numbers are the floats' bits."""
_DIGITS: Final = range(-9, 10)
_TRIED_FIRST: Final = 16
_EXACT: Final = float(1 << 53)
_LEVEL: Final = 3

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.uint64]
"""Whole numbers modulo 2**64, so that differences never overflow."""


def encode(kind: Kind, rows: RawRows) -> bytes:
    """Body of one node's rows of one kind, which have a value for every column code."""
    subject_ids, subject = np.unique(rows.subject_ids, return_inverse=True)
    instants, instant = np.unique(rows.at_ms, return_inverse=True)
    grid = np.zeros(len(subject_ids) * len(instants), np.bool_)
    grid[subject * len(instants) + instant] = True
    blocks = []
    for column in COLUMNS[kind]:
        values = rows.values[:, column.code]
        known = ~np.isnan(values)
        if known.any():
            blocks.append((column.code, _flags(known), _column(column, values[known])))
    keys = [_numbers(instants.astype(np.uint64)), _flags(grid)]
    head = _HEAD.pack(_MAGIC, int(rows.node_ids[0]), len(subject_ids), len(instants), len(rows), len(blocks))
    entries = [_ENTRY.pack(code, len(known), len(values)) for code, known, values in blocks]
    lengths = struct.pack("<II", *map(len, keys))
    bodies = [part for _, known, values in blocks for part in (known, values)]
    return b"".join([head, subject_ids.astype("<i4").tobytes(), lengths, *entries, *keys, *bodies])


def decode(kind: Kind, body: bytes, columns: Sequence[Column]) -> RawRows:
    """The rows, sorted by subject and instant, with the values of these columns.

    Raises ValueError for a body that `encode` did not make.
    """
    try:
        return _decode(kind, body, columns)
    except (struct.error, IndexError, ValueError, cramjam.DecompressionError) as error:
        raise ValueError("not a sealed body") from error


def _decode(kind: Kind, body: bytes, columns: Sequence[Column]) -> RawRows:
    magic, node_id, subjects, instants, count, blocks = _HEAD.unpack_from(body)
    if magic != _MAGIC:
        raise ValueError("wrong magic")
    at = _HEAD.size
    subject_ids = np.frombuffer(body, "<i4", subjects, at).astype(np.int64)
    at += subject_ids.size * 4
    lengths = struct.unpack_from("<II", body, at)
    at += 8
    entries = [_ENTRY.unpack_from(body, at + i * _ENTRY.size) for i in range(blocks)]
    at += blocks * _ENTRY.size
    at_ms = _to_numbers(body[at : at + lengths[0]], instants).astype(np.int64)
    at += lengths[0]
    cells = np.flatnonzero(_to_flags(body[at : at + lengths[1]], subjects * instants))
    at += lengths[1]
    if len(cells) != count:
        raise ValueError("wrong number of rows")
    wanted = {column.code: i for i, column in enumerate(columns)}
    values = np.full((count, len(columns)), np.nan)
    for code, known, size in entries:
        if code in wanted:
            some = _to_flags(body[at : at + known], count)
            held = body[at + known : at + known + size]
            values[some, wanted[code]] = _to_column(COLUMNS[kind][code], held, int(some.sum()))
        at += known + size
    if at != len(body):
        raise ValueError("wrong length")
    subject, instant = np.divmod(cells, max(1, instants))
    return RawRows(np.full(count, node_id, np.int64), subject_ids[subject], at_ms[instant], values)


def _flags(flags: npt.NDArray[np.bool_]) -> bytes:
    """Nothing where all of them are set."""
    return b"" if flags.all() else _zip(np.packbits(flags).tobytes())


def _to_flags(body: bytes, count: int) -> npt.NDArray[np.bool_]:
    if not body:
        return np.ones(count, np.bool_)
    return np.unpackbits(np.frombuffer(_unzip(body), np.uint8), count=count).astype(np.bool_)


def _column(column: Column, values: Floats) -> bytes:
    digits = _digits(values, _dtype(column))
    if digits is None:
        return _numbers(_bits(values, _dtype(column)))
    return _numbers(np.rint(_scaled(values, digits)).astype(np.int64).view(np.uint64), digits)


def _to_column(column: Column, body: bytes, count: int) -> Floats:
    dtype, (digits, _, _) = _dtype(column), _NUMBERS.unpack_from(body)
    numbers = _to_numbers(body, count)
    if digits == _BITS:
        return numbers.astype(f"<u{dtype.itemsize}").view(dtype).astype(np.float64)
    with np.errstate(over="ignore"):  # only a damaged body holds what is too large
        return _scaled(numbers.view(np.int64).astype(np.float64), -digits).astype(dtype).astype(np.float64)


def _dtype(column: Column) -> np.dtype[np.floating]:
    return np.dtype("<f8" if column.shape is Shape.COUNTER else "<f4")


def _bits(values: Floats, dtype: np.dtype[np.floating]) -> Numbers:
    return values.astype(dtype).view(f"<u{dtype.itemsize}").astype(np.uint64)


def _scaled(values: Floats, digits: int) -> Floats:
    """Values * 10**digits. By a power of ten that is itself exact: 10**-3 as a float is not."""
    return values * 10.0**digits if digits >= 0 else values / 10.0**-digits


def _digits(values: Floats, dtype: np.dtype[np.floating]) -> int | None:
    """The fewest decimal digits after (negative: zeros before) the point that give each value back to the bit."""
    return next((d for d in _DIGITS if _fits(values[:_TRIED_FIRST], d, dtype) and _fits(values, d, dtype)), None)


def _fits(values: Floats, digits: int, dtype: np.dtype[np.floating]) -> bool:
    with np.errstate(over="ignore"):
        whole = np.rint(_scaled(values, digits)) + 0.0  # whole numbers know no minus zero
        if np.abs(whole).max() >= _EXACT:
            return False
        return bool((_bits(_scaled(whole, -digits), dtype) == _bits(values, dtype)).all())


def _numbers(numbers: Numbers, digits: int = _BITS) -> bytes:
    """The smallest of the numbers themselves, their differences, and the differences of those."""
    tried = []
    for order in range(3):
        zigzag = (numbers << np.uint64(1)) ^ np.where(numbers >> np.uint64(63), ~np.uint64(0), np.uint64(0))
        width = max(1, -(-int(zigzag.max(initial=0)).bit_length() // 8))
        planes = zigzag.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width].T
        tried.append(_NUMBERS.pack(digits, order, width) + _zip(planes.tobytes()))
        numbers = np.diff(numbers, prepend=np.uint64(0))
    return min(tried, key=len)


def _to_numbers(body: bytes, count: int) -> Numbers:
    _, order, width = _NUMBERS.unpack_from(body)
    planes = np.frombuffer(_unzip(body[_NUMBERS.size :]), np.uint8).reshape(width, count)
    wide = np.zeros((count, 8), np.uint8)
    wide[:, :width] = planes.T
    zigzag = wide.view("<u8")[:, 0].astype(np.uint64)
    numbers = (zigzag >> np.uint64(1)) ^ np.where(zigzag & np.uint64(1), ~np.uint64(0), np.uint64(0))
    for _ in range(order):
        numbers = np.cumsum(numbers, dtype=np.uint64)
    return numbers


def _zip(raw: bytes) -> bytes:
    return bytes(cramjam.zstd.compress(raw, level=_LEVEL))


def _unzip(body: bytes) -> bytes:
    return bytes(cramjam.zstd.decompress(body))
