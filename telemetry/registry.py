"""Who the samples are about: GPUs, circuits and other series become ids, which workers remember.

What is remembered is of one version of the registry; who finds another one begins anew (see claims.version). A name
that is another's, or for which a node has no room, is 0: nothing of it is stored, and operators are told.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import redis

from telemetry import circuits, claims, other_series, refusals
from telemetry.batch import OTHER, Batch, GpuSubject, Layout
from telemetry.catalogue import Kind
from telemetry.claims import Known
from telemetry.refusals import Reason
from telemetry.stream import connect

logger = logging.getLogger("telemetry.registry")

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

REMEMBERED_SECONDS: Final = 6 * 3600.0
"""So long ids are remembered: less than an unheard series is kept, or samples would be of nothing."""
_CACHE_LIMIT: Final = 500_000
_LAYOUT_LIMIT: Final = 20_000


@dataclass(frozen=True, slots=True)
class _Resolved:
    """The ids of a layout's series. `doubtful` are series of GPUs that were not this node's, or that it describes in
    two ways: where one of them brings a sample, it is looked at again. None: there are none."""

    ids: Ints
    doubtful: Flags | None

    def holds(self, batch: Batch) -> bool:
        if self.doubtful is None:
            return True
        return not (self.doubtful[batch.series] & ~np.isnan(batch.values)).any()


_gpus: dict[tuple[int, str], Known] = {}
_layouts: dict[tuple[int, Layout], _Resolved] = {}
_began = [time.monotonic()]
_version = [0]


def catch_up() -> None:
    """Forget what may not hold any more. At the beginning of each transaction that stores."""
    version = claims.version()
    if version != _version[0] or time.monotonic() - _began[0] > REMEMBERED_SECONDS:
        forget()
        _version[0], _began[0] = version, time.monotonic()


def forget() -> None:
    """Empty the caches: after a rolled-back transaction their ids may not exist."""
    _gpus.clear()
    _layouts.clear()
    circuits.forget()
    other_series.forget()


def subject_ids(batches: Sequence[Batch]) -> list[Ints]:
    """For each batch the database id of the subject of each series of its layout; 0 for the node itself, and for what
    is refused. Registers what is new.

    Call within the transaction that stores the samples. Raises IndexError for a layout that does not fit itself.
    """
    strange = [batch for batch in batches if len(batch) and not _is_known(batch)]
    refused: Counter[tuple[int, Reason]] = Counter()
    borrowed = meet(strange, refused)
    fresh: dict[tuple[int, Layout], _Resolved] = {}
    for batch in strange:
        if _key(batch) not in fresh:
            fresh[_key(batch)] = _resolve(batch, borrowed, refused)
    _tell(refused)
    resolved = [fresh.get(_key(batch)) or _layouts.get(_key(batch)) for batch in batches]
    return [
        one.ids if one else np.zeros(len(batch.layout), np.int64) for batch, one in zip(batches, resolved, strict=True)
    ]


def _key(batch: Batch) -> tuple[int, Layout]:
    return batch.node_id, batch.layout


def _is_known(batch: Batch) -> bool:
    found = _layouts.get(_key(batch))
    return found is not None and found.holds(batch)


def meet(strange: Sequence[Batch], refused: Counter[tuple[int, Reason]]) -> dict[tuple[int, str], int]:
    """Learn, and register where they are new, the GPUs and circuits of these batches: a few statements for all of them.

    A fleet's first scrapes bring thousands, and so does, to a worker that has just started, everybody's next one.
    Returns ids of GPUs of which there are samples from before they left their node.
    """
    told = claims.told(strange)
    named = {(one.node_id, gpu.uuid) for one in strange for gpu in one.layout.gpus}
    unknown = {uuid for _, uuid in (key for key in named if key not in _gpus)}
    registered = claims.recall(unknown) if unknown else {}
    if len(_gpus) >= _CACHE_LIMIT:
        _gpus.clear()
    _gpus.update(
        ((node_id, uuid), registered[uuid])
        for node_id, uuid in named
        if uuid in registered and registered[uuid].node_id == node_id
    )
    known = {uuid: _gpus[node_id, uuid] for node_id, uuid in told if (node_id, uuid) in _gpus}
    settled = claims.settle(told, {**registered, **known})
    _gpus.update(settled.own)
    refused.update(settled.refused)
    beyond = circuits.meet((one.node_id, name) for one in strange for name in one.layout.circuits)
    refused.update({(node_id, Reason.SUBJECTS): count for node_id, count in beyond.items()})
    return settled.borrowed


def _resolve(batch: Batch, borrowed: dict[tuple[int, str], int], refused: Counter[tuple[int, Reason]]) -> _Resolved:
    node_id, layout = batch.node_id, batch.layout
    circuit_ids = circuits.ids(node_id, layout.circuits)
    other_ids, others_beyond = other_series.ids(node_id, layout.other_series)
    refused[node_id, Reason.BUDGET] += others_beyond
    by_kind = {
        Kind.GPU: [_gpu_id(node_id, gpu.uuid, borrowed) for gpu in layout.gpus],
        Kind.CIRCUIT: circuit_ids,
        OTHER: other_ids,
    }
    ids = np.zeros(len(layout), np.int64)
    for kind, known in by_kind.items():
        mine = layout.kinds == kind
        ids[mine] = np.array(known, np.int64)[layout.subjects[mine]]
    resolved = _Resolved(ids, _doubtful(layout, [(node_id, gpu.uuid) in _gpus for gpu in layout.gpus]))
    if 0 not in circuit_ids and 0 not in other_ids:  # else there is room later
        if len(_layouts) >= _LAYOUT_LIMIT:
            _layouts.clear()
        _layouts[_key(batch)] = resolved
    return resolved


def _gpu_id(node_id: int, uuid: str, borrowed: dict[tuple[int, str], int]) -> int:
    known = _gpus.get((node_id, uuid))
    return known.pk if known else borrowed.get((node_id, uuid), 0)


def _doubtful(layout: Layout, are_own: Iterable[bool]) -> Flags | None:
    """See _Resolved."""
    times = Counter(gpu.uuid for gpu in layout.gpus)
    gpus: list[GpuSubject] = list(layout.gpus)
    odd = np.array([not own or times[gpu.uuid] > 1 for gpu, own in zip(gpus, are_own, strict=True)], np.bool_)
    if not odd.any():
        return None
    doubtful = np.zeros(len(layout), np.bool_)
    mine = layout.kinds == Kind.GPU
    doubtful[mine] = odd[layout.subjects[mine]]
    return doubtful


def _tell(refused: Counter[tuple[int, Reason]]) -> None:
    counts = {key: (1, samples) for key, samples in refused.items() if samples}
    if not counts:
        return
    try:
        refusals.tell(connect(), counts)
    except redis.RedisError as error:
        logger.warning("refusals cannot be counted: %s", error)
