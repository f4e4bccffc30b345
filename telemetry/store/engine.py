"""Raw samples in an engine beside Postgres: VictoriaMetrics, Mimir, Thanos, or Prometheus itself."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Iterable, Sequence
from typing import Final

from django.conf import settings

from telemetry import raw
from telemetry.catalogue import Column, Kind
from telemetry.raw_rows import RawRows
from telemetry.store import answers, names, subjects
from telemetry.store.addresses import Addresses
from telemetry.store.client import Client, EngineAway
from telemetry.store.forwarding import bodies
from telemetry.wide_rows import Rows
from telemetry.widening import Others

logger = logging.getLogger("telemetry.store")

FRESH_SECONDS: Final = 60
"""The newest samples are read from Postgres: engines find them seconds after they have taken them, VictoriaMetrics up
to ten where a series is new and the same was asked before."""


class Engine:
    """See telemetry.store.RawStore."""

    def __init__(self, addresses: Addresses) -> None:
        self._client = Client(addresses)

    def take(self, wide: Sequence[Rows], other: Others) -> None:
        for body in bodies(wide, other):
            self._client.write(body)

    def read(
        self,
        kind: Kind,
        node_ids: Sequence[int],
        columns: Sequence[Column],
        start: float,
        end: float,
        subjects: Sequence[int] | None = None,
    ) -> RawRows:
        """From Postgres alone while the engine is away, if Postgres still has all of it."""
        now = time.time()
        border = max(start, min(end, now - FRESH_SECONDS))
        try:
            old = self._read(kind, node_ids, columns, start, border, subjects)
        except EngineAway as error:
            if start < now - settings.RAW_RETENTION_HOURS * 3600:
                raise
            logger.warning("read from Postgres instead: %s", error)
            return raw.read(kind, node_ids, columns, start, end, subjects)
        if border >= end:
            return old
        return RawRows.joined([old, raw.read(kind, node_ids, columns, border, end, subjects)])

    def _read(
        self,
        kind: Kind,
        node_ids: Sequence[int],
        columns: Sequence[Column],
        start: float,
        end: float,
        subject_ids: Sequence[int] | None,
    ) -> RawRows:
        # Whole seconds around what is wanted: engines differ in which ends of a range count, and in rounding instants.
        first, last = math.floor(start) - 1, math.ceil(end) + 1
        selector = _selector(kind, node_ids, columns, subject_ids)
        result = self._client.query(selector, last, last - first) if start < end else []
        wanted = None if subject_ids is None else frozenset(subject_ids)
        return answers.rows_of(kind, columns, result, _ms(start), _ms(end), wanted)


def _ms(second: float) -> int:
    """The first whole millisecond that is not before an instant, which is exact to the microsecond as in Postgres."""
    return -(-round(second * 1_000_000) // 1000)


def _selector(kind: Kind, node_ids: Sequence[int], columns: Sequence[Column], subject_ids: Sequence[int] | None) -> str:
    matchers = [_one_of("__name__", answers.places(columns)), _one_of(names.NODE_LABEL, map(str, node_ids))]
    label = names.SUBJECT_LABELS.get(kind)
    if label and subject_ids is not None:
        known = subjects.names(kind, subject_ids)
        matchers.append(_one_of(label, (known[kind, one] for one in subject_ids if (kind, one) in known)))
    return "{" + ",".join(matchers) + "}"


def _one_of(label: str, values: Iterable[str]) -> str:
    pattern = "|".join(map(re.escape, values))
    text = pattern.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{label}=~"{text}"'
