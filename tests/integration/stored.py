"""What the database holds, compared sample by sample with what a sender had acknowledged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psycopg
import redis

from telemetry.catalogue import COLUMNS
from telemetry.stream import DEAD_LETTERS, Keys
from telemetry.tables import OTHER_TABLE, SAMPLE_TABLES
from tests.integration.sender import PART_OF, SERIES, Sender, value_of
from tests.stack import Stack, wait_for

COLUMNS_OF = {SAMPLE_TABLES[kind]: [column.name for column in columns] for kind, columns in COLUMNS.items()}
COLUMNS_OF[OTHER_TABLE] = ["value"]
SUBJECT = {
    "telemetry_node_sample": "''",
    "telemetry_gpu_sample": "(SELECT uuid FROM homes_gpu WHERE id = subject_id)",
    "telemetry_circuit_sample": "(SELECT name FROM telemetry_circuit WHERE id = subject_id)",
    "telemetry_other_sample": "(SELECT name FROM telemetry_otherseries WHERE id = series_id)",
}
SHARDS = 2


@contextmanager
def database(stack: Stack, role: str = "DATABASE_URL") -> Iterator[psycopg.Connection[Any]]:
    """As the application's role unless told otherwise, seeing everything."""
    with psycopg.connect(stack.env[role], connect_timeout=2, autocommit=True) as connection:
        connection.execute("SELECT set_config('xfra.access', 'system', false)")
        yield connection


def newest_stored_ms(stack: Stack) -> dict[str, int]:
    """By hostname; empty while the database is away."""
    try:
        with database(stack) as connection:
            rows = connection.execute(
                "SELECT n.hostname, (SELECT (extract(epoch FROM at) * 1000)::bigint FROM telemetry_node_sample s"
                " WHERE s.node_id = n.id AND at > now() - interval '1 hour' ORDER BY at DESC LIMIT 1)"
                " FROM homes_node n"
            ).fetchall()
    except psycopg.OperationalError:
        return {}
    return {hostname: at_ms for hostname, at_ms in rows if at_ms is not None}


def wait_stored(stack: Stack, sender: Sender, at_ms: int, seconds: float = 30.0) -> None:
    """Wait until every node's samples after `at_ms` arrive in the database."""

    def are_stored() -> bool:
        newest = newest_stored_ms(stack)
        return all(newest.get(node.hostname, 0) > at_ms for node in sender.nodes)

    wait_for(are_stored, seconds, "samples to be stored again")


def stream_is_empty(stack: Stack) -> bool:
    client = redis.Redis.from_url(stack.env["REDIS_URL"], socket_timeout=5)
    with client:
        return all(client.xlen(Keys(shard).stream) == 0 for shard in range(SHARDS))


def assert_streams_are_clean(stack: Stack) -> None:
    """Nothing waits, nothing is counted as waiting, nothing was buried."""
    client = redis.Redis.from_url(stack.env["REDIS_URL"], socket_timeout=5)
    with client:
        assert client.xlen(DEAD_LETTERS) == 0
        for shard in range(SHARDS):
            keys = Keys(shard)
            assert client.xlen(keys.stream) == 0
            assert int(client.get(keys.held) or 0) == 0
            if client.exists(keys.stream):  # a shard that nobody has written to yet has none
                assert client.xpending(keys.stream, "writers")["pending"] == 0


def assert_exactly_what_was_acknowledged(stack: Stack, *senders: Sender) -> int:
    """Every acknowledged sample once, nothing else in any column of any table; how many there are."""
    with database(stack) as connection:
        count = assert_as_many(connection, *senders)
        ids = dict(connection.execute("SELECT hostname, id FROM homes_node").fetchall())
        for hostname in {node.hostname for sender in senders for node in sender.nodes}:
            for table in COLUMNS_OF:
                _compare(connection, table, ids[hostname], hostname, senders)
    return count


def assert_as_many(connection: Any, *senders: Sender) -> int:
    """As many values in each table, in whatever column, as were acknowledged; how many there are in all."""
    for table, columns in COLUMNS_OF.items():
        cells = f"SELECT coalesce(sum(num_nonnulls({', '.join(columns)})), 0) FROM {table}"  # noqa: S608
        ((stored,),) = connection.execute(cells).fetchall()
        assert stored == (sent := _count(table, senders)), f"{table}: {stored} samples stored, {sent} sent"
    return sum(_count(table, senders) for table in COLUMNS_OF)


def _count(table: str, senders: tuple[Sender, ...]) -> int:
    sizes = Counter(part for part, series in zip(PART_OF, SERIES, strict=True) if series.table == table)
    logs = [node.acknowledged for sender in senders for node in sender.nodes]
    return sum(sizes[part] for log in logs for _, parts in log.values() for part in parts)


def _compare(connection: Any, table: str, node_id: int, hostname: str, senders: tuple[Sender, ...]) -> None:
    for index, series in enumerate(SERIES):
        if series.table != table:
            continue
        subject = series.subject.replace("@", hostname)
        rows = connection.execute(
            f"SELECT (extract(epoch FROM at) * 1000)::bigint, {series.column} FROM {table}"  # noqa: S608
            f" WHERE node_id = %s AND {SUBJECT[table]} = %s AND {series.column} IS NOT NULL ORDER BY at",
            [node_id, subject],
        ).fetchall()
        expected = sorted(
            (at_ms, value_of(node.number, index, tick))
            for sender in senders
            for node in sender.nodes
            if node.hostname == hostname
            for at_ms, (tick, parts) in node.acknowledged.items()
            if PART_OF[index] in parts
        )
        assert np.array_equal(np.array(rows, float), np.array(expected, float)), f"{hostname} {series}"
