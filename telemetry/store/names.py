"""What a sample is called outside: one canonical metric for each column of the catalogue. Pure.

`xfra_gpu_power_watts{node="17", gpu="GPU-..."}`, `xfra_node_site_power_watts{node="17"}`,
`xfra_circuit_power_watts{node="17", circuit="oven"}`; counters end in `_total`. Whatever a node called it, in whatever
unit, it has this name and base units here. Families outside the catalogue keep their name and labels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from telemetry.catalogue import COLUMNS, Column, Kind, LabelPairs, Shape

NODE_LABEL: Final = "node"
SUBJECT_LABELS: Final[dict[Kind, str]] = {Kind.GPU: "gpu", Kind.CIRCUIT: "circuit"}
"""The node itself has none."""


def metric(column: Column) -> str:
    return f"xfra_{column.kind.name.lower()}_{column.name}{'_total' if column.shape is Shape.COUNTER else ''}"


def mantissa_metric(column: Column) -> str:
    """See telemetry.store.exact."""
    return f"{metric(column)}_mantissa"


_OURS: Final = frozenset(
    name(column) for columns in COLUMNS.values() for column in columns for name in (metric, mantissa_metric)
)


_CLASSIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)


def foreign(node_id: int, name: str, labels: Mapping[str, str]) -> LabelPairs:
    """All labels of a series outside the catalogue, sorted. What would pass for ours is `exported_`, as in a scrape."""
    renamed = {escape(key): value for key, value in labels.items()}
    if NODE_LABEL in renamed:
        free = f"exported_{NODE_LABEL}"
        while free in renamed:
            free = f"exported_{free}"
        renamed[free] = renamed.pop(NODE_LABEL)
    renamed["__name__"] = f"exported_{name}" if name in _OURS else escape(name)
    renamed[NODE_LABEL] = str(node_id)
    return tuple(sorted(renamed.items()))


def escape(name: str) -> str:
    """A name in letters, digits, underscores and colons, which every engine takes.

    Others (any UTF-8 is legal now) as Prometheus escapes them for those that do not know them, so that no two become
    one: `a.b` is `U__a_2e_b`.
    """
    if _CLASSIC.fullmatch(name):
        return name
    return "U__" + "".join(map(_escaped, name))


def _escaped(character: str) -> str:
    if character == "_":
        return "__"
    is_plain = character.isascii() and (character.isalnum() or character == ":")
    return character if is_plain else f"_{ord(character):x}_"
