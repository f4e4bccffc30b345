"""Latest values of many nodes in one pass: arrays over the whole fleet instead of objects per GPU and value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from telemetry import copying, latest
from telemetry.briefs import BRIEF
from telemetry.catalogue import BY_NAME, Column, Kind
from telemetry.latest import Table
from telemetry.node_state import SILENCE_SECONDS
from telemetry.readings import NodeGlance, NodeStatus, ToldXid

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_MEASURED: Final = 3
"""So many of a node's brief columns are measured and grow old; the others are sensors, whose last word stands."""

_NEVER: Final[tuple[datetime | None, datetime | None]] = (None, None)
_BUSY, _CELSIUS, _XID = range(3)
_SENSORS: Final = [BRIEF[Kind.NODE].index(BY_NAME[Kind.NODE][name]) for name in ("coolant_leak", "enclosure_open")]


def gpus_there(node_ids: Sequence[int]) -> Ints:
    """Every GPU that is in one of these nodes now, as node << 32 | GPU, sorted."""
    ((keys,),) = copying.fetch(
        "SELECT coalesce(string_agg(int8send(node_id << 32 | id), ''), '')"
        " FROM homes_gpu WHERE gone_at IS NULL AND node_id = ANY(%s::bigint[])",
        [copying.ints(node_ids)],
    )
    return np.sort(np.frombuffer(keys, ">i8").astype(np.int64))


def read(kind: Kind, node_ids: Sequence[int], columns: Sequence[Column]) -> Table:
    """Latest values of some columns. GPUs that went missing or moved to another node are left out."""
    brief = BRIEF[kind]
    if all(column in brief for column in columns):
        found = latest.read_brief(kind, node_ids).columns([brief.index(column) for column in columns])
    else:
        found = latest.read_columns(kind, node_ids, columns)
    return found if kind is not Kind.GPU else _only(found, gpus_there(node_ids))


def _only(table: Table, there: Ints) -> Table:
    place = np.minimum(np.searchsorted(there, table.keys), max(len(there) - 1, 0))
    some = there[place] == table.keys if len(there) else np.zeros(len(table), np.bool_)
    return Table(*(getattr(table, name)[some] for name in Table.__slots__))


def fresh(table: Table, now: datetime) -> Floats:
    """The values, but NaN for those that are older than SILENCE_SECONDS."""
    since_ms = int((now.timestamp() - SILENCE_SECONDS) * 1000)
    return np.where(table.at_ms >= since_ms, table.values, np.nan)


def glances(
    node_ids: Sequence[int],
    status: Mapping[int, NodeStatus],
    heard: Mapping[int, datetime | None],
    now: datetime,
) -> dict[int, NodeGlance]:
    """See reads.glances."""
    ids = np.unique(np.array(node_ids, np.int64))
    gpus = _only(latest.read_brief(Kind.GPU, node_ids), gpus_there(node_ids))
    busy, hottest = _busy_and_hottest(ids, gpus, now)
    told = latest.read_brief(Kind.NODE, node_ids)
    own, sensed_at, xids = _own(ids, told, now), _sensed_at(told), _xids(gpus)
    glances = {}
    columns = zip(ids.tolist(), *map(_plain, (busy, hottest, *own.T)), strict=True)
    for node_id, mean, top, watts, main, limit, outdoor, leak, opened in columns:
        glances[node_id] = NodeGlance(
            node_id,
            status[node_id],
            heard[node_id],
            mean,
            top,
            watts,
            main,
            limit,
            outdoor,
            None if leak is None else leak > 0,
            None if opened is None else opened > 0,
            *sensed_at.get(node_id, _NEVER),
            xids.get(node_id, ()),
        )
    return glances


def _plain(values: Floats) -> list[Any]:
    """None for NaN, for all of them at once."""
    found = values.astype(object)
    found[np.isnan(values)] = None
    return list(found)


def _busy_and_hottest(ids: Ints, gpus: Table, now: datetime) -> tuple[Floats, Floats]:
    """Of each node the mean utilisation and the highest temperature of its GPUs, NaN where there is none."""
    values, node = fresh(gpus, now), np.searchsorted(ids, gpus.node_ids)
    some = ~np.isnan(values[:, _BUSY])
    count = np.bincount(node[some], minlength=len(ids))
    total = np.bincount(node[some], weights=values[some, _BUSY], minlength=len(ids))
    hottest = np.full(len(ids), np.nan)
    np.fmax.at(hottest, node, values[:, _CELSIUS])
    return np.divide(total, count, out=np.full(len(ids), np.nan), where=count > 0), hottest


def _own(ids: Ints, table: Table, now: datetime) -> Floats:
    """(nodes, columns of the brief)"""
    own = np.full((len(ids), table.values.shape[1]), np.nan)
    place = np.searchsorted(ids, table.node_ids)
    own[place] = table.values
    own[place, :_MEASURED] = fresh(table, now)[:, :_MEASURED]
    return own


def _sensed_at(table: Table) -> dict[int, tuple[datetime | None, datetime | None]]:
    """When the sensors of leak and door last spoke, of nodes where one of them says that something is wrong."""

    def instant(at_ms: int) -> datetime | None:
        return datetime.fromtimestamp(at_ms / 1000, UTC) if at_ms else None

    wrong = np.flatnonzero((table.values[:, _SENSORS] > 0).any(axis=1))
    node_ids, at_ms = table.node_ids[wrong].tolist(), table.at_ms[wrong][:, _SENSORS].tolist()
    return {node_id: (instant(leak), instant(door)) for node_id, (leak, door) in zip(node_ids, at_ms, strict=True)}


def _xids(gpus: Table) -> dict[int, tuple[ToldXid, ...]]:
    """By node, in order of slot."""
    rows = np.flatnonzero(gpus.values[:, _XID] > 0)
    slots = {
        gpu_id: (slot, since)
        for gpu_id, slot, since in copying.fetch(
            "SELECT g.id, g.slot, x.since FROM homes_gpu g LEFT JOIN telemetry_gpuxid x ON x.gpu_id = g.id"
            " WHERE g.id = ANY(%s::bigint[])",
            [gpus.subject_ids[rows].tolist()],
        )
    }
    found: dict[int, list[ToldXid]] = {}
    for row in rows.tolist():
        slot, since = slots[int(gpus.subject_ids[row])]
        found.setdefault(int(gpus.node_ids[row]), []).append(ToldXid(slot, int(gpus.values[row, _XID]), since))
    return {node_id: tuple(sorted(told, key=lambda xid: xid.slot)) for node_id, told in found.items()}
