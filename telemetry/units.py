"""Units as the names of metrics spell them, and what they are in base units.

Pure. Translators of OpenTelemetry append a metric's unit to its name: spelled out where they know it, else as it was
told (UCUM). Source: the OpenTelemetry specification "Prometheus and OpenMetrics Compatibility".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

SPELLED: Final = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds",
    "ns": "nanoseconds", "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
    "TiBy": "tibibytes", "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes", "TBy": "terabytes", "bit": "bits",
    "m": "meters", "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "g": "grams", "Cel": "celsius",
    "Hz": "hertz", "%": "percent",
}  # fmt: skip
"""How UCUM units are spelled out in names. Others stand there as they are."""

_IN_BASE_UNITS: Final[dict[str, dict[str, float]]] = {
    "seconds": {"days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1, "milliseconds": 1e-3, "microseconds": 1e-6,
                "nanoseconds": 1e-9},
    "bytes": {"bytes": 1, "kibibytes": 1 << 10, "mebibytes": 1 << 20, "gibibytes": 1 << 30, "tibibytes": 1 << 40,
              "kilobytes": 1e3, "megabytes": 1e6, "gigabytes": 1e9, "terabytes": 1e12},
    "joules": {"joules": 1, "mJ": 1e-3, "millijoules": 1e-3, "kJ": 1e3, "kilojoules": 1e3, "Wh": 3600, "kWh": 3.6e6},
    "watts": {"watts": 1, "mW": 1e-3, "milliwatts": 1e-3, "kW": 1e3, "kilowatts": 1e3},
    "hertz": {"hertz": 1, "kHz": 1e3, "kilohertz": 1e3, "MHz": 1e6, "megahertz": 1e6, "GHz": 1e9, "gigahertz": 1e9},
    "amperes": {"amperes": 1, "mA": 1e-3, "milliamperes": 1e-3},
    "celsius": {"celsius": 1},
    "ratio": {"ratio": 1, "percent": 1e-2},
    "decibels": {"decibels": 1, "dB": 1},
    "degrees": {"degrees": 1, "deg": 1},
    "bits_per_second": {"bits_per_second": 1, "bytes_per_second": 8},
    "liters_per_second": {"liters_per_second": 1, "L_per_second": 1, "l_per_second": 1, "L": 1, "l": 1},
}  # fmt: skip
_COUNTS: Final = {"ratio": 1.0}
"""Of what has no unit: a gauge with the unit "1" is called a ratio."""


def base_unit(column: str) -> str:
    """The unit that the name of a column ends in; empty where it has none."""
    return next((unit for unit in _IN_BASE_UNITS if column.endswith(f"_{unit}")), "")


def base_of(unit: str) -> str:
    """The base unit of what a unit measures; empty where it is not known."""
    return next((base for base, known in _IN_BASE_UNITS.items() if unit in known), "")


def factor(unit: str, base: str) -> float | None:
    """What one of `unit`, as a name spells it, is in a column's base unit; None where it measures something else."""
    return (_IN_BASE_UNITS[base] if base else _COUNTS).get(unit)


def split(name: str) -> Iterator[tuple[str, str]]:
    """Each way to take the last parts of a name for its unit: (what is before, unit)."""
    parts = name.split("_")
    for count in range(1, min(4, len(parts))):
        yield "_".join(parts[:-count]), "_".join(parts[-count:])
