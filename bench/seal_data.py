"""Raw rows of the simulator's nodes, weighed, sealed and weighed again: `python -m bench.seal_data` in a portal's
environment. The last line is JSON: samples, bytes as rows and sealed, CPU seconds of this process and of its Postgres.
"""

from __future__ import annotations

import hashlib
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from django.db import connection, connections

from bench.read_data import RAW_MINUTES, RAW_STEP_SECONDS, live_through
from homes.models import Node
from telemetry import raw, sealing
from telemetry.catalogue import COLUMNS, Kind
from telemetry.tables import PARTITION_SECONDS, SAMPLE_TABLES, SEALED_TABLE

_SPAN: Final = max(PARTITION_SECONDS[table] for table in SAMPLE_TABLES.values())
_NEVER: Final = 10**10
"""An instant at which everything is due."""


def main() -> None:
    end = datetime.fromtimestamp(int(time.time()) // _SPAN * _SPAN - _SPAN, UTC)
    nodes = list(Node.objects.select_related("home").order_by("hostname"))
    live_through(nodes, end, minutes=0, days=1)
    print(f"{len(nodes)} nodes have lived through an hour at {RAW_STEP_SECONDS} s", flush=True)
    ids, start = [node.pk for node in nodes], end - timedelta(minutes=RAW_MINUTES)
    before, samples = _digest(ids, start, end)
    with connections["owner"].cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
    rows = sum(_weight(table) for table in SAMPLE_TABLES.values())
    began = time.process_time()
    while sealing.seal(seconds=600, now=_NEVER):
        pass
    cpu = time.process_time() - began
    after, kept = _digest(ids, start, end)
    found = {
        "samples": samples,
        "row_bytes": rows,
        "sealed_bytes": _weight(SEALED_TABLE),
        "left_as_rows": sum(_weight(table, "pg_relation_size") for table in SAMPLE_TABLES.values()),
        "is_whole": before == after and samples == kept,
        "cpu_seconds": cpu,
    }
    print(json.dumps(found), flush=True)


def _digest(ids: list[int], start: datetime, end: datetime) -> tuple[str, int]:
    """Of everything that the reads say, bit by bit; and how many samples that is."""
    digest, samples = hashlib.blake2b(), 0
    for node_id in ids:
        for kind in Kind:
            rows = raw.read(kind, [node_id], COLUMNS[kind], start.timestamp(), end.timestamp() + 1)
            some = ~np.isnan(rows.values)
            for array in (rows.subject_ids, rows.at_ms, some, rows.values[some]):
                digest.update(array.tobytes())
            samples += int(some.sum())
    return digest.hexdigest(), samples


def _weight(table: str, function: str = "pg_total_relation_size") -> int:
    """Bytes of a table's partitions: with indexes and TOAST, or as another of Postgres' functions weighs them."""
    query = f"SELECT coalesce(sum({function}(inhrelid)), 0)::bigint FROM pg_inherits WHERE inhparent = %s::regclass"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(query, [table])
        return int(cursor.fetchone()[0])


if __name__ == "__main__":
    main()
