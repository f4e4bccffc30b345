"""ESPI's words and numbers. Source: NAESB REQ.21 (ESPI) 3.3, espiDerived.xsd."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from billing.intervals.quality import Quality

ATOM: Final = "http://www.w3.org/2005/Atom"
ESPI: Final = "http://naesb.org/espi"

WATT_HOURS: Final = 72
ELECTRICITY: Final = 1  # commodity: electricity, secondary metered
DELTA: Final = 4  # accumulationBehaviour: the interval's own amount
ENERGY: Final = 12  # kind
US_DOLLAR: Final = 840
ELECTRIC_SERVICE: Final = 0
COST_PER_DOLLAR: Final = 100_000


class Flow(IntEnum):
    """flowDirection: out of the grid and into the house, or the other way."""

    DELIVERED = 1
    RECEIVED = 19


class ItemKind(IntEnum):
    """itemKind of a summary's line."""

    GENERATION_FEE = 1
    DELIVERY_FEE = 2
    USAGE_FEE = 3
    ADMINISTRATIVE_FEE = 4
    TAX = 5
    GENERATION_CREDIT = 6
    DELIVERY_CREDIT = 7
    ADMINISTRATIVE_CREDIT = 8
    PAYMENT = 9
    INFORMATION = 10


QUALITY_OUT: Final = {
    Quality.MEASURED: 0,  # valid; 19, revenue quality, is unknown to many readers
    Quality.ROLLED: 17,  # validated, by approved procedures
    Quality.ESTIMATED: 8,
    Quality.ACCEPTED: 18,  # failed a check, and was determined to be actual usage
}
QUALITY_IN: Final = {
    0: Quality.MEASURED,
    7: Quality.MEASURED,
    8: Quality.ESTIMATED,
    9: Quality.ESTIMATED,
    10: Quality.QUARANTINED,
    11: Quality.ESTIMATED,
    12: Quality.ESTIMATED,
    13: Quality.ESTIMATED,
    14: Quality.MEASURED,
    15: Quality.ESTIMATED,
    16: Quality.MEASURED,
    17: Quality.MEASURED,
    18: Quality.MEASURED,
    19: Quality.MEASURED,
}
"""What each qualityOfReading counts as. 10, questionable: the utility itself does not believe it."""
