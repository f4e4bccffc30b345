"""Series outside the catalogue become ids, as far as there is room for a node; what is no longer heard goes."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

import orjson
from django.conf import settings

from telemetry import copying
from telemetry.batch import OtherSubject
from telemetry.models import OtherSeries
from telemetry.models.series import MAX_OTHER_SERIES
from telemetry.tables import OTHER_TABLE

logger = logging.getLogger("telemetry.other_series")

UNHEARD_SECONDS: Final = 24 * 3600
SEEN_SECONDS: Final = 3600
_FULL_SECONDS: Final = 60.0
_CACHE_LIMIT: Final = 500_000

_ids: dict[tuple[int, bytes], int] = {}
_full: dict[int, float] = {}
"""Nodes whose other series are as many as may be, and until when nobody looks again, in monotonic seconds."""


def forget() -> None:
    _ids.clear()
    _full.clear()


def ids(node_id: int, series: Sequence[OtherSubject]) -> tuple[list[int], int]:
    """The id of each series, 0 where there is no room, and how many were refused anew for want of it.

    A few statements however many are new: a node's first scrape, or a worker's first look, brings a thousand.
    """
    if len(_ids) >= _CACHE_LIMIT:
        _ids.clear()
    keys = [(node_id, _digest(one)) for one in series]
    unknown = {key[1]: one for key, one in zip(keys, series, strict=True) if key not in _ids}
    too_many = 0
    if unknown and time.monotonic() >= _full.get(node_id, 0.0):
        _look_up(node_id, list(unknown))
        too_many = _register(node_id, {d: one for d, one in unknown.items() if (node_id, d) not in _ids})
    return [_ids.get(key, 0) for key in keys], too_many


def _register(node_id: int, new: Mapping[bytes, OtherSubject]) -> int:
    """As many as there is room for. Returns how many there are beyond; for a moment nobody looks again."""
    if not new:
        return 0
    room = max(0, MAX_OTHER_SERIES - OtherSeries.objects.filter(node=node_id).count())
    taken = dict(islice(new.items(), room))
    OtherSeries.objects.bulk_create(
        [OtherSeries(node_id=node_id, digest=d, name=one.name, labels=one.labels) for d, one in taken.items()],
        ignore_conflicts=True,
    )
    _look_up(node_id, list(taken))
    if too_many := len(new) - len(taken):
        _full[node_id] = time.monotonic() + _FULL_SECONDS
        logger.warning("node %s: %s series beyond %s are not stored", node_id, too_many, MAX_OTHER_SERIES)
    return too_many


def drop_unheard() -> int:
    """Forget other series of which no sample is kept and that no worker may remember. Returns how many."""
    before = datetime.now(UTC) - timedelta(hours=settings.RAW_RETENTION_HOURS, seconds=UNHEARD_SECONDS)
    gone = copying.fetch(
        f"DELETE FROM telemetry_otherseries s WHERE seen_at < %s AND NOT EXISTS (SELECT 1 FROM {OTHER_TABLE} o"  # noqa: S608
        " WHERE o.node_id = s.node_id AND o.series_id = s.id) RETURNING id",
        [before],
    )
    return len(gone)


def _digest(series: OtherSubject) -> bytes:
    return hashlib.blake2b(orjson.dumps([series.name, sorted(series.labels.items())]), digest_size=16).digest()


def _look_up(node_id: int, digests: list[bytes]) -> None:
    """What was not looked up for an hour is marked; if it has just been dropped, it is not found."""
    if not digests:
        return
    known = OtherSeries.objects.filter(node=node_id, digest__in=digests).values_list("digest", "pk", "seen_at")
    long_ago = datetime.now(UTC) - timedelta(seconds=SEEN_SECONDS)
    found = {(node_id, bytes(digest)): (pk, seen_at < long_ago) for digest, pk, seen_at in known}
    old = [pk for pk, is_old in found.values() if is_old]
    mark = "UPDATE telemetry_otherseries SET seen_at = now() WHERE id = ANY(%s::bigint[]) RETURNING id"
    marked = copying.fetch(mark, [copying.ints(old)]) if old else []
    there = {pk for (pk,) in marked}
    _ids.update((key, pk) for key, (pk, is_old) in found.items() if not is_old or pk in there)
