"""Raw samples in Postgres alone: the wide rows that were committed are all there is to keep."""

from __future__ import annotations

from collections.abc import Sequence

from telemetry import raw
from telemetry.catalogue import Column, Kind
from telemetry.raw_rows import RawRows
from telemetry.wide_rows import Rows
from telemetry.widening import Others


class Postgres:
    """See telemetry.store.RawStore."""

    def take(self, wide: Sequence[Rows], other: Others) -> None:
        """They are in the tables already."""

    def read(
        self,
        kind: Kind,
        node_ids: Sequence[int],
        columns: Sequence[Column],
        start: float,
        end: float,
        subjects: Sequence[int] | None = None,
    ) -> RawRows:
        return raw.read(kind, node_ids, columns, start, end, subjects)
