"""Who the samples are about: GPUs, circuits and other series become ids; a change of GPUs becomes an event.

A GPU is its UUID. The first sample that names it registers it; the same UUID behind another node's
credential is a move, which somebody will want to know about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt
import orjson

from homes.models import Gpu, InventoryEvent
from telemetry.batch import OTHER, Batch, GpuSubject, OtherSubject
from telemetry.catalogue import Kind
from telemetry.models import Circuit, OtherSeries

GONE_SECONDS: Final = 60.0
_GONE: Final = timedelta(seconds=GONE_SECONDS)

_ARRIVALS: Final = (InventoryEvent.Kind.NEW, InventoryEvent.Kind.MOVED)

_gpus: dict[tuple[int, str], int] = {}
_circuits: dict[tuple[int, str], int] = {}
_others: dict[tuple[int, bytes], int] = {}
_CACHE_LIMIT: Final = 500_000


@dataclass(slots=True)
class Subjects:
    """Database ids of the subjects of some batches."""

    _ids: dict[tuple[int, int], npt.NDArray[np.int64]] = field(default_factory=dict)

    def add(self, batch: Batch, kind: int, ids: Sequence[int]) -> None:
        self._ids[id(batch), kind] = np.array(ids, dtype=np.int64)

    def ids(self, batch: Batch, kind: int) -> npt.NDArray[np.int64]:
        """Ids in the order of the batch's own list of that kind; [0] for the node itself."""
        if kind == Kind.NODE:
            return np.zeros(1, np.int64)
        return self._ids[id(batch), kind]


def resolve(batches: Iterable[Batch]) -> Subjects:
    """Ids for every subject; registers what is new. Call within the transaction that stores the samples."""
    subjects = Subjects()
    for batch in batches:
        subjects.add(batch, Kind.GPU, [_gpu_id(batch, gpu) for gpu in batch.gpus])
        subjects.add(batch, Kind.CIRCUIT, [_circuit_id(batch.node_id, name) for name in batch.circuits])
        subjects.add(batch, OTHER, _other_ids(batch.node_id, batch.other_series))
    return subjects


def forget() -> None:
    """Empty the caches: after a rolled-back transaction their ids may not exist."""
    for cache in (_gpus, _circuits, _others):
        cache.clear()


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
    at = datetime.fromtimestamp(int(batch.at_ms.min()) / 1000, UTC)
    gpu, is_new = Gpu.objects.get_or_create(
        uuid=subject.uuid,
        defaults={"node_id": batch.node_id, "slot": subject.slot, "model": subject.model, "first_seen_at": at},
    )
    if is_new:
        _record(batch.node_id, gpu, InventoryEvent.Kind.NEW, at)
    elif gpu.node_id != batch.node_id and not _is_old_news(gpu, at):
        _record(batch.node_id, gpu, InventoryEvent.Kind.MOVED, at, from_node_id=gpu.node_id)
        _gpus.pop((gpu.node_id, gpu.uuid), None)
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


def note_presence(node_id: int, seen_at: dict[int, datetime]) -> None:
    """Record which of a node's GPUs went missing or came back.

    `seen_at` gives, by GPU id, the newest sample that had a value. A GPU is gone when its siblings have
    been heard GONE_SECONDS later than it; a node that is silent as a whole loses no GPU.
    """
    newest = max(seen_at.values(), default=None)
    if newest is None:
        return
    for gpu in Gpu.objects.filter(node_id=node_id):
        last = seen_at.get(gpu.pk)
        is_here = last is not None and newest - last <= _GONE
        if is_here and gpu.gone_at is not None:
            Gpu.objects.filter(pk=gpu.pk).update(gone_at=None)
            _record(node_id, gpu, InventoryEvent.Kind.BACK, newest)
        elif not is_here and gpu.gone_at is None and newest - (last or gpu.first_seen_at) > _GONE:
            Gpu.objects.filter(pk=gpu.pk).update(gone_at=last or newest)
            _record(node_id, gpu, InventoryEvent.Kind.GONE, newest)


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
    if unknown:
        _look_up_others(node_id, list(unknown))
        new = {digest: one for digest, one in unknown.items() if (node_id, digest) not in _others}
        OtherSeries.objects.bulk_create(
            [OtherSeries(node_id=node_id, digest=d, name=one.name, labels=one.labels) for d, one in new.items()],
            ignore_conflicts=True,
        )
        _look_up_others(node_id, list(new))
    return [_others[key] for key in keys]


def _digest(series: OtherSubject) -> bytes:
    return hashlib.blake2b(orjson.dumps([series.name, sorted(series.labels.items())]), digest_size=16).digest()


def _look_up_others(node_id: int, digests: list[bytes]) -> None:
    if digests:
        found = OtherSeries.objects.filter(node=node_id, digest__in=digests).values_list("digest", "pk")
        _others.update(((node_id, bytes(digest)), pk) for digest, pk in found)


def _limit(cache: dict[tuple[int, str], int] | dict[tuple[int, bytes], int]) -> None:
    if len(cache) >= _CACHE_LIMIT:
        cache.clear()
