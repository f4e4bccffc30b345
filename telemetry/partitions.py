"""Partition upkeep: make them ahead, drop them by retention. Run at start and by beat."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from django.conf import settings
from django.db import OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable

from telemetry.tables import DAY, FLEET_TABLE, PARTITION_SECONDS

logger = logging.getLogger("telemetry.partitions")

AHEAD_SECONDS: Final = 2 * DAY
TRIES_TO_DROP: Final = 100
PAUSE_SECONDS: Final = 0.05
"""Between two tries to find a table unused. A busy one is free for most of each second."""
ROLLUP_RETENTION_SECONDS: Final = {
    "telemetry_rollup_1m": 14 * DAY,
    "telemetry_rollup_15m": 400 * DAY,
    "telemetry_rollup_1h": 10 * 365 * DAY,
    FLEET_TABLE: 10 * 365 * DAY,
}

MOST_RAW_HOURS: Final = (ROLLUP_RETENTION_SECONDS["telemetry_rollup_1m"] - DAY) // 3600
"""Raw samples may be as old as that: hours are made from minutes, which have to be there when a sample comes late, and
for another day in which it is rolled up."""


def retention_seconds(table: str) -> int:
    """How far back rows of a partitioned table are kept, in seconds."""
    return ROLLUP_RETENTION_SECONDS.get(table, settings.RAW_RETENTION_HOURS * 3600)


def ensure_partitions(now: float | None = None) -> int:
    """Make the partitions that samples may arrive for: from raw retention ago to two days ahead."""
    instant = time.time() if now is None else now
    behind = settings.RAW_RETENTION_HOURS * 3600
    return sum(ensure_range(table, instant - behind, instant + AHEAD_SECONDS) for table in PARTITION_SECONDS)


def ensure_range(table: str, start: float, end: float) -> int:
    """Make every partition of `table` that overlaps [start, end), Unix seconds. Returns how many were new."""
    span = PARTITION_SECONDS[table]
    return sum(_ensure(table, begin, span) for begin in range(int(start // span * span), int(end) + 1, span))


def _ensure(table: str, begin: int, span: int) -> bool:
    bounds = [datetime.fromtimestamp(second, UTC) for second in (begin, begin + span)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT telemetry_ensure_partition(%s, %s, %s)", [table, *bounds])
        return bool(cursor.fetchone()[0])


def drop_expired(now: float | None = None, tables: Iterable[str] = PARTITION_SECONDS) -> int:
    """Drop partitions that lie wholly before their table's retention. Returns how many went.

    By Postgres' clock, which has the last word. A table that is in use whenever it is tried keeps its partitions until
    the next turn, and the others do not wait for it.
    """
    dropped = 0
    for table in tables:
        while _drop_oldest(table, now):
            dropped += 1
    return dropped


def _drop_oldest(table: str, now: float | None) -> bool:
    """Whether there was one, and it went."""
    for _ in range(TRIES_TO_DROP):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(
                    "SELECT telemetry_drop_partitions(%s, coalesce(to_timestamp(%s), now())"
                    " - make_interval(secs => %s))",
                    [table, now, retention_seconds(table)],
                )
                return bool(cursor.fetchone()[0])
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            time.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311  (not in step with whoever uses it)
    logger.warning("%s is in use all the time: its expired partitions go with the next turn", table)
    return False
