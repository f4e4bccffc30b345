"""Metrics in the schema: every name that may be asked for, with its unit, shape and kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter

from telemetry.catalogue import BY_NAME, Column, Kind, Shape

UNITS: Final = (
    "bits_per_second",
    "liters_per_second",
    "watts",
    "joules",
    "amperes",
    "celsius",
    "hertz",
    "seconds",
    "bytes",
    "decibels",
    "degrees",
    "ratio",
)
"""As the names end, the longer first; what ends with none of them is a flag, a count or a code."""


def parameter(columns: Sequence[Column], default: str) -> OpenApiParameter:
    """`metrics` of a history that may be of these columns; `default` says what it is of if nothing is asked for."""
    names = list(dict.fromkeys(column.name for column in columns))
    return OpenApiParameter(
        "metrics",
        {"type": "array", "items": {"type": "string", "enum": names}, "x-metrics": described(columns)},
        style="form",
        explode=False,
        description=f"Metric names, separated by commas. Default {default}.",
    )


def choice(name: str, columns: Sequence[Column], description: str) -> OpenApiParameter:
    """A parameter that is one metric of these columns."""
    names = list(dict.fromkeys(column.name for column in columns))
    return OpenApiParameter(
        name, {"type": "string", "enum": names, "x-metrics": described(columns)}, description=description
    )


def of_nodes(names: Iterable[str]) -> list[Column]:
    """The node's own columns of these names. Raises KeyError for a name that is none of them."""
    return [BY_NAME[Kind.NODE][name] for name in names]


def described(columns: Iterable[Column]) -> list[dict[str, Any]]:
    return [
        {"name": column.name, "unit": unit_of(column), "shape": column.shape.value, "kind": column.kind.name.lower()}
        for column in columns
    ]


def unit_of(column: Column) -> str | None:
    """None for a flag, a count or a code."""
    if column.shape is Shape.FLAG:
        return None
    return next((unit for unit in UNITS if column.name.endswith(f"_{unit}")), None)
