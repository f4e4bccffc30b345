"""The portal's own stack in its production profile, everything on and durable, asked through its database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import redis

from bench.bodies import Load
from bench.processes import family_of, folder_bytes
from bench.scrapes import GPUS, LAST_METRIC
from bench.systems import BenchFailed, Disk, Program, System, Target
from telemetry.catalogue import COLUMNS, Kind, find_source
from telemetry.stream import DEAD_LETTERS, Keys
from telemetry.tables import OTHER_TABLE, SAMPLE_TABLES
from xfra_portal.local.portal import ROOT
from xfra_portal.local.state import free_port

_NOT_INHERITED: Final = (
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "XFRA_PROFILE",
    "XFRA_DATA_DIR",
)
_ANY_PACE: Final = dict.fromkeys(("XFRA_NODE_SAMPLES_PER_SECOND", "XFRA_NODE_BYTES_PER_SECOND"), "1000000000")
"""A sender that goes as fast as it can; the door keeps its accounts all the same."""
_START_SECONDS: Final = 300.0


class Portal(System):
    """`python -m xfra_portal.local` without demo homes; nodes and tokens are made as an operator makes them."""

    name = "the portal"

    def __init__(
        self,
        folder: Path,
        profile: str = "production",
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        kept: Path | None = None,
    ) -> None:
        """Its data is deleted at the end, unless it is kept in a folder, and then taken up from there."""
        super().__init__(folder)
        # Postgres' socket wants a short path, and Postgres may run as another user, so the data lies by itself.
        self.data_dir = kept.absolute() if kept else Path(tempfile.mkdtemp(prefix="xfra-bench-", dir="/tmp")) / "data"
        self._is_kept = kept is not None
        self._profile = profile
        self._arguments = arguments
        self._extra = environment or {}
        self._port = free_port()
        self._running: Program | None = None
        self.tokens: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        return self._port

    @property
    def env(self) -> dict[str, str]:
        """The environment of the stack's commands."""
        lines = (self.data_dir / "env").read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def start(self, nodes: int) -> Target:
        command = [sys.executable, "-m", "xfra_portal.local", "--data-dir", str(self.data_dir)]
        command += ["--port", str(self._port), "--no-seed", "--no-simulator", *self._arguments]
        (self.data_dir / "ready").unlink(missing_ok=True)
        self._running = Program("portal", command, self.folder / "portal.log", self._environment())
        self._running.wait_until((self.data_dir / "ready").exists, _START_SECONDS)
        file = self.data_dir / "nodes.json"
        if not file.exists():
            self.manage("provision_node", "--count", str(nodes), "--json", str(file))
        self.tokens = json.loads(file.read_text(encoding="utf-8"))
        with self.database() as connection:
            self.version = f"this checkout, Postgres {connection.info.server_version // 10_000}"
        return Target(self._port, "/api/v1/write", list(self.tokens.values()))

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        kept["PYTHONPATH"] = str(ROOT)
        kept["XFRA_PROFILE"] = self._profile
        kept |= _ANY_PACE
        kept |= self._extra
        mail = {"EMAIL_URL": "smtp://127.0.0.1:9", "DEFAULT_FROM_EMAIL": "portal@portal.example"}  # none is sent
        scheme = "https" if self._profile == "production" else "http"
        return {**kept, **mail, "XFRA_ORIGIN": f"{scheme}://127.0.0.1:{self._port}"}

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()
        if not self._is_kept:
            subprocess.run(["rm", "-rf", str(self.data_dir.parent)], check=False)

    def manage(self, *arguments: str, given: str | None = None) -> str:
        """Run a command of manage.py beside the stack; what it prints."""
        done = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            cwd=ROOT,
            env={**self._environment(), **self.env},
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BenchFailed(f"manage.py {arguments[0]} failed:\n{done.stderr[-2000:]}")
        return done.stdout

    def lines(self, module: str, *arguments: str) -> Iterator[str]:
        """What a program says beside the stack, line by line. Raises BenchFailed when it fails."""
        command = [sys.executable, "-m", module, *arguments]
        with subprocess.Popen(
            command, cwd=ROOT, env={**self._environment(), **self.env}, stdout=subprocess.PIPE, text=True
        ) as process:
            for line in process.stdout or ():
                yield line.rstrip("\n")
        if process.returncode != 0:
            raise BenchFailed(f"{module} ended with {process.returncode}")

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        """As the application's role, which sees every home."""
        with psycopg.connect(self.env["DATABASE_URL"], autocommit=True) as connection:
            connection.execute("SELECT set_config('xfra.access', 'system', false)")
            yield connection

    def has_newest(self, load: Load) -> bool:
        """By each GPU's newest cell of the last metric; asked of the stream first, which costs next to nothing."""
        if self._waiting():
            return False
        return self._newest(load) == {name: (GPUS, at_ms) for name, at_ms in load.last_ms().items()}

    def _newest(self, load: Load) -> dict[str, tuple[int, int]]:
        """By hostname: of how many GPUs there is any, and the oldest of their newest instants."""
        source = find_source(LAST_METRIC, {})
        if source is None:
            raise RuntimeError("the catalogue does not know the last metric")
        query = (
            "SELECT n.hostname, count(newest.at), (extract(epoch FROM min(newest.at)) * 1000)::bigint"  # noqa: S608
            " FROM homes_node n JOIN homes_gpu g ON g.node_id = n.id CROSS JOIN LATERAL (SELECT max(at) AS at"
            f" FROM {SAMPLE_TABLES[Kind.GPU]} s WHERE s.node_id = n.id AND s.subject_id = g.id"
            f" AND {source.column.name} IS NOT NULL AND at >= to_timestamp(%s)) newest GROUP BY n.hostname"
        )
        with self.database() as connection:
            rows = connection.execute(query.encode(), [load.first_ms / 1000]).fetchall()
        return {hostname: (count, at_ms) for hostname, count, at_ms in rows}

    def _waiting(self) -> int:
        """How many batches have been acknowledged and are not stored."""
        with redis.Redis.from_url(self.env["REDIS_URL"], socket_timeout=10) as client:
            if client.xlen(DEAD_LETTERS):
                raise BenchFailed("the portal has put bodies aside that it could not store")
            keys = client.scan_iter(match=Keys(0).stream.replace("{0}", "{*}"), count=1000)
            return sum(int(client.xlen(key)) for key in keys)

    def count(self, load: Load) -> int:
        total = 0
        with self.database() as connection:
            for kind, columns in COLUMNS.items():
                total += self._cells(connection, SAMPLE_TABLES[kind], [column.name for column in columns])
            return total + self._cells(connection, OTHER_TABLE, ["value"])

    @staticmethod
    def _cells(connection: psycopg.Connection[Any], table: str, columns: Sequence[str]) -> int:
        query = f"SELECT coalesce(sum(num_nonnulls({', '.join(columns)})), 0) FROM {table}"  # noqa: S608
        ((cells,),) = connection.execute(query.encode()).fetchall()
        return int(cells)

    def is_settled(self) -> bool:
        """Whether every rollup has been recomputed."""
        with self.database() as connection:
            marks = connection.execute("SELECT count(*) FROM telemetry_dirty").fetchone()
        return marks == (0,) and not self._waiting()

    def families(self) -> Mapping[str, Sequence[int]]:
        pids: dict[str, int] = json.loads((self.data_dir / "pids.json").read_text(encoding="utf-8"))
        # Everything descends from the supervisor: of it only its own time is counted here.
        return {name: [pid] if name == "supervisor" else family_of(pid) for name, pid in pids.items()}

    def disk(self) -> Disk:
        data = self.data_dir / "postgres" / "data"
        log = folder_bytes(data / "pg_wal")
        return Disk(folder_bytes(data) - log, log + folder_bytes(self.data_dir / "redis"))

    def tables(self) -> dict[str, int]:
        """Bytes of each telemetry table with its indexes, partitions added up; tables of nothing are left out."""
        with self.database() as connection:
            rows = connection.execute(
                "SELECT coalesce(p.relname, c.relname), sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c"
                " LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = i.inhparent"
                " WHERE c.relkind = 'r' AND c.relname LIKE 'telemetry%' GROUP BY 1 HAVING sum(c.reltuples) <> 0"
                " ORDER BY 2 DESC"
            ).fetchall()
        return dict(rows)
