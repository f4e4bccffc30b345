"""Rows between numpy and Postgres in its binary formats, built for whole batches at once.

Source: the PostgreSQL documentation of COPY, section Binary Format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import psycopg
from django.db import connection

HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER: Final = b"\xff\xff"
EPOCH_2000_US: Final = 946_684_800_000_000
_NULL: Final = -1


def timestamps(at_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Milliseconds since 1970 as Postgres stores a timestamptz: microseconds since 2000."""
    return at_ms * 1000 - EPOCH_2000_US


def binary_rows(
    columns: list[tuple[npt.NDArray[Any], str]], values: npt.NDArray[np.float64], sizes: list[int]
) -> bytes:
    """A complete COPY body: rows that lack nothing, then the others.

    `columns` are leading NOT NULL columns as (array, big-endian dtype such as ">i4"); `values` is a
    (rows, n) matrix where NaN becomes NULL, and `sizes` says for each of its columns whether it is
    float32 (4) or float64 (8).
    """
    cells = [*columns, *((values[:, i], f">f{size}") for i, size in enumerate(sizes))]
    fields: list[tuple[str, str]] = [("count", ">i2")]
    for i, (_, dtype) in enumerate(cells):
        fields += [(f"length{i}", ">i4"), (f"value{i}", dtype)]
    table = np.empty(len(values), fields)
    table["count"] = len(cells)
    for i, (array, dtype) in enumerate(cells):
        table[f"length{i}"] = np.dtype(dtype).itemsize
        table[f"value{i}"] = array
    return HEADER + _without_absent(table, np.isnan(values), len(columns)) + TRAILER


def _without_absent(table: npt.NDArray[Any], absent: npt.NDArray[np.bool_], first: int) -> bytes:
    """Rows as bytes, of absent values (the first is in column `first`) only that they are NULL."""
    some = absent.any(axis=1)
    if not some.any():
        return table.tobytes()
    whole, table, absent = table[~some].tobytes(), table[some], absent[some]
    octets = table.view(np.uint8).reshape(len(table), -1)
    mask, places = np.ones(octets.shape, np.bool_), cast(Mapping[str, tuple[Any, ...]], table.dtype.fields)
    for i in range(absent.shape[1]):
        size, begin = places[f"value{first + i}"][:2]
        table[f"length{first + i}"][absent[:, i]] = _NULL
        mask[absent[:, i], begin : begin + size.itemsize] = False
    return whole + octets[mask].tobytes()


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
