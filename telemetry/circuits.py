"""Household circuits become ids, as far as there is room for a node."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from django.utils import timezone

from telemetry.models import Circuit
from telemetry.models.series import FREED_DAYS, MAX_CIRCUITS

SEEN_SECONDS: Final = 3600
_FULL_SECONDS: Final = 60.0
_CACHE_LIMIT: Final = 500_000

Key = tuple[int, str]
"""(node id, name)"""

_ids: dict[Key, int] = {}
_full: dict[int, float] = {}
"""Nodes whose circuits are as many as may be, and until when nobody looks again, in monotonic seconds."""


def forget() -> None:
    _ids.clear()
    _full.clear()


def meet(named: Iterable[Key]) -> Counter[int]:
    """Learn, and register where they are new, these circuits. Returns how many are refused anew for want of room, by
    node; for a moment nobody looks again."""
    unknown = {key for key in named if key not in _ids}
    if len(_ids) >= _CACHE_LIMIT:
        _ids.clear()
    _recall(unknown)
    now = time.monotonic()
    new = sorted(key for key in unknown if key not in _ids and now >= _full.get(key[0], 0.0))
    return _register(new) if new else Counter()


def _recall(keys: set[Key]) -> None:
    """Remember those of these that are registered, and mark that they were heard."""
    if not keys:
        return
    nodes, names = {node_id for node_id, _ in keys}, {name for _, name in keys}
    found = Circuit.objects.filter(node__in=nodes, name__in=names).values_list("node_id", "name", "pk", "seen_at")
    mine = {(node_id, name): (pk, seen_at) for node_id, name, pk, seen_at in found if (node_id, name) in keys}
    _ids.update((key, pk) for key, (pk, _) in mine.items())
    long_ago = timezone.now() - timedelta(seconds=SEEN_SECONDS)
    if old := [pk for pk, seen_at in mine.values() if seen_at < long_ago]:
        Circuit.objects.filter(pk__in=old).update(seen_at=timezone.now())


def _register(new: Sequence[Key]) -> Counter[int]:
    lately = timezone.now() - timedelta(days=FREED_DAYS)
    nodes = {node_id for node_id, _ in new}
    taken = Counter(Circuit.objects.filter(node__in=nodes, seen_at__gt=lately).values_list("node_id", flat=True))
    fitting, beyond = [], Counter[int]()
    for node_id, name in new:
        if taken[node_id] < MAX_CIRCUITS:
            taken[node_id] += 1
            fitting.append((node_id, name))
        else:
            beyond[node_id] += 1
            _full[node_id] = time.monotonic() + _FULL_SECONDS
    Circuit.objects.bulk_create([Circuit(node_id=node, name=name) for node, name in fitting], ignore_conflicts=True)
    _recall(set(fitting))
    return beyond


def ids(node_id: int, names: Sequence[str]) -> list[int]:
    """The id of each circuit that was met, 0 where there is no room."""
    return [_ids.get((node_id, name), 0) for name in names]
