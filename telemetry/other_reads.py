"""Series outside the catalogue out of the generic table: which there are, when each was heard last, and its samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from telemetry import copying
from telemetry.models import OtherSeries
from telemetry.tables import OTHER_TABLE

MAX_SAMPLES: Final = 20_000


@dataclass(frozen=True, slots=True)
class OtherSamples:
    """Samples of one series, as sent, oldest first. A value that is NaN is a value."""

    name: str
    labels: Mapping[str, str]
    at: list[datetime]
    values: list[float]


def heard_last(node_id: int, series_ids: Sequence[int]) -> dict[int, datetime]:
    """The instant of the newest stored sample of each series that has any."""
    rows = copying.fetch(
        f"SELECT id, (SELECT max(at) FROM {OTHER_TABLE} WHERE node_id = %s AND series_id = id)"  # noqa: S608
        " FROM unnest(%s::bigint[]) AS id",
        [node_id, copying.ints(series_ids)],
    )
    return {series_id: at for series_id, at in rows if at is not None}


def samples(series: OtherSeries, start: datetime, end: datetime) -> OtherSamples:
    """Those in [start, end). Raises ValueError for more than MAX_SAMPLES."""
    rows = copying.fetch(
        f"SELECT at, value FROM {OTHER_TABLE} WHERE node_id = %s AND series_id = %s AND at >= %s AND at < %s"  # noqa: S608
        " ORDER BY at LIMIT %s",
        [series.node_id, series.pk, start, end, MAX_SAMPLES + 1],
    )
    if len(rows) > MAX_SAMPLES:
        raise ValueError(f"more than {MAX_SAMPLES:,} samples: ask for a shorter range")
    return OtherSamples(series.name, series.labels, [at for at, _ in rows], [value for _, value in rows])
