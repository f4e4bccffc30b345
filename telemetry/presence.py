"""Which GPUs of a node went missing or came back: what has a sample is there, whatever else the node once named."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from homes.models import Gpu, InventoryEvent
from telemetry import copying

Ints = npt.NDArray[np.int64]

GONE_SECONDS: Final = 60.0


def note(node_ids: Ints, gpu_ids: Ints, seen_ms: Ints) -> None:
    """Record which GPUs of some nodes went missing or came back.

    Arrays (n,), sorted by node and GPU, give the newest sample of each GPU that had a value, in milliseconds. A GPU is
    gone when its siblings have been heard GONE_SECONDS later than it; a node that is silent as a whole loses no GPU.
    """
    nodes, starts = np.unique(node_ids, return_index=True)
    if not len(nodes):
        return
    known = copying.fetch(
        "SELECT node_id::bigint << 32 | id, gone_at IS NOT NULL, (extract(epoch FROM first_seen_at) * 1000)::bigint"
        " FROM homes_gpu WHERE node_id = ANY(%s)",
        [nodes.tolist()],
    )
    keys, gone, first_ms = (
        (np.array(column, np.int64) for column in zip(*known, strict=True)) if known else (starts[:0],) * 3
    )
    newest = np.maximum.reduceat(seen_ms, starts)[np.searchsorted(nodes, keys >> 32)]
    last = np.full(len(keys), -1)
    _, mine, theirs = np.intersect1d(keys, node_ids << 32 | gpu_ids, return_indices=True)
    last[mine] = seen_ms[theirs]
    is_away = newest - np.where(last < 0, first_ms, last) > GONE_SECONDS * 1000
    is_back = (gone != 0) & (last >= 0) & ~is_away
    for i in np.flatnonzero(is_back | (is_away & (gone == 0))).tolist():
        _record(
            int(keys[i] & 0xFFFFFFFF),
            bool(is_back[i]),
            instant(newest[i]),
            instant(last[i]) if last[i] >= 0 else None,
        )


def _record(gpu_id: int, is_back: bool, newest: datetime, last: datetime | None) -> None:
    gpu = Gpu.objects.get(pk=gpu_id)
    Gpu.objects.filter(pk=gpu_id).update(gone_at=None if is_back else last or newest)
    kind = InventoryEvent.Kind.BACK if is_back else InventoryEvent.Kind.GONE
    InventoryEvent.objects.create(node_id=gpu.node_id, gpu_uuid=gpu.uuid, kind=kind, at=newest)


def instant(at_ms: int) -> datetime:
    """From Unix milliseconds."""
    return datetime.fromtimestamp(int(at_ms) / 1000, UTC)
