"""Who a sample is about, by the labels that say it outside: ids to names and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from homes.models import Gpu
from telemetry.catalogue import Kind
from telemetry.models import Circuit, OtherSeries

_LIMIT = 500_000
_names: dict[tuple[Kind, int], str] = {}


def names(kind: Kind, subject_ids: Sequence[int]) -> Mapping[tuple[Kind, int], str]:
    """GPU UUIDs or circuit names by (kind, id). They never change, so what was looked up once is remembered."""
    unknown = [subject for subject in subject_ids if (kind, subject) not in _names]
    if unknown and kind != Kind.NODE:
        if len(_names) > _LIMIT:
            _names.clear()
            unknown = list(subject_ids)
        rows = (
            Gpu.objects.filter(pk__in=unknown).values_list("pk", "uuid")
            if kind == Kind.GPU
            else Circuit.objects.filter(pk__in=unknown).values_list("pk", "name")
        )
        _names.update({((kind, pk), name) for pk, name in rows})
    return _names


def ids(kind: Kind, found: Iterable[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """Subject ids by (node id, name); who is not known here is left out."""
    pairs = set(found)
    if kind == Kind.NODE:
        return dict.fromkeys(pairs, 0)
    if kind == Kind.GPU:
        gpus = dict(Gpu.objects.filter(uuid__in={name for _, name in pairs}).values_list("uuid", "pk"))
        return {pair: gpus[pair[1]] for pair in pairs if pair[1] in gpus}
    rows = Circuit.objects.filter(node__in={node_id for node_id, _ in pairs}).values_list("node_id", "name", "pk")
    return {(node_id, name): pk for node_id, name, pk in rows if (node_id, name) in pairs}


def other_series(series_ids: Sequence[int]) -> dict[int, tuple[int, str, dict[str, str]]]:
    """(node id, metric, labels) by id."""
    rows = OtherSeries.objects.filter(pk__in=series_ids).values_list("pk", "node_id", "name", "labels")
    return {pk: (node_id, name, labels) for pk, node_id, name, labels in rows}
