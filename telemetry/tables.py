"""The telemetry tables' SQL, generated from the catalogue: wide typed rows, partitioned by time.

Partitions are made ahead by `telemetry_ensure_partition` (SECURITY DEFINER: the application's role
owns nothing and could not). There is no DEFAULT partition, so a sample outside them is refused rather
than hidden, and no foreign key, so that a partition can be dropped without touching other tables.
"""

from __future__ import annotations

from typing import Final

from telemetry.catalogue import COLUMNS, Kind, Shape

SAMPLE_TABLES: Final = {
    Kind.NODE: "telemetry_node_sample",
    Kind.GPU: "telemetry_gpu_sample",
    Kind.CIRCUIT: "telemetry_circuit_sample",
}
OTHER_TABLE: Final = "telemetry_other_sample"
SEALED_TABLE: Final = "telemetry_sealed"
ROLLUP_TABLES: Final = {60: "telemetry_rollup_1m", 900: "telemetry_rollup_15m", 3600: "telemetry_rollup_1h"}

FLEET_TABLE: Final = "telemetry_fleet_rollup"
FLEET_BLOCK: Final = 128
"""How many nodes, by id, share the slabs of fleet rollups."""

HOUR, DAY = 3600, 86_400
PARTITION_SECONDS: Final = {
    # Short, because a partition is sealed as a whole, and only then does its room come back.
    **dict.fromkeys(SAMPLE_TABLES.values(), 3 * HOUR),
    OTHER_TABLE: DAY,
    SEALED_TABLE: DAY,
    "telemetry_rollup_1m": 7 * DAY,
    "telemetry_rollup_15m": 28 * DAY,
    "telemetry_rollup_1h": 364 * DAY,
    FLEET_TABLE: 364 * DAY,
}
"""How much time one partition of each table holds, in seconds; all are cut at multiples since the epoch."""


def sample_table_sql(kind: Kind) -> str:
    """One wide table: counters are float64, everything else float32; NULL means not sent."""
    columns = ",\n  ".join(
        f"{c.name} {'double precision' if c.shape is Shape.COUNTER else 'real'}" for c in COLUMNS[kind]
    )
    return (
        f"CREATE TABLE {SAMPLE_TABLES[kind]} (\n  node_id integer NOT NULL,\n  subject_id integer NOT NULL,\n"
        f"  at timestamptz NOT NULL,\n  {columns},\n  PRIMARY KEY (node_id, subject_id, at)\n) PARTITION BY RANGE (at);"
    )


OTHER_TABLE_SQL: Final = f"""
CREATE TABLE {OTHER_TABLE} (
  node_id integer NOT NULL, series_id bigint NOT NULL, at timestamptz NOT NULL, value double precision NOT NULL,
  PRIMARY KEY (node_id, series_id, at)
) PARTITION BY RANGE (at);
"""


SEALED_TABLE_SQL: Final = f"""
CREATE TABLE {SEALED_TABLE} (
  node_id integer NOT NULL, kind smallint NOT NULL, at timestamptz NOT NULL, body bytea NOT NULL,
  PRIMARY KEY (node_id, kind, at)
) PARTITION BY RANGE (at);
ALTER TABLE {SEALED_TABLE} ALTER COLUMN body SET STORAGE EXTERNAL;
"""
"""The wide rows of an hour of one kind of a node in one body, once they are unlikely to change."""


def rollup_table_sql(table: str) -> str:
    """Rollups are kept as chunks: many buckets of all columns and subjects of a node in one compressed body."""
    return (
        f"CREATE TABLE {table} (node_id integer NOT NULL, kind smallint NOT NULL,"
        " at timestamptz NOT NULL, body bytea NOT NULL, PRIMARY KEY (node_id, kind, at))"
        " PARTITION BY RANGE (at);"
        f"ALTER TABLE {table} ALTER COLUMN body SET STORAGE EXTERNAL;"
    )


FLEET_TABLE_SQL: Final = f"""
CREATE TABLE {FLEET_TABLE} (
  resolution integer NOT NULL, kind smallint NOT NULL, at timestamptz NOT NULL, block integer NOT NULL,
  codes smallint[] NOT NULL, ends integer[] NOT NULL, body bytea NOT NULL,
  PRIMARY KEY (resolution, kind, at, block), CHECK (cardinality(ends) = cardinality(codes) + 1)
) PARTITION BY RANGE (at);
ALTER TABLE {FLEET_TABLE} ALTER COLUMN body SET STORAGE EXTERNAL;
"""
"""One bucket of many nodes in one body, which belongs to no home: only those who see every home are shown it."""

LATEST_SQL: Final = """
CREATE TABLE telemetry_latest (
  node_id integer NOT NULL, kind smallint NOT NULL, body bytea NOT NULL, brief bytea NOT NULL,
  PRIMARY KEY (node_id, kind)
) WITH (fillfactor = 50, toast_tuple_target = 8000);
-- MAIN: a body of a few kilobytes is rewritten with every scrape, in the page and not in a table beside it.
ALTER TABLE telemetry_latest ALTER COLUMN body SET STORAGE MAIN, ALTER COLUMN brief SET STORAGE MAIN;
CREATE TABLE telemetry_dirty (
  node_id integer NOT NULL, hour timestamptz NOT NULL,
  from_at timestamptz NOT NULL, to_at timestamptz NOT NULL, since timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (node_id, hour)
);
"""

IDENTITIES_TABLE: Final = "telemetry_identities"
IDENTITIES_SQL: Final = f"""
CREATE TABLE {IDENTITIES_TABLE} (one boolean PRIMARY KEY DEFAULT true CHECK (one), version bigint NOT NULL);
"""
"""One row, whose version rises in the transaction that says anew whose a GPU is: what a worker remembers is of one."""

ROLLING_SQL: Final = """
CREATE TABLE telemetry_rolling (LIKE telemetry_dirty INCLUDING ALL, tries smallint NOT NULL DEFAULT 0);
"""
"""Marks that somebody is recomputing: apart from the marks, so that writers never wait for a recomputation. `tries` is
how often that failed or ended with its worker: so that it waits longer each time, and rings."""

DROP_PARTITION_SQL: Final = """
CREATE FUNCTION telemetry_drop_partitions(parent text, before timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE expired text;
BEGIN
  IF before > now() - interval '48 hours' THEN RAISE EXCEPTION 'samples of the last 48 hours are never dropped'; END IF;
  SELECT c.relname INTO expired FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    JOIN pg_class p ON p.oid = i.inhparent
    WHERE p.relname = parent AND parent LIKE 'telemetry\\_%' AND pg_get_userbyid(p.relowner) = current_user
    AND (substring(pg_get_expr(c.relpartbound, c.oid) FROM $r$TO \\('([^']+)'$r$))::timestamptz <= before
    ORDER BY c.relname LIMIT 1;
  IF expired IS NULL THEN RETURN 0; END IF;
  EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE NOWAIT', parent);
  EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE NOWAIT', expired);
  EXECUTE format('DROP TABLE %I', expired);
  RETURN 1;
END $$;
"""
"""Drops the oldest partition that lies before an instant, if there is one.

DETACH CONCURRENTLY needs the owner and no transaction around it, and upkeep has neither: it works in the application's
role by way of this function. So the lock on the parent is taken only where nobody else has the table just now, and held
for the milliseconds of a DROP: nobody ever queues behind one that waits. Whoever calls tries again.
"""

PARTITION_FUNCTIONS: Final = """
CREATE FUNCTION telemetry_ensure_partition(parent text, starts timestamptz, ends timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE child text := parent || '_' || to_char(starts AT TIME ZONE 'UTC', 'YYYYMMDDHH24');
BEGIN
  IF NOT EXISTS (SELECT 1 FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid
                 WHERE c.relname = parent AND parent LIKE 'telemetry\\_%' AND pg_get_userbyid(c.relowner) = current_user)
  THEN RAISE EXCEPTION '% is not a partitioned telemetry table', parent; END IF;
  PERFORM pg_advisory_xact_lock(hashtext('telemetry_partition'));
  IF to_regclass(child) IS NOT NULL THEN RETURN false; END IF;
  -- LIKE and ATTACH: creating it as PARTITION OF would lock the parent against readers and writers.
  EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', child, parent);
  EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I CHECK (at >= %L AND at < %L)', child, child || '_span', starts, ends);
  EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child, starts, ends);
  EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', child, child || '_span');
  RETURN true;
END $$;

CREATE FUNCTION telemetry_free_partition(parent text, starts timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' SET row_security = off AS $$
DECLARE child text := parent || '_' || to_char(starts AT TIME ZONE 'UTC', 'YYYYMMDDHH24'); used boolean;
BEGIN
  IF parent NOT LIKE 'telemetry\\_%\\_sample' OR to_regclass(child) IS NULL
  THEN RAISE EXCEPTION '% is not a partition of raw samples', child; END IF;
  EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', child) INTO used;
  IF used THEN RETURN false; END IF;
  EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', child);
  EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', child) INTO used;  -- somebody may have come in before the lock
  IF NOT used THEN EXECUTE format('TRUNCATE %I', child); END IF;
  RETURN NOT used;
END $$;
"""

GUARDED: Final = (
    *SAMPLE_TABLES.values(),
    OTHER_TABLE,
    SEALED_TABLE,
    *ROLLUP_TABLES.values(),
    "telemetry_latest",
    "telemetry_dirty",
    "telemetry_rolling",
)
"""Tables with a node_id whose rows follow the visibility of that node's home."""


def everything_sql() -> list[str]:
    """All statements of the first migration, in order."""
    samples = [sample_table_sql(kind) for kind in Kind]
    return [
        *samples,
        OTHER_TABLE_SQL,
        SEALED_TABLE_SQL,
        *map(rollup_table_sql, ROLLUP_TABLES.values()),
        FLEET_TABLE_SQL,
        LATEST_SQL,
        ROLLING_SQL,
        PARTITION_FUNCTIONS,
        DROP_PARTITION_SQL,
    ]
