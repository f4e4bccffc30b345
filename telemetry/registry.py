"""Who the samples are about: GPUs, circuits and other series become ids; a change of GPUs becomes an event.

A GPU is its UUID. The first sample that names it registers it; the same UUID behind another node's
credential is a move, which somebody will want to know about.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

import numpy as np
import numpy.typing as npt
import orjson
import redis
from django.conf import settings

from homes.models import Gpu, InventoryEvent
from telemetry import copying, refusals
from telemetry.batch import OTHER, Batch, GpuSubject, Layout, OtherSubject
from telemetry.catalogue import Kind
from telemetry.models import Circuit, OtherSeries
from telemetry.models.series import MAX_OTHER_SERIES
from telemetry.refusals import Reason
from telemetry.stream import connect
from telemetry.tables import OTHER_TABLE

logger = logging.getLogger("telemetry.registry")

Ints = npt.NDArray[np.int64]

GONE_SECONDS: Final = 60.0
_ARRIVALS: Final = (InventoryEvent.Kind.NEW, InventoryEvent.Kind.MOVED)

_gpus: dict[tuple[int, str], int] = {}
_circuits: dict[tuple[int, str], int] = {}
_others: dict[tuple[int, bytes], int] = {}
_layouts: dict[tuple[int, Layout], Ints] = {}
_full: dict[int, float] = {}
"""Nodes whose other series are as many as may be, and until when nobody looks again, in monotonic seconds."""
_FULL_SECONDS: Final = 60.0
_OTHERS_SECONDS: Final = 6 * 3600.0
"""So long ids of other series are remembered: less than an unheard one is kept, or samples would be of nothing."""
_UNHEARD_SECONDS: Final = 24 * 3600
_SEEN_SECONDS: Final = 3600
_others_since = [time.monotonic()]
_CACHE_LIMIT: Final = 500_000
_LAYOUT_LIMIT: Final = 20_000


def subject_ids(batch: Batch) -> Ints:
    """The database id of the subject of each series of a batch's layout; 0 for the node itself. Registers what is new.

    0 too for a series outside the catalogue that finds no room within the node's bound: nothing of it is stored.

    Call within the transaction that stores the samples. Raises IndexError for a layout that does not fit itself.
    """
    key = (batch.node_id, batch.layout)
    found = _layouts.get(key)
    return _resolve(batch) if found is None else found


def meet(batches: Sequence[Batch]) -> None:
    """Learn, and register where they are new, the GPUs and circuits of these batches: a few statements for all of them.

    A fleet's first scrapes bring thousands, and so does, to a worker that has just started, everybody's next one.
    """
    if time.monotonic() - _others_since[0] > _OTHERS_SECONDS:
        _others.clear()
        _layouts.clear()
        _others_since[0] = time.monotonic()
    strange = [one for one in batches if len(one) and (one.node_id, one.layout) not in _layouts]
    gpus: dict[str, tuple[Batch, GpuSubject]] = {}
    for batch in strange:
        for gpu in batch.layout.gpus:
            if (batch.node_id, gpu.uuid) not in _gpus:
                gpus.setdefault(gpu.uuid, (batch, gpu))
    if gpus:
        _limit(_gpus)
        known = _recall_gpus(gpus)
        _register_new_gpus({uuid: named for uuid, named in gpus.items() if uuid not in known})
    circuits = {one.node_id for one in strange for name in one.layout.circuits if (one.node_id, name) not in _circuits}
    if circuits:
        _limit(_circuits)
        found = Circuit.objects.filter(node__in=circuits).values_list("node_id", "name", "pk")
        _circuits.update(((node_id, name), pk) for node_id, name, pk in found)


def _recall_gpus(uuids: Iterable[str]) -> set[str]:
    """Remember where these are, as far as they are registered. Returns those that are."""
    found = Gpu.objects.filter(uuid__in=uuids).values_list("node_id", "uuid", "pk")
    _gpus.update(((node_id, uuid), pk) for node_id, uuid, pk in found)
    return {uuid for _, uuid, _ in found}


def _resolve(batch: Batch) -> Ints:
    node_id, layout = batch.node_id, batch.layout
    meet([batch])
    by_kind = {
        Kind.GPU: [_gpu_id(batch, gpu) for gpu in layout.gpus],
        Kind.CIRCUIT: [_circuit_id(node_id, name) for name in layout.circuits],
        OTHER: _other_ids(node_id, layout.other_series),
    }
    ids = np.zeros(len(layout), np.int64)
    for kind, known in by_kind.items():
        mine = layout.kinds == kind
        ids[mine] = np.array(known, np.int64)[layout.subjects[mine]]
    # Else one of them is another node's for now, or finds room later.
    if all((node_id, gpu.uuid) in _gpus for gpu in layout.gpus) and 0 not in by_kind[OTHER]:
        if len(_layouts) >= _LAYOUT_LIMIT:
            _layouts.clear()
        _layouts[node_id, layout] = ids
    return ids


def forget() -> None:
    """Empty the caches: after a rolled-back transaction their ids may not exist."""
    for cache in (_gpus, _circuits, _others, _layouts, _full):
        cache.clear()


def _register_new_gpus(unknown: Mapping[str, tuple[Batch, GpuSubject]]) -> None:
    """By UUID: who named it first, and as what."""
    new = [
        Gpu(uuid=uuid, node_id=batch.node_id, slot=gpu.slot, model=gpu.model, first_seen_at=_first_instant(batch))
        for uuid, (batch, gpu) in sorted(unknown.items())
    ]
    if not new:
        return
    Gpu.objects.bulk_create(new, ignore_conflicts=True)
    # Another node may have brought the same at the same time: then it is not new here, but a move.
    _recall_gpus([gpu.uuid for gpu in new])
    InventoryEvent.objects.bulk_create(
        [
            InventoryEvent(node_id=gpu.node_id, gpu_uuid=gpu.uuid, kind=InventoryEvent.Kind.NEW, at=gpu.first_seen_at)
            for gpu in new
            if (gpu.node_id, gpu.uuid) in _gpus
        ]
    )


def _first_instant(batch: Batch) -> datetime:
    return _instant(batch.at_ms.min())


def _gpu_id(batch: Batch, subject: GpuSubject) -> int:
    key = (batch.node_id, subject.uuid)
    found = _gpus.get(key)
    if found is None:
        gpu = _register_gpu(batch, subject)
        found = gpu.pk
        if gpu.node_id == batch.node_id:
            _limit(_gpus)
            _gpus[key] = found
    return found


def _register_gpu(batch: Batch, subject: GpuSubject) -> Gpu:
    at = _first_instant(batch)
    gpu, is_new = Gpu.objects.get_or_create(
        uuid=subject.uuid,
        defaults={"node_id": batch.node_id, "slot": subject.slot, "model": subject.model, "first_seen_at": at},
    )
    if is_new:
        _record(batch.node_id, gpu, InventoryEvent.Kind.NEW, at)
    elif gpu.node_id != batch.node_id and not _is_old_news(gpu, at):
        _record(batch.node_id, gpu, InventoryEvent.Kind.MOVED, at, from_node_id=gpu.node_id)
        _gpus.pop((gpu.node_id, gpu.uuid), None)
        _layouts.clear()
        gpu.node_id = batch.node_id
        Gpu.objects.filter(pk=gpu.pk).update(node_id=batch.node_id, slot=subject.slot, gone_at=None)
    return gpu


def _is_old_news(gpu: Gpu, at: datetime) -> bool:
    """Whether this was measured before the GPU came to where it is now: its former node empties its backlog."""
    came = InventoryEvent.objects.filter(gpu_uuid=gpu.uuid, node_id=gpu.node_id, kind__in=_ARRIVALS).order_by("-at")
    newest = came.values_list("at", flat=True).first()
    return newest is not None and at <= newest


def _record(node_id: int, gpu: Gpu, kind: InventoryEvent.Kind, at: datetime, from_node_id: int | None = None) -> None:
    InventoryEvent.objects.create(node_id=node_id, gpu_uuid=gpu.uuid, kind=kind, at=at, from_node_id=from_node_id)


def note_presence(node_ids: Ints, gpu_ids: Ints, seen_ms: Ints) -> None:
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
        _note(
            int(keys[i] & 0xFFFFFFFF),
            bool(is_back[i]),
            _instant(newest[i]),
            _instant(last[i]) if last[i] >= 0 else None,
        )


def _note(gpu_id: int, is_back: bool, newest: datetime, last: datetime | None) -> None:
    gpu = Gpu.objects.get(pk=gpu_id)
    Gpu.objects.filter(pk=gpu_id).update(gone_at=None if is_back else last or newest)
    _record(gpu.node_id, gpu, InventoryEvent.Kind.BACK if is_back else InventoryEvent.Kind.GONE, newest)


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(int(at_ms) / 1000, UTC)


def _circuit_id(node_id: int, name: str) -> int:
    found = _circuits.get((node_id, name))
    if found is None:
        _limit(_circuits)
        found = _circuits[node_id, name] = Circuit.objects.get_or_create(node_id=node_id, name=name)[0].pk
    return found


def _other_ids(node_id: int, series: Sequence[OtherSubject]) -> list[int]:
    """A few statements however many are new: a node's first scrape, or a worker's first look, brings a thousand."""
    _limit(_others)
    keys = [(node_id, _digest(one)) for one in series]
    unknown = {key[1]: one for key, one in zip(keys, series, strict=True) if key not in _others}
    if unknown and time.monotonic() >= _full.get(node_id, 0.0):
        _look_up_others(node_id, list(unknown))
        new = {digest: one for digest, one in unknown.items() if (node_id, digest) not in _others}
        _register_others(node_id, new)
    return [_others.get(key, 0) for key in keys]


def _register_others(node_id: int, new: Mapping[bytes, OtherSubject]) -> None:
    """As many as there is room for. Of the rest operators are told, and for a moment nobody looks again."""
    if not new:
        return
    room = max(0, MAX_OTHER_SERIES - OtherSeries.objects.filter(node=node_id).count())
    taken = dict(islice(new.items(), room))
    OtherSeries.objects.bulk_create(
        [OtherSeries(node_id=node_id, digest=d, name=one.name, labels=one.labels) for d, one in taken.items()],
        ignore_conflicts=True,
    )
    _look_up_others(node_id, list(taken))
    if too_many := len(new) - len(taken):
        _full[node_id] = time.monotonic() + _FULL_SECONDS
        logger.warning("node %s: %s series beyond %s are not stored", node_id, too_many, MAX_OTHER_SERIES)
        try:
            refusals.tell(connect(), {(node_id, Reason.BUDGET): (1, too_many)})
        except redis.RedisError as error:
            logger.warning("refusals cannot be counted: %s", error)


def drop_unheard() -> int:
    """Forget other series of which no sample is kept and that no worker may remember. Returns how many."""
    before = datetime.now(UTC) - timedelta(hours=settings.RAW_RETENTION_HOURS, seconds=_UNHEARD_SECONDS)
    gone = copying.fetch(
        f"DELETE FROM telemetry_otherseries s WHERE seen_at < %s AND NOT EXISTS (SELECT 1 FROM {OTHER_TABLE} o"  # noqa: S608
        " WHERE o.node_id = s.node_id AND o.series_id = s.id) RETURNING id",
        [before],
    )
    return len(gone)


def _digest(series: OtherSubject) -> bytes:
    return hashlib.blake2b(orjson.dumps([series.name, sorted(series.labels.items())]), digest_size=16).digest()


def _look_up_others(node_id: int, digests: list[bytes]) -> None:
    """What was not looked up for an hour is marked; if it has just been dropped, it is not found."""
    if not digests:
        return
    known = OtherSeries.objects.filter(node=node_id, digest__in=digests).values_list("digest", "pk", "seen_at")
    long_ago = datetime.now(UTC) - timedelta(seconds=_SEEN_SECONDS)
    found = {(node_id, bytes(digest)): (pk, seen_at < long_ago) for digest, pk, seen_at in known}
    old = [pk for pk, is_old in found.values() if is_old]
    mark = "UPDATE telemetry_otherseries SET seen_at = now() WHERE id = ANY(%s::bigint[]) RETURNING id"
    marked = copying.fetch(mark, [copying.ints(old)]) if old else []
    there = {pk for (pk,) in marked}
    _others.update((key, pk) for key, (pk, is_old) in found.items() if not is_old or pk in there)


def _limit(cache: dict[tuple[int, str], int] | dict[tuple[int, bytes], int]) -> None:
    if len(cache) >= _CACHE_LIMIT:
        cache.clear()
