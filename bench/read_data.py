"""The data set of the reads part: `python -m bench.read_data MINUTES DAYS` in a running portal's environment.

A few nodes live through the past with the simulator and are stored by the real writer; every other node gets a copy
of one of them, made inside Postgres. Chunks hold the ids of their subjects right after their head, so those are put
in place of the template's. DAYS of it lie before now, and MINUTES after: the reads are timed when this is done.
"""

from __future__ import annotations

import os
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import django
import psycopg

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xfra_portal.settings")
os.environ["XFRA_ACCESS"] = "system"
django.setup()

import numpy as np  # noqa: E402
from django.db import connection, connections, transaction  # noqa: E402

from homes.models import Gpu, Home, Node  # noqa: E402
from homes.models.equipment import GPUS_PER_NODE  # noqa: E402
from homes.provisioning import register_gpus  # noqa: E402
from telemetry import chunks, fleet_rollups, latest, windows  # noqa: E402
from telemetry.backfill import Backfill  # noqa: E402
from telemetry.catalogue import COLUMNS, Kind  # noqa: E402
from telemetry.models import Circuit, NodeStateSpan, NodeStatusRow  # noqa: E402
from telemetry.simulator.fleet import Fleet  # noqa: E402
from telemetry.simulator.history import generate_history  # noqa: E402
from telemetry.simulator.profiles import gpu_uuids, profiles_for  # noqa: E402
from telemetry.simulator.scenario import default_scenario  # noqa: E402
from telemetry.tables import ROLLUP_TABLES, SAMPLE_TABLES  # noqa: E402
from telemetry.windows import Window  # noqa: E402

TEMPLATES: Final = 4
RAW_MINUTES: Final = 60
RAW_STEP_SECONDS: Final = 5
FINE_DAYS: Final = 1
Cursor = psycopg.Cursor[Any]
_NOBODY: Final = np.empty(0, np.int64)
_SEED: Final = 11
_SLICE: Final = timedelta(minutes=5)
_CHUNK_IDS_FROM: Final = struct.calcsize("<4sHHH") + 1
"""Where the ids of a chunk's subjects begin, as SQL counts bytes."""


def _say(text: str) -> None:
    print(text, flush=True)


def _places(nodes: Sequence[Node]) -> None:
    """Homes of several groups, so that there is something to group and to filter by."""
    for i, node in enumerate(nodes):
        node.home.site_group, node.home.feeder = f"Group {i % 8}", f"feeder {i % 40}"
        node.home.utility = ("Salt River Project", "NV Energy", "Arizona Public Service")[i % 3]
    Home.objects.bulk_update([node.home for node in nodes], ["site_group", "feeder", "utility"], batch_size=500)


def live_through(nodes: Sequence[Node], until: datetime, minutes: float, days: int) -> None:
    """The templates' past, by way of the simulator and the writer of demo data."""
    start = until - timedelta(days=days, minutes=minutes)
    hostnames = [node.hostname for node in nodes]
    gpus = [[gpu.pk for gpu in register_gpus(node, gpu_uuids(node.hostname, _SEED), "bench", start)] for node in nodes]
    backfill = Backfill([node.pk for node in nodes], np.array(gpus, np.int64), GPUS_PER_NODE)
    fleet = Fleet(profiles_for(hostnames, _SEED), _SEED, start, default_scenario(hostnames, until, _SEED, days))
    for block in generate_history(
        fleet,
        int(until.timestamp() * 1000),
        days=days + minutes / 1440,
        fine_days=min(FINE_DAYS, days) + minutes / 1440,
        raw_minutes=RAW_MINUTES + minutes,
        raw_step_seconds=RAW_STEP_SECONDS,
        coarse_step_seconds=180,
    ):
        backfill.take(block)
    with _judged_by_nobody_else(node.pk for node in nodes):
        backfill.finish()


def _map(cursor: Cursor, pairs: Sequence[tuple[int, int]]) -> None:
    """Subjects for the copies, and who is whose: node ids in `bench_node`, subjects in `bench_subject`.

    `pairs` are (copy, template); a template is its own copy. `bench_ids` has what goes into chunks: a node's subject
    ids in the order of the template's.
    """
    copies, sources = zip(*pairs, strict=True)
    cursor.execute("CREATE UNLOGGED TABLE bench_node (node_id int PRIMARY KEY, source int)")
    cursor.execute("INSERT INTO bench_node SELECT * FROM unnest(%s::int[], %s::int[])", [list(copies), list(sources)])
    cursor.execute(
        "INSERT INTO homes_gpu (uuid, node_id, slot, pci_address, model, first_seen_at)"
        " SELECT 'GPU-bench-' || m.node_id || '-' || g.slot, m.node_id, g.slot, g.pci_address, g.model,"
        " g.first_seen_at"
        " FROM bench_node m JOIN homes_gpu g ON g.node_id = m.source WHERE m.node_id <> m.source"
        " ORDER BY m.node_id, g.id"
    )
    cursor.execute(
        "INSERT INTO telemetry_circuit (node_id, name) SELECT m.node_id, c.name FROM bench_node m"
        " JOIN telemetry_circuit c ON c.node_id = m.source WHERE m.node_id <> m.source ORDER BY m.node_id, c.id"
    )
    cursor.execute(
        "CREATE UNLOGGED TABLE bench_subject AS"
        " SELECT m.node_id, m.source, 1::smallint AS kind, 0 AS subject_id, 0 AS source_subject FROM bench_node m"
        " UNION ALL SELECT m.node_id, m.source, 2, g.id, t.id FROM bench_node m"
        " JOIN homes_gpu t ON t.node_id = m.source JOIN homes_gpu g ON g.node_id = m.node_id AND g.slot = t.slot"
        " UNION ALL SELECT m.node_id, m.source, 3, c.id, t.id FROM bench_node m"
        " JOIN telemetry_circuit t ON t.node_id = m.source"
        " JOIN telemetry_circuit c ON c.node_id = m.node_id AND c.name = t.name"
    )
    cursor.execute(
        "SELECT node_id, kind, array_agg(subject_id ORDER BY source_subject) FROM bench_subject GROUP BY 1, 2"
    )
    rows = cursor.fetchall()
    if any(ids != sorted(ids) for _, _, ids in rows):
        raise RuntimeError("a copy's subjects are in another order than its template's")
    bodies = [np.array(ids, "<i4").tobytes() for _, _, ids in rows]
    cursor.execute("CREATE UNLOGGED TABLE bench_ids (node_id int, kind int, ids bytea, PRIMARY KEY (node_id, kind))")
    cursor.execute(
        "INSERT INTO bench_ids SELECT * FROM unnest(%s::int[], %s::int[], %s::bytea[])",
        [[row[0] for row in rows], [row[1] for row in rows], bodies],
    )
    cursor.execute("ANALYZE bench_node, bench_subject, bench_ids")


def _copy(pairs: Sequence[tuple[int, int]], first: datetime, end: datetime) -> None:
    """Every table anew, for the templates too, two at a time. Tables that were emptied just before need no log."""
    with _owner() as owner:
        _map(owner.cursor(), pairs)
    jobs: list[Callable[[Cursor], str]] = [
        partial(_copy_raw, kind=Kind.GPU, first=first, end=end),
        *(partial(_copy_chunks, resolution=resolution, since=end) for resolution in ROLLUP_TABLES),
        *(partial(_copy_raw, kind=kind, first=first, end=end) for kind in (Kind.NODE, Kind.CIRCUIT)),
    ]
    with ThreadPoolExecutor(2) as pool:
        for words in pool.map(_in_one_transaction, jobs):
            _say(words)
    with _owner() as owner:
        owner.execute("DROP TABLE bench_node, bench_subject, bench_ids")


def _owner() -> psycopg.Connection[Any]:
    """As the role that may empty tables."""
    return psycopg.connect(os.environ["DATABASE_OWNER_URL"])


def _in_one_transaction(job: Callable[[Cursor], str]) -> str:
    began = time.monotonic()
    with _owner() as owner:
        words = job(owner.cursor())
    return f"{words}, {time.monotonic() - began:.0f} s"


def _copy_raw(cursor: Cursor, kind: Kind, first: datetime, end: datetime) -> str:
    """In order of time, as they would have come: so a node's rows lie far apart, as in a fleet that reports."""
    table, names = SAMPLE_TABLES[kind], ", ".join(column.name for column in COLUMNS[kind])
    cursor.execute(f"CREATE TEMP TABLE source AS SELECT * FROM {table}")  # noqa: S608
    cursor.execute("CREATE INDEX ON source (at)")
    cursor.execute(f"TRUNCATE {table}")
    copied, at = 0, first
    while at < end:
        cursor.execute(
            f"INSERT INTO {table} (node_id, subject_id, at, {names}) SELECT s.node_id, s.subject_id, t.at, {names}"  # noqa: S608
            " FROM source t JOIN bench_subject s ON s.kind = %s AND s.source = t.node_id"
            " AND s.source_subject = t.subject_id WHERE t.at >= %s AND t.at < %s"
            " ORDER BY t.at, s.node_id, s.subject_id",
            [int(kind), at, at + _SLICE],
        )
        copied, at = copied + cursor.rowcount, at + _SLICE
    return f"{copied:,} raw rows of {kind.name.lower()}s copied"


def _copy_chunks(cursor: Cursor, resolution: int, since: datetime) -> str:
    """No page reads quarter-hours of GPUs: of those there is one day."""
    table = ROLLUP_TABLES[resolution]
    cursor.execute(
        f"CREATE TEMP TABLE source AS SELECT * FROM {table} WHERE kind <> 2 OR %s <> 900 OR at >= %s",  # noqa: S608
        [resolution, since - timedelta(days=FINE_DAYS)],
    )
    cursor.execute(f"TRUNCATE {table}")
    cursor.execute(
        f"INSERT INTO {table} (node_id, kind, at, body) SELECT i.node_id, r.kind, r.at,"  # noqa: S608
        f" overlay(r.body PLACING i.ids FROM {_CHUNK_IDS_FROM}) FROM bench_node m JOIN source r ON r.node_id = m.source"
        " JOIN bench_ids i ON i.node_id = m.node_id AND i.kind = r.kind ORDER BY r.at, i.node_id, r.kind"
    )
    return f"{cursor.rowcount:,} chunks of {resolution} s copied"


def _make_slabs(pairs: Mapping[int, int]) -> None:
    """The fleet's rollups from its hours: each template's are taken apart once, for all its copies."""
    day, table = chunks.span_seconds(3600), ROLLUP_TABLES[3600]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT extract(epoch FROM at)::bigint FROM {table} WHERE kind = 1 ORDER BY 1")  # noqa: S608
        begins = [row[0] for row in cursor.fetchall()]
    for kind in fleet_rollups.KINDS:
        ids = _subject_ids(kind)
        for begin in begins:
            with transaction.atomic():
                known = windows.load(kind, dict.fromkeys(set(pairs.values()), _NOBODY), 3600, begin, begin + day)
                copies = {
                    copy: Window(3600, begin, begin + day, np.array(ids[copy], np.int64), known[source].grid)
                    for copy, source in pairs.items()
                    if len(known[source].subject_ids)
                }
                fleet_rollups.save({kind: copies}, begin, begin + day)


@contextmanager
def _judged_by_nobody_else(node_ids: Iterable[int]) -> Iterator[None]:
    """The stack judges nodes meanwhile: it waits, and goes on from what is written within, instead of what it wrote."""
    ids = list(node_ids)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE telemetry_nodestatusrow, telemetry_nodestatespan IN EXCLUSIVE MODE")
        for model in (NodeStatusRow, NodeStateSpan):
            model.objects.filter(node__in=ids).delete()
        yield


def _copy_states(pairs: Mapping[int, int]) -> None:
    """What the templates went through, for their copies."""
    models: tuple[Any, ...] = (NodeStatusRow, NodeStateSpan)
    with _judged_by_nobody_else(pairs):
        for model in models:
            names = [field.attname for field in model._meta.concrete_fields if field.attname not in ("id", "node_id")]
            known = list(model.objects.filter(node__in=set(pairs.values())).values("node_id", *names))
            model.objects.bulk_create(
                (
                    model(**{**row, "node_id": copy})
                    for copy, source in pairs.items()
                    for row in known
                    if row["node_id"] == source
                ),
                batch_size=2000,
            )


def _copy_latest(pairs: Mapping[int, int]) -> None:
    for kind in Kind:
        known = latest.read_columns(kind, set(pairs.values()), COLUMNS[kind])
        ids = _subject_ids(kind)
        rows = [np.flatnonzero(known.node_ids == source) for source in pairs.values()]
        subjects = [
            np.array(ids[copy])[np.searchsorted(ids[source], known.subject_ids[mine])]
            for (copy, source), mine in zip(pairs.items(), rows, strict=True)
        ]
        copies, mine = np.repeat(list(pairs), [len(some) for some in rows]), np.concatenate(rows)
        latest.store(kind, latest.Table(copies, np.concatenate(subjects), known.at_ms[mine], known.values[mine]))


def _subject_ids(kind: Kind) -> dict[int, list[int]]:
    """By node, sorted."""
    model: Any = {Kind.NODE: Node, Kind.GPU: Gpu, Kind.CIRCUIT: Circuit}[kind]
    if kind is Kind.NODE:
        return {node_id: [0] for node_id in model.objects.values_list("pk", flat=True)}
    found: dict[int, list[int]] = {}
    for node_id, subject in model.objects.order_by("pk").values_list("node", "pk"):
        found.setdefault(node_id, []).append(subject)
    return found


def main() -> None:
    began, minutes, days = time.monotonic(), float(sys.argv[1]), int(sys.argv[2])
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=minutes)
    nodes = list(Node.objects.select_related("home").order_by("hostname"))
    _places(nodes)
    templates = nodes[:TEMPLATES]
    live_through(templates, until, minutes, days)
    _say(f"{len(templates)} nodes have lived through {days} days, {time.monotonic() - began:.0f} s")
    pairs = {node.pk: templates[i % len(templates)].pk for i, node in enumerate(nodes)}
    _copy(list(pairs.items()), until - timedelta(minutes=RAW_MINUTES + minutes), until + _SLICE)
    _make_slabs(pairs)
    _say(f"the fleet's rollups are made, {time.monotonic() - began:.0f} s")
    copies = {copy: source for copy, source in pairs.items() if copy != source}
    if copies:
        _copy_latest(copies)
        _copy_states(copies)
    with connections["owner"].cursor() as cursor:  # as Postgres' own upkeep does it some time later
        cursor.execute("VACUUM (ANALYZE)")
    _say(f"{Gpu.objects.count():,} GPUs of {len(nodes):,} nodes are ready, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
