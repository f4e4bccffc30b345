"""Since when a GPU tells of its XID. The gauge sticks and is told anew with each scrape; the event is its change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np
from django.db import connection

from telemetry.catalogue import BY_NAME, Kind
from telemetry.latest import Table

_XID: Final = BY_NAME[Kind.GPU]["xid"].code


def note(node_ids: Sequence[int], gpus: Table) -> None:
    """Bring what is remembered of these nodes up to date; the table holds all columns of all their GPUs.

    What a node still holds of a GPU that has moved to another one is no word of that GPU.
    """
    rows = np.flatnonzero(gpus.values[:, _XID] > 0)
    gpu_ids = gpus.subject_ids[rows].tolist()
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM telemetry_gpuxid WHERE node_id = ANY(%s::bigint[]) AND gpu_id <> ALL(%s::bigint[])",
            [list(node_ids), gpu_ids],
        )
        if not gpu_ids:
            return
        cursor.execute(
            "INSERT INTO telemetry_gpuxid AS x (gpu_id, node_id, code, since) SELECT g.id, g.node_id, code, at"
            " FROM unnest(%s::bigint[], %s::bigint[], %s::int[], %s::timestamptz[]) AS told(gpu_id, node_id, code, at)"
            " JOIN homes_gpu g ON g.id = told.gpu_id AND g.node_id = told.node_id"
            " ON CONFLICT (gpu_id) DO UPDATE SET node_id = EXCLUDED.node_id, code = EXCLUDED.code,"
            " since = EXCLUDED.since WHERE (x.node_id, x.code) <> (EXCLUDED.node_id, EXCLUDED.code)",
            [
                gpu_ids,
                gpus.node_ids[rows].tolist(),
                gpus.values[rows, _XID].astype(np.int64).tolist(),
                [datetime.fromtimestamp(ms / 1000, UTC) for ms in gpus.at_ms[rows, _XID].tolist()],
            ],
        )
