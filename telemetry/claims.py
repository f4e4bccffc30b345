"""Whose a GPU is. A node's word makes a GPU its own only where nobody else has it.

A UUID is a label that anybody can send. Where one is live behind another credential, the claim is refused and stands
in both nodes' histories; where it was gone there, or that node is silent, it has moved. All of this is decided from
rows that every worker shares, and from samples: that a node once named a GPU says nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from django.db.models import Q
from django.utils import timezone

from homes.models import Gpu, InventoryEvent
from telemetry import copying, latest
from telemetry.batch import Batch, GpuSubject
from telemetry.catalogue import COLUMNS, Kind
from telemetry.models import NodeStatusRow
from telemetry.models.series import FREED_DAYS, MAX_GPUS
from telemetry.node_state import SILENCE_SECONDS
from telemetry.presence import instant
from telemetry.refusals import Reason
from telemetry.tables import IDENTITIES_TABLE

LIVE_SECONDS: Final = 120.0
"""So long after its last sample from one node a GPU may turn up behind another one; sooner, nobody carried it there."""
TOLD_SECONDS: Final = 86_400.0
"""Claims of one node to what is another one's are recorded once in so long: each record is two rows for good."""
_ARRIVALS: Final = (InventoryEvent.Kind.NEW, InventoryEvent.Kind.MOVED)

Key = tuple[int, str]
"""(node id, UUID)"""


@dataclass(frozen=True, slots=True)
class Told:
    """A node has sent samples with a value of a GPU: as what, how many, measured when, and when the last of them came,
    in milliseconds."""

    node_id: int
    subject: GpuSubject
    samples: int
    first_ms: int
    last_ms: int
    came_ms: int

    @property
    def key(self) -> Key:
        return self.node_id, self.subject.uuid

    def and_then(self, other: Told) -> Told:
        """Both, of one GPU: described as by the newer one."""
        newer = max(self, other, key=lambda told: told.last_ms)
        return replace(
            newer,
            samples=self.samples + other.samples,
            first_ms=min(self.first_ms, other.first_ms),
            came_ms=max(self.came_ms, other.came_ms),
        )


@dataclass(frozen=True, slots=True)
class Known:
    """A GPU, whose it is, and as what it was described last."""

    pk: int
    node_id: int
    slot: int
    pci_address: str


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of what was told."""

    own: dict[Key, Known] = field(default_factory=dict)
    borrowed: dict[Key, int] = field(default_factory=dict)
    """Ids of GPUs that are another node's by now, for samples of before they were."""
    refused: Counter[tuple[int, Reason]] = field(default_factory=Counter)
    """Samples by node and reason."""


def told(batches: Iterable[Batch]) -> dict[Key, Told]:
    """The GPUs of which these batches bring samples."""
    found: dict[Key, Told] = {}
    for batch in batches:
        for one in _told(batch):
            found[one.key] = found[one.key].and_then(one) if one.key in found else one
    return found


def _told(batch: Batch) -> list[Told]:
    some = np.flatnonzero((batch.kinds == Kind.GPU) & ~np.isnan(batch.values))
    if not len(some):
        return []
    order = some[np.argsort(batch.subjects[some], kind="stable")]
    places, starts, counts = np.unique(batch.subjects[order], return_index=True, return_counts=True)
    at_ms = batch.at_ms[order]
    first, last = (ufunc.reduceat(at_ms, starts).tolist() for ufunc in (np.minimum, np.maximum))
    return [
        Told(batch.node_id, batch.layout.gpus[place], count, begin, end, batch.arrived_ms)
        for place, count, begin, end in zip(places.tolist(), counts.tolist(), first, last, strict=True)
    ]


def recall(uuids: Iterable[str]) -> dict[str, Known]:
    """Those of them that are registered."""
    found = Gpu.objects.filter(uuid__in=uuids).values_list("uuid", "pk", "node_id", "slot", "pci_address")
    return {uuid: Known(pk, node_id, slot, pci_address) for uuid, pk, node_id, slot, pci_address in found}


def settle(told: Mapping[Key, Told], known: Mapping[str, Known]) -> Settled:
    """Register what is new, describe what is the node's own, move or refuse what is another one's.

    `known` are those of the GPUs that are registered. Call within the transaction that stores the samples.
    """
    settled = Settled()
    registered = {**known, **_register([one for one in told.values() if one.subject.uuid not in known], settled)}
    foreign = []
    for key, one in told.items():
        gpu = registered.get(one.subject.uuid)
        if gpu is None:
            settled.refused[one.node_id, Reason.SUBJECTS] += one.samples
        elif gpu.node_id == one.node_id:
            settled.own[key] = _described(one, gpu)
        else:
            foreign.append(one)
    if foreign:
        _claim(foreign, settled)
    return settled


def _register(new: Sequence[Told], settled: Settled) -> dict[str, Known]:
    """Who names one first has it, as far as there is room. Another worker may be registering the same."""
    if not new:
        return {}
    room = _room({one.node_id for one in new})
    first: dict[str, Told] = {}
    for one in new:
        if one.subject.uuid not in first and room[one.node_id] > 0:
            first[one.subject.uuid] = one
            room[one.node_id] -= 1
    Gpu.objects.bulk_create(
        [_row(one) for _, one in sorted(first.items())],
        ignore_conflicts=True,
    )
    found = recall(first)
    InventoryEvent.objects.bulk_create(
        InventoryEvent(
            node_id=gpu.node_id, gpu_uuid=uuid, kind=InventoryEvent.Kind.NEW, at=instant(first[uuid].first_ms)
        )
        for uuid, gpu in sorted(found.items())
        if gpu.node_id == first[uuid].node_id
    )
    return found


def _row(one: Told) -> Gpu:
    return Gpu(
        uuid=one.subject.uuid,
        node_id=one.node_id,
        slot=one.subject.slot or 0,
        pci_address=one.subject.pci_address,
        model=one.subject.model,
        first_seen_at=instant(one.first_ms),
        described_at=instant(one.last_ms),
    )


def _room(node_ids: Iterable[int]) -> Counter[int]:
    """How many more GPUs each of these nodes may have; one that went FREED_DAYS ago takes no place."""
    lately = Q(gone_at=None) | Q(gone_at__gt=timezone.now() - timedelta(days=FREED_DAYS))
    taken = Counter(Gpu.objects.filter(lately, node__in=node_ids).values_list("node_id", flat=True))
    return Counter({node_id: MAX_GPUS - taken[node_id] for node_id in node_ids})


def _described(one: Told, gpu: Known) -> Known:
    """As the exporter names it now. What is told of before the last change changes nothing."""
    slot = gpu.slot if one.subject.slot is None else one.subject.slot
    fresh = Known(gpu.pk, gpu.node_id, slot, one.subject.pci_address or gpu.pci_address)
    at = instant(one.last_ms)
    if fresh == gpu or not Gpu.objects.filter(Q(described_at=None) | Q(described_at__lt=at), pk=gpu.pk).update(
        slot=fresh.slot, pci_address=fresh.pci_address, described_at=at
    ):
        return gpu
    return fresh


def _claim(foreign: Sequence[Told], settled: Settled) -> None:
    """What is another node's: samples of before it left, a move, or a claim that is refused."""
    uuids = [one.subject.uuid for one in foreign]
    rows = {gpu.uuid: gpu for gpu in Gpu.objects.select_for_update().filter(uuid__in=uuids).order_by("pk")}
    words = _last_words(rows.values())
    silent = _silent({gpu.node_id for gpu in rows.values()})
    room = _room({one.node_id for one in foreign})
    for one in foreign:
        gpu = rows[one.subject.uuid]
        is_free = gpu.gone_at is not None or gpu.node_id in silent
        if gpu.node_id == one.node_id:  # another worker has just moved it here, or it came twice
            settled.own[one.key] = _known(gpu)
        elif _is_of_before(one, gpu):
            settled.borrowed[one.key] = gpu.pk
        elif not is_free or one.came_ms - words[gpu.pk] < LIVE_SECONDS * 1000 or one.first_ms <= words[gpu.pk]:
            _refuse(one, gpu)
            settled.refused[one.node_id, Reason.CLAIMED] += one.samples
        elif room[one.node_id] <= 0:
            settled.refused[one.node_id, Reason.SUBJECTS] += one.samples
        else:
            room[one.node_id] -= 1
            settled.own[one.key] = _move(one, gpu)
            words[gpu.pk] = one.last_ms


def _known(gpu: Gpu) -> Known:
    return Known(gpu.pk, gpu.node_id, gpu.slot, gpu.pci_address)


def _last_words(gpus: Iterable[Gpu]) -> dict[int, int]:
    """When each of these was last heard behind the node that has it, in milliseconds."""
    found = {
        gpu.pk: max(int(at.timestamp() * 1000) for at in (gpu.first_seen_at, gpu.described_at) if at) for gpu in gpus
    }
    table = latest.read_columns(Kind.GPU, {gpu.node_id for gpu in gpus}, COLUMNS[Kind.GPU])
    holders = {(gpu.node_id, gpu.pk) for gpu in gpus}
    newest = table.at_ms.max(axis=1, initial=0).tolist()
    for node_id, gpu_id, at_ms in zip(table.node_ids.tolist(), table.subject_ids.tolist(), newest, strict=True):
        if (node_id, gpu_id) in holders:
            found[gpu_id] = max(found[gpu_id], at_ms)
    return found


def _silent(node_ids: Iterable[int]) -> set[int]:
    """The nodes of which nothing comes, as a portal that was listening has found; or of which nothing ever came."""
    heard = NodeStatusRow.objects.filter(node__in=node_ids).values_list("node_id", "as_of", "delivered_at", "heard_at")
    spoke = {
        node_id
        for node_id, as_of, delivered_at, heard_at in heard
        if (at := delivered_at or heard_at) and (as_of - at).total_seconds() <= SILENCE_SECONDS
    }
    return set(node_ids) - spoke


def _is_of_before(one: Told, gpu: Gpu) -> bool:
    """Whether this was measured while the GPU was this node's, which empties its backlog."""
    events = InventoryEvent.objects.filter(gpu_uuid=gpu.uuid, kind__in=_ARRIVALS)
    came = events.filter(node=gpu.node_id).order_by("-at", "-id").first()
    return came is not None and one.last_ms <= came.at.timestamp() * 1000 and events.filter(node=one.node_id).exists()


def _move(one: Told, gpu: Gpu) -> Known:
    at, before = instant(one.first_ms), gpu.node_id
    gpu.node_id, gpu.gone_at = one.node_id, None
    gpu.slot = gpu.slot if one.subject.slot is None else one.subject.slot
    gpu.pci_address, gpu.described_at = one.subject.pci_address, instant(one.last_ms)
    gpu.save(update_fields=["node", "gone_at", "slot", "pci_address", "described_at"])
    _record(gpu.uuid, at, (one.node_id, InventoryEvent.Kind.MOVED), (before, InventoryEvent.Kind.LEFT))
    copying.execute(
        f"INSERT INTO {IDENTITIES_TABLE} AS i (version) VALUES (1)"  # noqa: S608
        " ON CONFLICT (one) DO UPDATE SET version = i.version + 1",
        [],
    )
    return _known(gpu)


def _refuse(one: Told, gpu: Gpu) -> None:
    kinds = InventoryEvent.Kind
    at = instant(one.came_ms)
    recorded = InventoryEvent.objects.filter(node=one.node_id, from_node=gpu.node_id, kind=kinds.REFUSED)
    if not recorded.filter(at__gt=at - timedelta(seconds=TOLD_SECONDS)).exists():
        _record(gpu.uuid, at, (one.node_id, kinds.REFUSED), (gpu.node_id, kinds.CLAIMED))


_Entry = tuple[int, InventoryEvent.Kind]
"""(node id, what its history says)"""


def _record(uuid: str, at: datetime, there: _Entry, here: _Entry) -> None:
    """In the histories of both: `there` is who has it now or claims it, `here` whose it was or is."""
    (there_id, arrival), (here_id, departure) = there, here
    InventoryEvent.objects.create(node_id=there_id, from_node_id=here_id, gpu_uuid=uuid, kind=arrival, at=at)
    InventoryEvent.objects.create(node_id=here_id, to_node_id=there_id, gpu_uuid=uuid, kind=departure, at=at)


def version() -> int:
    """Of what is said of whose the GPUs are; it rises when one moves."""
    found = copying.fetch(f"SELECT version FROM {IDENTITIES_TABLE}", [])  # noqa: S608
    return int(found[0][0]) if found else 0
