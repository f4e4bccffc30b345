"""Rows between numpy and Postgres in its binary formats, built for whole batches at once.

Source: the PostgreSQL documentation of COPY, section Binary Format.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import psycopg
from django.db import connection

HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER: Final = b"\xff\xff"
EPOCH_2000_US: Final = 946_684_800_000_000
_NULL: Final = np.frombuffer((-1).to_bytes(4, "big", signed=True), np.uint8)


def timestamps(at_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Milliseconds since 1970 as Postgres stores a timestamptz: microseconds since 2000."""
    return at_ms * 1000 - EPOCH_2000_US


def binary_rows(
    columns: list[tuple[npt.NDArray[Any], str]], values: npt.NDArray[np.float64], sizes: list[int]
) -> bytes:
    """A complete COPY body.

    `columns` are leading NOT NULL columns as (array, big-endian dtype such as ">i4"); `values` is a
    (rows, n) matrix where NaN becomes NULL, and `sizes` says for each of its columns whether it is
    float32 (4) or float64 (8).
    """
    rows = values.shape[0]
    parts: list[npt.NDArray[np.uint8]] = [_constant(rows, len(columns) + len(sizes), 2)]
    keep: list[npt.NDArray[np.bool_]] = [np.ones((rows, 2), np.bool_)]
    for array, dtype in columns:
        data = _bytes(array, dtype)
        parts += [_constant(rows, data.shape[1], 4), data]
        keep.append(np.ones((rows, 4 + data.shape[1]), np.bool_))
    absent = np.isnan(values)
    for i, size in enumerate(sizes):
        length = _constant(rows, size, 4)
        length[absent[:, i]] = _NULL
        parts += [length, _bytes(values[:, i], f">f{size}")]
        keep += [np.ones((rows, 4), np.bool_), np.repeat(~absent[:, i : i + 1], size, axis=1)]
    matrix, mask = np.concatenate(parts, axis=1), np.concatenate(keep, axis=1)
    return HEADER + matrix[mask].tobytes() + TRAILER


def fetch(query: str, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
    """A query's rows, sent in binary: a body arrives as it is and not as twice as many hexadecimal digits."""
    _prepare()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as binary:
        return binary.execute(query.encode(), arguments, prepare=False, binary=True).fetchall()


def execute(query: str, arguments: Sequence[Any]) -> None:
    """A statement whose arguments travel beside it, bodies in binary; Django's cursors write them into its text."""
    _prepare()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as binary:
        binary.execute(query.encode(), arguments, prepare=False)


def ints(numbers: Iterable[int]) -> str:
    """For `%s::int[]` or `%s::bigint[]`: psycopg looks at each member of a list, a fleet takes a millisecond."""
    return "{" + ",".join(map(str, numbers)) + "}"


def copy_out(query: str, arguments: Sequence[Any]) -> bytes:
    """The whole answer of a binary COPY ... TO STDOUT.

    psycopg hands over a row at a time and looks for its turn at each: what has arrived already is taken at once.
    """
    _prepare()
    parts, ready = [], connection.connection.pgconn
    with (
        connection.wrap_database_errors,
        psycopg.Cursor(connection.connection) as binary,
        binary.copy(query.encode(), arguments) as copy,
    ):
        while part := copy.read():
            parts.append(bytes(part))
            # After the trailer there is nothing to take, and only psycopg knows how to end a COPY.
            while not parts[-1].endswith(TRAILER) and (more := ready.get_copy_data(1))[0] > 0:
                parts.append(bytes(more[1]))
    return b"".join(parts)


def _prepare() -> None:
    """Django's cursors know only text, but that there is a connection, and on whose behalf it asks, they see to."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _constant(rows: int, number: int, size: int) -> npt.NDArray[np.uint8]:
    return np.tile(np.frombuffer(number.to_bytes(size, "big"), np.uint8), (rows, 1))


def _bytes(array: npt.NDArray[Any], dtype: str) -> npt.NDArray[np.uint8]:
    wide = np.ascontiguousarray(array).astype(dtype)
    return wide.view(np.uint8).reshape(len(wide), wide.dtype.itemsize)
