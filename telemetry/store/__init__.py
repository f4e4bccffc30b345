"""Where raw samples are kept and read: in Postgres alone, or in an engine that speaks Prometheus' API as well.

Postgres always has the latest state, the rollups and a window of raw rows as long as samples may be late; rollups are
computed from that window and nothing else. With SAMPLES_URL an engine beside it is handed every sample and answers
range reads, so that raw samples may be many and old.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Protocol

from django.conf import settings

from telemetry.catalogue import Column, Kind
from telemetry.raw_rows import RawRows
from telemetry.store.addresses import Addresses
from telemetry.store.engine import Engine
from telemetry.store.postgres import Postgres
from telemetry.wide_rows import Rows
from telemetry.widening import Others


class RawStore(Protocol):
    """The two things that are done with raw samples once Postgres has committed them."""

    def take(self, wide: Sequence[Rows], other: Others) -> None:
        """Returns when they are safe here too; the same ones again change nothing.

        Raises EngineAway to be asked again later, EngineRefused for what it will never take.
        """

    def read(
        self,
        kind: Kind,
        node_ids: Sequence[int],
        columns: Sequence[Column],
        start: float,
        end: float,
        subjects: Sequence[int] | None = None,
    ) -> RawRows:
        """As telemetry.raw.read. Raises EngineAway."""


def raw_store() -> RawStore:
    """What SAMPLES_URL says."""
    return _store_at(settings.SAMPLES_URL)


@cache
def _store_at(urls: str) -> RawStore:
    return Engine(Addresses.parse(urls)) if urls else Postgres()
