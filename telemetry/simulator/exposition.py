"""Prometheus text format, as dcgm-exporter and node_exporter's textfile collector print it."""

from __future__ import annotations

import math

from telemetry.simulator.readings import Snapshot
from telemetry.simulator.series import NodeSeries, metric_type


class Exposition:
    """Prints one node. Everything before a value is made once and kept."""

    def __init__(self, node: NodeSeries, home: int) -> None:
        self._node = node
        self._home = home
        self._prefixes: dict[tuple[int, float], str] = {}
        self._headers: dict[int, str] = {}
        metric = ""
        for index, one in enumerate(node.series):
            if one.metric != metric:
                metric = one.metric
                words = one.column.name.replace("_", " ")
                self._headers[index] = f"# HELP {metric} {words}\n# TYPE {metric} {metric_type(one.column)}\n"

    def text(self, snapshot: Snapshot) -> str:
        """The body of one scrape; series that are not exported now are left out, and so are their headers."""
        lines: list[str] = []
        header = ""
        for index, value in enumerate(self._node.values(snapshot, self._home).tolist()):
            header = self._headers.get(index, header)
            if math.isnan(value):
                continue
            if header:
                lines.append(header)
                header = ""
            lines.append(self._prefix(index, value) + self._number(index, value))
        return "".join(lines)

    def _number(self, index: int, value: float) -> str:
        one = self._node.series[index]
        if one.whole or value.is_integer():
            return f"{int(value)}\n"
        return f"{value:.6f}\n" if one.metric.startswith("DCGM_") else f"{value!r}\n"

    def _prefix(self, index: int, value: float) -> str:
        key = (index, value if self._node.is_xid[index] else 0.0)
        prefix = self._prefixes.get(key)
        if prefix is None:
            labels = ",".join(f'{name}="{text}"' for name, text in self._node.labels_of(index, value))
            metric = self._node.series[index].metric
            prefix = self._prefixes[key] = f"{metric}{{{labels}}} " if labels else f"{metric} "
        return prefix
