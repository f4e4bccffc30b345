"""The portal's plan: which servers, steps and processes make the complete local stack."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xfra_portal.local.plan import Plan, Process, Server, Step
from xfra_portal.local.postgres import Postgres
from xfra_portal.local.redis import Redis
from xfra_portal.local.state import State

ROOT = Path(__file__).resolve().parent.parent.parent
KEEP_ALIVE_SECONDS = 75
"""Longer than proxies keep a connection that they do not use, and than a node waits between two pushes."""
MOST_SOCKET_BYTES = 4096
"""Of a frame that a client sends; none of ours has anything to say."""


@dataclass(frozen=True)
class Options:
    """What the command line says; see __main__.py."""

    data_dir: Path
    port: int
    simulator: bool = True
    seed: bool = True
    seed_homes: int = 24
    seed_days: float = 35
    worker_concurrency: int = 2
    servers_only: bool = False
    durable: bool = True
    crash_limit: int = 5

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def demo_file(self) -> Path:
        return self.data_dir / "demo.json"

    @property
    def half_a_demo(self) -> Path:
        """A file that is there while the database holds half a demo and nothing else."""
        return self.data_dir / "demo.half"

    @property
    def simulator_state(self) -> Path:
        """Where the simulated fleet's registers stand: the seed leaves them here, the simulator goes on from them."""
        return self.data_dir / "simulator"


def make_plan(options: Options) -> Plan:
    """Called under the data folder's lock, before anything of it runs."""
    begins_again = _discard_half_a_demo(options)
    state = State(options.data_dir / "state.json")
    env = _environment(options, state)
    if options.servers_only:
        return Plan(options.data_dir, env, _servers(options, state), crash_limit=options.crash_limit)
    return Plan(
        data_dir=options.data_dir,
        env=env,
        servers=_servers(options, state),
        steps=_steps(options, begins_again),
        processes=_processes(options),
        ready_url=f"{options.url}/readyz",
        crash_limit=options.crash_limit,
        cwd=ROOT,
        announce=lambda: _announcement(options),
    )


def _brings_postgres() -> bool:
    """Whether the database is the stack's own, and not one that the environment names."""
    return "DATABASE_URL" not in os.environ


def _postgres_folder(options: Options) -> Path:
    return options.data_dir / "postgres"


def _discard_half_a_demo(options: Options) -> bool:
    """Whoever interrupts the first start finds a new one the next time, and not for ever a demo without its history."""
    if not options.half_a_demo.exists() or not _brings_postgres():
        return False
    if _postgres_folder(options).exists():
        shutil.rmtree(_postgres_folder(options))
    options.half_a_demo.unlink()
    return True


def _environment(options: Options, state: State) -> dict[str, str]:
    """What every command gets. What the caller's environment already says about servers and secrets stays."""
    given = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL") if name in os.environ}
    if "DATABASE_URL" in given:
        given["DATABASE_OWNER_URL"] = os.environ.get("DATABASE_OWNER_URL", given["DATABASE_URL"])
    return {
        "XFRA_PROFILE": os.environ.get("XFRA_PROFILE", "local"),
        "XFRA_DATA_DIR": str(options.data_dir),
        "SECRET_KEY": os.environ.get("SECRET_KEY") or state.secret("django"),
        "PORT": str(options.port),
        "XFRA_INGEST_SHARDS": _shards(),
        "PYTHONUNBUFFERED": "1",
        **given,
    }


def _shards() -> str:
    """How many drains there are, and so how many processes for them: said here once for all parts."""
    return os.environ.get("XFRA_INGEST_SHARDS", "2")


def _servers(options: Options, state: State) -> list[Server]:
    """The embedded servers, less those that the environment replaces. Postgres first: it is the last to stop."""
    servers: list[Server] = []
    if _brings_postgres():
        log = options.data_dir / "log" / "postgres.log"
        servers.append(Postgres(_postgres_folder(options), log, state, options.durable))
    if "REDIS_URL" not in os.environ:
        log = options.data_dir / "log" / "redis.log"
        servers.append(Redis(options.data_dir / "redis", log, state, options.durable))
    return servers


def _manage(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), *arguments]


def _steps(options: Options, begins_again: bool) -> list[Step]:
    steps = [Step("migrate", "bringing the database and static files up to date", _manage("migrate_all"))]
    if options.seed:
        seed = _manage("seed_demo", "--json", str(options.demo_file), "--url", options.url)
        seed += ["--homes", str(options.seed_homes), "--days", str(options.seed_days)]
        seed += ["--state", str(options.simulator_state)]
        seed += ["--half", str(options.half_a_demo)] if _brings_postgres() else []
        why = "again, since the last time was interrupted" if begins_again else "the first time takes a while"
        steps.append(Step("seed", f"seeding {options.seed_homes} demo homes ({why})", seed))
    return steps


def web_command(options: Options) -> list[str]:
    """As docs/operations.md says for production too, but for the address."""
    command = [sys.executable, "-m", "uvicorn", "xfra_portal.asgi:application"]
    command += ["--host", "127.0.0.1", "--port", str(options.port), "--no-access-log", "--log-level", "warning"]
    command += ["--http", "xfra_portal.impatience:ImpatientProtocol", "--no-server-header"]
    command += ["--ws", "websockets-sansio", "--ws-per-message-deflate", "false"]
    command += ["--ws-max-size", str(MOST_SOCKET_BYTES)]
    return [*command, "--timeout-graceful-shutdown", "3", "--timeout-keep-alive", str(KEEP_ALIVE_SECONDS)]


def _processes(options: Options) -> list[Process]:
    python, web = sys.executable, web_command(options)
    celery = [python, "-m", "celery", "-A", "xfra_portal"]
    # Apart: while samples come a drain ends only to hand over, and watching, rollups and billing cannot wait for that.
    ingest = _worker(celery, "ingest", _shards())
    worker = _worker(celery, "default", str(options.worker_concurrency))
    beat = [*celery, "beat", "--schedule", str(options.data_dir / "beat-schedule"), "-l", "WARNING"]
    beat += ["--pidfile", ""]
    processes = [
        Process("web", web, stop_rank=1, stop_seconds=4),
        Process("ingest", ingest, stop_rank=2, stop_seconds=6),
        Process("worker", worker, stop_rank=2, stop_seconds=6),
        Process("beat", beat, stop_rank=2, stop_seconds=2),
    ]
    if options.simulator and options.seed:
        simulator = _manage("simulate_fleet", "--push", options.url, "--nodes", str(options.demo_file))
        simulator += ["--state", str(options.simulator_state)]
        processes.append(Process("simulator", simulator, stop_rank=0, stop_seconds=2))
    return processes


def _worker(celery: list[str], queue: str, processes: str) -> list[str]:
    command = [*celery, "worker", "-Q", queue, "--concurrency", processes, "--hostname", f"{queue}@%h"]
    return [*command, "-l", "WARNING", "--without-mingle", "--without-gossip"]


def _announcement(options: Options) -> list[str]:
    lines = ["", f"  The portal is at  {options.url}", ""]
    try:
        demo: Mapping[str, list[dict[str, str]]] = json.loads(options.demo_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return lines
    users = demo["users"]
    width = max((len(user["email"]) for user in users), default=0)
    lines += [f"    {user['email']:<{width}}  {user['password']}  ({user['role']})" for user in users]
    lines += ["", f"  Browsers make passkeys for a name alone: to try one, go to http://localhost:{options.port}"]
    return [*lines, "  Ctrl-C stops everything. Data and logs stay in " + str(options.data_dir), ""]
