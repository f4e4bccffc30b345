"""Readings of many homes and days at once: for the demonstration's homes, a bench, and a move from another system."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction
from psycopg import sql

Ints = npt.NDArray[np.int64]

ROWS_AT_ONCE: Final = 20_000
_COLUMNS: Final = ("home_id", "channel", "source", "on", "version", "wh", "qualities", "known_at")
_EPOCH: Final = date(2000, 1, 1)
_INT4: Final = 23


@dataclass(frozen=True, slots=True)
class DayOfWh:
    """The first version of a local day: Wh of each quarter-hour, and its qualities (empty: all measured)."""

    home_id: UUID
    channel: str
    source: str
    on: date
    wh: Ints
    qualities: str = ""


def write_days(days: Iterable[DayOfWh]) -> int:
    """Write days of which nothing is written yet. Returns how many.

    By binary COPY into a temporary table, as row-level security takes none, twenty thousand rows a transaction; what
    the database refuses of a reading it refuses here too. Memory does not grow with the number of days.
    """
    written = 0
    for some in _batches(days):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                'CREATE TEMP TABLE IF NOT EXISTS new_reading (home_id uuid, channel varchar, source varchar, "on" date,'
                " version smallint, wh int4[], qualities varchar, known_at timestamptz DEFAULT now())"
                " ON COMMIT DELETE ROWS"
            )
            cursor.execute("DELETE FROM new_reading")  # the caller's transaction may go on
            names = sql.SQL(", ").join(sql.Identifier(name) for name in _COLUMNS[:-1])
            query = sql.SQL("COPY new_reading ({}) FROM STDIN (FORMAT BINARY)").format(names)
            with cursor.copy(query) as copy:
                copy.write(_HEADER + b"".join(map(_row, some)) + _TRAILER)
            listed = ", ".join(f'"{name}"' for name in _COLUMNS)
            cursor.execute(f"INSERT INTO billing_reading ({listed}) SELECT {listed} FROM new_reading")  # noqa: S608
            written += cursor.rowcount
    return written


def _batches(days: Iterable[DayOfWh]) -> Iterator[list[DayOfWh]]:
    batch = []
    for day in days:
        batch.append(day)
        if len(batch) == ROWS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER: Final = b"\xff\xff"


def _row(day: DayOfWh) -> bytes:
    """One row in COPY's binary format: a count of fields, and each with its length."""
    wh = np.empty((len(day.wh), 2), ">i4")
    wh[:, 0], wh[:, 1] = 4, day.wh
    array = struct.pack(">iiiii", 1, 0, _INT4, len(day.wh), 1) + wh.tobytes()
    qualities = day.qualities or "m" * len(day.wh)
    fields = (
        day.home_id.bytes,
        day.channel.encode(),
        day.source.encode(),
        struct.pack(">i", (day.on - _EPOCH).days),
        struct.pack(">h", 1),
        array,
        qualities.encode(),
    )
    return struct.pack(">h", len(fields)) + b"".join(struct.pack(">i", len(field)) + field for field in fields)
