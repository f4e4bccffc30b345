"""A utility's file, whichever of the formats it has, to the series of one meter. Knows no Django: it may run apart."""

from __future__ import annotations

from typing import Final

from billing.greenbutton import csv_import, espi_import, packing
from billing.greenbutton.filed import FiledSeries, one_of_each_flow
from billing.greenbutton.vocabulary import Flow

SMALL_BYTES: Final = 64 << 10
"""A file of at most this size is read where it came in; a ZIP of any size is not."""
SECONDS: Final = 60.0
MEMORY_BYTES: Final = 1 << 30
"""What reading one may take, apart."""


def is_small(body: bytes) -> bool:
    return len(body) <= SMALL_BYTES and not packing.is_zip(body)


def read(body: bytes, zone: str, point: str = "") -> tuple[dict[Flow, FiledSeries], tuple[str, ...]]:
    """A file's series by direction, and in words what is left out. Raises BadFile."""
    text = packing.decoded(packing.unpacked(body))
    filed = espi_import.read_text(text) if packing.is_xml(text) else csv_import.read_text(text, zone)
    return one_of_each_flow(filed, point), filed.left_out
