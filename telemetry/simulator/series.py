"""The series of one node as its exporters name them: the inverse of the catalogue, for either generation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from telemetry.catalogue import CIRCUIT_LABEL, COLUMNS, SOURCES, Column, Kind, LabelPairs, Shape, Source
from telemetry.simulator.household import CIRCUITS
from telemetry.simulator.noise import Booleans, Floats
from telemetry.simulator.profiles import GPUS_PER_NODE, Generation, HomeProfile
from telemetry.simulator.readings import Snapshot

MODEL_NAME: Final = "NVIDIA RTX PRO 6000 Blackwell Server Edition"
DRIVER_VERSION: Final = "580.95.05"
_XID_TEXTS: Final = {
    0: "No Error",
    13: "Graphics Engine Exception",
    31: "GPU memory page fault",
    43: "GPU stopped processing",
    45: "Preemptive cleanup, due to previous errors",
    48: "Double Bit ECC Error",
    63: "ECC page retirement or row remapping recording event",
    64: "ECC page retirement or row remapper recording failure",
    79: "GPU has fallen off the bus",
    94: "Contained ECC error",
    95: "Uncontained ECC error",
}
_FRACTIONAL: Final = ("_watts", "_ratio", "energy_joules")


@dataclass(frozen=True, slots=True)
class Series:
    """One exported series; exporter value = base value / scale, whole where the exporter prints integers.

    `labels` are in the order the exporter prints them and lack err_code and err_msg of the XID gauge.
    `position` is its place in `NodeSeries.flatten`.
    """

    metric: str
    labels: LabelPairs
    column: Column
    scale: float
    whole: bool
    position: int


class NodeSeries:
    """All series of one node, metric by metric as exporters print them."""

    def __init__(self, profile: HomeProfile, uuids: Sequence[str]) -> None:
        self.hostname = profile.hostname
        self.generation: Generation = profile.generation
        self.series: list[Series] = [
            *self._gpu_series(uuids),
            *self._node_series(),
            *self._circuit_series(),
        ]
        self._positions = np.array([one.position for one in self.series])
        self._scales = np.array([one.scale for one in self.series])
        self._whole: Booleans = np.array([one.whole for one in self.series])
        self.is_xid: Booleans = np.array([one.column.name == "xid" for one in self.series])

    def values(self, snapshot: Snapshot, home: int) -> Floats:
        """What the exporters print now, in their own units, in the order of `series`; NaN is not exported."""
        flat = np.concatenate(
            (snapshot.node_table[:, home], snapshot.gpu_table[:, home].ravel(), snapshot.circuit_table[:, home])
        )
        values = flat[self._positions] / self._scales
        return np.asarray(np.where(self._whole, np.rint(values), values))

    def labels_of(self, index: int, value: float) -> LabelPairs:
        """Labels of a series; a new XID is a new series, because its code is among them."""
        labels = self.series[index].labels
        if not self.is_xid[index]:
            return labels
        code = int(value)
        return (*labels, ("err_code", str(code)), ("err_msg", _XID_TEXTS.get(code, "Unknown Error")))

    def _gpu_series(self, uuids: Sequence[str]) -> list[Series]:
        found = []
        for column in COLUMNS[Kind.GPU]:
            source = _exported(column, self.generation)
            for gpu, uuid in enumerate(uuids):
                position = len(COLUMNS[Kind.NODE]) + column.code * GPUS_PER_NODE + gpu
                labels = self._gpu_labels(gpu, uuid)
                found.append(Series(source.metric, labels, column, source.scale, _is_whole(source), position))
        return found

    def _gpu_labels(self, gpu: int, uuid: str) -> LabelPairs:
        host = "Hostname" if self.generation == "legacy" else "hostname"
        return (
            ("gpu", str(gpu)),
            ("UUID", uuid),
            ("pci_bus_id", f"00000000:{gpu * 8 + 1:02X}:00.0"),
            ("device", f"nvidia{gpu}"),
            ("modelName", MODEL_NAME),
            (host, self.hostname),
            ("DCGM_FI_DRIVER_VERSION", DRIVER_VERSION),
        )

    def _node_series(self) -> list[Series]:
        ordered = sorted(COLUMNS[Kind.NODE], key=lambda column: _exported(column, self.generation).metric)
        sources = [_exported(column, self.generation) for column in ordered]
        return [Series(s.metric, s.labels, s.column, s.scale, False, s.column.code) for s in sources]

    def _circuit_series(self) -> list[Series]:
        (column,) = COLUMNS[Kind.CIRCUIT]
        source = _exported(column, self.generation)
        first = len(COLUMNS[Kind.NODE]) + len(COLUMNS[Kind.GPU]) * GPUS_PER_NODE
        return [
            Series(source.metric, ((CIRCUIT_LABEL, name),), column, source.scale, False, first + position)
            for position, name in enumerate(CIRCUITS)
        ]


def _exported(column: Column, generation: Generation) -> Source:
    """Which of a column's sources this generation exports: the catalogue lists the legacy name first."""
    sources = [source for source in SOURCES if source.column is column]
    if column.kind is Kind.GPU:
        return sources[-1 if generation == "base_units" else 0]
    under_load = [source for source in sources if ("load", "idle") in source.labels]
    return under_load[0] if under_load and column.name.endswith("latency_seconds") else sources[0]


def _is_whole(source: Source) -> bool:
    """dcgm-exporter prints integer fields as integers; powers, ratios and joules are floating point."""
    return source.scale != 1.0 or not source.column.name.endswith(_FRACTIONAL)


def metric_type(column: Column) -> str:
    return "counter" if column.shape is Shape.COUNTER else "gauge"
