"""What an exporter served and what was stored of it, scrape by scrape."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from telemetry.catalogue import COLUMNS, Kind, Shape, find_source
from telemetry.simulator.serve import Served
from telemetry.tables import SAMPLE_TABLES
from tests.integration.stored import SUBJECT, database
from tests.stack import Stack

BODY_SAMPLES = 500
_LINE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="([^"]*)"')

Values = dict[tuple[Kind, str, str], float]
"""One scrape in base units, by kind, subject (UUID, circuit, or nothing) and column."""


def parse(text: str) -> list[tuple[str, dict[str, str], float]]:
    """Metric, labels and value of each line of the text format that our exporters print."""
    found = []
    for line in text.splitlines():
        if not line.startswith("#"):
            metric, labels, value = _LINE.fullmatch(line).groups()  # type: ignore[union-attr]
            found.append((metric, dict(_LABEL.findall(labels or "")), float(value)))
    return found


def in_base_units(text: str) -> Values:
    values: Values = {}
    for metric, labels, value in parse(text):
        source = find_source(metric, labels)
        assert source is not None, f"{metric} {labels} is not in the catalogue"
        subject = labels.get("UUID", "") or labels.get("circuit", "")
        values[source.column.kind, subject, source.column.name] = value * source.scale
    return values


def read_tables(stack: Stack, node_id: int) -> dict[int, Values]:
    """Every raw sample of a node that is in the tables, by milliseconds since the epoch."""
    found: dict[int, Values] = {}
    with database(stack) as connection:
        for kind, table in SAMPLE_TABLES.items():
            names = [column.name for column in COLUMNS[kind]]
            rows: Any = connection.execute(
                f"SELECT (extract(epoch FROM at) * 1000)::bigint, {SUBJECT[table]}, {', '.join(names)}"  # noqa: S608
                f" FROM {table} WHERE node_id = %s",
                [node_id],
            ).fetchall()
            for at_ms, subject, *values in rows:
                instant = found.setdefault(at_ms, {})
                for name, value in zip(names, values, strict=True):
                    if value is not None:
                        instant[kind, subject, name] = value
    return found


def failed_scrapes(stack: Stack, node_id: int, since_ms: int) -> set[int]:
    """Instants at which the agent itself says that a scrape failed, on a machine too busy to answer within 1 s."""
    with database(stack) as connection:
        rows = connection.execute(
            "SELECT (extract(epoch FROM at) * 1000)::bigint FROM telemetry_other_sample"
            " WHERE node_id = %s AND value = 0 AND at > to_timestamp(%s)"
            " AND series_id IN (SELECT id FROM telemetry_otherseries WHERE name = 'up')",
            [node_id, since_ms / 1000 - 1.5],
        ).fetchall()
    return {at_ms for (at_ms,) in rows}


def pair(
    all_served: Sequence[Served], stored: dict[int, Values], failed: Collection[int], slack_ms: int = 5
) -> list[tuple[Served, Values]]:
    """Each scrape with what was stored of it. A scrape's instant is when it began, just before it was served.

    Prometheus reads its log from the moment it started: a scrape may come before that, but nothing after the first.
    A last one may have been under way when it was asked to stop. An agent that says a scrape began on the second's
    stroke although it began a little before needs more `slack_ms`.
    """
    pairs: list[tuple[Served, Values]] = []
    left = sorted(stored)
    for served in all_served:
        instant = max((at for at in [*left, *failed] if at <= served.at_ms + slack_ms), default=0)
        if instant in stored and served.at_ms - instant < 1000:
            pairs.append((served, stored[instant]))
            left.remove(instant)
        else:
            is_edge = not pairs or served is all_served[-1]
            assert is_edge or (served.at_ms - instant < 1500 and instant in failed), (
                f"lost: the scrape of {served.at_ms}"
            )
    assert not left, f"stored, but never served: {left}"
    return pairs


def compare(served: Served, stored: Values) -> int:
    """Every sample of a scrape is stored as it was served, and nothing else is; how many there are."""
    expected = in_base_units(served.text)
    assert len(expected) == len(parse(served.text)) > BODY_SAMPLES, "a scrape must span bodies"
    missing, more = expected.keys() - stored.keys(), stored.keys() - expected.keys()
    assert not missing, (
        f"{len(missing)} of {len(expected)} samples of {served.at_ms} are missing: {sorted(missing)[:5]}"
    )
    assert not more, f"never served at {served.at_ms}: {sorted(more)[:5]}"
    for key, value in expected.items():
        kind, _, name = key
        shape = next(column.shape for column in COLUMNS[kind] if column.name == name)
        is_equal = stored[key] == value if shape is Shape.COUNTER else np.float32(stored[key]) == np.float32(value)
        assert is_equal, f"{key}: {stored[key]!r} is stored, {value!r} was served"
    return len(expected)
